"""The drawings of the contact sheet: a run over time, and the lives of single pictures. SVG, styled by class."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from trio_mirror.cli.view.timeline import Point
from trio_mirror.model import Result, Stage

# More steps than this would be noise at the width of a screen.
_STEPS = 150


class Step(NamedTuple):
    """A stretch of a run, with its speeds in pictures a second."""

    begin: float
    end: float
    fetch: float
    flip: float
    upload: float
    retries: int  # in this stretch
    in_flight: int  # at its end
    limit: int
    reason: str | None


def steps(points: Sequence[Point], most: int = _STEPS) -> list[Step]:
    """The stretches between the points of a timeline, neighbours put together where there are more than ``most``."""
    every = max(1, -(-len(points) // most))
    kept = [*points[:-1:every], *points[-1:]]
    # The last point comes when the run ends. A stretch of a moment would show a speed that never was.
    if len(kept) > 2 and kept[-1].time - kept[-2].time < (kept[1].time - kept[0].time) / 2:
        del kept[-2]
    return [_step(before, after) for before, after in pairwise(kept) if after.time > before.time]


def _step(before: Point, after: Point) -> Step:
    seconds = after.time - before.time
    return Step(
        begin=before.time,
        end=after.time,
        fetch=(after.fetched - before.fetched) / seconds,
        flip=(after.flipped - before.flipped) / seconds,
        upload=(after.uploaded - before.uploaded) / seconds,
        retries=after.retries - before.retries,
        in_flight=after.in_flight,
        limit=after.limit,
        reason=after.reason,
    )


def chart(stretches: Sequence[Step], field: str, ceiling: str | None = None) -> str:
    """Draws a field of the steps over time, at least one, as an area; it is described beside it, not by it.

    The field is also the class of the area. Another one, the ceiling, is drawn above it as a line.
    """
    highest = max(getattr(step, it) for step in stretches for it in (field, ceiling or field)) or 1
    drawn = f'<path class="{field}" d="M0 100 {_line(stretches, field, highest)} L1000 100 Z"/>'
    if ceiling is not None:
        drawn += f'<path class="{ceiling}" d="M{_line(stretches, ceiling, highest)[1:]}"/>'
    return f'<svg aria-hidden="true" viewBox="0 0 1000 100" preserveAspectRatio="none">{drawn}</svg>'


def _line(stretches: Sequence[Step], field: str, highest: float) -> str:
    scale = 1_000 / stretches[-1].end
    corners = []
    for step in stretches:
        # A little room above, so that the highest line shows in its full width.
        y = 100 - 96 * getattr(step, field) / highest
        corners.append(f"L{step.begin * scale:.1f} {y:.1f} L{step.end * scale:.1f} {y:.1f}")
    return " ".join(corners)


def life(result: Result) -> list[tuple[str, float]]:
    """What a picture did, in order: ``wait`` or a stage, and for how many seconds."""
    did, now = list[tuple[str, float]](), result.began.get(Stage.LIST, 0.0)
    for stage in (Stage.FETCH, Stage.FLIP, Stage.UPLOAD):
        if stage in result.began and stage in result.seconds:
            did += [("wait", max(0.0, result.began[stage] - now)), (stage.value, result.seconds[stage])]
            now = result.began[stage] + result.seconds[stage]
    return did


def strip(did: Sequence[tuple[str, float]], longest: float) -> str:
    """Draws a life as a bar; ``longest`` seconds are as wide as there is room."""
    drawn, x, scale = "", 0.0, 1_000 / longest
    for what, seconds in did:
        drawn += f'<rect class="{what}" x="{x:.1f}" width="{seconds * scale:.1f}" height="10"/>'
        x += seconds * scale
    return f'<svg aria-hidden="true" viewBox="0 0 1000 10" preserveAspectRatio="none">{drawn}</svg>'


def key(what: str) -> str:
    """Draws what stands for something in a legend."""
    return f'<svg aria-hidden="true" viewBox="0 0 28 10"><rect class="{what}" width="28" height="10"/></svg>'
