"""A deadline over one request, whichever library makes it."""

from __future__ import annotations

from types import TracebackType

import trio


class deadline:  # noqa: N801 (it reads as a function does)
    """Cuts the block off after so many seconds. A class, since a generator would cost as much as the scope itself.

    Raises:
        TimeoutError: the block was cut off.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._scope = trio.move_on_after(seconds)

    def __enter__(self) -> None:
        self._scope.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        handled = self._scope.__exit__(kind, error, traceback)
        if self._scope.cancelled_caught:
            raise TimeoutError(f"no complete response within {self._seconds:g} s (--timeout)") from None
        return handled
