"""The log: one line an event, on stderr and in a file where one is asked for."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from functools import partial

from trio_mirror.cli.view.events import now
from trio_mirror.cli.view.lines import LineWriter
from trio_mirror.cli.view.printer import Line, Printer
from trio_mirror.names import printable
from trio_mirror.settings import LogFormat

PROGRESS = 25  # the level of the progress lines: above each picture, below a warning

RESULTS = "trio_mirror.results"  # the logger of the pictures that ended

_LEVELS = {-1: logging.ERROR, 0: PROGRESS, 1: logging.INFO}
_STYLES = {logging.ERROR: "bold red", logging.WARNING: "yellow"}


def log_to(
    printer: Printer,
    verbosity: int,
    *,
    log_format: LogFormat = LogFormat.TEXT,
    file: LineWriter | None = None,
    failures: bool = True,
) -> None:
    """Sends the package's log to stderr, and to a file.

    stderr gets warnings and progress; with verbosity 1 each picture, with 2 everything, below 0 less. With
    ``failures`` it gets the pictures that failed in any case. A file gets each picture at least.
    """
    logging.addLevelName(PROGRESS, "PROGRESS")
    level = _LEVELS.get(max(verbosity, -1), logging.DEBUG)
    handlers: list[logging.Handler] = [_LineHandler(level, log_format, printer.print)]
    if not failures and verbosity <= 0:
        handlers[0].addFilter(lambda record: record.name != RESULTS)
    if file is not None:
        handlers.append(_LineHandler(min(level, logging.INFO), log_format, partial(_write, file), is_dated=True))
    logger = logging.getLogger("trio_mirror")
    logger.handlers = handlers
    logger.setLevel(min(handler.level for handler in handlers))
    logger.propagate = False
    # A warning of Pillow's about a picture's metadata is a line of the log too, not of stderr as it comes.
    logging.captureWarnings(capture=True)
    warnings_logger = logging.getLogger("py.warnings")
    warnings_logger.handlers = handlers if verbosity >= 2 else [logging.NullHandler()]
    warnings_logger.propagate = False


def _write(file: LineWriter, *parts: Line) -> None:
    file.write("".join(it.plain for it in parts))


class _LineHandler(logging.Handler):
    """Writes each record as one line, in parts; text begins with the time where it is dated."""

    def __init__(
        self, level: int, log_format: LogFormat, write: Callable[..., None], *, is_dated: bool = False
    ) -> None:
        super().__init__(level)
        self._log_format = log_format
        self._write = write
        self._is_dated = is_dated

    def emit(self, record: logging.LogRecord) -> None:
        level, message = record.levelname.lower(), self.format(record)
        if self._log_format is LogFormat.JSON:
            fields = {"time": now(), "level": level, "logger": record.name, "message": message}
            self._write(Line(json.dumps(fields)))
        else:
            date = [Line(f"{now()} ")] if self._is_dated else []
            # A name never steers the terminal, and is never read as markup.
            self._write(*date, Line(f"{level}: ", _STYLES.get(record.levelno, "dim")), Line(printable(message)))
