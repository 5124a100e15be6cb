"""What went on in a run over time, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_POINTS = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One moment of a run; the counts are those since its beginning."""

    time: float  # in seconds
    fetched: int
    flipped: int
    uploaded: int
    retries: int
    in_flight: int
    limit: int  # how many might be in flight
    reason: str | None  # why they were fewer than the concurrency


@dataclass
class Timeline:
    """Keeps at most `MAX_POINTS` points, however long the run: when they are too many, every second one goes."""

    interval: float = 0.25  # seconds to wait until the next point: twice as many each time that there are too many
    points: list[Point] = field(default_factory=list)

    def add(self, point: Point) -> None:
        """Takes the next point."""
        self.points.append(point)
        # An odd number, so that the last point stays and the next one is as far from it.
        if len(self.points) == MAX_POINTS - 1:
            del self.points[1::2]
            self.interval *= 2
