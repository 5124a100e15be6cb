"""The contact sheet as one self-contained HTML page, which loads nothing and runs one script of its own."""

from __future__ import annotations

import base64
from collections import Counter
from datetime import UTC, datetime
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from trio_mirror.cli.view.charts import chart, key, life, steps, strip
from trio_mirror.cli.view.thumbnails import MEDIA_TYPE
from trio_mirror.model import Outcome
from trio_mirror.names import printable
from trio_mirror.settings import format_duration, format_moment, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trio_mirror.cli.view.charts import Step
    from trio_mirror.cli.view.sample import Pair
    from trio_mirror.cli.view.timeline import Point
    from trio_mirror.model import Report, Result

# A name may be 4,096 bytes long, and a thousand of them would be a page by themselves.
_SHOWN_CHARACTERS = 300
_TABLE_ROWS = 20
_SHOWN_REASONS = 3
_SPEEDS = {"fetch": "fetched", "flip": "flipped", "upload": "uploaded"}
_LOADS = {"in_flight": "in flight", "limit": "the limit of it", "retries": "retries"}
_LIFE = {"wait": "waiting", "fetch": "fetching", "flip": "flipping", "upload": "uploading"}


def page(report: Report, pairs: Sequence[Pair], points: Sequence[Point]) -> str:
    """Writes the page.

    Args:
        report: the run.
        pairs: the sample of its pictures.
        points: what went on over time.
    """
    style = files(__package__).joinpath("sheet.css").read_text(encoding="utf-8")
    script = files(__package__).joinpath("sheet.js").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash_of(style)}'; script-src '{_hash_of(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{_shown(report.source)} – trio-mirror</title>",
            f"<style>{style}</style>",
            *_header(report),
            "<main>",
            *_controls(report, pairs),
            *_pictures(report, pairs),
            *_failures(report),
            *_notes(report),
            *_timeline(steps(points), steps(points, _TABLE_ROWS)),
            *_lives([pair.result for pair in pairs if pair.result is not None]),
            "</main>",
            f"<script>{script}</script>",
            "</html>",
            "",
        ]
    )


def _hash_of(text: str) -> str:
    """What lets an inline style or script in (Content Security Policy Level 3, section 2.3.1)."""
    return f"sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}"


