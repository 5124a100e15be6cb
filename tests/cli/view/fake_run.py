"""A run in the state that a test wants, for what only looks at runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from trio_mirror import Outcome, Report, Result, Stage

if TYPE_CHECKING:
    from trio_mirror.pipeline.item import Item
    from trio_mirror.pipeline.run import Run


@dataclass
class FakeRun:
    report: Report = field(default_factory=lambda: Report(source="here", target="there"))
    passed: Counter[Stage] = field(default_factory=Counter)
    in_flight: int = 16
    in_flight_limit: int = 16
    slowed_by: str | None = None
    drained: str | None = None
    at_work: dict[Item, float] = field(default_factory=dict)
    list_attempt: tuple[int, int] | None = None

    def drain(self, reason: str) -> None:
        self.drained = reason

    def as_run(self) -> Run:
        return cast("Run", self)


def failed(name: str, error: str | None = "it is missing", **more: object) -> Result:
    plain = {"outcome": Outcome.FAILED, "stage": Stage.FETCH} | more
    return Result(name=name, error=error, **plain)  # type: ignore[arg-type]


def mirrored(name: str = "a.png", **more: object) -> Result:
    plain = {
        "outcome": Outcome.MIRRORED,
        "stage": Stage.UPLOAD,
        "bytes_in": 2_048,
        "bytes_out": 1_024,
        "lossless": True,
    }
    return Result(name=name, **plain | more)  # type: ignore[arg-type]
