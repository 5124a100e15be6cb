"""The exact compressions of TIFF: bytes of a strip or tile, decoded to rows and encoded again.

LZW, PackBits and Zstandard compress bytes, whatever pixels those are part of; so each strip is handed to
Pillow's libtiff as if it were a grey picture of one strip, as wide as a row has bytes.
"""

from __future__ import annotations

import lzma
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from PIL import Image

from trio_mirror.errors import FlipError
from trio_mirror.flip.tiff.layout import (
    CCITT_G3,
    CCITT_G4,
    CCITT_RLE,
    DEFLATE,
    LZW,
    OLD_DEFLATE,
    PACKBITS,
    THUNDERSCAN,
    ZSTD,
)
from trio_mirror.flip.tiff.libtiff import decode_strip, encode_strip

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio_mirror.flip.tiff.predictor import Predictor

DEFLATES = frozenset({DEFLATE, OLD_DEFLATE})
BYTEWISE = {LZW: "tiff_lzw", PACKBITS: "packbits", ZSTD: "zstd"}
"""Pillow's names of the compressions that know only bytes."""
FAX = {CCITT_RLE: "tiff_ccitt", CCITT_G3: "group3", CCITT_G4: "group4"}
"""Pillow's names of the compressions of black and white rows (ITU-T T.4 and T.6)."""
FAX_OPTIONS = {CCITT_G3: 292, CCITT_G4: 293}
"""The tags that say how a fax code is used."""

_UNCOMPRESSED_MODE = 2
# A table for ``bytes.translate``: from one fill order to the other (TIFF 6.0 section 8).
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
# Bytes; the first is what the highest preset takes, and room.
_LZMA_MEMORY, _LZMA_DICTIONARY = 1 << 27, 1 << 23

# How many bytes one compressed byte can at most stand for: in deflate 258 bytes take two bits, in PackBits
# 128 take two bytes, in LZW a string as long as the table takes 12 bits. More room would never be filled.
_MOST_FROM_ONE_BYTE = {DEFLATE: 1032, OLD_DEFLATE: 1032, PACKBITS: 64, LZW: 2731}


class Codec(Protocol):
    """Decodes and encodes the strips or tiles of one image."""

    def decode(self, data: bytes, rows: int) -> bytes:
        """The rows of one strip or tile.

        Raises:
            FlipError: the data is damaged or of a kind that cannot be decoded.
        """

    def encode(self, raster: bytes, rows: int) -> bytes:
        """The data of one strip or tile."""


@dataclass(frozen=True)
class Uncompressed:
    """Rows as they are."""

    stride: int

    def decode(self, data: bytes, rows: int) -> bytes:
        """The first bytes: as many as the rows take."""
        return data[: rows * self.stride]

    def encode(self, raster: bytes, rows: int) -> bytes:  # noqa: ARG002 - a Codec's shape
        """The rows themselves."""
        return raster


@dataclass(frozen=True)
class Deflate:
    """Deflate in zlib's format (RFC 1950), under its two numbers."""

    stride: int

    def decode(self, data: bytes, rows: int) -> bytes:
        """Decompresses as many bytes as the rows take, and no more."""
        _check_plausible(DEFLATE, data, rows * self.stride)
        return _decompressed(zlib.decompressobj().decompress, data, rows * self.stride)

    def encode(self, raster: bytes, rows: int) -> bytes:  # noqa: ARG002 - a Codec's shape
        """Compresses as well as zlib can: the result had better fit where the original was."""
        return zlib.compress(raster, 9)


@dataclass(frozen=True)
class Lzma:
    """LZMA2 in the xz format, without a checksum, as libtiff writes it."""

    stride: int

    def decode(self, data: bytes, rows: int) -> bytes:
        """Decompresses as many bytes as the rows take, and no more."""
        decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_LZMA_MEMORY)
        return _decompressed(decompressor.decompress, data, rows * self.stride)

    def encode(self, raster: bytes, rows: int) -> bytes:  # noqa: ARG002 - a Codec's shape
        """Compresses with a dictionary as large as the rows: libtiff's own takes far longer to make ready."""
        size = max(4096, len(raster))
        filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": min(size, _LZMA_DICTIONARY)}]
        return lzma.compress(raster, check=lzma.CHECK_NONE, filters=filters)


@dataclass(frozen=True)
class Bytewise:
    """LZW, PackBits or Zstandard, by libtiff."""

    compression: int
    stride: int

    def decode(self, data: bytes, rows: int) -> bytes:
        """Decodes the strip as a grey picture."""
        _check_plausible(self.compression, data, rows * self.stride)
        return decode_strip(data, "L", (self.stride, rows), self.compression).tobytes()

    def encode(self, raster: bytes, rows: int) -> bytes:
        """Encodes the strip as a grey picture."""
        grey = Image.frombytes("L", (self.stride, rows), raster)
        return encode_strip(grey, BYTEWISE[self.compression], {})


