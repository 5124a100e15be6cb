"""Where the bytes behind the first image of a JPEG file go when images among them change their length."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from trio_mirror.flip.edits import Edits


class Change(NamedTuple):
    """New bytes in the place of old ones."""

    start: int
    stop: int
    new: bytes


class Layout:
    """The bytes of a file from ``end`` on, with some of them replaced."""

    def __init__(self, data: bytes, end: int, changes: Iterable[Change]) -> None:
        self.data, self.end = data, end
        self._edits = Edits(data)
        for change in changes:
            self._edits.splice(None, *change)

    def moved(self, offset: int) -> int:
        """How many bytes behind the first image now stands what stood at an offset of the old file."""
        return offset - self.end + self._edits.moved(offset)

    def new(self) -> memoryview:
        """The new bytes behind the first image."""
        return memoryview(self._edits.apply())[self.end :]
