"""The raster of a PNG, or of one APNG frame: from a zlib stream to the mirrored zlib stream, at full depth.

The rows keep their filter types and the stream its effort, so that the size stays near the original's.
Bits that pad the end of a row become 0 where the raster is interlaced.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from PIL import Image

from trio_mirror.errors import FlipError
from trio_mirror.flip.deflate import fastest
from trio_mirror.flip.limits import DEFLATE_RATIO
from trio_mirror.flip.png.filters import Band, refilter, unfilter
from trio_mirror.flip.rows import reverse_raster, reverse_row_order, reverse_rows

_CUT_SHORT = "the PNG's raster is cut short: rows are missing"
_BAND = 1 << 18  # bytes that are worked on at once
_INPUT = 1 << 16  # compressed bytes that zlib is handed at once

# PNG, third edition, section 8: the first column and row of each Adam7 pass, and its steps.
_Pass: TypeAlias = tuple[int, int, int, int]
_ADAM7: tuple[_Pass, ...] = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
_MOST_FOR_LEVEL_9 = 2 << 20  # bytes of a raster: on some rasters level 9 of zlib is 25 times slower than 6


@dataclass(frozen=True, slots=True)
class Shape:
    """What the scanlines of a raster mean."""

    width: int  # pixels
    height: int  # pixels
    depth: int  # bits of a sample
    channels: int  # samples of a pixel
    interlaced: bool
    window: int = zlib.MAX_WBITS  # zlib's wbits: negative where the stream is bare deflate, as in Apple's CgBI

    @property
    def lanes(self) -> int:
        """Bytes of a pixel, at least 1: the distance that the row filters look back."""
        return max(1, self.depth * self.channels // 8)

    def stride(self, width: int) -> int:
        """Bytes of a scanline of ``width`` pixels, its filter type included."""
        return 1 + (width * self.depth * self.channels + 7) // 8


def mirror_raster(stream: list[memoryview], shape: Shape, restarts: list[int], *, rows: bool) -> list[bytes]:
    """Mirrors a zlib stream, in parts, of filtered scanlines; ``rows`` reverses their order, not the rows themselves.

    ``restarts`` are the rows, in order, before which the new stream is cut, and from which it can be inflated alone;
    none where it is interlaced.
    """
    size = shape.stride(shape.width) * shape.height
    if size > DEFLATE_RATIO * (sum(map(len, stream)) + 1):
        raise FlipError(_CUT_SHORT)
    scanlines = _Scanlines(stream, shape.window)
    level = 6 if shape.window < 0 else _level(stream, size)
    compressor = fastest.compressobj(level, wbits=shape.window, memLevel=9)
    segments = [bytearray()]
    # What the filters take for pictures of their own: the raster, or each pass of an interlaced one.
    pictures: Iterable[Iterable[Band]] = [_mirrored_bands(scanlines, shape, restarts, rows=rows)]
    if shape.interlaced:
        pictures = _mirrored_passes(scanlines, shape, rows=rows)
    starts = frozenset(restarts)
    for picture in pictures:
        above, row = b"", 0
        for band in picture:
            if row in starts:
                segments[-1] += compressor.flush(zlib.Z_FULL_FLUSH)
                segments.append(bytearray())
                band = band.standing_alone()  # noqa: PLW2901
            segments[-1] += compressor.compress(refilter(band, shape.lanes, above))
            above = band.last_row()
            row += len(band.filters)
    segments[-1] += compressor.flush()
    return [bytes(segment) for segment in segments]


def _level(stream: list[memoryview], size: int) -> int:
    """The zlib level: 9 where the stream's header states the highest (RFC 1950, section 2.2), else 6."""
    header = b"".join(part[:2] for part in stream[:2])
    utmost = header[1:2] >= b"\xc0"
    return 9 if utmost and size <= _MOST_FOR_LEVEL_9 else 6


class _Scanlines:
    """Inflates a stream as far as needed and no further, so that no stream can fill the memory."""

    def __init__(self, stream: list[memoryview], window: int) -> None:
        self._zlib = fastest.decompressobj(window)
        self._parts = (part[at : at + _INPUT] for part in stream for at in range(0, len(part), _INPUT))
        self._rest: bytes | memoryview = b""

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        data = bytearray()
        while len(data) < size:
            if not self._rest:
                self._rest = next(self._parts, b"")
            part, exhausted = self._rest, not self._rest
            try:
                inflated = self._zlib.decompress(part, size - len(data))
            except fastest.error as error:
                raise FlipError(f"the PNG's raster is damaged: {error}") from error
            self._rest = self._zlib.unconsumed_tail
            data += inflated
            if self._zlib.eof or (exhausted and not inflated):
                break
        if len(data) < size:
            raise FlipError(_CUT_SHORT)
        return bytes(data)


