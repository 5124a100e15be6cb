"""All that is shown or written of one run: the log, the events, the progress, the contact sheet, the summary."""

from __future__ import annotations

import json
import logging
import sys
from functools import partial
from typing import TYPE_CHECKING

import trio

from trio_mirror.cli.view.events import event_line
from trio_mirror.cli.view.lines import LineWriter
from trio_mirror.cli.view.log import PROGRESS, RESULTS, log_to
from trio_mirror.cli.view.next_step import next_step
from trio_mirror.cli.view.phrase import phrase
from trio_mirror.cli.view.printer import Printer
from trio_mirror.cli.view.progress import Progress
from trio_mirror.cli.view.summary import Summary
from trio_mirror.errors import OutputError
from trio_mirror.model import Outcome, Report, Result
from trio_mirror.pipeline.hooks import Sampler
from trio_mirror.pipeline.run import Run
from trio_mirror.settings import STDOUT, LogFormat, Options, Settings, option_name

if TYPE_CHECKING:
    from trio_mirror.cli.view.sheet import Sheet

# Seconds between the lines of a progress that is not drawn in place.
_INTERVAL = 10.0
# The settings that leave out pictures of the list.
_PICKS = ("include", "exclude", "shard", "retry_failed")
_log = logging.getLogger(RESULTS)
_progress_log = logging.getLogger("trio_mirror.progress")


class Views:
    """What a person or a program sees of one run.

    A verbosity below 0 says less, above 0 more.

    Attributes:
        sampler: who wants to see every picture while it is in memory.

    Raises:
        SettingsError: a file that cannot be written.
    """

    def __init__(self, options: Options, verbosity: int, stderr: Printer) -> None:
        self._options = options
        self._verbosity = verbosity
        self._stderr = stderr
        self._shows_progress = verbosity >= 0 if options.progress is None else options.progress
        self._is_live = self._can_be_live()
        self._progress: Progress | None = None
        self._summary = Summary()
        self._sheet: Sheet | None = None
        self.sampler: Sampler | None = None
        if options.sheet is not None:
            from trio_mirror.cli.view.sheet import Sheet

            self._sheet = Sheet(options.sheet)
            self.sampler = self._sheet.sample
        self._events = LineWriter("--events", options.events, to_line=event_line) if options.events else None
        log_file = LineWriter("--log-file", options.log_file, append=True) if options.log_file else None
        self._writers = [it for it in (self._events, log_file) if it is not None]
        log_to(
            stderr,
            max(verbosity, 2) if options.debug else verbosity,
            log_format=options.log_format,
            file=log_file,
            failures=not self._is_live,
        )

    async def watch(self, run: Run) -> None:
        """Draws and writes while the run goes on, until it is cancelled."""
        self._progress = Progress(run)
        async with trio.open_nursery() as nursery:
            for writer in self._writers:
                nursery.start_soon(writer.keep, partial(run.drain, "error"))
            if self._sheet is not None:
                nursery.start_soon(self._sheet.watch, run)
            if self._shows_progress and run.counting is not None:
                # The log's first line comes late, and many a run has ended by then.
                nursery.start_soon(self._progress.count, run.counting, 0 if self._is_live else _INTERVAL / 2)
            if self._is_live:
                from trio_mirror.cli.view.live import show_live

                nursery.start_soon(show_live, self._progress, self._stderr.console)
            elif self._shows_progress:
                nursery.start_soon(_log_progress, self._progress)

    async def add(self, result: Result) -> None:
        """Shows one result, and waits where the files are far behind."""
        _log_result(result)
        self._summary.add(result)
        if self._progress is not None:
            self._progress.add(result)
        if self._sheet is not None:
            self._sheet.add(result)
        if self._events is not None:
            self._events.write(result)
        for writer in self._writers:
            await writer.room()

    async def end(self, report: Report | None) -> OutputError | None:
        """Writes what is left; returns why something could not be written."""
        error = None
        if report is not None:
            if self._progress is not None and report.listed and self._shows_progress and not self._is_live:
                self._progress.tick()
                _progress_log.log(PROGRESS, self._progress.plain())
            if self._events is not None:
                self._events.write(report)
            if self._sheet is not None:
                error = await self._sheet.write(report)
        for writer in self._writers:
            await writer.end()
            error = error or writer.error
        return error

    def print_report(self, report: Report, settings: Settings) -> None:
        """Prints the summary, or the report as JSON: on stdout, unless the events go there."""
        if self._options.json:
            print(json.dumps(report.as_json(), indent=2))  # noqa: T201
        elif self._verbosity > -2 and self._options.to != STDOUT:
            picked_by = [option_name(it) for it in _PICKS if getattr(settings, it)]
            total = None if self._progress is None else self._progress.total
            lines = self._summary.lines(report, next_step(report, settings), picked_by, total)
            printer = self._stderr if self._options.events == STDOUT else Printer(sys.stdout)
            for line in lines:
                printer.print(line)

    def _can_be_live(self) -> bool:
        """Whether progress is drawn in place: only where a person looks on, and nothing else is drawn there."""
        return (
            self._shows_progress
            and sys.stderr.isatty()
            and self._stderr.console.is_terminal
            and not self._stderr.console.is_dumb_terminal
            and self._options.log_format is LogFormat.TEXT
            and not (self._options.events == STDOUT and sys.stdout.isatty())
        )


async def _log_progress(progress: Progress) -> None:
    while True:
        await trio.sleep(_INTERVAL)
        progress.tick()
        _progress_log.log(PROGRESS, progress.plain())


def _log_result(result: Result) -> None:
    if result.outcome in (Outcome.FAILED, Outcome.UNKNOWN):
        _log.warning("%s: %s at %s: %s", result.name, result.outcome, result.stage, result.error)
    elif result.error is not None:
        _log.info("%s: %s: %s", result.name, result.outcome, result.error)
    elif _log.isEnabledFor(logging.INFO):
        exactness = "exact" if result.lossless else "re-encoded"
        notes = "".join(f"; {phrase(note)}" for note in result.notes)
        _log.info("%s: %s, %s%s", result.name, result.outcome, exactness, notes)
