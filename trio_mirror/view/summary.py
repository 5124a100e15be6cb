"""The summary at the end of a run, for people."""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby
from typing import TYPE_CHECKING

from trio_mirror.fields import option_name
from trio_mirror.names import printable
from trio_mirror.units import format_duration, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio_mirror.model import Report

_CAUSES = 10
_NAMES_A_CAUSE = 3
# So many HTML pages in a row instead of pictures mean one thing: a login page, or a wrong URL.
_PAGES_IN_A_ROW = 20


def summary(report: Report, continuing: str | None) -> str:
    """What a run did, as lines of plain text.

    Args:
        report: the report.
        continuing: the command that goes on with what is left, where there is one.
    """
    if not report.listed:
        return f"{printable(report.source)}: nothing to do, no pictures were listed."
    return "\n".join([*_outcomes(report), *_what_is_left(report, continuing), *_failures(report)])


def _outcomes(report: Report) -> Iterator[str]:
    speed = report.finished / max(report.seconds, 0.001)
    yield (
        f"{report.mirrored:,} of {report.listed:,} mirrored, {report.lossless:,} of them exactly, "
        f"in {format_duration(report.seconds)} ({speed:.1f}/s)"
    )
    yield f"from {printable(report.source)} ({format_size(report.bytes_in)})"
    yield f"to   {printable(report.target)} ({format_size(report.bytes_out)})"
    counts = {
        "skipped": report.skipped,
        "failed": report.failed,
        "unknown": report.unknown,
        "retries": report.retries,
        "left in flight": report.listed - report.finished,
    }
    if parts := [f"{count:,} {word}" for word, count in counts.items() if count]:
        yield ", ".join(parts)


def _what_is_left(report: Report, continuing: str | None) -> Iterator[str]:
    match report.stopped_by:
        case None:
            pass
        case "signal":
            yield "stopped by a signal before the end of the list"
        case "error":
            yield "stopped by the error above before the end of the list"
        case setting:
            yield f"stopped by {option_name(setting)} before the end of the list"
    if continuing is not None and (report.stopped_by or report.failed or report.unknown):
        yield f"to go on with what is left: {printable(continuing)}"


def _failures(report: Report) -> Iterator[str]:
    causes: dict[str, list[str]] = defaultdict(list)
    for result in report.failures:
        causes[f"{result.stage}: {result.error}"].append(printable(result.name))
    ordered = sorted(causes.items(), key=lambda item: -len(item[1]))
    for cause, names in ordered[:_CAUSES]:
        more = f" and {len(names) - _NAMES_A_CAUSE:,} more" if len(names) > _NAMES_A_CAUSE else ""
        yield f"  {printable(cause)}"
        yield f"    {', '.join(names[:_NAMES_A_CAUSE])}{more}"
    if len(ordered) > _CAUSES:
        yield f"  and {len(ordered) - _CAUSES:,} more causes, all in the --json report"
    pages = groupby("HTML" in str(result.error) for result in report.failures)
    if any(is_page and len(list(run)) >= _PAGES_IN_A_ROW for is_page, run in pages):
        yield "hint: the server answers with web pages; is this the gallery's URL, and does it want --auth or --header?"
