"""Pieces of HTML that the parts of the contact sheet share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape

from trio_mirror.model import Outcome, Result
from trio_mirror.names import media_type_of, printable

# A name may be 4,096 bytes long, and a thousand of them would be a page by themselves.
_SHOWN_CHARACTERS = 300
_FORMAT = re.compile(r"image/(?:x-|vnd\.\w+\.)?([\w-]+)")


def shown(text: str) -> str:
    """Untrusted text: cut, without control characters, and escaped."""
    text = printable(text)
    return escape(text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…")


def format_of(name: str) -> str:
    """The format that a name's extension stands for, as people read it."""
    found = _FORMAT.match(media_type_of(name))
    return found[1].upper() if found else "other"


def item(name: str, outcome: Outcome, result: Result | None = None) -> str:
    """The attributes of an element that the filters show or hide."""
    kinds = ["item", outcome.value]
    if result is not None and result.error is None and result.bytes_out:
        kinds += ["reencoded"] * (not result.lossless) + ["noted"] * bool(result.notes)
    return f'class="{" ".join(kinds)}" data-format="{format_of(name)}"'


def within(budget: int, parts: Iterable[str]) -> Iterator[str]:
    """The first of the parts that have so many bytes together."""
    for part in parts:
        budget -= len(part.encode("utf-8", "backslashreplace"))
        if budget < 0:
            return
        yield part


def table(label: str, heads: Iterable[str], rows: Iterable[str], kind: str = "") -> Iterator[str]:
    """A table that scrolls sideways where it is wider than its place, by keyboard too."""
    cells = "".join(f'<th scope="col">{head}</th>' for head in heads)
    yield f'<div class="scroll" role="region" tabindex="0" aria-label="{label}, a table"><table class="{kind}">'
    yield f"<thead><tr>{cells}</tr></thead><tbody>"
    yield from rows
    yield "</tbody></table></div>"
