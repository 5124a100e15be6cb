"""The choice of a codec for the strips or tiles of one image."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from trio_mirror.errors import FlipError
from trio_mirror.flip.tiff import codecs
from trio_mirror.flip.tiff.jpeg_codec import Jpeg
from trio_mirror.flip.tiff.layout import JPEG, LZMA, THUNDERSCAN, UNCOMPRESSED, YCBCR, Layout
from trio_mirror.flip.tiff.predictor import Predictor

if TYPE_CHECKING:
    from trio_mirror.flip.tiff.codecs import Codec
    from trio_mirror.flip.tiff.ifd import Ifd, Structure

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
        codec = codecs.bits_reversed(codec)
    if layout.predictor != 1:
        size = layout.bits // layout.samples // 8
        order: Literal["little", "big"] = "little" if structure.order == "<" else "big"
        codec = codecs.predicted(codec, Predictor(layout.predictor, order, layout.segment_width, layout.samples, size))
    return codec


def _exact(structure: Structure, image: Ifd, layout: Layout) -> Codec:
    number = layout.compression
    if number == UNCOMPRESSED:
        return codecs.uncompressed(layout.segment_stride)
    if number in codecs.DEFLATES:
        return codecs.deflate(layout.segment_stride)
    if number == LZMA:
        return codecs.lzma2(layout.segment_stride)
    if number in codecs.BYTEWISE:
        return codecs.bytewise(number, layout.segment_stride)
    if number in codecs.FAX and layout.bits == 1:
        options = structure.number(image, codecs.FAX_OPTIONS.get(number, 0), 0)
        return codecs.fax(number, layout.segment_width, options)
    if number == THUNDERSCAN and layout.bits == 4:
        return codecs.thunderscan(layout.segment_width)
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
    if ycbcr and layout.subsampling and (split or not codec.can_keep_sampling):
        return replace(codec, full_chroma=True)
    return codec
