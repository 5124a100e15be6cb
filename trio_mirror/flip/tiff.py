"""TIFF and BigTIFF: every page and reduced image mirrored strip by strip or tile by tile, all tags kept.

New data goes where the old data was, or to the end of the file; only the offsets and byte counts of strips and
tiles change with it. The compression, the depth and the layout stay as they are.
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
    BitsReversed,
    Bytewise,
    Codec,
    Deflate,
    Fax,
    Predicted,
    Uncompressed,
)
from trio_mirror.flip.tiff_grid import Grid
from trio_mirror.flip.tiff_ifd import Structure
from trio_mirror.flip.tiff_layout import JPEG, OLD_JPEG, UNCOMPRESSED, WEBP, YCBCR, Layout, read_layout
from trio_mirror.flip.tiff_lossy import Jpeg, WebP
from trio_mirror.flip.tiff_predictor import Predictor
from trio_mirror.flip.tiff_space import Space, Span
from trio_mirror.model import Flipped

if TYPE_CHECKING:
    from trio_mirror.flip.tiff_ifd import Ifd
    from trio_mirror.model import Limits

_JPEG_TABLES, _PHOTOSHOP, _PHOTOSHOP_LAYERS = 347, 34377, 37724
_THUMBNAIL = b"8BIM\x04\x0c"  # image resource 1036 (Adobe Photoshop File Formats Specification)
_COMPRESSIONS = {
    OLD_JPEG: "old-style JPEG (6)",
    JPEG: "JPEG (7)",
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
        segments = [memoryview(data)[slot.start : slot.stop] for slot in places]
        codec = _codec(structure, image, layout, segments[0])
        lossless &= codec.lossless
        pieces = list(Grid(layout, codec).mirrored(segments))
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
    """Where the strips or tiles of an image stand: by plane, from top to bottom, from left to right.

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


def _codec(structure: Structure, image: Ifd, layout: Layout, sample: memoryview) -> Codec:
    """The codec of an image, from its compression, its fill order and its predictor.

    Raises:
        FlipError: the compression is none that can be decoded and encoded here.
    """
    codec = _compression(structure, image, layout, sample)
    if layout.bits_reversed and layout.compression not in {JPEG, WEBP}:
        codec = BitsReversed(codec)
    if layout.predictor != 1:
        size = layout.bits // layout.samples // 8
        order: Literal["little", "big"] = "little" if structure.order == "<" else "big"
        codec = Predicted(
            codec, Predictor(layout.predictor, order, layout.segment_width, layout.samples, size)
        )
    return codec


def _compression(structure: Structure, image: Ifd, layout: Layout, sample: memoryview) -> Codec:
    number, bytewide = layout.compression, layout.bits == 8 * layout.samples
    if number == UNCOMPRESSED:
        return Uncompressed(layout.segment_stride)
    if number in DEFLATES:
        return Deflate(layout.segment_stride)
    if number in BYTEWISE:
        return Bytewise(number, layout.segment_stride)
    if number in FAX and layout.bits == 1:
        options = structure.number(image, FAX_OPTIONS.get(number, 0), 0)
        return Fax(number, layout.segment_width, options)
    if number == JPEG and layout.samples in {1, 3, 4} and bytewide:
        ycbcr = layout.photometric == YCBCR and layout.samples == 3
        tables = structure.octets(image, _JPEG_TABLES)
        return Jpeg(tables, layout.segment_width, layout.samples, ycbcr, bytes(sample))
    if number == WEBP and layout.samples in {3, 4} and bytewide:
        return WebP(layout.segment_width, layout.samples)
    name = _COMPRESSIONS.get(number, str(number))
    raise FlipError(f"this TIFF uses the compression {name}, which cannot be written here at this depth")


def _notes(structure: Structure, images: list[Ifd]) -> tuple[str, ...]:
    notes = []
    if any(_THUMBNAIL in structure.octets(image, _PHOTOSHOP) for image in images):
        notes.append("the thumbnail among Photoshop's data was left as it was")
    if any(_PHOTOSHOP_LAYERS in image.entries for image in images):
        notes.append("the layers among Photoshop's data were left as they were")
    return tuple(notes)
