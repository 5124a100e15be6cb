"""One cancel scope for many blocks of a task, each with a deadline of its own.

To open a scope costs twice as much as to set its deadline and to take it back, and a picture has one in each stage.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self


class TimeLimit:
    """Cuts off blocks at their deadlines: ``with limit.until(deadline): ...``, one after the other.

    Attributes:
        was_reached: whether the last block was cut off.
    """

    def __init__(self) -> None:
        self._open()
        self.was_reached = False

    def _open(self) -> None:
        self._scope = trio.CancelScope()
        self._scope.__enter__()

    def close(self) -> None:
        """Closes its scope, the last that the task has opened."""
        self._scope.__exit__(None, None, None)

    def until(self, deadline: float) -> Self:
        """The next block, by the deadline on Trio's clock."""
        self._scope.deadline = deadline
        return self

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self.was_reached = False
        if not self._scope.cancel_called:
            self._scope.deadline = math.inf
            return False
        # One that was cancelled stays so, also where the block had just ended.
        is_caught = self._scope.__exit__(kind, error, traceback)
        self.was_reached = self._scope.cancelled_caught
        self._open()
        return is_caught
