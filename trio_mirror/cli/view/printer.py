"""Lines for people, on stderr and stdout: in styles on a terminal, as plain text elsewhere."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, TextIO

if TYPE_CHECKING:
    from rich.console import Console


class Line(NamedTuple):
    """A line, or a part of one, in a style of rich's."""

    plain: str
    style: str = ""


class Printer:
    """Prints to a stream. Without styles it needs no rich, whose import takes a tenth of a short run."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def print(self, *parts: Line) -> None:
        """Prints one line, and writes it at once."""
        text = "".join(it.plain for it in parts) + "\n"
        if any(it.style for it in parts) and self.has_styles:
            from rich.text import Text

            with self.console.capture() as captured:
                self.console.print(Text.assemble(*parts), soft_wrap=True)
            text = captured.get()
        # By ourselves in both cases: where nobody reads, rich would end the process.
        self._stream.write(text)
        self._stream.flush()

    @property
    def has_styles(self) -> bool:
        """Whether the stream is a terminal, or the environment takes it for one."""
        return self._stream.isatty() or any(map(os.environ.get, ("FORCE_COLOR", "TTY_COMPATIBLE")))

    @cached_property
    def console(self) -> Console:
        """What rich draws on: the terminal behind the stream."""
        from rich.console import Console

        return Console(file=self._stream, highlight=False, markup=False, emoji=False)
