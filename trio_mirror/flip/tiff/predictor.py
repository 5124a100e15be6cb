"""TIFF's predictors: differences along each row (TIFF 6.0 section 14; for floats, TIFF Technical Note 3).

Samples are added many at once: a chunk of rows becomes one long integer whose lanes are the samples, as
processors do it within a word (SIMD within a register). The top bits are added apart: no carry leaves a lane.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

_FLOATING_POINT = 3

_CHUNK = 1 << 18  # bytes whose integers stay in a processor's cache


@dataclass(frozen=True)
class Predictor:
    """The differencing of one image's strips or tiles."""

    kind: int  # the Predictor tag: 2 for whole numbers, 3 for floats
    order: Literal["little", "big"]  # of the bytes of a sample
    width: int  # pixels of a row of a strip or tile
    samples: int  # samples of a pixel that lie together
    size: int  # bytes of a sample

    def undo(self, raster: bytes) -> bytes:
        """Turns differences into samples."""
        return b"".join(self._gathered(self._summed(chunk)) for chunk in self._chunks(raster))

    def redo(self, raster: bytes) -> bytes:
        """Turns samples into differences."""
        return b"".join(self._differences(self._scattered(chunk)) for chunk in self._chunks(raster))

    @cached_property
    def _stride(self) -> int:
        return self.width * self.samples * self.size

    @cached_property
    def _lane(self) -> int:
        return 1 if self.kind == _FLOATING_POINT else self.size

    @cached_property
    def _distance(self) -> int:
        """Bytes between two samples whose difference is stored."""
        return self.samples * self._lane

    def _chunks(self, raster: bytes) -> Iterator[bytes]:
        step = max(1, _CHUNK // self._stride) * self._stride
        return (raster[at : at + step] for at in range(0, len(raster), step))

    def _summed(self, chunk: bytes) -> bytes:
        """Running sums along each row, in as many steps as the row length has binary digits."""
        total = self._integer(chunk)
        top = self._top(len(chunk))
        low = self._integer(b"\xff" * len(chunk)) ^ top
        reach = self._distance
        while reach < self._stride:
            moved = self._moved(total, reach, len(chunk))
            total = ((total & low) + (moved & low)) ^ ((total ^ moved) & top)
            reach *= 2
        return total.to_bytes(len(chunk), self.order)

    def _differences(self, chunk: bytes) -> bytes:
        samples = self._integer(chunk)
        top = self._top(len(chunk))
        low = self._integer(b"\xff" * len(chunk)) ^ top
        moved = self._moved(samples, self._distance, len(chunk))
        return (((samples | top) - (moved & low)) ^ ((samples ^ moved ^ top) & top)).to_bytes(len(chunk), self.order)

    def _moved(self, lanes: int, reach: int, length: int) -> int:
        """The samples moved ``reach`` bytes to the right, with nothing coming in from the row before."""
        row = (bytes(reach) + b"\xff" * (self._stride - reach))[: self._stride]
        mask = self._integer(row * (length // self._stride))
        return (lanes << 8 * reach if self.order == "little" else lanes >> 8 * reach) & mask

    def _top(self, length: int) -> int:
        """The top bit of every lane."""
        lane = (1 << 8 * self._lane - 1).to_bytes(self._lane, self.order)
        return self._integer(lane * (length // self._lane))

    def _integer(self, chunk: bytes) -> int:
        return int.from_bytes(chunk, self.order)

    def _gathered(self, chunk: bytes) -> bytes:
        """Floats, of rows that hold the highest bytes of all samples, then their second bytes, and so on."""
        if self.kind != _FLOATING_POINT:
            return chunk
        per_row = self.width * self.samples
        rows = bytearray(len(chunk))
        for start in range(0, len(chunk), self._stride):
            for place in range(self.size):
                target = place if self.order == "big" else self.size - 1 - place
                plane = chunk[start + place * per_row : start + (place + 1) * per_row]
                rows[start + target : start + self._stride : self.size] = plane
        return bytes(rows)

    def _scattered(self, chunk: bytes) -> bytes:
        if self.kind != _FLOATING_POINT:
            return chunk
        places = range(self.size) if self.order == "big" else range(self.size - 1, -1, -1)
        rows = (chunk[start : start + self._stride] for start in range(0, len(chunk), self._stride))
        return b"".join(row[place :: self.size] for row in rows for place in places)
