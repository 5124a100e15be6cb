"""Old-style JPEG (TIFF 6.0 section 22) where the image is one whole JPEG stream: cameras' thumbnails, mostly.

Of the old style's many forms only that one is written; `old_jpeg_forms` makes it of others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trio_mirror.errors import FlipError
from trio_mirror.flip.limits import check_size
from trio_mirror.flip.rows import reverse_row_order, reverse_rows
from trio_mirror.flip.tiff.jpeg_codec import Jpeg, frame_of
from trio_mirror.flip.tiff.space import Span
from trio_mirror.flip.tiff.strips import Mirrored
from trio_mirror.model import Lossless

if TYPE_CHECKING:
    from trio_mirror.flip.tiff.ifd import Ifd, Structure
    from trio_mirror.model import Limits

_STRIP_OFFSETS, _STRIP_COUNTS = 273, 279
_STREAM, _STREAM_LENGTH = 513, 514  # JPEGInterchangeFormat and its length


def read_old_jpeg(structure: Structure, image: Ifd, limits: Limits) -> OldJpeg:
    """Finds the JPEG stream of an image; nothing is decoded yet.

    Raises:
        FlipError: there is none, it is damaged or over a limit, or the image is stored in another form.
    """
    start, length = structure.number(image, _STREAM, 0), structure.number(image, _STREAM_LENGTH, 0)
    stream = structure.data[start : start + length]
    frame = frame_of(stream)
    strips = structure.numbers(image, _STRIP_OFFSETS) if _STRIP_OFFSETS in image.entries else ()
    counts = structure.numbers(image, _STRIP_COUNTS) if _STRIP_COUNTS in image.entries else ()
    inside = all(start <= strip < start + length for strip in strips)
    if not length or not frame or max(len(strips), len(counts)) > 1 or not inside or 322 in image.entries:
        raise FlipError("this TIFF uses old-style JPEG (compression 6) in a form that cannot be written here")
    depth, height, width, components = frame
    check_size(width, height, limits)
    if depth != 8 or components not in {1, 3}:
        raise FlipError("this TIFF's old-style JPEG is of a depth or colours that cannot be written here")
    codec = Jpeg(tables=b"", width=width, components=components, ycbcr=components == 3, sample=stream)
    return OldJpeg(structure, image, Span(start, start + length), (width, height), codec)


@dataclass(frozen=True)
class OldJpeg:
    """An image that is one JPEG stream."""

    structure: Structure
    image: Ifd
    slot: Span
    size: tuple[int, int]
    codec: Jpeg

    @property
    def pixels(self) -> int:
        """Pixels of the image."""
        return self.size[0] * self.size[1]

    @property
    def slots(self) -> list[Span]:
        """Where the stream stands in the file."""
        return [self.slot]

    def mirrored(self, lossless: Lossless) -> Mirrored:
        """The mirrored image, rearranged where that is exact and wanted."""
        width, height = self.size
        data = self.structure.data[self.slot.start : self.slot.stop]
        if lossless is not Lossless.NEVER:
            rearranged = self.codec.rearrange(data, height, rows_first=self.image.rows_first)
            if rearranged is not None:
                return Mirrored([rearranged], lossless=True)
        size = self.codec.components  # bytes a pixel
        raster = self.codec.decode(data, height)
        if self.image.rows_first:
            mirrored = reverse_row_order(raster, width * size)
        else:
            mirrored = reverse_rows(raster, width, height, 8 * size)
        return Mirrored([self.codec.encode(mirrored, height)], lossless=False)

    def store(self, out: bytearray, starts: list[int], mirrored: Mirrored) -> None:
        """Writes into ``out``, a copy of the file, where the mirrored stream is, and how long."""
        entries = self.image.entries
        for tag in (_STREAM, _STRIP_OFFSETS):
            if tag in entries:
                self.structure.store(out, entries[tag], starts)
        for tag in (_STREAM_LENGTH, _STRIP_COUNTS):
            if tag in entries:
                self.structure.store(out, entries[tag], [len(mirrored.pieces[0])])
