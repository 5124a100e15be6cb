"""Another task, which counts how often it has its turn: a loop that stands still gives it none."""

from __future__ import annotations

import trio


class Turns:
    """The turns that a task has had so far."""

    def __init__(self) -> None:
        self.taken = 0

    async def take(self) -> None:
        """Takes one turn after the other, until it is cancelled."""
        while True:
            await trio.lowlevel.checkpoint()
            self.taken += 1
