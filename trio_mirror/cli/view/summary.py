"""The summary at the end of a run, for people."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby

from trio_mirror.cli.view.phrase import phrase
from trio_mirror.cli.view.printer import Line
from trio_mirror.model import Outcome, Report, Result, Stage
from trio_mirror.names import printable
from trio_mirror.settings import format_duration, format_size, option_name

_CAUSES = 10
_NAMES_A_CAUSE = 3
# So many HTML pages in a row instead of pictures mean one thing: a login page, or a wrong URL.
_PAGES_IN_A_ROW = 20
_INSTALLS_TURBOJPEG = "brew install jpeg-turbo" if sys.platform == "darwin" else "apt-get install libturbojpeg0"


class Summary:
    """Gathers what the report does not hold, and describes a run."""

    _mirrored_bytes_in = 0
    _there = 0  # pictures that the target had

    def add(self, result: Result) -> None:
        """Takes a result as it comes."""
        if result.outcome is Outcome.MIRRORED:
            self._mirrored_bytes_in += result.bytes_in
        elif result.outcome is Outcome.SKIPPED:
            self._there += result.error is not None and not result.not_picture

    def lines(
        self,
        report: Report,
        next_step: tuple[str, str] | None,
        picked_by: Sequence[str] = (),
        total: int | None = None,
    ) -> Iterator[Line]:
        """What to print, from the top.

        ``picked_by`` are the options that may have left pictures out; ``total`` is how many names the list has, where
        that is known.
        """
        if not report.listed and report.stopped_by is not None:
            yield Line(f"{printable(report.source)} → {printable(report.target)}", "bold")
            yield Line("stopped before any picture was listed")
            return
        if not report.listed:
            or_left_out = f", or {' and '.join(picked_by)} left none" if picked_by else ""
            yield Line(f"{printable(report.source)}: nothing to do, no pictures were listed{or_left_out}.")
            return
        yield Line(_mirrored(report), "green" if report.mirrored else "")
        if troubles := [*_troubles(report, self._there)]:
            yield Line(", ".join(troubles), "red" if report.failed or report.unknown else "")
        yield Line(_pace(report))
        yield Line(f"{format_size(report.bytes_in)} in, {format_size(report.bytes_out)} out{self._saved(report)}")
        yield Line(f"{printable(report.source)} → {printable(report.target)}", "bold")
        yield from _failures(report)
        yield from _notes(report)
        if report.lossless < report.mirrored and _lacks_turbojpeg():
            yield Line(f"JPEGs are mirrored exactly where libturbojpeg is installed: {_INSTALLS_TURBOJPEG}")
        for line in _what_is_left(report, total):
            yield Line(line)
        if next_step is not None:
            words, command = next_step
            yield Line(f"{words}: {printable(command)}")

    def _saved(self, report: Report) -> str:
        saved = self._mirrored_bytes_in - report.bytes_out
        share = abs(saved) / max(1, self._mirrored_bytes_in)
        return f" ({format_size(abs(saved))} {'saved' if saved > 0 else 'added'}, {share:.1%})" if saved else ""


def _lacks_turbojpeg() -> bool:
    # Imported at the end, as the first picture of its kind would: before the list, it would only delay it.
    from trio_mirror.flip.jpeg import turbojpeg

    return not turbojpeg.libraries()


def _mirrored(report: Report) -> str:
    text = f"{report.mirrored:,} mirrored of {report.listed:,} listed"
    if report.mirrored:
        text += f": {report.lossless:,} exactly ({_share(report.lossless, report.mirrored)})"
    if again := report.mirrored - report.lossless:
        text += f", {again:,} re-encoded"
    return text


def _troubles(report: Report, there: int) -> Iterator[str]:
    if report.skipped:
        reasons = {"that the target has": there, "not pictures": report.not_pictures}
        reasons["mirrored before"] = report.skipped - sum(reasons.values())
        shown = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items() if count)
        yield f"{report.skipped:,} skipped ({shown})"
    if report.failed:
        yield f"{report.failed:,} failed" + (f" ({report.transient:,} may work later)" if report.transient else "")
    if report.unknown:
        yield f"{report.unknown:,} unknown (sent without a response: the target may have them or not)"
    if report.listed > report.finished:
        yield f"{report.listed - report.finished:,} cut off as the run was stopped"


def _pace(report: Report) -> str:
    text = f"{format_duration(report.seconds)}, {report.mirrored / max(report.seconds, 0.001):,.1f} pictures a second"
    return f"{text}, {report.retries:,} requests repeated" if report.retries else text


def _share(part: int, whole: int) -> str:
    """A percentage that says 100% and 0% only of all and none."""
    percent = 100 * part / whole
    if part not in (0, whole):
        percent = min(max(percent, 0.1), 99.9)
    return f"{percent:.1f}%".replace(".0%", "%")


def _what_is_left(report: Report, total: int | None) -> Iterator[str]:
    if (stopped_by := report.stopped_by) is not None:
        by = {"signal": "a signal", "error": "the error above"}.get(stopped_by) or option_name(stopped_by)
        left = "" if total is None else f": {max(0, total - report.finished):,} of {total:,} are left"
        yield f"stopped by {by} before all was done{left}"
    if report.journal is not None and report.mirrored + report.skipped + report.transient + report.unknown:
        yield (
            f"until all is mirrored, {printable(report.journal)} remembers what is: the same command goes on, "
            "--no-journal starts anew"
        )
    pages = groupby("HTML" in str(result.error) for result in report.failures)
    if any(is_page and len(list(run)) >= _PAGES_IN_A_ROW for is_page, run in pages):
        yield "hint: the server sends web pages; is this the gallery's URL, and does it need --auth or --header?"
    refused = report.failures and not report.mirrored and all(map(_is_refused_upload, report.failures))
    if refused and report.stopped_by != "error":
        yield "hint: does the target accept POST? It may need --auth, --header, --field or --upload-as; else add --to"


def _is_refused_upload(result: Result) -> bool:
    return result.stage is Stage.UPLOAD and (result.status == 501 or 400 <= (result.status or 0) < 500)


def _failures(report: Report) -> Iterator[Line]:
    causes: dict[str, list[str]] = defaultdict(list)
    for result in report.failures:
        causes[f"{result.stage}: {result.error}"].append(printable(result.name))
    groups = [(cause, len(names), names) for cause, names in causes.items()]
    yield from _grouped(groups, "red", "causes, all in the --json report")
    if (left_out := report.failed + report.unknown - len(report.failures)) > 0:
        yield Line(f"and {left_out:,} more failures, all in the journal and the events where they are kept")


def _notes(report: Report) -> Iterator[Line]:
    groups = [(phrase(kind), noted.count, [*map(printable, noted.names)]) for kind, noted in report.notes.items()]
    yield from _grouped(groups, "yellow", "kinds of notes, all in the --json report")


def _grouped(groups: list[tuple[str, int, list[str]]], style: str, further: str) -> Iterator[Line]:
    """The largest groups of pictures: what they have in common, how many they are, and the first names."""
    groups.sort(key=lambda group: -group[1])
    for common, count, names in groups[:_CAUSES]:
        more = f" and {count - _NAMES_A_CAUSE:,} more" if count > _NAMES_A_CAUSE else ""
        yield Line(f"{count:,} × {printable(common)}", style)
        yield Line(f"    {', '.join(names[:_NAMES_A_CAUSE])}{more}")
    if len(groups) > _CAUSES:
        yield Line(f"and {len(groups) - _CAUSES:,} more {further}")
