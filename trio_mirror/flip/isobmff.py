"""The ISO base media file format (ISO/IEC 14496-12): its boxes, and the numbers in them."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

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
