"""The drawings of the contact sheet: a run over time, and the lives of single pictures. SVG, styled by class."""

from __future__ import annotations

from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from trio_mirror.model import Stage
from trio_mirror.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trio_mirror.model import Result
    from trio_mirror.view.timeline import Point

_WIDTH, _HEIGHT = 1_000, 140
_LEFT, _TOP, _BOTTOM = 48, 8, 22
# More steps than this would be noise at the width of a screen.
_STEPS = 150


class Step(NamedTuple):
    """A stretch of a run, with its speeds in pictures a second."""

    begin: float
    end: float
    fetch: float
    flip: float
    upload: float
    retries: int
    """In this stretch."""
    in_flight: int
    """At its end."""
    limit: int
    reason: str | None


def steps(points: Sequence[Point], most: int = _STEPS) -> list[Step]:
    """The stretches between the points of a timeline, neighbours put together where there are more than ``most``."""
    every = -(-len(points) // most)
    kept = [*points[:-1:every], *points[-1:]]
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


def chart(title: str, described: str, stretches: Sequence[Step], lines: Sequence[str]) -> str:
    """Draws some fields of the steps over time.

    Args:
        title: what a screen reader says first.
        described: what the drawing shows, in a sentence.
        stretches: the steps; at least one.
        lines: fields of `Step`; each is also the class of its line.
    """
    end = stretches[-1].end
    highest = max(1, *(getattr(step, line) for step in stretches for line in lines))

    def at(time: float, value: float) -> str:
        x = _LEFT + (_WIDTH - _LEFT) * time / end
        y = _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - value / highest)
        return f"{x:.1f} {y:.1f}"

    drawn = [f'<path class="axis" d="M{at(0, highest)} L{at(0, 0)} L{at(end, 0)}"/>']
    for line in lines:
        values = [(step, getattr(step, line)) for step in stretches]
        corners = " L".join(f"{at(step.begin, value)} L{at(step.end, value)}" for step, value in values)
        drawn.append(f'<path class="{line.replace("in_", "")}" d="M{corners}"/>')
    labels = [
        (_LEFT - 6, _TOP + 10, "end", f"{highest:,.0f}"),
        (_LEFT - 6, _HEIGHT - _BOTTOM, "end", "0"),
        (_LEFT, _HEIGHT - 5, "start", "0 s"),
        (_WIDTH, _HEIGHT - 5, "end", format_duration(end)),
    ]
    drawn += [f'<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>' for x, y, anchor, text in labels]
    return (
        f'<svg class="chart" role="img" viewBox="0 0 {_WIDTH} {_HEIGHT}">'
        f"<title>{escape(title)}</title><desc>{escape(described)}</desc>{''.join(drawn)}</svg>"
    )


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
    return (
        '<svg aria-hidden="true" viewBox="0 0 1000 10" preserveAspectRatio="none">'
        f"{''.join(_pieces(did, 1_000 / longest))}</svg>"
    )


def _pieces(did: Sequence[tuple[str, float]], scale: float) -> Iterator[str]:
    x = 0.0
    for what, seconds in did:
        yield f'<rect class="{what}" x="{x:.1f}" width="{seconds * scale:.1f}" height="10"/>'
        x += seconds * scale


def sample_of(what: str, *, line: bool) -> str:
    """Draws what stands for something in a legend."""
    if line:
        return f'<svg class="chart" aria-hidden="true" viewBox="0 0 28 10"><path class="{what}" d="M0 5 L28 5"/></svg>'
    return f'<svg aria-hidden="true" viewBox="0 0 28 10"><rect class="{what}" width="28" height="10"/></svg>'
