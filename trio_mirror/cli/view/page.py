"""The contact sheet as one self-contained HTML page, which loads nothing and runs one script of its own."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from html import escape
from importlib.resources import files
from pathlib import Path

from trio_mirror.cli.view.cards import cards, outcome_of
from trio_mirror.cli.view.earlier import Past, runs_attribute
from trio_mirror.cli.view.html import format_of, item, shown, table, within
from trio_mirror.cli.view.performance import performance
from trio_mirror.cli.view.phrase import phrase
from trio_mirror.cli.view.sample import Pair
from trio_mirror.cli.view.timeline import Point
from trio_mirror.model import Noted, Outcome, Report, Result
from trio_mirror.settings import format_duration, format_size

# Bytes of the rows of a table.
_FAILURES, _NOTES = 250_000, 80_000


def page(
    report: Report,
    pairs: Sequence[Pair],
    points: Sequence[Point],
    earlier: Sequence[Past] = (),
    folder: Path | None = None,
) -> str:
    """Writes the page of a run: a sample of its pictures, what went on over time, and the runs before it.

    Links to files of this machine are relative to ``folder``, where the page is; without it there are none.
    """
    style = files(__package__).joinpath("sheet.css").read_text(encoding="utf-8")
    script = files(__package__).joinpath("sheet.js").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash_of(style)}'; script-src '{_hash_of(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    runs = [*earlier, Past.of(report)]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{shown(report.source)} – trio-mirror</title>",
            f"<style>{style}</style>",
            *_header(report, has_earlier=bool(earlier)),
            f"<main {runs_attribute(report, runs)}>",
            *_controls(report, pairs),
            *cards(report, pairs, folder),
            *_failures(report),
            *_notes(report),
            *(_runs(runs) if earlier else ()),
            *performance(points, [pair.result for pair in pairs if pair.result is not None]),
            "</main>",
            '<dialog><label>before <input type="range" aria-label="Share of the original that is shown" autofocus>',
            ' after</label><button type="button">Close</button></dialog>',
            f"<script>{script}</script>",
            "</html>",
            "",
        ]
    )


def _hash_of(text: str) -> str:
    """What lets an inline style or script in (Content Security Policy Level 3, section 2.3.1)."""
    return f"sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}"


def _header(report: Report, *, has_earlier: bool) -> Iterator[str]:
    before = report.skipped - report.not_pictures if has_earlier else 0
    yield f"<header><h1>{report.mirrored + before:,} of {report.listed:,} pictures mirrored</h1>"
    yield f'<p class="place"><bdi>{shown(report.source)}</bdi> → <bdi>{shown(report.target)}</bdi></p>'
    yield f'<p class="quiet">{datetime.now(UTC):%Y-%m-%d %H:%M} UTC. {_completeness(report, before)}</p>'
    speed = report.finished / max(report.seconds, 0.001)
    yield '<dl class="figures">'
    figures = [
        ("time", format_duration(report.seconds), f"{speed:,.1f} pictures a second"),
        ("mirrored exactly", f"{report.lossless:,}", "every pixel the original's"),
        ("re-encoded", f"{report.mirrored - report.lossless:,}", "close to the original"),
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
        "runs": "Runs" if has_earlier else "",
        "performance": "Performance",
    }
    yield '</dl><nav aria-label="Sections">'
    yield from (f'<a href="#{section}">{words}</a>' for section, words in links.items() if words)
    yield "</nav></header>"


def _completeness(report: Report, before: int) -> str:
    """Whether everything is mirrored, in words."""
    earlier = f" Mirrored in earlier runs: {before:,}." if before else ""
    if report.stopped_by is not None:
        return f"Not whole: the run was stopped before all was done ({escape(report.stopped_by)}).{earlier}"
    if left := report.failed + report.unknown:
        return f"Not whole: {left:,} failed or are unknown.{earlier}"
    return f"Whole: nothing of the list is left to be done.{earlier}"


def _controls(report: Report, pairs: Sequence[Pair]) -> Iterator[str]:
    there = Counter(result.outcome for result in report.failures)
    there.update(map(outcome_of, pairs))
    results = [pair.result for pair in pairs if pair.result is not None and pair.result.bytes_out]
    names = [*(pair.name for pair in pairs), *(result.name for result in report.failures)]
    formats = sorted(set(map(format_of, names)))
    yield '<div class="controls" role="search"><fieldset><legend>Show</legend>'
    yield _choice("all", "radio", checked=True)
    yield from (_choice(outcome.value, "radio") for outcome in Outcome if there[outcome])
    yield "</fieldset>"
    kinds = {"reencoded": not all(it.lossless for it in results), "noted": any(it.notes for it in results)}
    if any(kinds.values()):
        yield "<fieldset><legend>Only</legend>"
        yield from (_choice(kind, "checkbox") for kind, is_there in kinds.items() if is_there)
        yield "</fieldset>"
    yield '<div class="search" hidden><label for="name">Search by name</label><input id="name" type="search"></div>'
    if len(formats) > 1:
        options = "".join(f"<option>{it}</option>" for it in formats)
        yield '<div class="search" hidden><label for="format">Format</label>'
        yield f'<select id="format"><option value="">all</option>{options}</select></div>'
    yield '<output class="quiet" aria-live="polite"></output></div>'


def _choice(what: str, kind: str, *, checked: bool = False) -> str:
    chosen, words = " checked" if checked else "", what.replace("reencoded", "re-encoded")
    return (
        f'<label class="choice"><input type="{kind}" name="outcome" id="only-{what}"{chosen}>'
        f"<span>{words}</span></label>"
    )


def _failures(report: Report) -> Iterator[str]:
    if not report.failures:
        return
    count = report.failed + report.unknown
    rows = [*within(_FAILURES, map(_failure, report.failures))]
    yield f'<section aria-labelledby="failures"><h2 id="failures">{count:,} failed or unknown</h2>'
    if count > len(rows):
        yield f'<p class="quiet">The first {len(rows):,} of them.</p>'
    yield from table("Failures", ["picture", "outcome", "stage", "cause"], rows, "failures")
    yield "</section>"


def _failure(result: Result) -> str:
    return (
        f'<tr {item(result.name, result.outcome)}><td><bdi class="name">{shown(result.name)}</bdi></td>'
        f'<td><span class="outcome {result.outcome}">{result.outcome}</span></td><td>{result.stage}</td>'
        f"<td>{shown(str(result.error))}</td></tr>"
    )


def _notes(report: Report) -> Iterator[str]:
    if report.notes:
        kinds = sorted(report.notes.items(), key=lambda it: -it[1].count)
        yield '<section aria-labelledby="notes"><h2 id="notes">Notes</h2>'
        rows = within(_NOTES, (_note(kind, noted) for kind, noted in kinds))
        yield from table("Notes", ["note", "pictures", "names"], rows, "failures")
        yield "</section>"


def _note(kind: str, noted: Noted) -> str:
    more = f" and {noted.count - len(noted.names):,} more" if noted.count > len(noted.names) else ""
    names = ", ".join(f"<bdi>{shown(name)}</bdi>" for name in noted.names)
    return f"<tr><td>{shown(phrase(kind))}</td><td>{noted.count:,}</td><td>{names}{more}</td></tr>"


def _runs(runs: Sequence[Past]) -> Iterator[str]:
    yield '<section aria-labelledby="runs"><h2 id="runs">Runs</h2>'
    yield from table("Runs", ["ended", "mirrored", "failed", "unknown", "time", "stopped by"], map(_run, runs))
    yield "</section>"


def _run(run: Past) -> str:
    counts = (f"{it:,}" for it in (run.mirrored, run.failed, run.unknown))
    cells = [shown(run.ended), *counts, format_duration(run.seconds), shown(run.stopped_by or "")]
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