@dataclass(frozen=True)
class Fax:
    """The CCITT codes for rows of black and white, by libtiff."""

    compression: int
    width: int
    options: int
    """The tag T4Options or T6Options."""

    def __post_init__(self) -> None:
        """Refuses what libtiff cannot write.

        Raises:
            FlipError: the rows may be in uncompressed mode (ITU-T T.6 annex A).
        """
        if self.compression in FAX_OPTIONS and self.options & _UNCOMPRESSED_MODE:
            raise FlipError("this TIFF allows the fax codes' uncompressed mode, which cannot be written here")

    def decode(self, data: bytes, rows: int) -> bytes:
        """Decodes the strip as a picture of one bit a pixel."""
        return decode_strip(data, "1", (self.width, rows), self.compression, tags=self._tags).tobytes()

    def encode(self, raster: bytes, rows: int) -> bytes:
        """Encodes the strip with the options that it came with."""
        picture = Image.frombytes("1", (self.width, rows), raster)
        return encode_strip(picture, FAX[self.compression], self._tags)

    @property
    def _tags(self) -> dict[int, int]:
        return {FAX_OPTIONS[self.compression]: self.options} if self.compression in FAX_OPTIONS else {}


@dataclass(frozen=True)
class ThunderScan:
    """ThunderScan's code for rows of 4-bit grey, decoded by libtiff, which cannot write it.

    The two top bits of a byte say what the others are: 00 how often the last pixel comes again, 11 a pixel.
    """

    width: int

    def decode(self, data: bytes, rows: int) -> bytes:
        """Decodes each pixel to a byte, and packs pairs of them."""
        pixels = decode_strip(data, "P", (self.width, rows), THUNDERSCAN).tobytes().translate(_TO_DIGITS)
        lines = (pixels[start : start + self.width] for start in range(0, len(pixels), self.width))
        return bytes.fromhex(b"".join(line + b"0" * (self.width % 2) for line in lines).decode())

    def encode(self, raster: bytes, rows: int) -> bytes:
        """Encodes each row by itself: its pixels, and counts where they repeat."""
        stride = len(raster) // rows
        lines = (raster[start : start + stride].hex()[: self.width] for start in range(0, len(raster), stride))
        codes = (line.encode().translate(_FROM_DIGITS) for line in lines)
        return b"".join(_REPEATED.sub(lambda run: run[1] + bytes([len(run[0]) - 1]), line) for line in codes)


_TO_DIGITS = b"0123456789abcdef".ljust(256, b"0")
_FROM_DIGITS = bytes.maketrans(b"0123456789abcdef", bytes(range(0xC0, 0xD0)))
_REPEATED = re.compile(rb"(.)\1{1,63}", re.DOTALL)


@dataclass(frozen=True)
class BitsReversed:
    """Another codec's data, with each byte filled from its lowest bit."""

    codec: Codec

    def decode(self, data: bytes, rows: int) -> bytes:
        """Decodes the data the right way round."""
        return self.codec.decode(data.translate(_REVERSED_BITS), rows)

    def encode(self, raster: bytes, rows: int) -> bytes:
        """Encodes, and turns each byte round."""
        return self.codec.encode(raster, rows).translate(_REVERSED_BITS)


@dataclass(frozen=True)
class Predicted:
    """Another codec's rows, stored as differences."""

    codec: Codec
    predictor: Predictor

    def decode(self, data: bytes, rows: int) -> bytes:
        """Decodes differences to samples."""
        return self.predictor.undo(self.codec.decode(data, rows))

    def encode(self, raster: bytes, rows: int) -> bytes:
        """Encodes samples as differences."""
        return self.codec.encode(self.predictor.redo(raster), rows)


def _decompressed(decompress: Callable[[bytes, int], bytes], data: bytes, size: int) -> bytes:
    try:
        raster = decompress(data, size)
    except (zlib.error, lzma.LZMAError) as error:
        raise FlipError("the TIFF is damaged: a strip or tile cannot be decompressed") from error
    if len(raster) < size:
        raise FlipError("the TIFF is damaged: a strip or tile is cut short")
    return raster


def _check_plausible(compression: int, data: bytes, size: int) -> None:
    most = _MOST_FROM_ONE_BYTE.get(compression)
    if most is not None and size > most * (len(data) + 16):
        raise FlipError("the TIFF is damaged: a strip or tile is cut short")
