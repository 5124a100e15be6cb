"""The exact compressions of TIFF: bytes of a strip or tile, decoded to rows and encoded again.

LZW, PackBits and Zstandard compress bytes, whatever pixels those are part of; so each strip is handed to
Pillow's libtiff as if it were a grey picture of one strip, as wide as a row has bytes.
"""

from __future__ import annotations

import lzma
import re
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from trio_mirror.errors import FlipError
from trio_mirror.flip.deflate import fastest
from trio_mirror.flip.limits import DEFLATE_RATIO
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

# How many bytes one compressed byte can stand for at most: in PackBits 128 take two bytes, in LZW a string as long
# as the table takes 12 bits. More room would never be filled.
_MOST_FROM_ONE_BYTE = {DEFLATE: DEFLATE_RATIO, OLD_DEFLATE: DEFLATE_RATIO, PACKBITS: 64, LZW: 2731}

# ThunderScan's pixels, from hexadecimal digits, and runs of them.
_FROM_DIGITS = bytes.maketrans(b"0123456789abcdef", bytes(range(0xC0, 0xD0)))
_REPEATED = re.compile(rb"(.)\1{1,63}", re.DOTALL)


class Codec(NamedTuple):
    """Decodes and encodes the strips or tiles of one image; the second argument is the number of rows in one.

    Decoding raises FlipError where the data are damaged.
    """

    decode: Callable[[bytes, int], bytes]
    encode: Callable[[bytes, int], bytes]


def uncompressed(stride: int) -> Codec:
    """Rows as they are, of ``stride`` bytes."""
    return Codec(lambda data, rows: data[: rows * stride], lambda raster, _: raster)


def deflate(stride: int) -> Codec:
    """Deflate in zlib's format (RFC 1950), under its two numbers; as small as zlib can, to fit in the old place."""

    def decode(data: bytes, rows: int) -> bytes:
        _check_plausible(DEFLATE, data, rows * stride)
        return _decompressed(fastest.decompressobj().decompress, data, rows * stride)

    return Codec(decode, lambda raster, _: fastest.compress(raster, 9))


def lzma2(stride: int) -> Codec:
    """LZMA2 in the xz format, without a checksum, as libtiff writes it."""

    def decode(data: bytes, rows: int) -> bytes:
        decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_LZMA_MEMORY)
        return _decompressed(decompressor.decompress, data, rows * stride)

    def encode(raster: bytes, _: int) -> bytes:
        # A dictionary as large as the rows: libtiff's own takes far longer to make ready.
        size = min(max(4096, len(raster)), _LZMA_DICTIONARY)
        filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": size}]
        return lzma.compress(raster, check=lzma.CHECK_NONE, filters=filters)

    return Codec(decode, encode)


def bytewise(compression: int, stride: int) -> Codec:
    """LZW, PackBits or Zstandard, by libtiff: each strip as a grey picture."""

    def decode(data: bytes, rows: int) -> bytes:
        _check_plausible(compression, data, rows * stride)
        return decode_strip(data, (stride, rows), compression).tobytes()

    def encode(raster: bytes, rows: int) -> bytes:
        return encode_strip(Image.frombytes("L", (stride, rows), raster), BYTEWISE[compression], {})

    return Codec(decode, encode)


def fax(compression: int, width: int, options: int) -> Codec:
    """The CCITT codes for rows of black and white, by libtiff, with the options of their tag (T4Options, T6Options).

    Raises:
        FlipError: the rows may be in uncompressed mode (ITU-T T.6 annex A), which libtiff cannot write.
    """
    if compression in FAX_OPTIONS and options & _UNCOMPRESSED_MODE:
        raise FlipError("this TIFF allows the fax codes' uncompressed mode, which cannot be written here")
    tags = {FAX_OPTIONS[compression]: options} if compression in FAX_OPTIONS else {}

    def decode(data: bytes, rows: int) -> bytes:
        return decode_strip(data, (width, rows), compression, depth=1, tags=tags).tobytes()

    def encode(raster: bytes, rows: int) -> bytes:
        return encode_strip(Image.frombytes("1", (width, rows), raster), FAX[compression], tags)

    return Codec(decode, encode)


def thunderscan(width: int) -> Codec:
    """ThunderScan's code for rows of 4-bit grey, decoded by libtiff, which cannot write it.

    The two top bits of a byte say what the others are: 00 how often the last pixel comes again, 11 a pixel.
    """

    def decode(data: bytes, rows: int) -> bytes:
        # Pillow widens 4 bits to 8 by writing them twice.
        pixels = decode_strip(data, (width, rows), THUNDERSCAN, depth=4).tobytes().hex()[::2]
        lines = (pixels[start : start + width] for start in range(0, len(pixels), width))
        return bytes.fromhex("".join(line + "0" * (width % 2) for line in lines))

    def encode(raster: bytes, rows: int) -> bytes:
        stride = len(raster) // rows
        lines = (raster[start : start + stride].hex()[:width] for start in range(0, len(raster), stride))
        codes = (line.encode().translate(_FROM_DIGITS) for line in lines)
        return b"".join(_REPEATED.sub(lambda run: run[1] + bytes([len(run[0]) - 1]), line) for line in codes)

    return Codec(decode, encode)


def bits_reversed(codec: Codec) -> Codec:
    """Another codec's data, with each byte filled from its lowest bit."""
    return Codec(
        lambda data, rows: codec.decode(data.translate(_REVERSED_BITS), rows),
        lambda raster, rows: codec.encode(raster, rows).translate(_REVERSED_BITS),
    )


def predicted(codec: Codec, predictor: Predictor) -> Codec:
    """Another codec's rows, stored as differences."""
    return Codec(
        lambda data, rows: predictor.undo(codec.decode(data, rows)),
        lambda raster, rows: codec.encode(predictor.redo(raster), rows),
    )


def _decompressed(decompress: Callable[[bytes, int], bytes], data: bytes, size: int) -> bytes:
    try:
        raster = decompress(data, size)
    except (fastest.error, lzma.LZMAError) as error:
        raise FlipError("the TIFF is damaged: a strip or tile cannot be decompressed") from error
    if len(raster) < size:
        raise FlipError("the TIFF is damaged: a strip or tile is cut short")
    return raster


def _check_plausible(compression: int, data: bytes, size: int) -> None:
    most = _MOST_FROM_ONE_BYTE.get(compression)
    if most is not None and size > most * (len(data) + 16):
        raise FlipError("the TIFF is damaged: a strip or tile is cut short")
