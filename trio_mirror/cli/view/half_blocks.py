"""Two pictures side by side in a terminal, two pixels a character."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from rich.color import Color
from rich.style import Style
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

# Columns of one picture, and between the two.
_MOST, _GAP = 36, 2


def can_show(console: Console) -> bool:
    """Whether the terminal has colours, the characters, and room."""
    has_colours = console.is_terminal and console.color_system is not None and not console.no_color
    has_room = console.width >= 2 * 10 + _GAP
    return has_colours and has_room and console.encoding.startswith("utf") and not console.is_dumb_terminal


def half_blocks(console: Console, before: Path, after: Path) -> Iterator[Text]:
    """The lines that show a picture before and after."""
    columns = min(_MOST, (console.width - _GAP) // 2)
    with Image.open(before) as first, Image.open(after) as second:
        rows = max(1, columns * first.height // first.width // 2)
        left, right = (it.convert("RGB").resize((columns, 2 * rows)) for it in (first, second))
    for row in range(rows):
        line = Text(no_wrap=True)
        for image in (left, right):
            for column in range(columns):
                # The upper half of a character has the colour of its text, the lower half that of its ground.
                upper, lower = (Color.from_rgb(*image.getpixel((column, 2 * row + at))) for at in (0, 1))  # type: ignore[misc]
                line.append("▀", Style(color=upper, bgcolor=lower))
            line.append(" " * _GAP * (image is left))
        yield line
