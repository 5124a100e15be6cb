"""The world of one seed: its chance, its time, the order of its tasks, and what has happened in it."""

from __future__ import annotations

import random
import traceback
from typing import TYPE_CHECKING
from unittest.mock import patch
from zlib import crc32

import trio
import trio.testing

from tests.simulation.plan import Trouble

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

# Seconds that a busy machine lets pass between two steps, at most: deadlines pass there, too.
_PAUSE = 0.5


class World(trio.abc.Instrument):
    """Counts the steps of all tasks, and has things happen between two of them.

    Args:
        seed: draws all that is drawn.

    Attributes:
        chance: what draws.
        trace: what has happened, a line each.
        wrong: what must not have happened, a sentence each.
        fingerprint: of every step of every task so far, and of its time.
        trouble: what goes wrong now.
    """

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.trace: list[str] = []
        self.wrong: list[str] = []
        self.fingerprint = seed
        self.trouble = Trouble()
        self._seed = seed
        self._clock = trio.testing.MockClock(autojump_threshold=0)
        self._steps = 0
        self._due: dict[int, Callable[[], None]] = {}

    def run(self, play: Callable[[World], Awaitable[None]]) -> None:
        """Plays in virtual time. Of the tasks that can run, chance says which is next."""
        state = random.getstate()
        random.seed(self._seed)
        # What Hypothesis and pytest-trio do, too; Trio has no public name for it yet.
        scheduler = trio._core._run
        order = random.Random(self._seed)
        try:
            with patch.multiple(scheduler, _ALLOW_DETERMINISTIC_SCHEDULING=True, _r=order):
                trio.run(play, self, clock=self._clock, instruments=[self])
        finally:
            random.setstate(state)

    def note(self, what: str) -> None:
        """Adds a line to the trace."""
        self.trace.append(f"{trio.current_time():9.3f} s, step {self._steps:5}: {what}")

    def is_wrong(self, what: str) -> None:
        """Notes what must not happen."""
        self.note(f"WRONG: {what}")
        self.wrong.append(what)

    def happens(self, share: float) -> bool:
        """Draws whether something happens that happens in this share of cases."""
        return share > 0 and self.chance.random() < share

    def after(self, steps: int, action: Callable[[], None]) -> None:
        """Has something happen after so many more steps, unless that many do not come."""
        self._due[self._steps + steps] = action

    def forget(self) -> None:
        """Has nothing of what was to happen `after` some steps happen any more."""
        self._due.clear()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Trio calls this after every step of a task."""
        self._steps += 1
        self.fingerprint = crc32(f"{task.name} {trio.current_time()}".encode(), self.fingerprint)
        if self.happens(self.trouble.pauses):
            self._clock.jump(self.chance.uniform(0, _PAUSE))
        if (action := self._due.pop(self._steps, None)) is not None:
            try:
                action()
            except Exception:  # noqa: BLE001 (Trio would only log it)
                self.is_wrong(traceback.format_exc())
