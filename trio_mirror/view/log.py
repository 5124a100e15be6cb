"""The log: one line an event on stderr, above the progress line where there is one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from rich.text import Text

from trio_mirror.names import printable

if TYPE_CHECKING:
    from rich.console import Console

_LEVELS = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO, 2: logging.DEBUG}
_STYLES = {logging.ERROR: "bold red", logging.WARNING: "yellow"}


def log_to(console: Console, verbosity: int) -> None:
    """Sends the package's log to a console: warnings, with verbosity 1 each picture, with 2 everything."""
    logger = logging.getLogger("trio_mirror")
    logger.handlers = [_ConsoleHandler(console)]
    logger.setLevel(
        {-2: logging.ERROR, -1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}.get(verbosity, logging.DEBUG)
    )
    logger.propagate = False
    # A warning of Pillow's about a picture's metadata is a line of the log too, not of stderr as it comes.
    logging.captureWarnings(capture=True)
    warnings_logger = logging.getLogger("py.warnings")
    warnings_logger.handlers = logger.handlers if verbosity >= 2 else [logging.NullHandler()]
    warnings_logger.propagate = False


class _ConsoleHandler(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        # A name never steers the terminal, and is never read as markup.
        text = Text(f"{record.levelname.lower()}: ", _STYLES.get(record.levelno, "dim"))
        text.append(printable(self.format(record)), "")
        self._console.print(text, soft_wrap=True)
