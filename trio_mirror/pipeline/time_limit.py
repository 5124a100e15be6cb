"""Many blocks of many tasks, each with a deadline of its own, by one sleep for all.

To open a scope for a block costs ten times as much as to note its deadline, to set and take back that of an open one
eight times; and a picture has a block in each stage.
"""

from __future__ import annotations

import math
from types import TracebackType
from typing import Self

import trio


class Watch:
    """Cuts off the blocks of all its limits at their deadlines, while `run` runs."""

    def __init__(self) -> None:
        self._deadlines: dict[trio.CancelScope, float] = {}
        self._asleep = trio.CancelScope()

    async def run(self) -> None:
        """Watches, until it is cancelled."""
        while True:
            with trio.CancelScope(deadline=min(self._deadlines.values(), default=math.inf)) as self._asleep:
                await trio.sleep_forever()
            now = trio.current_time()
            for scope in [scope for scope, deadline in self._deadlines.items() if deadline <= now]:
                del self._deadlines[scope]
                scope.cancel()

    def begin(self, scope: trio.CancelScope, deadline: float) -> None:
        """Begins with a block, to be cut off at its deadline."""
        self._deadlines[scope] = deadline
        if deadline < self._asleep.deadline:
            self._asleep.deadline = deadline

    def end(self, scope: trio.CancelScope) -> None:
        """Ends a block."""
        self._deadlines.pop(scope, None)


class TimeLimit:
    """Cuts off blocks of a task: ``with limit.until(deadline): ...``, one after the other.

    Attributes:
        was_reached: whether the last block was cut off.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
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
        self._watch.begin(self._scope, deadline)
        return self

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self._watch.end(self._scope)
        self.was_reached = False
        if not self._scope.cancel_called:
            return False
        # One that was cancelled stays so, also where the block had just ended.
        is_caught = self._scope.__exit__(kind, error, traceback)
        self.was_reached = self._scope.cancelled_caught
        self._open()
        return is_caught
