"""How fast the run of a contact sheet was: over time, and in the lives of single pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trio_mirror.cli.view.charts import Step, chart, key, life, steps, strip
from trio_mirror.cli.view.html import item, shown, table, within
from trio_mirror.cli.view.timeline import Point
from trio_mirror.model import Result
from trio_mirror.settings import format_duration, format_moment

_TABLE_ROWS = 20
_SHOWN_REASONS = 3
_SPEEDS = {"fetch": "fetched", "flip": "flipped", "upload": "uploaded"}
_LOADS = {"in_flight": "in flight", "limit": "the limit of it", "retries": "retries"}
_LIFE = {"wait": "waiting", "fetch": "fetching", "flip": "flipping", "upload": "uploading"}
_BUDGET = 100_000  # bytes of all lives; only very long names exceed it


def performance(points: Sequence[Point], results: Sequence[Result]) -> Iterator[str]:
    """The section of what went on over time, and of the lives of some pictures; closed at first."""
    parts = [*_timeline(steps(points), steps(points, _TABLE_ROWS)), *_lives(results)]
    if parts:
        yield '<section><details id="performance"><summary><h2>Performance</h2></summary>'
        yield from parts
        yield "</details></section>"


def _timeline(fine: Sequence[Step], coarse: Sequence[Step]) -> Iterator[str]:
    if not fine:
        return
    yield "<h3>The run over time</h3>"
    for field, word in _SPEEDS.items():
        highest = max(getattr(step, field) for step in fine)
        yield _figure(f"<b>{word}</b>, at most {highest:,.1f} a second", chart(fine, field))
    lowest = min(step.limit for step in fine)
    limit = f'<b class="key">the limit of it</b>, at least {lowest:,}'
    most = max(step.in_flight for step in fine)
    yield _figure(f"<b>in flight</b>, at most {most:,}; {limit}", chart(fine, "in_flight", "limit"))
    if retries := sum(step.retries for step in fine):
        yield _figure(f"<b>retries</b>, {retries:,} in all", chart(fine, "retries"))
    yield f'<p class="axis"><span>0 s</span><span>{format_duration(fine[-1].end)}</span></p>'
    slowed = sorted({step.reason for step in fine if step.reason is not None})
    yield from (f'<p class="quiet">Slowed down: {shown(reason)}</p>' for reason in slowed[:_SHOWN_REASONS])
    yield "<details><summary>The same in numbers</summary>"
    yield from table("The run in numbers", ["until", *_SPEEDS.values(), *_LOADS.values()], map(_row, coarse), "numbers")
    yield "</details>"


def _row(step: Step) -> str:
    numbers = [f"{getattr(step, it):,.1f}/s" for it in _SPEEDS] + [f"{getattr(step, it):,}" for it in _LOADS]
    return f"<tr><td>{format_duration(step.end)}</td>{''.join(f'<td>{number}</td>' for number in numbers)}</tr>"


def _figure(caption: str, drawing: str) -> str:
    return f'<figure class="chart"><figcaption>{caption}</figcaption>{drawing}</figure>'


def _lives(results: Sequence[Result]) -> Iterator[str]:
    lives = [(result, did) for result in results if (did := life(result))]
    if not lives:
        return
    longest = max(sum(seconds for _, seconds in did) for _, did in lives) or 1.0
    yield "<h3>Lives of these pictures</h3>"
    yield f'<p class="quiet">From the list to the result; the longest took {format_moment(longest)}.</p>'
    yield f'<ul class="legend">{"".join(f"<li>{key(what)}{word}</li>" for what, word in _LIFE.items())}</ul>'
    yield '<ul class="lives">'
    yield from within(_BUDGET, (_life(result, did, longest) for result, did in lives))
    yield "</ul>"


def _life(result: Result, did: Sequence[tuple[str, float]], longest: float) -> str:
    total = sum(seconds for _, seconds in did)
    waited = sum(seconds for what, seconds in did if what == "wait")
    parts = [f"{_LIFE[what]} {format_moment(seconds)}" for what, seconds in did if what != "wait"]
    words = ", ".join([format_moment(total), f"waiting {format_moment(waited)}", *parts])
    return (
        f'<li {item(result.name, result.outcome, result)}><bdi class="name">{shown(result.name)}</bdi>'
        f'{strip(did, longest)}<span class="quiet">{words}</span></li>'
    )
