"""The codecs of TIFF, and the choice of one: bytes of a strip or tile, decoded to rows and encoded again.

LZW, PackBits and Zstandard compress bytes, whatever pixels those are part of; so each strip is handed to
Pillow's libtiff as if it were a grey picture of one strip, as wide as a row has bytes.
"""

from __future__ import annotations

import lzma
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, NamedTuple

from PIL import Image

from trio_mirror.errors import FlipError
from trio_mirror.flip.deflate import fastest
from trio_mirror.flip.limits import DEFLATE_RATIO
from trio_mirror.flip.tiff.ifd import Ifd, Structure
from trio_mirror.flip.tiff.jpeg_codec import SAMPLINGS, Jpeg
from trio_mirror.flip.tiff.layout import (
    CCITT_G3,
    CCITT_G4,
    CCITT_RLE,
    DEFLATE,
    JPEG,
    LZMA,
    LZW,
    OLD_DEFLATE,
    PACKBITS,
    THUNDERSCAN,
    UNCOMPRESSED,
    YCBCR,
    ZSTD,
    Layout,
)
from trio_mirror.flip.tiff.libtiff import decode_strip, encode_strip
from trio_mirror.flip.tiff.predictor import Predictor

_DEFLATES = frozenset({DEFLATE, OLD_DEFLATE})
# Pillow's names of the compressions that know only bytes, and of those of black and white rows (ITU-T T.4 and T.6).
_BYTEWISE = {LZW: "tiff_lzw", PACKBITS: "packbits", ZSTD: "zstd"}
_FAX = {CCITT_RLE: "tiff_ccitt", CCITT_G3: "group3", CCITT_G4: "group4"}
# The tags that say how a fax code is used.
_FAX_OPTIONS = {CCITT_G3: 292, CCITT_G4: 293}

_UNCOMPRESSED_MODE = 2  # ITU-T T.6 annex A
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

_JPEG_TABLES = 347
_MOST_TABLES = 4096  # bytes: four for quantization and eight for Huffman codes take 2,700
_NAMES = {
    JPEG: "JPEG (7)",
    32766: "NeXT (32766)",
    32771: "CCITT RLE by words (32771)",
    32909: "PixarLog (32909)",
    34676: "SGI LogLuv (34676)",
    34677: "SGI LogLuv in 24 bits (34677)",
    34712: "JPEG 2000 (34712)",
    34887: "LERC (34887)",
    50001: "WebP (50001)",
    50002: "JPEG XL (50002)",
}


class Codec(NamedTuple):
    """Decodes and encodes the strips or tiles of one image; the second argument is the number of rows in one."""

    decode: Callable[[bytes, int], bytes]
    encode: Callable[[bytes, int], bytes]


def codec_of(structure: Structure, image: Ifd, layout: Layout, sample: bytes) -> Codec | Jpeg:
    """Chooses the codec for an image's compression, fill order and predictor.

    ``sample`` are the data of its first strip or tile.

    Raises:
        FlipError: the compression cannot be decoded and encoded here.
    """
    if layout.compression == JPEG and layout.samples in {1, 3, 4} and layout.bits == 8 * layout.samples:
        return _jpeg(structure, image, layout, sample)
    codec = _exact(structure, image, layout)
    if layout.bits_reversed:
        codec = bits_reversed(codec)
    if layout.predictor != 1:
        size = layout.bits // layout.samples // 8
        order: Literal["little", "big"] = "little" if structure.order == "<" else "big"
        codec = predicted(codec, Predictor(layout.predictor, order, layout.segment_width, layout.samples, size))
    return codec


def _exact(structure: Structure, image: Ifd, layout: Layout) -> Codec:
    number = layout.compression
    if number == UNCOMPRESSED:
        return uncompressed(layout.segment_stride)
    if number in _DEFLATES:
        return deflate(layout.segment_stride)
    if number == LZMA:
        return lzma2(layout.segment_stride)
    if number in _BYTEWISE:
        return bytewise(number, layout.segment_stride)
    if number in _FAX and layout.bits == 1:
        options = structure.number(image, _FAX_OPTIONS.get(number, 0), 0)
        return fax(number, layout.segment_width, options)
    if number == THUNDERSCAN and layout.bits == 4:
        return thunderscan(layout.segment_width)
    name = _NAMES.get(number, str(number))
    raise FlipError(f"this TIFF uses the compression {name}, which cannot be written here at this depth")


def _jpeg(structure: Structure, image: Ifd, layout: Layout, sample: bytes) -> Jpeg:
    ycbcr = layout.photometric == YCBCR and layout.samples == 3
    tables = structure.octets(image, _JPEG_TABLES)
    if len(tables) > _MOST_TABLES:
        raise FlipError("the TIFF is damaged: its JPEG tables are longer than all that a JPEG can have")
    codec = Jpeg(tables, layout.segment_width, layout.samples, ycbcr, sample)
    across, down = codec.factors
    split = layout.height % down if layout.rows_first else layout.width % across
    # Mirrored, pixels would share chroma with other neighbours than before, or Pillow cannot write it so.
    if ycbcr and layout.subsampling and (split or codec.factors not in SAMPLINGS):
        return replace(codec, full_chroma=True)
    return codec


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
        return encode_strip(Image.frombytes("L", (stride, rows), raster), _BYTEWISE[compression], {})

    return Codec(decode, encode)


def fax(compression: int, width: int, options: int) -> Codec:
    """The CCITT codes for rows of black and white, by libtiff, with the options of their tag (T4Options, T6Options)."""
    if compression in _FAX_OPTIONS and options & _UNCOMPRESSED_MODE:
        raise FlipError("this TIFF allows the fax codes' uncompressed mode, which cannot be written here")
    tags = {_FAX_OPTIONS[compression]: options} if compression in _FAX_OPTIONS else {}

    def decode(data: bytes, rows: int) -> bytes:
        return decode_strip(data, (width, rows), compression, depth=1, tags=tags).tobytes()

    def encode(raster: bytes, rows: int) -> bytes:
        return encode_strip(Image.frombytes("1", (width, rows), raster), _FAX[compression], tags)

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
