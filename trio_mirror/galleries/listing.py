"""The text of a list, taken apart as it streams in: one name a line, in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from trio_mirror.galleries.dedup_window import DedupWindow
from trio_mirror.names import MAX_NAME_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable

WINDOW = 65_536
"""A repeat is noticed when it comes within this many distinct names."""

_BOM = b"\xef\xbb\xbf"


# The event loop stands still while so much is taken apart, which is thousands of names at most.
_PIECE_BYTES = 16 * 1024


async def names_of(chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
    """The names of a list whose text streams in; other tasks have their turn however much of it comes at once."""
    parser = ListingParser()
    async for chunk in chunks:
        for at in range(0, len(chunk), _PIECE_BYTES):
            await trio.lowlevel.checkpoint()
            for name in parser.feed(chunk[at : at + _PIECE_BYTES]):
                yield name
    for name in parser.end():
        yield name


async def each(names: Iterable[str]) -> AsyncGenerator[str, None]:
    """Names at hand, in the form of a list that streams in."""
    for name in names:
        yield name


class ListingParser:
    """Turns chunks of bytes into names: UTF-8 lines, where a BOM, CRLF, blank lines and repeats are normal.

    What cannot be a name comes out as it is, for the name rules to refuse: a line that is not UTF-8 with
    lone surrogates in it, a line that is too long cut to one byte over the limit.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._at_start = True
        self._recent = DedupWindow(WINDOW)

    def feed(self, chunk: bytes) -> list[str]:
        """Gives the names whose lines end in this chunk, in order."""
        *lines, rest = (self._rest + chunk).split(b"\n")
        # Of a line that is too long already only its being too long matters.
        self._rest = rest[: MAX_NAME_BYTES + 2]
        return [name for line in lines for name in self._line(line)]

    def end(self) -> list[str]:
        """Gives the name of a last line without a line break, if there is one."""
        return self._line(self._rest)

    def _line(self, line: bytes) -> list[str]:
        if self._at_start:
            line = line.removeprefix(_BOM)
            self._at_start = False
        line = line.removesuffix(b"\r")[: MAX_NAME_BYTES + 1]
        if not line.strip() or not self._recent.add(line):
            return []
        return [line.decode("utf-8", "surrogateescape")]
