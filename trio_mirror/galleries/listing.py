"""The text of a list, taken apart as it streams in: one name a line, in bounded memory."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable

import httpx
import trio

from trio_mirror.errors import ListError
from trio_mirror.galleries.dedup_window import DedupWindow
from trio_mirror.galleries.links import listed_name
from trio_mirror.galleries.list_decoder import ListDecoder
from trio_mirror.names import MAX_NAME_BYTES

# The event loop stands still while so much is taken apart, which is thousands of names at most.
_PIECE_BYTES = 16 * 1024
# A list is in another encoding where its first lines, so many or all of fewer, are not UTF-8.
_SAMPLE_LINES = 100
# UTF-32, and UTF-16 of four ASCII letters; between NULs, a list would have an empty name, or four of one letter.
_WIDE = re.compile(rb"[^\0]*\0\0|([^\0]\0){4}")
_NOT_UTF_8 = re.compile("[\udc80-\udcff]")  # what surrogateescape makes of it


async def names_of(chunks: AsyncIterator[bytes], place: object, base: httpx.URL | None) -> AsyncGenerator[str, None]:
    """The names of a list whose text streams in; other tasks have their turn however much of it comes at once.

    URLs below ``base`` come as the names that they have there.

    Raises:
        ListError: it is damaged, or in a form that is not known.
    """
    decoder, parser = ListDecoder(place), ListingParser(place)
    async for chunk in chunks:
        for text in decoder.feed(chunk):
            for at in range(0, len(text), _PIECE_BYTES):
                await trio.lowlevel.checkpoint()
                for line in parser.feed(text[at : at + _PIECE_BYTES]):
                    yield listed_name(line, base)
    for text in decoder.end():
        for line in parser.feed(text):
            yield listed_name(line, base)
    for line in parser.end():
        yield listed_name(line, base)


async def each(names: Iterable[str]) -> AsyncGenerator[str, None]:
    """Names at hand, in the form of a list that streams in."""
    for name in names:
        yield name


class ListingParser:
    """Turns chunks of text into names: UTF-8 lines, where CRLF, blank lines and repeats are normal.

    NULs separate the names instead of line breaks where one comes first, as `find -print0` writes them.

    What cannot be a name comes out all the same, and the name rules refuse it: a line that is not UTF-8 with lone
    surrogates in it, a line that is too long cut to one byte over the limit.
    """

    def __init__(self, place: object) -> None:
        self._place = place
        self._rest = b""
        self._separator: bytes | None = None
        self._recent = DedupWindow()
        self._held: list[str] | None = []

    def feed(self, chunk: bytes) -> list[str]:
        """Gives the names whose lines end in this chunk, in order.

        Raises:
            ListError: the list is not in UTF-8.
        """
        text = self._rest + chunk
        if self._separator is None:
            self._separator = self._find_separator(text)
        *lines, rest = [text] if self._separator is None else text.split(self._separator)
        # Of a line that is too long already only its being too long matters.
        self._rest = rest[: MAX_NAME_BYTES + 2]
        return [name for line in lines for name in self._line(line)]

    def end(self) -> list[str]:
        """Gives the names that are left: of a last line without a line break, say.

        Raises:
            ListError: the list is not in UTF-8.
        """
        # A list that is too short to show what separates its names has them between NULs, or one only.
        names = [name for line in self._rest.split(self._separator or b"\0") for name in self._line(line)]
        if self._held and len(self._held) > 1:
            raise self._error("in UTF-8: not one of its lines is")
        return [*(self._held or ()), *names]

    def _find_separator(self, text: bytes) -> bytes | None:
        found = re.search(b"[\n\0]", text)
        if found is None or (found[0] == b"\0" and len(text) < 8):
            return None
        if found[0] == b"\0" and (found.start() == 0 or _WIDE.match(text)):
            raise self._error("in UTF-8, but in UTF-16 or UTF-32 without a byte order mark")
        return found[0]

    def _line(self, line: bytes) -> list[str]:
        # `find .` begins each name with the folder itself.
        line = line.removesuffix(b"\r").removeprefix(b"./")[: MAX_NAME_BYTES + 1]
        if not line.strip() or not self._recent.add(line):
            return []
        name = line.decode("utf-8", "surrogateescape")
        if self._held is None:
            return [name]
        if len(line) <= MAX_NAME_BYTES and _NOT_UTF_8.search(name):
            self._held.append(name)
            if len(self._held) == _SAMPLE_LINES:
                raise self._error(f"in UTF-8: not one of its first {_SAMPLE_LINES} lines is")
            return []
        held, self._held = self._held, None
        return [*held, name]

    def _error(self, found: str) -> ListError:
        return ListError(f"the list {self._place} is not {found}; convert it to UTF-8, for example by iconv")
