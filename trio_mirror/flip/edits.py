"""Changes to a file, held by their places in the original, so that their order is free.

A change of size touches more than itself: every offset in the file that points behind it, and in the ISO base media
file format the size of every box around it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from functools import cached_property
from itertools import accumulate

from trio_mirror.errors import FlipError
from trio_mirror.flip.isobmff import DAMAGED, Box


class Edits:
    """Changes to a file, noted by places in the original and made all at once."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._changes: list[tuple[int, int, bytes]] = []
        self._growths: Counter[Box] = Counter()

    def splice(self, parent: Box | None, start: int, end: int, new: bytes) -> None:
        """Puts ``new`` for the bytes from ``start`` to ``end``, which lie inside ``parent`` (None: the file)."""
        self._changes.append((start, end, new))
        while parent:
            self._growths[parent] += len(new) - (end - start)
            parent = parent.parent

    def patch(self, at: int, size: int, number: int) -> None:
        """Writes a number over the ``size`` bytes at ``at``.

        Raises:
            FlipError: the number does not fit.
        """
        if not 0 <= number < 1 << 8 * size:
            raise FlipError("the file has no room for the offsets of its mirrored picture")
        self._changes.append((at, at + size, number.to_bytes(size)))

    def moved(self, position: int) -> int:
        """How far the byte at ``position`` moves; call after the last splice."""
        ends, moves = self._moves
        return moves[bisect_right(ends, position)]

    @cached_property
    def _moves(self) -> tuple[list[int], list[int]]:
        """Where the spliced bytes end, in order, and how far bytes move: before the first end, from it on, ..."""
        growths = sorted((end, len(new) - (end - start)) for start, end, new in self._changes)
        return [end for end, _ in growths], list(accumulate((growth for _, growth in growths), initial=0))

    def apply(self) -> bytes:
        """The changed file.

        Raises:
            FlipError: two changes touch the same bytes, or a box grows beyond what its size can say.
        """
        for box, growth in self._growths.items():
            self._resize(box, growth)
        parts: list[bytes | memoryview] = []
        view, at = memoryview(self._data), 0
        for start, end, new in sorted(self._changes, key=lambda change: change[:2]):
            if start < at:
                raise FlipError(f"{DAMAGED}: parts of it that have to change overlap")
            parts += [view[at:start], new]
            at = end
        return b"".join([*parts, view[at:]])

    def _resize(self, box: Box, growth: int) -> None:
        size = box.end - box.start + growth
        stated = int.from_bytes(self._data[box.start : box.start + 4])
        if stated == 1:
            self.patch(box.start + 8, 8, size)
        elif stated:
            self.patch(box.start, 4, size)