def _shown(text: str) -> str:
    """Untrusted text: cut, without control characters, and escaped."""
    text = printable(text)
    return escape(text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…")


def _header(report: Report) -> Iterator[str]:
    yield f"<header><h1>{report.mirrored:,} of {report.listed:,} pictures mirrored</h1>"
    yield f'<p class="place"><bdi>{_shown(report.source)}</bdi> → <bdi>{_shown(report.target)}</bdi></p>'
    stopped = "" if report.stopped_by is None else f", stopped before all was done ({escape(report.stopped_by)})"
    yield f'<p class="quiet">{datetime.now(UTC):%Y-%m-%d %H:%M} UTC{stopped}</p>'
    speed = report.finished / max(report.seconds, 0.001)
    yield '<dl class="figures">'
    figures = [
        ("time", format_duration(report.seconds), f"{speed:,.1f} pictures a second"),
        ("mirrored exactly", f"{report.lossless:,}", "every pixel the original's"),
        ("bytes", format_size(report.bytes_in), f"in, {format_size(report.bytes_out)} out"),
        ("failed", f"{report.failed:,}", f"{report.transient:,} may work later" if report.transient else ""),
        ("unknown", f"{report.unknown:,}", "sent, no response"),
        ("skipped", f"{report.skipped:,}", "nothing to do"),
        ("retries", f"{report.retries:,}", "requests repeated"),
    ]
    for label, value, remark in [it for it in figures if it[1] != "0"]:
        yield f"<div><dt>{label}</dt><dd>{value}<small>{remark}</small></dd></div>"
    links = {
        "pictures": "Pictures",
        "failures": "Failures" if report.failures else "",
        "notes": "Notes" if report.notes else "",
        "timeline": "The run over time",
        "lives": "Lives",
    }
    yield '</dl><nav aria-label="Sections">'
    yield from (f'<a href="#{section}">{words}</a>' for section, words in links.items() if words)
    yield "</nav></header>"


def _controls(report: Report, pairs: Sequence[Pair]) -> Iterator[str]:
    there = Counter(result.outcome for result in report.failures)
    there.update(_outcome_of(pair) for pair in pairs)
    yield '<div class="controls"><fieldset><legend>Show</legend>'
    yield _choice("all", checked=True)
    yield from (_choice(outcome.value) for outcome in Outcome if there[outcome])
    yield "</fieldset>"
    yield '<div class="search" hidden><label for="name">Search by name</label><input id="name" type="search">'
    yield '<output class="quiet" for="name" aria-live="polite"></output></div></div>'


def _choice(what: str, *, checked: bool = False) -> str:
    chosen = " checked" if checked else ""
    return (
        f'<label class="choice"><input type="radio" name="outcome" id="only-{what}"{chosen}><span>{what}</span></label>'
    )


def _outcome_of(pair: Pair) -> Outcome:
    # A run that was stopped at once has no result for what was in flight: it may or may not have been stored.
    return Outcome.UNKNOWN if pair.result is None else pair.result.outcome


def _pictures(report: Report, pairs: Sequence[Pair]) -> Iterator[str]:
    yield f'<section aria-labelledby="pictures"><h2 id="pictures">{len(pairs):,} pictures before and after</h2>'
    if len(pairs) < report.listed:
        yield '<p class="quiet">Drawn by lot from all that were flipped.</p>'
    yield '<ul class="grid">'
    for pair in pairs:
        outcome, name = _outcome_of(pair), _shown(pair.name)
        yield f'<li class="item {outcome}"><figure><div class="pair">'
        yield _picture(pair.before, f"{name}, before") + _picture(pair.after, f"{name}, mirrored")
        caption = _caption(pair.result, outcome)
        yield f'</div><figcaption><bdi class="name">{name}</bdi>{caption}</figcaption></figure></li>'
    yield "</ul></section>"


def _picture(data: bytes | None, described: str) -> str:
    if data is None:
        return "<span>no thumbnail</span>"
    encoded = base64.b64encode(data).decode()
    return f'<img alt="{described}" src="data:{MEDIA_TYPE};base64,{encoded}">'


def _caption(result: Result | None, outcome: Outcome) -> str:
    text = f'<span class="outcome {outcome}">{outcome}</span>'
    if result is None:
        return f"{text}, cut off when the run was stopped"
    if result.error is not None:
        return f"{text} at {result.stage}: {_shown(result.error)}"
    # A number stays beside its unit.
    before, after = (format_size(size).replace(" ", "\xa0") for size in (result.bytes_in, result.bytes_out))
    sizes = f"{before} →\xa0{after}" if result.bytes_out else ""
    notes = "".join(f'<br><span class="quiet">{_shown(note)}</span>' for note in result.notes)
    exactness = "exact" if result.lossless else "re-encoded"
    return f"{text}, {exactness}, {sizes}{notes}"


def _failures(report: Report) -> Iterator[str]:
    if not report.failures:
        return
    count = report.failed + report.unknown
    yield f'<section aria-labelledby="failures"><h2 id="failures">{count:,} failed or unknown</h2>'
    if count > len(report.failures):
        yield f'<p class="quiet">The first {len(report.failures):,} of them.</p>'
    yield f'<div class="scroll"><table class="failures">{_head("picture", "outcome", "stage", "cause")}<tbody>'
    for result in report.failures:
        yield (
            f'<tr class="item {result.outcome}"><td><bdi class="name">{_shown(result.name)}</bdi></td>'
            f'<td><span class="outcome {result.outcome}">{result.outcome}</span></td><td>{result.stage}</td>'
            f"<td>{_shown(str(result.error))}</td></tr>"
        )
    yield "</tbody></table></div></section>"


def _notes(report: Report) -> Iterator[str]:
    if not report.notes:
        return
    yield '<section aria-labelledby="notes"><h2 id="notes">Notes</h2>'
    yield f'<div class="scroll"><table class="failures">{_head("note", "pictures", "names")}<tbody>'
    for kind, noted in sorted(report.notes.items(), key=lambda it: -it[1].count):
        more = f" and {noted.count - len(noted.names):,} more" if noted.count > len(noted.names) else ""
        names = ", ".join(f"<bdi>{_shown(name)}</bdi>" for name in noted.names)
        yield f"<tr><td>{_shown(kind)}</td><td>{noted.count:,}</td><td>{names}{more}</td></tr>"
    yield "</tbody></table></div></section>"


def _timeline(fine: Sequence[Step], coarse: Sequence[Step]) -> Iterator[str]:
    if not fine:
        return
    yield '<section aria-labelledby="timeline"><h2 id="timeline">The run over time</h2>'
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
    yield from (f'<p class="quiet">Slowed down: {_shown(reason)}</p>' for reason in slowed[:_SHOWN_REASONS])
    yield '<details><summary>The same in numbers</summary><div class="scroll">'
    yield f'<table class="numbers">{_head("until", *_SPEEDS.values(), *_LOADS.values())}<tbody>'
    for step in coarse:
        numbers = [f"{getattr(step, it):,.1f}/s" for it in _SPEEDS] + [f"{getattr(step, it):,}" for it in _LOADS]
        cells = "".join(f"<td>{number}</td>" for number in numbers)
        yield f"<tr><td>{format_duration(step.end)}</td>{cells}</tr>"
    yield "</tbody></table></div></details></section>"


def _figure(caption: str, drawing: str) -> str:
    return f'<figure class="chart"><figcaption>{caption}</figcaption>{drawing}</figure>'


def _head(*labels: str) -> str:
    cells = "".join(f'<th scope="col">{label}</th>' for label in labels)
    return f"<thead><tr>{cells}</tr></thead>"


def _lives(results: Sequence[Result]) -> Iterator[str]:
    lives = [(result, did) for result in results if (did := life(result))]
    if not lives:
        return
    longest = max(sum(seconds for _, seconds in did) for _, did in lives) or 1.0
    yield '<section aria-labelledby="lives"><h2 id="lives">Lives of these pictures</h2>'
    yield f'<p class="quiet">From the list to the result; the longest took {format_moment(longest)}.</p>'
    yield f'<ul class="legend">{"".join(f"<li>{key(what)}{word}</li>" for what, word in _LIFE.items())}</ul>'
    yield '<ul class="lives">'
    for result, did in lives:
        total = sum(seconds for _, seconds in did)
        waited = sum(seconds for what, seconds in did if what == "wait")
        parts = [f"{_LIFE[what]} {format_moment(seconds)}" for what, seconds in did if what != "wait"]
        words = ", ".join([format_moment(total), f"waiting {format_moment(waited)}", *parts])
        yield f'<li class="item {result.outcome}"><bdi class="name">{_shown(result.name)}</bdi>{strip(did, longest)}'
        yield f'<span class="quiet">{words}</span></li>'
    yield "</ul></section>"
