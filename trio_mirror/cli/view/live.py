"""The live display: lines redrawn in place at the bottom of a terminal, while the log is printed above them."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import trio
from rich.console import Group
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType

from trio_mirror.cli.view.progress import Progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

# Seconds between redraws. What is drawn costs about a millisecond.
_REFRESH = 0.25
_UNKNOWN_SIZE = 80, 24


async def show_live(progress: Progress, console: Console) -> None:
    """Draws how a run goes, four times a second and when the terminal is resized, until it is cancelled.

    Drawn by this task and not by a thread of rich's, so that no thread outlives the run. While the process is stopped
    (Ctrl-Z), the terminal is the shell's: nothing is drawn there, and the cursor is shown.
    """
    while True:
        with (
            trio.open_signal_receiver(signal.SIGWINCH, signal.SIGTSTP) as signals,
            Live(
                console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
            ) as live,
        ):
            await _draw(progress, console, live, signals)
        # With its default action again.
        signal.raise_signal(signal.SIGTSTP)


async def _draw(progress: Progress, console: Console, live: Live, signals: AsyncIterator[int]) -> None:
    """Draws until the process is to be stopped."""
    lines: list[Text] = []
    arrived = 0
    while arrived != signal.SIGTSTP:
        progress.tick()
        width, height = console.size = _terminal_size(console)
        _take_back(console, sum((line.cell_len - 1) // width for line in lines))
        # Three cells less than the terminal's width: it writes ^Z or ^C at the cursor, and terminals differ in when
        # they wrap. One line less than its height, which the cursor takes at the end.
        lines = progress.lines(width - 3, ascii_only=console.options.ascii_only)[: height - 1]
        live.update(Group(*lines), refresh=True)
        with trio.move_on_after(_REFRESH):
            arrived = await anext(signals)


def _terminal_size(console: Console) -> tuple[int, int]:
    # Rich looks at the standard streams: none of them need be the terminal that the console writes to.
    try:
        size = os.get_terminal_size(console.file.fileno())
    except OSError:
        return console.size
    # A terminal that nobody has set up, as of a container or a serial line, says 0.
    return size if all(size) else _UNKNOWN_SIZE


def _take_back(console: Console, rows: int) -> None:
    """Erases the last rows of the display.

    Where a terminal became narrower it wrapped the lines, and rich would erase as many rows as there were lines.
    """
    if rows:
        console.control(
            Control(ControlType.CARRIAGE_RETURN, *((ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)) * rows)
        )
