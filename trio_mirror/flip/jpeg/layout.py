"""Where the bytes behind the first image of a JPEG file go when images among them change their length."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple


class Change(NamedTuple):
    """New bytes in the place of old ones."""

    start: int
    stop: int
    new: bytes


class Layout:
    """The bytes of a file from ``end`` on, with some of them replaced.

    The changes are in the order of the file, and do not overlap.
    """

    def __init__(self, data: bytes, end: int, changes: Sequence[Change]) -> None:
        self.data = data
        self.end = end
        self._changes = changes
        self._stops = [change.stop for change in changes]
        growths = (len(change.new) - (change.stop - change.start) for change in changes)
        self._growths = [*accumulate(growths, initial=0)]

    def moved(self, offset: int) -> int:
        """How many bytes behind the first image now stands what stood at an offset of the old file."""
        return offset - self.end + self._growths[bisect_right(self._stops, offset)]

    def pieces(self) -> list[bytes]:
        """The new bytes behind the first image."""
        pieces, at = [], self.end
        for change in self._changes:
            pieces += [self.data[at : change.start], change.new]
            at = change.stop
        return [*pieces, self.data[at:]]
