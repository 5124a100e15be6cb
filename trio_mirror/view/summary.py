"""The summary at the end of a run, for people."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from trio_mirror.names import printable
from trio_mirror.units import format_duration, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio_mirror.model import Report

_NAMES_A_CAUSE = 3


def summary(report: Report) -> str:
    """What a run did, as lines of plain text."""
    if not report.listed:
        return f"{printable(report.source)}: nothing to do, no pictures were listed."
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    speed = report.finished / max(report.seconds, 0.001)
    yield (
        f"{report.mirrored:,} of {report.listed:,} mirrored, {report.lossless:,} of them exactly, "
        f"in {format_duration(report.seconds)} ({speed:.1f}/s)"
    )
    yield f"from {printable(report.source)} ({format_size(report.bytes_in)})"
    yield f"to   {printable(report.target)} ({format_size(report.bytes_out)})"
    counts = {"skipped": report.skipped, "failed": report.failed, "unknown": report.unknown}
    left = report.listed - report.finished
    counts["left in flight when the run was stopped"] = left
    if parts := [f"{count:,} {word}" for word, count in counts.items() if count]:
        yield ", ".join(parts)
    yield from _failures(report)


def _failures(report: Report) -> Iterator[str]:
    causes: dict[str, list[str]] = defaultdict(list)
    for result in report.failures:
        causes[f"{result.stage}: {result.error}"].append(printable(result.name))
    for cause, names in sorted(causes.items(), key=lambda item: -len(item[1])):
        more = f" and {len(names) - _NAMES_A_CAUSE:,} more" if len(names) > _NAMES_A_CAUSE else ""
        yield f"  {printable(cause)}"
        yield f"    {', '.join(names[:_NAMES_A_CAUSE])}{more}"
