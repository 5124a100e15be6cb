"""The ISO base media file format (ISO/IEC 14496-12): boxes found, and changed in place or in size.

A change of size touches more than itself: the size of every box around it, and every offset in the file that
points behind it. ``Edits`` holds changes by their places in the original file, so that their order is free.
"""

from __future__ import annotations

import contextlib
import struct
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate

from trio_mirror.errors import FlipError

DAMAGED = "the file is damaged"


@dataclass(frozen=True, slots=True)
class Box:
    """A box by its places in the file, counted in bytes: its start, its body, its end."""

    data: bytes = field(repr=False, compare=False)  # the file
    kind: bytes
    start: int
    body: int
    end: int
    parent: Box | None = None

    @property
    def content(self) -> bytes:
        """The bytes of the body."""
        return self.data[self.body : self.end]

    @property
    def version(self) -> int:
        """The version of a full box."""
        return self.reader().number(4) >> 24  # and flags

    def reader(self, *, skip: int = 0) -> Reader:
        """Reads the body after ``skip`` bytes."""
        return Reader(self.data, self.body + skip, self.end)

    def children(self, *, skip: int = 0) -> Iterator[Box]:
        """The boxes inside, after ``skip`` bytes of the body (the fields of a full box, say)."""
        return boxes(self.data, self.body + skip, self.end, parent=self)

    def child(self, kind: bytes, *, skip: int = 0) -> Box | None:
        """The first box of this kind inside, if there is one."""
        return next((box for box in self.children(skip=skip) if box.kind == kind), None)


def boxes(data: bytes, start: int, end: int, *, parent: Box | None = None) -> Iterator[Box]:
    """The boxes side by side from ``start`` to ``end`` (section 4.2)."""
    while start < end:
        if end - start < 8:
            raise FlipError(f"{DAMAGED}: it ends inside a box")
        size, kind = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if size == 1 and end - start >= 16:
            (size,) = struct.unpack_from(">Q", data, body)
            body += 8
        elif size == 0 and parent is None:
            size = end - start  # the last box of a file may reach to the file's end
        if not body - start <= size <= end - start:
            raise FlipError(f"{DAMAGED}: a box in it is cut short")
        yield Box(data, kind, start, body, start + size, parent)
        start += size


def whole_boxes(data: bytes) -> list[Box]:
    """The boxes of a file, up to the last whole one."""
    found: list[Box] = []
    with contextlib.suppress(FlipError):
        found += boxes(data, 0, len(data))
    return found


class Reader:
    """Reads big-endian numbers one after the other, within bounds: a FlipError says that one reaches beyond the end."""

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self._data = data
        self._end = end
        self.at = at

    def number(self, size: int) -> int:
        """The next number, of ``size`` bytes; 0 bytes are a 0."""
        at, self.at = self.at, self.at + size
        if self.at > self._end:
            raise FlipError(f"{DAMAGED}: a table in it is cut short")
        return int.from_bytes(self._data[at : self.at])


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
