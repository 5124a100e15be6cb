"""TIFF's predictors: differences along each row (TIFF 6.0 section 14; for floats, TIFF Technical Note 3).

Samples are added many at once: a chunk of rows becomes one long integer whose lanes are the samples, as
processors do it within a word (SIMD within a register). The top bits are added apart: no carry leaves a lane.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

_FLOATING_POINT = 3
_CHUNK = 1 << 18  # bytes whose integers stay in a processor's cache


class Predictor:
    """The differencing of one image's strips or tiles.

    Args:
        kind: the Predictor tag: 2 for whole numbers, 3 for floats.
        order: of the bytes of a sample.
        width: pixels of a row of a strip or tile.
        samples: samples of a pixel that lie together.
        size: bytes of a sample.
    """

    def __init__(self, kind: int, order: Literal["little", "big"], width: int, samples: int, size: int) -> None:
        self._floats = kind == _FLOATING_POINT
        self._order = order
        self._size = size
        self._per_row = width * samples
        self._stride = width * samples * size
        self._lane = 1 if self._floats else size
        self._distance = samples * self._lane  # bytes between two samples whose difference is stored
        self._places = range(size) if order == "big" else range(size)[::-1]  # of a sample's bytes, the highest first

    def undo(self, raster: bytes) -> bytes:
        """Turns differences into samples."""
        sums = map(self._summed, self._chunks(raster))
        return b"".join(map(self._gathered, sums) if self._floats else sums)

    def redo(self, raster: bytes) -> bytes:
        """Turns samples into differences."""
        chunks = self._chunks(raster)
        return b"".join(map(self._differences, map(self._scattered, chunks) if self._floats else chunks))

    def _chunks(self, raster: bytes) -> Iterator[bytes]:
        step = max(1, _CHUNK // self._stride) * self._stride
        return (raster[at : at + step] for at in range(0, len(raster), step))

    def _summed(self, chunk: bytes) -> bytes:
        """Running sums along each row, in as many steps as the row length has binary digits."""
        total = self._integer(chunk)
        top, low = self._bits(len(chunk))
        reach = self._distance
        while reach < self._stride:
            moved = self._moved(total, reach, len(chunk))
            total = ((total & low) + (moved & low)) ^ ((total ^ moved) & top)
            reach *= 2
        return total.to_bytes(len(chunk), self._order)

    def _differences(self, chunk: bytes) -> bytes:
        samples = self._integer(chunk)
        top, low = self._bits(len(chunk))
        moved = self._moved(samples, self._distance, len(chunk))
        return (((samples | top) - (moved & low)) ^ ((samples ^ moved ^ top) & top)).to_bytes(len(chunk), self._order)

    def _moved(self, lanes: int, reach: int, length: int) -> int:
        """The samples moved ``reach`` bytes to the right, with nothing coming in from the row before."""
        row = (bytes(reach) + b"\xff" * (self._stride - reach))[: self._stride]
        mask = self._integer(row * (length // self._stride))
        return (lanes << 8 * reach if self._order == "little" else lanes >> 8 * reach) & mask

    def _bits(self, length: int) -> tuple[int, int]:
        """The top bit of every lane, and all others."""
        lane = (1 << 8 * self._lane - 1).to_bytes(self._lane, self._order)
        top = self._integer(lane * (length // self._lane))
        return top, self._integer(b"\xff" * length) ^ top

    def _integer(self, chunk: bytes) -> int:
        return int.from_bytes(chunk, self._order)

    def _gathered(self, chunk: bytes) -> bytes:
        """Floats, of rows that hold the highest bytes of all samples, then their second bytes, and so on."""
        rows = bytearray(len(chunk))
        planes = (chunk[start : start + self._per_row] for start in range(0, len(chunk), self._per_row))
        for start in range(0, len(chunk), self._stride):
            for place in self._places:
                rows[start + place : start + self._stride : self._size] = next(planes)
        return bytes(rows)

    def _scattered(self, chunk: bytes) -> bytes:
        rows = (chunk[start : start + self._stride] for start in range(0, len(chunk), self._stride))
        return b"".join(row[place :: self._size] for row in rows for place in self._places)
