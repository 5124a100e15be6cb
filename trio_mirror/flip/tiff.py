"""TIFF and BigTIFF: every page and reduced image mirrored strip by strip or tile by tile, all tags kept.

New data goes where the old data was, or to the end of the file; only the offsets and byte counts of strips and tiles
change with it. The compression, the depth and the layout stay as they are.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Literal

from PIL import Image

from trio_mirror.errors import FlipError
from trio_mirror.flip.raster import pillow
from trio_mirror.flip.tiff_codecs import (
    BYTEWISE,
    DEFLATES,
    FAX,
    FAX_OPTIONS,
    Bytewise,
    Codec,
    Deflate,
    Fax,
    Uncompressed,
)
from trio_mirror.flip.tiff_ifd import Structure
from trio_mirror.flip.tiff_layout import JPEG, OLD_JPEG, UNCOMPRESSED, WEBP, YCBCR, Layout, read_layout
from trio_mirror.flip.tiff_lossy import Jpeg, WebP
from trio_mirror.flip.tiff_predictor import Predictor
from trio_mirror.flip.tiff_raster import REVERSED_BITS, rearrange, reverse_order, reverse_rows
from trio_mirror.flip.tiff_space import Space, Span
from trio_mirror.model import Flipped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio_mirror.flip.tiff_ifd import Ifd
    from trio_mirror.model import Limits

_JPEG_TABLES, _PHOTOSHOP, _PHOTOSHOP_LAYERS = 347, 34377, 37724
_THUMBNAIL = b"8BIM\x04\x0c"  # image resource 1036 (Adobe Photoshop File Formats Specification)
_NAMES = {
    OLD_JPEG: "old-style JPEG (6)",
    32766: "NeXT (32766)",
    32771: "CCITT RLE by words (32771)",
    32809: "ThunderScan (32809)",
    32909: "PixarLog (32909)",
    34676: "SGI LogLuv (34676)",
    34677: "SGI LogLuv in 24 bits (34677)",
    34712: "JPEG 2000 (34712)",
    34887: "LERC (34887)",
    50002: "JPEG XL (50002)",
}


def flip(data: bytes, *, limits: Limits) -> Flipped:
    """Mirrors a TIFF as it is displayed: each page and each reduced image after its own orientation.

    Raises:
        FlipError: damaged, over a limit, or of a kind that cannot be kept exactly; the message says which.
    """
    structure = Structure(data)
    images = structure.images(limits.frames)
    layouts = [read_layout(structure, image, limits) for image in images]
    _check_total(layouts, limits)
    _check_readable(data)
    slots = [_slots(structure, layout) for layout in layouts]
    out = bytearray(data)
    space = Space(out, structure.occupied(images), [slot for image in slots for slot in image])
    lossless = True
    for image, layout, places in zip(images, layouts, slots, strict=True):
        codec = _codec(structure, image, layout, places)
        lossless &= codec.lossless
        pieces = list(_mirrored(structure, layout, codec, places))
        structure.store(out, layout.offsets, space.place(places, pieces))
        if layout.counts and layout.compression != UNCOMPRESSED:
            structure.store(out, layout.counts, [len(piece) for piece in pieces])
    return Flipped(bytes(out), "image/tiff", lossless, _notes(structure, images))


def _check_total(layouts: list[Layout], limits: Limits) -> None:
    pixels = sum(layout.pixels for layout in layouts)
    if pixels > limits.total_pixels:
        raise FlipError(
            f"the picture's pages have {pixels:,} pixels together, over the limit of "
            f"{limits.total_pixels:,} (--max-total-pixels)"
        )


def _check_readable(data: bytes) -> None:
    """Refuses what Pillow cannot show: nobody could look at the result, or compare it with the original.

    Raises:
        FlipError: some page is of a kind that Pillow does not know.
    """
    with pillow("the TIFF"), Image.open(io.BytesIO(data), formats=["TIFF"]) as picture:
        for page in range(getattr(picture, "n_frames", 1)):
            picture.seek(page)


def _slots(structure: Structure, layout: Layout) -> list[Span]:
    """Where the strips or tiles of an image stand, by plane, then from top to bottom, then from left to right.

    Raises:
        FlipError: there are too few of them, or they lie outside the file.
    """
    needed = layout.across * layout.down * layout.planes
    starts = structure.values(layout.offsets)
    if layout.compression == UNCOMPRESSED:
        # The byte counts of uncompressed strips are often wrong, and readers go without them.
        sizes = [layout.segment_rows(band) * layout.segment_stride for band in range(layout.down)]
        counts = [size for size in sizes for _ in range(layout.across)] * layout.planes
    elif layout.counts:
        counts = list(structure.values(layout.counts))
    else:
        raise FlipError("the TIFF does not say how long its strips or tiles are")
    if min(len(starts), len(counts)) < needed:
        raise FlipError("the TIFF is damaged: it lists fewer strips or tiles than its image has")
    slots = [
        Span(start, start + count) for start, count in zip(starts[:needed], counts[:needed], strict=True)
    ]
    if any(slot.start == slot.stop for slot in slots):
        raise FlipError("this TIFF leaves out strips or tiles, which cannot be mirrored here")
    if max(slot.stop for slot in slots) > len(structure.data):
        raise FlipError("the TIFF is cut short: part of its image data is missing")
    return slots


def _codec(structure: Structure, image: Ifd, layout: Layout, slots: list[Span]) -> Codec:
    """The codec of an image's compression.

    Raises:
        FlipError: the compression is none that can be decoded and encoded here.
    """
    compression = layout.compression
    if compression == UNCOMPRESSED:
        return Uncompressed(layout.segment_stride)
    if compression in DEFLATES:
        return Deflate(layout.segment_stride)
    if compression in BYTEWISE:
        return Bytewise(compression, layout.segment_stride)
    if compression in FAX and layout.bits == 1:
        options = structure.number(image, FAX_OPTIONS.get(compression, 0), 0)
        return Fax(compression, layout.segment_width, options)
    if compression == JPEG and layout.samples in {1, 3, 4} and layout.bits == 8 * layout.samples:
        return Jpeg(
            tables=structure.octets(image, _JPEG_TABLES),
            width=layout.segment_width,
            components=layout.samples,
            ycbcr=layout.photometric == YCBCR and layout.samples == 3,
            sample=structure.data[slots[0].start : slots[0].stop],
        )
    if compression == WEBP and layout.samples in {3, 4} and layout.bits == 8 * layout.samples:
        return WebP(layout.segment_width, layout.samples)
    name = _NAMES.get(compression, f"number {compression}")
    raise FlipError(f"this TIFF uses the compression {name}, which cannot be written here at this depth")


def _mirrored(structure: Structure, layout: Layout, codec: Codec, slots: list[Span]) -> Iterator[bytes]:
    """The data of each strip or tile of the mirrored image."""
    per_plane = layout.across * layout.down
    for first in range(0, per_plane * layout.planes, per_plane):
        bands = (
            _joined(structure, layout, codec, slots[first + band * layout.across :][: layout.across], band)
            for band in range(layout.down)
        )
        if layout.rows_first:
            bands = _bands_reversed(layout, b"".join(bands))
        else:
            bands = (reverse_rows(band, layout.width, layout.bits, layout.places) for band in bands)
        for number, band in enumerate(bands):
            for segment in _split(layout, band):
                yield _encoded(structure, layout, codec, segment, layout.segment_rows(number))


def _bands_reversed(layout: Layout, raster: bytes) -> Iterator[bytes]:
    mirrored = reverse_order(rearrange(raster, layout.places), layout.stride)
    height = layout.segment_height * layout.stride
    return (mirrored[start : start + height] for start in range(0, len(mirrored), height))


def _joined(structure: Structure, layout: Layout, codec: Codec, slots: list[Span], band: int) -> bytes:
    """The rows of the image that a strip or a row of tiles holds."""
    rows, stride = layout.rows(band), layout.segment_stride
    segments = [_decoded(structure, layout, codec, slot, layout.segment_rows(band)) for slot in slots]
    if len(segments) == 1 and stride == layout.stride:
        return segments[0][: rows * stride]
    lines = (
        b"".join([segment[start : start + stride] for segment in segments])[: layout.stride]
        for start in range(0, rows * stride, stride)
    )
    return b"".join(lines)


def _split(layout: Layout, band: bytes) -> Iterator[bytes]:
    """The strip, or the tiles side by side, that hold some rows; past the image's edges its last pixels are repeated."""
    rows, stride = len(band) // layout.stride, layout.segment_stride
    below = layout.segment_height - rows if layout.tiled else 0
    unit = max(1, layout.bits // 8)
    for left in range(0, layout.across * stride, stride):
        right = min(left + stride, layout.stride)
        lines = [band[start + left : start + right] for start in range(0, len(band), layout.stride)]
        if right - left < stride:
            lines = [(line + line[-unit:] * stride)[:stride] for line in lines]
        yield b"".join(lines) + lines[-1] * below


def _decoded(structure: Structure, layout: Layout, codec: Codec, slot: Span, rows: int) -> bytes:
    data = structure.data[slot.start : slot.stop]
    if layout.bits_reversed and not isinstance(codec, Jpeg | WebP):
        data = data.translate(REVERSED_BITS)
    raster = codec.decode(data, rows)
    return _predictor(structure, layout).undo(raster) if layout.predictor != 1 else raster


def _encoded(structure: Structure, layout: Layout, codec: Codec, raster: bytes, rows: int) -> bytes:
    if layout.predictor != 1:
        raster = _predictor(structure, layout).redo(raster)
    data = codec.encode(raster, rows)
    return (
        data.translate(REVERSED_BITS) if layout.bits_reversed and not isinstance(codec, Jpeg | WebP) else data
    )


def _predictor(structure: Structure, layout: Layout) -> Predictor:
    size = layout.bits // layout.samples // 8
    order: Literal["little", "big"] = "little" if structure.order == "<" else "big"
    return Predictor(layout.predictor, order, layout.segment_width, layout.samples, size)


def _notes(structure: Structure, images: list[Ifd]) -> tuple[str, ...]:
    notes = []
    if any(_THUMBNAIL in structure.octets(image, _PHOTOSHOP) for image in images):
        notes.append("the thumbnail among Photoshop's data was left as it was")
    if any(_PHOTOSHOP_LAYERS in image.entries for image in images):
        notes.append("the layers among Photoshop's data were left as they were")
    return tuple(notes)