def _mirrored_bands(scanlines: _Scanlines, shape: Shape, cuts: list[int], *, rows: bool) -> Iterator[Band]:
    """A raster without interlace, a band at a time, none over a cut; to reverse the rows, all of it is held."""
    if rows:
        for band in reversed(list(_bands(scanlines, shape, [shape.height - row for row in reversed(cuts)]))):
            yield Band(band.filters[::-1], reverse_row_order(band.raster, band.size))
    else:
        for band in _bands(scanlines, shape, cuts):
            mirrored = reverse_rows(band.raster, shape.width, len(band.filters), shape.depth * shape.channels)
            yield Band(band.filters, mirrored)


def _bands(scanlines: _Scanlines, shape: Shape, cuts: Iterable[int] = ()) -> Iterator[Band]:
    """The raster as it is, in bands of a workable size."""
    stride = shape.stride(shape.width)
    above = b""
    for _, height in _band_rows(shape, cuts):
        band = unfilter(scanlines.read(height * stride), height, shape.lanes, above)
        yield band
        above = band.last_row()


def _band_rows(shape: Shape, cuts: Iterable[int] = ()) -> Iterator[tuple[int, int]]:
    """The first row of each band, and how many it has; bands end at the cuts, too."""
    step = max(1, _BAND // shape.stride(shape.width))
    for start, stop in itertools.pairwise([0, *cuts, shape.height]):
        yield from ((top, min(step, stop - top)) for top in range(start, stop, step))


def _mirrored_passes(scanlines: _Scanlines, shape: Shape, *, rows: bool) -> Iterator[Iterator[Band]]:
    """The passes of a mirrored Adam7 raster: pixels change their pass, so all are put together first."""
    passes = [part for part in _ADAM7 if part[0] < shape.width and part[1] < shape.height]
    planes = [bytearray(shape.width * shape.height) for _ in range(shape.lanes)]
    filters = [_put_together(scanlines, part, shape, planes) for part in passes]
    mirrored: list[bytes] = []
    while planes:
        mirrored.append(reverse_raster(bytes(planes.pop(0)), shape.width, shape.height, 8, rows=rows))
    return (_taken_apart(mirrored, part, shape, kinds) for part, kinds in zip(passes, filters, strict=True))


def _put_together(scanlines: _Scanlines, part: _Pass, shape: Shape, planes: list[bytearray]) -> bytes:
    """Lays the samples of a pass into whole planes; returns the filter type of each of its rows."""
    own = _shape_of(part, shape)
    filters = bytearray()
    for band in _bands(scanlines, own):
        lines = list(_pass_lines(part, shape, len(filters), len(band.filters)))
        for lane, plane in enumerate(planes):
            samples = _unpack(band.raster[lane :: shape.lanes], own.width, shape)
            for in_whole, in_pass in lines:
                plane[in_whole] = samples[in_pass]
        filters += band.filters
    return bytes(filters)


def _taken_apart(planes: list[bytes], part: _Pass, shape: Shape, filters: bytes) -> Iterator[Band]:
    """The inverse of :func:`_put_together`."""
    own = _shape_of(part, shape)
    for top, height in _band_rows(own):
        lines = list(_pass_lines(part, shape, top, height))
        raster = bytearray((own.stride(own.width) - 1) * height)
        for lane, plane in enumerate(planes):
            samples = bytearray(own.width * height)
            for in_whole, in_pass in lines:
                samples[in_pass] = plane[in_whole]
            raster[lane :: shape.lanes] = _pack(bytes(samples), own.width, shape)
        yield Band(filters[top : top + height], bytes(raster))


def _shape_of(part: _Pass, shape: Shape) -> Shape:
    left, top, right, down = part
    return replace(shape, width=-((left - shape.width) // right), height=-((top - shape.height) // down))


def _pass_lines(part: _Pass, shape: Shape, row: int, rows: int) -> Iterator[tuple[slice, slice]]:
    """Where each line of a band of a pass lies in a whole plane and in the band; lines run the longer way."""
    left, top, right, down = part
    width = _shape_of(part, shape).width
    first, step = (top + row * down) * shape.width, down * shape.width
    if width >= rows:
        for y in range(rows):
            start = first + y * step
            yield slice(start + left, start + shape.width, right), slice(y * width, (y + 1) * width)
    else:
        for x in range(width):
            start = first + left + x * right
            yield slice(start, start + rows * step, step), slice(x, None, width)


def _unpack(lane: bytes, width: int, shape: Shape) -> bytes:
    """One byte a sample, where pixels share bytes."""
    if shape.depth >= 8:
        return lane
    height = len(lane) // (shape.stride(width) - 1)
    return Image.frombytes("P", (width, height), lane, "raw", f"P;{shape.depth}").tobytes()


def _pack(samples: bytes, width: int, shape: Shape) -> bytes:
    """The inverse of :func:`_unpack`."""
    if shape.depth >= 8:
        return samples
    return Image.frombytes("P", (width, len(samples) // width), samples).tobytes("raw", f"P;{shape.depth}")
