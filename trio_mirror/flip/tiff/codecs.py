"""The codecs of TIFF, and the choice of one: bytes of a strip or tile, decoded to rows and encoded again.

LZW, PackBits and Zstandard compress bytes, whatever pixels those are part of; so each strip is handed to
Pillow's libtiff as if it were a grey picture of one strip, as wide as a row has bytes.
"""

from __future__ import annotations

import lzma
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal, NamedTuple

from PIL import Image

from trio_mirror.errors import FlipError
from trio_mirror.flip.deflate import fastest
from trio_mirror.flip.limits import DEFLATE_RATIO
from trio_mirror.flip.tiff.ifd import Ifd
from trio_mirror.flip.tiff.jpeg_codec import SAMPLINGS, Jpeg
from trio_mirror.flip.tiff.layout import JPEG, UNCOMPRESSED, YCBCR, Layout
from trio_mirror.flip.tiff.libtiff import decode_strip, encode_strip
from trio_mirror.flip.tiff.predictor import Predictor

_CCITT_RLE, _CCITT_G3, _CCITT_G4, _LZW, _DEFLATE = 2, 3, 4, 5, 8
_PACKBITS, _THUNDERSCAN, _OLD_DEFLATE, LZMA, ZSTD = 32773, 32809, 32946, 34925, 50000
# Pillow's names of the compressions that know only bytes, and of those of black and white rows (ITU-T T.4 and T.6).
_BYTEWISE = {_LZW: "tiff_lzw", _PACKBITS: "packbits", ZSTD: "zstd"}
_FAX = {_CCITT_RLE: "tiff_ccitt", _CCITT_G3: "group3", _CCITT_G4: "group4"}
_FAX_OPTIONS = {_CCITT_G3: 292, _CCITT_G4: 293}  # the tags that say how a fax code is used
_UNCOMPRESSED_MODE = 2  # ITU-T T.6 annex A
# The compressions to which the Predictor tag applies; and by its value, the depths at which it is defined.
_PREDICTING = {_LZW, _DEFLATE, _OLD_DEFLATE, LZMA, ZSTD}
_PREDICTED = {2: {8, 16, 32, 64}, 3: {16, 24, 32, 64}}
_LOWEST_BIT_FIRST = 2  # FillOrder
# A table for ``bytes.translate``: from one fill order to the other (TIFF 6.0 section 8).
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
# Bytes; the first is what the highest preset takes, and room.
_LZMA_MEMORY, _LZMA_DICTIONARY = 1 << 27, 1 << 23
# How many bytes one compressed byte can stand for at most: in PackBits 128 take two bytes, in LZW a string as long
# as the table takes 12 bits. More room would never be filled.
_MOST_FROM_ONE_BYTE = {_DEFLATE: DEFLATE_RATIO, _PACKBITS: 64, _LZW: 2731}
# ThunderScan's pixels, from hexadecimal digits, and runs of them.
_FROM_DIGITS = bytes.maketrans(b"0123456789abcdef", bytes(range(0xC0, 0xD0)))
_REPEATED = re.compile(rb"(.)\1{1,63}", re.DOTALL)

_JPEG_TABLES = 347
_MOST_TABLES = 4096  # bytes: four for quantization and eight for Huffman codes take 2,700
_NAMES = {
    JPEG: "JPEG",
    32766: "NeXT",
    32771: "CCITT RLE by words",
    32909: "PixarLog",
    34676: "SGI LogLuv",
    34677: "SGI LogLuv in 24 bits",
    34712: "JPEG 2000",
    34887: "LERC",
    50001: "WebP",
    50002: "JPEG XL",
}


class Codec(NamedTuple):
    """Decodes and encodes the strips or tiles of one image; the second argument is the number of rows in one."""

    decode: Callable[[bytes, int], bytes]
    encode: Callable[[bytes, int], bytes]


def codec_of(image: Ifd, layout: Layout, sample: bytes) -> Codec | Jpeg:
    """Chooses the codec for an image's compression, fill order and predictor.

    ``sample`` are the data of its first strip or tile.

    Raises:
        FlipError: the compression or the predictor cannot be decoded and encoded here.
    """
    if layout.compression == JPEG and layout.samples in {1, 3, 4} and layout.depth == 8:
        return _jpeg(image, layout, sample)
    codec = _exact(image, layout)
    if image.number(266, 1) == _LOWEST_BIT_FIRST:
        codec = bits_reversed(codec)
    predictor = image.number(317, 1) if layout.compression in _PREDICTING else 1
    if predictor == 1:
        return codec
    if layout.depth not in _PREDICTED.get(predictor, ()):
        raise FlipError(f"this TIFF uses the predictor {predictor} at a depth at which nothing defines it")
    order: Literal["little", "big"] = "little" if image.file.order == "<" else "big"
    return predicted(codec, Predictor(predictor, order, layout.segment_width, layout.samples, layout.depth // 8))


def _exact(image: Ifd, layout: Layout) -> Codec:
    number, stride = layout.compression, layout.segment_stride
    if number in _EXACT:
        return _EXACT[number](stride)
    if number in _BYTEWISE:
        return by_libtiff(number, stride)
    if number in _FAX and layout.bits == 1:
        tag = _FAX_OPTIONS.get(number)
        tags = {tag: image.number(tag, 0)} if tag else {}
        if any(options & _UNCOMPRESSED_MODE for options in tags.values()):
            raise FlipError("this TIFF allows the fax codes' uncompressed mode, which cannot be written here")
        return by_libtiff(number, layout.segment_width, tags)
    if number == _THUNDERSCAN and layout.bits == 4:
        return thunderscan(layout.segment_width)
    named = f"{_NAMES[number]} ({number})" if number in _NAMES else number
    raise FlipError(f"this TIFF uses the compression {named}, which cannot be written here at this depth")


def _jpeg(image: Ifd, layout: Layout, sample: bytes) -> Jpeg:
    ycbcr = layout.samples == 3 and image.number(262, 0) == YCBCR
    tables = image.octets(_JPEG_TABLES)
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
        _check_plausible(_DEFLATE, data, rows * stride)
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


def by_libtiff(compression: int, width: int, tags: Mapping[int, int] | None = None) -> Codec:
    """A code of libtiff's, as further ``tags`` say: for rows of black and white, or for bytes, as a grey picture's."""
    is_fax = compression in _FAX

    def decode(data: bytes, rows: int) -> bytes:
        _check_plausible(compression, data, width * rows)
        return decode_strip(data, (width, rows), compression, depth=1 if is_fax else 8, tags=tags).tobytes()

    def encode(raster: bytes, rows: int) -> bytes:
        picture = Image.frombytes("1" if is_fax else "L", (width, rows), raster)
        return encode_strip(picture, (_FAX | _BYTEWISE)[compression], tags or {})

    return Codec(decode, encode)


def thunderscan(width: int) -> Codec:
    """ThunderScan's code for rows of 4-bit grey, decoded by libtiff, which cannot write it.

    The two top bits of a byte say what the others are: 00 how often the last pixel comes again, 11 a pixel.
    """

    def decode(data: bytes, rows: int) -> bytes:
        # Pillow widens 4 bits to 8 by writing them twice.
        pixels = decode_strip(data, (width, rows), _THUNDERSCAN, depth=4).tobytes().hex()[::2]
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


_EXACT = {UNCOMPRESSED: uncompressed, _DEFLATE: deflate, _OLD_DEFLATE: deflate, LZMA: lzma2}
"""The codecs of bytes, whatever pixels those are part of."""
