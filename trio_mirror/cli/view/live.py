"""Lines that are redrawn in place at the bottom of a terminal, while the log is printed above them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import trio
from rich.console import RenderHook
from rich.control import Control
from rich.segment import ControlType, Segment

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderResult
    from rich.text import Text

    from trio_mirror.cli.view.progress import Progress

# Seconds between redraws. What is drawn costs about a millisecond.
_REFRESH = 0.25

# ECMA-48's erase functions (8.3.39 ED, 8.3.41 EL), and DEC's private modes for the cursor and for wrapping.
_ERASE_BELOW = "\r\x1b[J"
_ERASE_REST = "\x1b[K"
_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
_WRAP_OFF, _WRAP_ON = "\x1b[?7l", "\x1b[?7h"


async def show_live(progress: Progress, console: Console) -> None:
    """Draws how a run goes, four times a second until it is cancelled, and then wipes it.

    Drawn by this task and not by a thread of rich's, so that no thread outlives the run.
    """
    with Region(console) as region:
        while True:
            progress.tick()
            region.draw(progress.lines(region.width, ascii_only=console.options.ascii_only))
            await trio.sleep(_REFRESH)


class Region(RenderHook):
    """Lines below everything else that a console prints.

    Between two redraws the cursor rests at the beginning of the first of the lines, not below the last one:
    that place stays right when the terminal is resized and the lines wrap differently.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lines: list[Text] = []
        self._size = (0, 0)

    def __enter__(self) -> Self:
        self._console.push_render_hook(self)
        self._console.control(_codes(_HIDE_CURSOR))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._console.pop_render_hook()
        self._console.control(_codes(_ERASE_BELOW + _SHOW_CURSOR))

    @property
    def width(self) -> int:
        """The width that lines may have now, in cells.

        One less than the terminal's: at its last cell terminals differ in what they erase, and when they wrap.
        """
        return self._terminal_size()[0] - 1

    def draw(self, lines: list[Text]) -> None:
        """Draws lines in the place of the last ones; as many as the terminal is high."""
        size = self._terminal_size()
        # Writing over the old lines does not flicker as erasing them first would; after a resize they must go.
        codes = _ERASE_BELOW if size != self._size else ""
        self._size = size
        self._lines = lines[: size[1]]
        self._console.print(_codes(codes), end="", crop=False)

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Puts what is printed above the lines; called by the console."""
        if all(isinstance(it, Control) for it in renderables):
            return [*renderables, self]
        return [_codes(_ERASE_BELOW), *renderables, self]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # A character may be wider on the terminal than rich takes it to be: it may cut a line, never break it.
        yield _segment(_WRAP_OFF)
        for number, line in enumerate(self._lines):
            if number:
                yield Segment.line()
            yield from line.render(console)
            yield _segment(_ERASE_REST)
        up = f"\x1b[{len(self._lines) - 1}A" if len(self._lines) > 1 else ""
        yield _segment(f"{_WRAP_ON}\r{up}")

    def _terminal_size(self) -> tuple[int, int]:
        try:
            return os.get_terminal_size(self._console.file.fileno())
        except OSError:
            return self._console.size


def _codes(codes: str) -> Control:
    control = Control()
    control.segment = _segment(codes)
    return control


def _segment(codes: str) -> Segment:
    # Rich writes a control segment as it is; which of its own codes it names does not matter.
    return Segment(codes, None, [(ControlType.CARRIAGE_RETURN,)])
