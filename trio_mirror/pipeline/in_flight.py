"""How many pictures may be between the list and their result: the one bound on memory and connections.

The producer takes a token for each picture before its name enters the first channel. The recorder gives it back when
the result is out, or the picture is cut off without one; the driver of workers does for names that they never began.
No stage ever waits for a token: a limiter shared by the stages themselves, held while one of them sends downstream,
would deadlock with few tokens.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import trio


@dataclass(eq=False)
class InFlight:
    """The pictures in flight, counted. Their limit is halved on overload, and grows by one a round (AIMD)."""

    limit: int  # how many there may be now; at first, how many at most
    count: int = 0  # how many there are
    _successes: int = 0
    _reason: str | None = None
    _waiting: trio.lowlevel.ParkingLot = field(default_factory=trio.lowlevel.ParkingLot)

    def __post_init__(self) -> None:
        self._ceiling = self.limit

    async def take(self) -> None:
        """Takes a token, and waits for one where there is none. Only then it is a checkpoint: its caller sends next."""
        while self.count >= self.limit:
            await self._waiting.park()
        self.count += 1

    def give_back(self, count: int = 1) -> None:
        """Gives back so many tokens."""
        self.count -= count
        if self._waiting:
            self._waiting.unpark()

    def set_ceiling(self, ceiling: int) -> None:
        """Changes how many there may be at most."""
        self.limit = self._ceiling = ceiling
        self._waiting.unpark()

    @property
    def slowed_by(self) -> str | None:
        """Why the limit is below its ceiling; None while it is not."""
        return self._reason if self.limit < self._ceiling else None

    def halve(self, reason: str) -> None:
        """Halves the limit, down to 1. What is in flight goes on: less is taken up until the limit holds."""
        self.limit = max(1, self.limit // 2)
        self._successes = 0
        self._reason = reason

    def succeeded(self) -> None:
        """Counts a success; as many as the limit raise it by one."""
        self._successes += 1
        if self._successes >= self.limit < self._ceiling:
            self.limit += 1
            self._successes = 0
            self._waiting.unpark()
