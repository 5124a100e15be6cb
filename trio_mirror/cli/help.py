"""The pages of ``--help`` and ``--help-all``: panels of options, as wide as the terminal.

Drawn here and not by typer's own means, which import most of rich: that takes longer than all the rest of ``--help``.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, NamedTuple

from typer import style
from typer.core import TyperArgument, TyperOption

from trio_mirror.flip.formats import FORMATS
from trio_mirror.settings.fields import Panel
from trio_mirror.settings.sources import CONFIG_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from typer import Context

_MOST_USED = ("to", "concurrency", "include", "journal", "sheet", "dry_run", "help_all")
_MORE_HELP = f"Each option can also be set as TRIO_MIRROR_<OPTION> in the environment, or in {CONFIG_FILE}."
_FORMATS = "What becomes of each format"

# Cells. Wider lines would be hard to read, narrower ones hold no table.
_MAX_WIDTH, _MIN_WIDTH = 120, 50
_MIN_EXPLAINED = 16
_BOX, _ASCII_BOX = tuple("╭─╮│╰╯"), tuple("+-+|++")


class _Row(NamedTuple):
    """One option of a panel."""

    name: str
    explained: str
    metavar: str = ""
    default: str = ""
    """As people read it."""


def has_colour() -> bool | None:
    """Whether the help may be styled: never (no-color.org), or, None, where it is printed on a terminal."""
    return False if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else None


def short_help(context: Context) -> str:
    """The page that fits a screen: how the command is used, and the options used most."""
    options = {it.name: it for it in context.command.params if isinstance(it, TyperOption)}
    rows = [_row(options[name]) for name in _MOST_USED]
    width = _width()
    return "\n".join([*_head(context, width), *_panel("Used most", rows, width), "", *_text(_MORE_HELP, width)])


def whole_help(context: Context) -> str:
    """The page of all options by their panels, and of the formats."""
    panels: dict[str, list[_Row]] = {panel: [] for panel in Panel}
    for given in context.command.get_params(context):
        assert isinstance(given, TyperArgument | TyperOption)
        panels.setdefault(given.rich_help_panel or "Options", []).append(_row(given, opposite=True))
    panels[_FORMATS] = [_Row(row.name, row.in_short) for row in FORMATS]
    width = _width()
    lines = _head(context, width)
    for title, rows in panels.items():
        lines += _panel(title, rows, width)
    return "\n".join([*lines, "", *_text(_MORE_HELP, width)])


def _width() -> int:
    return max(_MIN_WIDTH, min(shutil.get_terminal_size().columns, _MAX_WIDTH))


def _row(given: TyperArgument | TyperOption, *, opposite: bool = False) -> _Row:
    if isinstance(given, TyperArgument):
        return _Row(given.metavar or given.name, given.help or "")
    *short, name = sorted(given.opts, key=len)
    names = "/".join([name, *given.secondary_opts]) if opposite else name
    default = given.show_default if isinstance(given.show_default, str) else ""
    return _Row(", ".join([*short, names]), given.help or "", given.metavar or "", default)


def _head(context: Context, width: int) -> list[str]:
    usage = " ".join([context.command_path, *context.command.collect_usage_pieces(context)])
    lines = ["", f" {style('Usage:', fg='yellow')} {style(usage, bold=True)}", ""]
    for paragraph in (context.command.help or "").split("\n\n"):
        lines += [*_text(paragraph, width), ""]
    return lines


def _text(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width - 1, initial_indent=" ", subsequent_indent=" ")


def _panel(title: str, rows: Sequence[_Row], width: int) -> Iterator[str]:
    """Draws a frame with a title around a table of two columns."""
    left_top, line, right_top, side, left_bottom, right_bottom = _box()
    inner = width - 4
    # Options without a one-letter form stand below the long names of those with one.
    indent = "    " if any(_has_short(row) for row in rows) else ""
    rows = [row if _has_short(row) else row._replace(name=indent + row.name) for row in rows]
    first = min(max(len(f"{row.name} {row.metavar}".rstrip()) for row in rows) + 2, inner - _MIN_EXPLAINED)
    yield style(f"{left_top}{line} {title} {line * (width - len(title) - 5)}{right_top}", dim=True)
    edge = style(side, dim=True)
    for row in rows:
        for text, length in _lines(row, first, inner):
            yield f"{edge} {text}{' ' * (inner - length)} {edge}"
    yield style(f"{left_bottom}{line * (width - 2)}{right_bottom}", dim=True)


def _has_short(row: _Row) -> bool:
    return row.name.startswith("-") and not row.name.startswith("--")


def _lines(row: _Row, first: int, inner: int) -> Iterator[tuple[str, int]]:
    """Gives the lines of one row, each with its length in cells."""
    name, length = style(row.name, fg="cyan", bold=True), len(row.name)
    if row.metavar:
        name, length = f"{name} {style(row.metavar, fg='yellow')}", length + 1 + len(row.metavar)
    if length > first - 2:
        yield name, length
        name, length = "", 0
    # A default is not broken over two lines.
    default = f"[{row.default}]".replace(" ", "\xa0") if row.default else ""
    for line in textwrap.wrap(f"{row.explained} {default}", inner - first, break_on_hyphens=False):
        shown = line.removesuffix(default) + style(default, dim=True) if default and line.endswith(default) else line
        yield f"{name}{' ' * (first - length)}{shown}".replace("\xa0", " "), first + len(line)
        name, length = "", 0


def _box() -> tuple[str, ...]:
    try:
        "".join(_BOX).encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return _ASCII_BOX
    return _BOX
