"""A deadline over one request, whichever library makes it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Cuts the block off after so many seconds.

    Raises:
        TimeoutError: the block was cut off.
    """
    with trio.move_on_after(seconds) as scope:
        yield
    if scope.cancelled_caught:
        raise TimeoutError(f"no complete response within {seconds:g} s (--timeout)")
