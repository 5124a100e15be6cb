"""The log: one line an event, on stderr and in a file where one is asked for."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from trio_mirror.cli.view.events import now
from trio_mirror.cli.view.printer import Line, Printer
from trio_mirror.names import printable
from trio_mirror.settings import LogFormat

if TYPE_CHECKING:
    from trio_mirror.cli.view.lines import LineWriter

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
    handlers: list[logging.Handler] = [_PrintHandler(printer, level, log_format, failures=failures or verbosity > 0)]
    if file is not None:
        handlers.append(_FileHandler(file, min(level, logging.INFO), log_format))
    logger = logging.getLogger("trio_mirror")
    logger.handlers = handlers
    logger.setLevel(min(handler.level for handler in handlers))
    logger.propagate = False
    # A warning of Pillow's about a picture's metadata is a line of the log too, not of stderr as it comes.
    logging.captureWarnings(capture=True)
    warnings_logger = logging.getLogger("py.warnings")
    warnings_logger.handlers = handlers if verbosity >= 2 else [logging.NullHandler()]
    warnings_logger.propagate = False


class _PrintHandler(logging.Handler):
    def __init__(self, printer: Printer, level: int, log_format: LogFormat, *, failures: bool) -> None:
        super().__init__(level)
        self._printer = printer
        self._log_format = log_format
        self._failures = failures

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == RESULTS and not self._failures:
            return
        if self._log_format is LogFormat.JSON:
            self._printer.print(Line(_as_json(self, record)))
        else:
            level = Line(f"{record.levelname.lower()}: ", _STYLES.get(record.levelno, "dim"))
            # A name never steers the terminal, and is never read as markup.
            self._printer.print(level, Line(printable(self.format(record))))


class _FileHandler(logging.Handler):
    def __init__(self, file: LineWriter, level: int, log_format: LogFormat) -> None:
        super().__init__(level)
        self._file = file
        self._log_format = log_format

    def emit(self, record: logging.LogRecord) -> None:
        if self._log_format is LogFormat.JSON:
            self._file.write(_as_json(self, record))
        else:
            self._file.write(f"{now()} {record.levelname.lower()}: {printable(self.format(record))}")


def _as_json(handler: logging.Handler, record: logging.LogRecord) -> str:
    fields = {"time": now(), "level": record.levelname.lower(), "logger": record.name}
    return json.dumps(fields | {"message": handler.format(record)})
