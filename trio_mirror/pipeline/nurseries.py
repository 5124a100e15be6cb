"""A nursery for tasks beside a block."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio


@asynccontextmanager
async def open_nursery_beside() -> AsyncIterator[trio.Nursery]:
    """Opens a nursery for context managers, in whose block the caller's code runs.

    What the block raises cancels the tasks and comes out as it is, not in a group, as if there were no nursery. Where
    a task fails as well while it is cancelled, both come out in one group.
    """
    error_of_block: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            try:
                yield nursery
            except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001 (raised below, outside of the nursery)
                error_of_block = error
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        if error_of_block is None:
            raise
        # A cancellation from outside meets the caller again, at the next checkpoint.
        _, failures = group.split(trio.Cancelled)
        if failures is not None:
            errors = [error_of_block, failures]
            raise BaseExceptionGroup("errors of a block and of the tasks beside it", errors) from None
    if error_of_block is not None:
        raise error_of_block
