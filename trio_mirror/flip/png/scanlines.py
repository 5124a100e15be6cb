"""The raster of a PNG, or of one APNG frame: from a zlib stream to the mirrored zlib stream, at full depth.

The rows keep their filter types and the stream its effort, so that the size stays near the original's.
Only pixels are kept: bits that pad the end of a row become 0.
"""

from __future__ import annotations

import itertools
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from trio_mirror.errors import FlipError
from trio_mirror.flip.png.filters import Band, refilter, unfilter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BAND = 1 << 20  # bytes that are worked on at once
_INPUT = 1 << 16  # compressed bytes that zlib is handed at once
_LEFT_RIGHT = Image.Transpose.FLIP_LEFT_RIGHT
_TOP_BOTTOM = Image.Transpose.FLIP_TOP_BOTTOM

# PNG, third edition, section 8: the first column and row of each Adam7 pass, and its steps.
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_MOST_FOR_LEVEL_9 = 2 << 20  # bytes of a raster: on some rasters level 9 of zlib is 25 times slower than 6


@dataclass(frozen=True, slots=True)
class Shape:
    """What the scanlines of a raster mean."""

    width: int
    """Pixels."""
    height: int
    """Pixels."""
    depth: int
    """Bits of a sample."""
    channels: int
    """Samples of a pixel."""
    interlaced: bool

    @property
    def lanes(self) -> int:
        """Bytes of a pixel, at least 1: the distance that the row filters look back."""
        return max(1, self.depth * self.channels // 8)

    def stride(self, width: int) -> int:
        """Bytes of a scanline of ``width`` pixels, its filter type included."""
        return 1 + (width * self.depth * self.channels + 7) // 8


def mirror_raster(stream: list[memoryview], shape: Shape, restarts: list[int], *, rows: bool) -> list[bytes]:
    """Mirrors a zlib stream of filtered scanlines.

    Args:
        stream: its parts, in order.
        shape: what the scanlines mean.
        restarts: rows from which the new stream can be inflated alone, in order; none where it is interlaced.
        rows: reverses the order of the rows, not the rows themselves.

    Returns:
        The mirrored stream, cut before each of the ``restarts``.

    Raises:
        FlipError: the stream is damaged or too short.
    """
    scanlines = _Scanlines(stream)
    compressor = zlib.compressobj(_level(stream, shape), memLevel=9)
    segments = [bytearray()]
    for picture in _mirrored_pictures(scanlines, shape, restarts, rows=rows):
        above: list[Image.Image] = []
        row = 0
        for band in picture:
            if row in restarts:
                segments[-1] += compressor.flush(zlib.Z_FULL_FLUSH)
                segments.append(bytearray())
            mirrored = band.standing_alone() if row in restarts else band
            segments[-1] += compressor.compress(refilter(mirrored, above))
            above = band.last_row()
            row += band.filters.height
    segments[-1] += compressor.flush()
    return [bytes(segment) for segment in segments]


def _mirrored_pictures(
    scanlines: _Scanlines, shape: Shape, restarts: list[int], *, rows: bool
) -> Iterable[Iterable[Band]]:
    """What the filters take for pictures of their own: the raster, or each pass of an interlaced one."""
    if shape.interlaced:
        return ([band] for band in _mirrored_passes(scanlines, shape, rows=rows))
    return [_mirrored_bands(scanlines, shape, restarts, rows=rows)]


def _level(stream: list[memoryview], shape: Shape) -> int:
    """The zlib level: 9 where the stream's header states the highest (RFC 1950, section 2.2), else 6."""
    header = b"".join(part[:2] for part in stream[:2])
    utmost = header[1:2] >= b"\xc0"
    return 9 if utmost and shape.stride(shape.width) * shape.height <= _MOST_FOR_LEVEL_9 else 6


class _Scanlines:
    """Inflates a stream as far as needed and no further, so that no stream can fill the memory."""

    def __init__(self, stream: list[memoryview]) -> None:
        self._zlib = zlib.decompressobj()
        self._parts = (part[at : at + _INPUT] for part in stream for at in range(0, len(part), _INPUT))
        self._rest: bytes | memoryview = b""

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes.

        Raises:
            FlipError: the stream is damaged, or ends before.
        """
        data = bytearray()
        while len(data) < size:
            if not self._rest:
                self._rest = next(self._parts, b"")
            part, exhausted = self._rest, not self._rest
            try:
                inflated = self._zlib.decompress(part, size - len(data))
            except zlib.error as error:
                raise FlipError(f"the PNG's raster is damaged: {error}") from error
            self._rest = self._zlib.unconsumed_tail
            data += inflated
            if self._zlib.eof or (exhausted and not inflated):
                break
        if len(data) < size:
            raise FlipError("the PNG's raster is cut short: rows are missing")
        return bytes(data)


def _mirrored_bands(scanlines: _Scanlines, shape: Shape, restarts: list[int], *, rows: bool) -> Iterator[Band]:
    """A raster without interlace, a band at a time; to reverse the rows, all of it is held."""
    if rows:
        for band in reversed(list(_bands(scanlines, shape, [shape.height - row for row in restarts]))):
            lanes = [lane.transpose(_TOP_BOTTOM) for lane in band.lanes]
            yield Band(band.filters.transpose(_TOP_BOTTOM), lanes)
    else:
        for band in _bands(scanlines, shape, restarts):
            samples = [_unpack(lane, shape.width, shape).transpose(_LEFT_RIGHT) for lane in band.lanes]
            yield Band(band.filters, [_pack(lane, shape) for lane in samples])


def _bands(scanlines: _Scanlines, shape: Shape, restarts: list[int]) -> Iterator[Band]:
    """The raster as it is, in bands of a workable size that end at the restarts."""
    stride = shape.stride(shape.width)
    tops = {*range(0, shape.height, max(1, _BAND // stride)), *restarts}
    above: list[Image.Image] = []
    for top, bottom in itertools.pairwise(sorted({*tops, shape.height})):
        band = unfilter(scanlines.read((bottom - top) * stride), bottom - top, shape.lanes, above)
        yield band
        above = band.last_row()


def _mirrored_passes(scanlines: _Scanlines, shape: Shape, *, rows: bool) -> Iterator[Band]:
    """The passes of a mirrored Adam7 raster: pixels change their pass, so all are put together first."""
    whole = (shape.width, shape.height)
    passes = [part for part in _ADAM7 if part[0] < shape.width and part[1] < shape.height]
    bands = []
    for part in passes:
        width, height = _pass_size(part, shape)
        bands.append(unfilter(scanlines.read(height * shape.stride(width)), height, shape.lanes, []))
    # Not before the stream has shown that it holds as many pixels as the header says.
    planes = [bytearray(shape.width * shape.height) for _ in range(shape.lanes)]
    for part, band in zip(passes, bands, strict=True):
        for plane, lane in zip(planes, band.lanes, strict=True):
            samples = _unpack(lane, _pass_size(part, shape)[0], shape).tobytes()
            for in_whole, in_pass in _pass_lines(part, shape):
                plane[in_whole] = samples[in_pass]
    method = _TOP_BOTTOM if rows else _LEFT_RIGHT
    mirrored = [Image.frombytes("L", whole, bytes(plane)).transpose(method).tobytes() for plane in planes]
    for part, band in zip(passes, bands, strict=True):
        yield Band(band.filters, [_pack(_pass_of(plane, part, shape), shape) for plane in mirrored])


def _pass_of(plane: bytes, part: tuple[int, int, int, int], shape: Shape) -> Image.Image:
    size = _pass_size(part, shape)
    samples = bytearray(size[0] * size[1])
    for in_whole, in_pass in _pass_lines(part, shape):
        samples[in_pass] = plane[in_whole]
    return Image.frombytes("L", size, bytes(samples))


def _pass_size(part: tuple[int, int, int, int], shape: Shape) -> tuple[int, int]:
    left, top, right, down = part
    return -((left - shape.width) // right), -((top - shape.height) // down)


def _pass_lines(part: tuple[int, int, int, int], shape: Shape) -> Iterator[tuple[slice, slice]]:
    """Where each line of a pass lies in a whole plane and in the pass's own; lines run the longer way."""
    left, top, right, down = part
    width, height = _pass_size(part, shape)
    if width >= height:
        for y in range(height):
            start = (top + y * down) * shape.width
            yield slice(start + left, start + shape.width, right), slice(y * width, (y + 1) * width)
    else:
        for x in range(width):
            yield slice(top * shape.width + left + x * right, None, down * shape.width), slice(x, None, width)


def _unpack(lane: Image.Image, width: int, shape: Shape) -> Image.Image:
    """One byte a sample, where pixels share bytes."""
    if shape.depth >= 8:
        return lane
    return Image.frombytes("P", (width, lane.height), lane.tobytes(), "raw", f"P;{shape.depth}")


def _pack(samples: Image.Image, shape: Shape) -> Image.Image:
    """The inverse of :func:`_unpack`."""
    if shape.depth >= 8:
        return samples
    size = (shape.stride(samples.width) - 1, samples.height)
    packed = Image.frombytes("P", samples.size, samples.tobytes())
    return Image.frombytes("L", size, packed.tobytes("raw", f"P;{shape.depth}"))
