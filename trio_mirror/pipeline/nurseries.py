"""A nursery for tasks beside a block."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def open_nursery_beside() -> AsyncIterator[trio.Nursery]:
    """Opens a nursery for context managers, in whose block a stranger's code runs.

    What the block raises cancels the tasks and comes out as it is, not in a group, as if no nursery were there.
    """
    error_of_the_block = None
    async with trio.open_nursery() as nursery:
        try:
            yield nursery
        except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001 (raised again below, outside of the nursery)
            error_of_the_block = error
            nursery.cancel_scope.cancel()
    if error_of_the_block is not None:
        raise error_of_the_block
