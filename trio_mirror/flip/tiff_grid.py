"""The strips or tiles of one image: put together to rows, mirrored, and cut again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trio_mirror.flip.tiff_raster import rearrange, reverse_order, reverse_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trio_mirror.flip.tiff_codecs import Codec
    from trio_mirror.flip.tiff_layout import Layout


@dataclass(frozen=True)
class Grid:
    """One image's strips or tiles, by plane, from top to bottom, from left to right.

    A band is one strip of one plane, or its tiles side by side.
    """

    layout: Layout
    codec: Codec

    def mirrored(self, segments: Sequence[memoryview]) -> Iterator[bytes]:
        """The data of each strip or tile of the mirrored image.

        Args:
            segments: the data of each strip or tile of the image.

        Raises:
            FlipError: one of them cannot be decoded, or not be encoded again.
        """
        layout = self.layout
        per_plane = layout.across * layout.down
        for plane in range(layout.planes):
            first = plane * per_plane
            starts = range(first, first + per_plane, layout.across)
            bands = (
                self._joined(segments[start : start + layout.across], band)
                for band, start in enumerate(starts)
            )
            for band, rows in enumerate(self._mirrored_bands(bands)):
                for raster in self._split(rows):
                    yield self.codec.encode(raster, layout.segment_rows(band))

    def _mirrored_bands(self, bands: Iterator[bytes]) -> Iterator[bytes]:
        layout = self.layout
        if not layout.rows_first:
            return (reverse_rows(band, layout.width, layout.bits, layout.places) for band in bands)
        raster = reverse_order(rearrange(b"".join(bands), layout.places), layout.stride)
        size = layout.segment_height * layout.stride
        return (raster[start : start + size] for start in range(0, len(raster), size))

    def _joined(self, segments: Sequence[memoryview], band: int) -> bytes:
        """The rows of the image that a band holds."""
        rows, stride = self.layout.rows(band), self.layout.segment_stride
        rasters = [self.codec.decode(bytes(segment), self.layout.segment_rows(band)) for segment in segments]
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
        for left in range(0, layout.across * stride, stride):
            right = min(left + stride, layout.stride)
            lines = [rows[start + left : start + right] for start in range(0, len(rows), layout.stride)]
            if right - left < stride:
                lines = [(line + line[-unit:] * stride)[:stride] for line in lines]
            yield b"".join(lines) + lines[-1] * below
