"""Room for new raster data in a file: where the old data stood, else the file's end."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, order=True, slots=True)
class Span:
    """Bytes of a file, from ``start`` up to but not including ``stop``."""

    start: int
    stop: int


class Space:
    """The bytes of a file that may be written anew.

    Args:
        out: the file, changed in place.
        occupied: what must stay.
        raster: where the old strips and tiles of all images stand. What overlaps anything else is not reused.
    """

    def __init__(self, out: bytearray, occupied: list[Span], raster: list[Span]) -> None:
        self._out = out
        self._own = set(raster) - _overlapping([*occupied, *raster])
        self._free: list[Span] = []

    def place(self, slots: list[Span], pieces: list[bytes]) -> list[int]:
        """Writes one image's new strips or tiles and returns where each now stands.

        Each stays in its slot where all of them fit; else the slots are filled anew, one piece behind the
        other, and what then has no room goes to the end of the file. Room left over is cleared.
        """
        fits = all(
            slot in self._own and len(piece) <= slot.stop - slot.start
            for slot, piece in zip(slots, pieces, strict=True)
        )
        if fits:
            for slot, piece in zip(slots, pieces, strict=True):
                self._write(slot, piece)
            return [slot.start for slot in slots]
        self._free = _merged([*self._free, *(slot for slot in slots if slot in self._own)])
        for span in self._free:
            self._write(span, b"")
        return [self._allot(piece) for piece in pieces]

    def _write(self, span: Span, piece: bytes) -> None:
        self._out[span.start : span.stop] = piece.ljust(span.stop - span.start, b"\0")

    def _allot(self, piece: bytes) -> int:
        for index, span in enumerate(self._free):
            if len(piece) <= span.stop - span.start:
                self._out[span.start : span.start + len(piece)] = piece
                self._free[index] = Span(span.start + len(piece), span.stop)
                return span.start
        if self._free and self._free[-1].stop == len(self._out):
            start = self._free.pop().start
        else:
            self._out += bytes(len(self._out) % 2)  # TIFF 6.0 section 2 wants word boundaries
            start = len(self._out)
        self._out[start:] = piece
        return start


def _overlapping(spans: list[Span]) -> set[Span]:
    """The spans that share a byte with another one of the list."""
    shared: set[Span] = set()
    furthest = Span(0, 0)
    for earlier, span in pairwise([furthest, *sorted(spans)]):
        furthest = max(furthest, earlier, key=lambda one: one.stop)
        if span.start < furthest.stop:
            shared |= {span, furthest}
    return shared


def _merged(spans: list[Span]) -> list[Span]:
    """The same bytes in as few spans as possible, in order."""
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.start <= merged[-1].stop:
            merged[-1] = Span(merged[-1].start, max(merged[-1].stop, span.stop))
        elif span.start < span.stop:
            merged.append(span)
    return merged
