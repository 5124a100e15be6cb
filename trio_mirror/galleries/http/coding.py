"""Undoes the content coding of a body (RFC 9110, section 8.4.1), a bounded piece at a time.

httpx decodes each chunk whole, and several codings one within the other: some kilobytes can become
gigabytes before anything counts them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import httpx

ACCEPTED = "gzip, deflate"  # for Accept-Encoding

_PIECE = 65_536
# zlib's wbits: a window of 32 KiB in a gzip header, in a zlib header, in none.
_GZIP, _ZLIB, _BARE = 31, 15, -15
_WBITS = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _ZLIB}
# The other names in IANA's registry of content codings. Any other text, such as "UTF-8" or "none", names no coding.
_OTHERS = {"aes128gcm", "br", "compress", "dcb", "dcz", "exi", "pack200-gzip", "x-compress", "zstd"}


class Decoder:
    """Undoes the content coding that a ``Content-Encoding`` states; what names none leaves the body as it is.

    Raises:
        httpx.DecodingError: it is a coding that was not accepted, or more than one.
    """

    def __init__(self, coding: str) -> None:
        named = [it.strip() for it in coding.lower().split(",")]
        codings = [it for it in named if it in _WBITS or it in _OTHERS]
        if len(codings) > 1 or not _OTHERS.isdisjoint(codings):
            raise httpx.DecodingError("the body comes in a content coding that was not asked for")
        self._wbits = _WBITS[codings[0]] if codings else None
        self._zlib: zlib._Decompress | None = None

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Gives what a chunk of the body decodes to, in pieces of 64 KiB at most.

        Raises:
            httpx.DecodingError: it is damaged.
        """
        if self._wbits is None:
            yield chunk
            return
        while chunk:
            if self._zlib is None:
                self._zlib = zlib.decompressobj(self._wbits_of(chunk))
            try:
                yield from self._pieces(self._zlib, chunk)
            except zlib.error as error:
                raise httpx.DecodingError("the body's content coding is damaged") from error
            chunk = b""
            if self._zlib.eof:
                # A gzip file may have several members, one after the other (RFC 1952, section 2.2).
                chunk, self._zlib = self._zlib.unused_data, None

    def end(self) -> None:
        """Makes sure that nothing is missing behind the last chunk.

        Raises:
            httpx.DecodingError: something is.
        """
        if self._zlib is not None:
            raise httpx.DecodingError("the body's content coding ends early")

    def _wbits_of(self, chunk: bytes) -> int:
        assert self._wbits is not None
        # "Some non-conformant implementations send the 'deflate' compressed data without the zlib wrapper"
        # (RFC 9110, section 8.4.1.2). The wrapper's first byte names the method, 8 (RFC 1950, section 2.2).
        return _BARE if self._wbits == _ZLIB and chunk[0] & 0x0F != 8 else self._wbits

    @staticmethod
    def _pieces(decompressor: zlib._Decompress, chunk: bytes) -> Iterator[bytes]:
        piece = b""
        # A full piece may leave more behind, though all of the chunk is taken in.
        while chunk or len(piece) == _PIECE:
            piece = decompressor.decompress(chunk, _PIECE)
            chunk = decompressor.unconsumed_tail
            if piece:
                yield piece
