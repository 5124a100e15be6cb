"""The strips or tiles of one image: put together to rows, mirrored, and cut again."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple

from trio_mirror.errors import FlipError
from trio_mirror.flip.limits import check_density
from trio_mirror.flip.rows import reverse_row_order, reverse_rows
from trio_mirror.flip.tiff.codecs import LZMA, ZSTD, Codec, codec_of, uncompressed
from trio_mirror.flip.tiff.edit import Editor
from trio_mirror.flip.tiff.ifd import Ifd, Structure
from trio_mirror.flip.tiff.jpeg_codec import Jpeg
from trio_mirror.flip.tiff.layout import UNCOMPRESSED, Layout, mirrored_grid, read_layout
from trio_mirror.flip.tiff.space import Span
from trio_mirror.model import Limits, Lossless

_UNBOUNDED = frozenset({LZMA, ZSTD})
# Strips and tiles may be left out (offset and length 0): readers take them for blank, as GDAL writes them.
_ABSENT = Span(0, 0)
_SAMPLE_FORMAT, _NO_DATA = 339, 42113
# struct codes of samples, by bits and format: unsigned, signed, floating point (TIFF 6.0 section 19).
_CODES = {
    (8, 1): "B", (16, 1): "H", (32, 1): "I", (64, 1): "Q", (8, 2): "b", (16, 2): "h", (32, 2): "i", (64, 2): "q",
    (16, 3): "e", (32, 3): "f", (64, 3): "d",
}  # fmt: skip


def read_segments(image: Ifd, limits: Limits) -> Segments:
    """Finds the strips or tiles of one image; nothing is decoded yet."""
    layout = read_layout(image, limits)
    slots = _slots(image.file, layout)
    is_sparse = _ABSENT in slots
    if layout.compression in _UNBOUNDED or (is_sparse and layout.rows_first):
        raster = layout.stride * layout.height * layout.planes
        check_density(raster, sum(slot.stop - slot.start for slot in slots))
    sample = next((image.file.data[slot.start : slot.stop] for slot in slots if slot != _ABSENT), b"")
    codec = codec_of(image, layout, sample) if sample else uncompressed(layout.segment_stride)
    return Segments(image.file, layout, slots, codec, _blank_segment(image, layout) if is_sparse else b"")


class Mirrored(NamedTuple):
    """A mirrored image."""

    pieces: list[bytes]  # the data of its strips or tiles
    lossless: bool  # whether every pixel stayed exactly as it was
    full_chroma: bool = False  # whether each pixel was given its own chroma


@dataclass(frozen=True)
class Segments:
    """One image's strips or tiles, by plane, from top to bottom, from left to right.

    A band is one strip of one plane, or its tiles side by side.
    """

    file: Structure
    layout: Layout
    slots: list[Span]  # where the strips or tiles stand in the file
    codec: Codec | Jpeg
    blank: bytes  # the raster of those that are left out; empty where none is

    def store(self, editor: Editor, starts: list[int], mirrored: Mirrored) -> None:
        """Writes where the mirrored strips or tiles are, and how long."""
        changes = [(self.layout.offsets, starts)]
        if self.blank or self.layout.compression != UNCOMPRESSED:
            changes.append((self.layout.counts, [len(piece) for piece in mirrored.pieces]))
        if mirrored.full_chroma:
            changes.append((self.layout.subsampling, [1, 1]))
        for entries, values in changes:
            for entry in entries:
                editor.store(entry, values)

    def mirrored(self, lossless: Lossless) -> Mirrored:
        """The mirrored image; JPEG is rearranged where that is exact and wanted."""
        if not isinstance(self.codec, Jpeg):
            return Mirrored(list(self._encoded()), lossless=True)
        rearranged = None if lossless is Lossless.NEVER else self._rearranged(self.codec)
        if rearranged is not None:
            return Mirrored(rearranged, lossless=True)
        try:
            return Mirrored(list(self._encoded()), lossless=False, full_chroma=self.codec.full_chroma)
        except FlipError:
            if not self.layout.subsampling or self.codec.factors == (1, 1) or self.codec.full_chroma:
                raise
        # Noise in shared chroma is not kept closely: it is read by a fast transform, which the finest tables show.
        return replace(self, codec=replace(self.codec, full_chroma=True)).mirrored(Lossless.NEVER)

    def _rearranged(self, codec: Jpeg) -> list[bytes] | None:
        """Each strip or tile of the mirrored image with the coefficients that it had; none where that is not exact."""
        layout = self.layout
        ragged = layout.height % layout.segment_height if layout.rows_first else layout.width % layout.segment_width
        if ragged:
            return None  # what lies past the image's edge in its last tile would come to lie inside
        places = mirrored_grid(layout.across, layout.down, rows=layout.rows_first)
        pieces: list[bytes] = []
        for first in range(0, len(self.slots), len(places)):
            for place in places:
                slot = self.slots[first + place]
                data = self.file.data[slot.start : slot.stop]
                rows = layout.segment_rows(place // layout.across)
                piece = codec.rearrange(data, rows, rows_first=layout.rows_first) if data else b""
                if piece is None:
                    return None
                pieces.append(piece)
        return pieces

    def _encoded(self) -> Iterator[bytes]:
        """The data of each strip or tile of the mirrored image, decoded and encoded again."""
        layout = self.layout
        per_plane = layout.across * layout.down
        for first in range(0, len(self.slots), per_plane):
            starts = range(first, first + per_plane, layout.across)
            bands = (self._joined(self.slots[start : start + layout.across], band) for band, start in enumerate(starts))
            for band, rows in enumerate(self._mirrored_bands(bands)):
                for raster in self._split(rows) if rows else [b""] * layout.across:
                    is_blank = self.blank and raster == self.blank[: len(raster)]
                    yield b"" if is_blank else self.codec.encode(raster, layout.segment_rows(band))

    def _mirrored_bands(self, bands: Iterator[bytes]) -> Iterator[bytes]:
        layout = self.layout
        if not layout.rows_first:
            return map(self._reversed, bands)  # unlike a generator, it does not hold a band that is done with
        raster = reverse_row_order(b"".join(map(layout.mirrored_inside, bands)), layout.stride)
        size = layout.segment_height * layout.stride
        return (raster[start : start + size] for start in range(0, len(raster), size))

    def _reversed(self, band: bytes) -> bytes:
        if not band:
            return band
        layout = self.layout
        height = len(band) // layout.stride
        return reverse_rows(layout.mirrored_inside(band), layout.width, height, layout.bits)

    def _joined(self, slots: list[Span], band: int) -> bytes:
        """The rows of the image that a band holds; none where all of it is left out, and may stay so."""
        if not self.layout.rows_first and all(slot == _ABSENT for slot in slots):
            return b""
        rows, stride = self.layout.rows(band), self.layout.segment_stride
        segments = (self.file.data[slot.start : slot.stop] for slot in slots)
        stored = self.layout.segment_rows(band)
        rasters = [
            self.codec.decode(segment, stored) if segment else self.blank[: stored * stride] for segment in segments
        ]
        if len(rasters) == 1 and stride == self.layout.stride:
            return rasters[0][: rows * stride]
        lines = (
            b"".join([raster[start : start + stride] for raster in rasters])[: self.layout.stride]
            for start in range(0, rows * stride, stride)
        )
        return b"".join(lines)

    def _split(self, rows: bytes) -> Iterator[bytes]:
        """The strip or tiles of a band; past the image's edges a tile repeats its last pixels."""
        layout = self.layout
        stride, unit = layout.segment_stride, max(1, layout.bits // 8)
        below = layout.segment_height - len(rows) // layout.stride if layout.tiled else 0
        if stride == layout.stride and not below:
            yield rows
            return
        for left in range(0, layout.across * stride, stride):
            right = min(left + stride, layout.stride)
            lines = [rows[start + left : start + right] for start in range(0, len(rows), layout.stride)]
            if right - left < stride:
                lines = [(line + line[-unit:] * stride)[:stride] for line in lines]
            yield b"".join(lines) + lines[-1] * below


def _slots(file: Structure, layout: Layout) -> list[Span]:
    """Where the strips or tiles of an image stand: by plane, from top to bottom, from left to right."""
    needed = layout.across * layout.down * layout.planes
    _check_listed(layout.offsets[0].count, needed)
    starts = file.values(layout.offsets[0])
    counts: Sequence[int]
    if layout.compression == UNCOMPRESSED:
        # The byte counts of uncompressed strips are often wrong, and readers go without them.
        sizes = [layout.segment_rows(band) * layout.segment_stride for band in range(layout.down)]
        counts = [size for size in sizes for _ in range(layout.across)] * layout.planes
    elif layout.counts:
        counts = file.values(layout.counts[0])
    elif needed == 1:
        counts = [len(file.data) - starts[0]]
    else:
        raise FlipError("the TIFF does not say how long its strips or tiles are")
    _check_listed(len(counts), needed)
    slots = [
        Span(start, start + count) if start else _ABSENT
        for start, count in zip(starts[:needed], counts[:needed], strict=True)
    ]
    if any(slot.start >= slot.stop for slot in slots if slot != _ABSENT):
        raise FlipError("this TIFF leaves out strips or tiles, but says where they are")
    if max(slot.stop for slot in slots) > len(file.data):
        raise FlipError("the TIFF is cut short: part of its image data is missing")
    return slots


def _check_listed(number: int, needed: int) -> None:
    if number < needed:
        raise FlipError("the TIFF is damaged: it lists fewer strips or tiles than its image has")


def _blank_segment(image: Ifd, layout: Layout) -> bytes:
    """The raster of a strip or tile that was left out: zeros, or what GDAL's tag names as no data."""
    size = layout.segment_height * layout.segment_stride
    code = _CODES.get((layout.depth, image.number(_SAMPLE_FORMAT, 1)))
    text = image.octets(_NO_DATA).rstrip(b"\0 ")
    if text and code:
        with suppress(ValueError, OverflowError, struct.error):
            value = float(text) if code in "efd" else int(float(text))
            sample = struct.pack(image.file.order + code, value)
            return sample * (size // len(sample))
    return bytes(size)
