"""Room for new raster data in a file: where the old data stood, else the file's end."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import nlargest
from itertools import pairwise

_KEPT = 64  # spans that one image leaves to the next


@dataclass(frozen=True, order=True, slots=True)
class Span:
    """Bytes of a file, from ``start`` up to but not including ``stop``."""

    start: int
    stop: int


def appended(out: bytearray, octets: bytes) -> int:
    """Adds bytes to the end of a file, at a word boundary (TIFF 6.0 section 2), and returns where they stand."""
    out += bytes(len(out) % 2)
    out += octets
    return len(out) - len(octets)


class Space:
    """The bytes of a file, ``out``, that may be written anew.

    Those of the old strips and tiles (``raster``) that overlap nothing else, and nothing that must stay (``occupied``).
    """

    def __init__(self, out: bytearray, occupied: list[Span], raster: list[Span]) -> None:
        self._out = out
        self._own = set(raster) - _overlapping([*occupied, *raster])
        self._left: list[Span] = []

    def place(self, slots: list[Span], pieces: list[bytes]) -> list[int]:
        """Writes one image's new strips or tiles and returns where each now stands; 0 where one is empty.

        Each stays in its slot where all of them fit; else the slots are filled anew, one piece behind the
        other, and what then has no room goes to the end of the file. Room left over is cleared.
        """
        pairs = list(zip(slots, pieces, strict=True))
        if all(slot in self._own and len(piece) <= slot.stop - slot.start for slot, piece in pairs):
            for slot, piece in pairs:
                self._write(slot, piece)
            return [slot.start if piece else 0 for slot, piece in pairs]
        free = _Free(merged([*self._left, *(slot for slot in slots if slot in self._own)]))
        for span in free.spans:
            self._write(span, b"")
        starts = [self._allot(piece, free) if piece else 0 for piece in pieces]
        self._left = nlargest(_KEPT, free.spans, key=lambda span: span.stop - span.start)
        return starts

    def _write(self, span: Span, piece: bytes) -> None:
        self._out[span.start : span.stop] = piece.ljust(span.stop - span.start, b"\0")

    def _allot(self, piece: bytes, free: _Free) -> int:
        start = free.take(len(piece))
        if start is not None:
            self._out[start : start + len(piece)] = piece
        elif free.spans and free.spans[-1].stop == len(self._out):
            start = free.take_last()
            self._out[start:] = piece
        else:
            start = appended(self._out, piece)
        return start


class _Free:
    """Free spans in order, each piece put into the first that has room for it.

    A binary tree over them holds the most room below each node, so that none is looked at in vain.
    """

    def __init__(self, spans: list[Span]) -> None:
        self.spans = spans
        self._leaves = 1 << len(spans).bit_length()
        self._room = [0] * 2 * self._leaves
        for index, span in enumerate(spans):
            self._room[self._leaves + index] = span.stop - span.start
        for node in range(self._leaves - 1, 0, -1):
            self._room[node] = max(self._room[2 * node : 2 * node + 2])

    def take(self, size: int) -> int | None:
        """Where ``size`` bytes, at least 1, have room; none where no span has so much."""
        if self._room[1] < size:
            return None
        node = 1
        while node < self._leaves:
            node *= 2
            node += self._room[node] < size
        index = node - self._leaves
        span = self.spans[index]
        self._replace(index, Span(span.start + size, span.stop))
        return span.start

    def take_last(self) -> int:
        """Takes the last span and returns its start."""
        last = self.spans[-1]
        self._replace(len(self.spans) - 1, Span(last.stop, last.stop))
        return last.start

    def _replace(self, index: int, span: Span) -> None:
        self.spans[index] = span
        node = self._leaves + index
        self._room[node] = span.stop - span.start
        while node > 1:
            node //= 2
            self._room[node] = max(self._room[2 * node : 2 * node + 2])


def _overlapping(spans: list[Span]) -> set[Span]:
    """The spans that share a byte with another one of the list."""
    shared: set[Span] = set()
    furthest = Span(0, 0)
    for earlier, span in pairwise([furthest, *sorted(spans)]):
        furthest = max(furthest, earlier, key=lambda one: one.stop)
        if span.start < furthest.stop:
            shared |= {span, furthest}
    return shared


def merged(spans: list[Span]) -> list[Span]:
    """The same bytes in as few spans as possible, in order."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and span.start <= found[-1].stop:
            found[-1] = Span(found[-1].start, max(found[-1].stop, span.stop))
        elif span.start < span.stop:
            found.append(span)
    return found
