"""The text of a list in UTF-8, whatever form its bytes have: UTF-16 by its BOM, gzip by its first bytes."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

import httpx

from trio_mirror.errors import ListError
from trio_mirror.galleries.http.coding import Decoder

_GZIP = b"\x1f\x8b"
_UTF_16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_UNREADABLE = {
    codecs.BOM_UTF32_LE: "in UTF-32",
    codecs.BOM_UTF32_BE: "in UTF-32",
    b"PK\x03\x04": "a ZIP file",
    b"BZh": "compressed by bzip2",
    b"\xfd7zXZ\0": "compressed by xz",
    b"\x28\xb5\x2f\xfd": "compressed by Zstandard",
}
# The BOM of UTF-32 begins with that of UTF-16.
_BEGINNINGS = sorted([_GZIP, *_UTF_16, codecs.BOM_UTF8, *_UNREADABLE], key=len, reverse=True)


class ListDecoder:
    """Turns chunks of a list into UTF-8, as they come.

    Text without a known beginning goes through as it is. A lone surrogate of UTF-16 comes out as bytes that are not
    UTF-8, which the name rules refuse. Errors call the list ``place``.
    """

    def __init__(self, place: object) -> None:
        self._place = place
        self._start: bytes | None = b""
        self._gzip: Decoder | None = None
        self._utf_16: codecs.IncrementalDecoder | None = None

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Gives the text that a chunk holds, in pieces of bounded size.

        Raises:
            ListError: it is in a form that is not known, or damaged.
        """
        if self._gzip is None:
            yield from self._text(chunk)
            return
        try:
            for piece in self._gzip.feed(chunk):
                yield from self._text(piece)
        except httpx.DecodingError as error:
            raise ListError(f"the list {self._place} is a damaged gzip file") from error

    def end(self) -> Iterator[bytes]:
        """Gives what is left at the end.

        Raises:
            ListError: something is missing.
        """
        if self._start:
            yield from self._begin(self._start)
        try:
            if self._gzip is not None:
                self._gzip.end()
            if self._utf_16 is not None:
                self._utf_16.decode(b"", final=True)
        except (httpx.DecodingError, UnicodeDecodeError) as error:
            form = "gzip" if isinstance(error, httpx.DecodingError) else "UTF-16"
            raise ListError(f"the list {self._place} is in {form} and ends early") from error

    def _text(self, chunk: bytes) -> Iterator[bytes]:
        if self._start is not None:
            chunk = self._start = self._start + chunk
            if any(it.startswith(chunk) for it in _BEGINNINGS):
                # Which it is the next bytes show.
                return
            self._start = None
            yield from self._begin(chunk)
        elif self._utf_16 is not None:
            yield self._utf_16.decode(chunk).encode("utf-8", "surrogatepass")
        else:
            yield chunk

    def _begin(self, text: bytes) -> Iterator[bytes]:
        beginning = next((it for it in _BEGINNINGS if text.startswith(it)), b"")
        rest = text.removeprefix(beginning)
        if (form := _UNREADABLE.get(beginning)) is not None:
            raise ListError(f"the list {self._place} is {form}, and not text in UTF-8, in UTF-16 or compressed by gzip")
        if beginning == _GZIP and self._gzip is None:
            # Inside is a text with a beginning of its own.
            self._gzip, self._start = Decoder("gzip"), b""
            yield from self.feed(text)
        elif beginning in _UTF_16:
            self._utf_16 = codecs.getincrementaldecoder(_UTF_16[beginning])("surrogatepass")
            yield from self._text(rest)
        else:
            yield rest if beginning == codecs.BOM_UTF8 else text
