"""A uniform random sample of the pictures of a run, in bounded memory, with a thumbnail of each before and after."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import NamedTuple

from trio_mirror.cli.view.thumbnails import LARGE, SMALL, Size, decibels, thumbnail
from trio_mirror.model import Result

# Bytes of a pair of pictures, before and after. A smaller pair is kept as it is until the end, for most of those that
# are taken give their places away again; a larger one takes longer to flip than to draw, and is drawn at once.
_KEPT_AS_IT_IS = 256 * 1024
# So many places of the sample have pictures to look at closely.
_LARGE_PLACES = 8


class Encoded(NamedTuple):
    """A picture as it passes by."""

    before: bytes
    after: bytes | None  # none if it could not be mirrored
    lossless: bool


@dataclass(slots=True)
class Pair:
    """One picture of the sample."""

    number: int  # which of the pictures of the run it was
    name: str
    before: bytes | None = None  # a thumbnail, if one could be drawn
    after: bytes | None = None
    result: Result | None = None  # how it ended, once it has
    decibels: float | None = None  # how close it is to its original, where it was re-encoded and that could be measured
    encoded: Encoded | None = None  # what is still to be drawn

    @property
    def is_large(self) -> bool:
        """Whether it can be looked at closely."""
        return max(len(self.before or b""), len(self.after or b"")) > SMALL.most

    def draw(self, size: Size) -> None:
        """Draws both pictures, once."""
        if self.encoded is None:
            return
        before, after, lossless = self.encoded
        self.encoded = None
        self.before = thumbnail(before, size)
        if after is not None:
            self.after = thumbnail(after, size)
            self.decibels = None if lossless else decibels(before, after)


class Sample:
    """Keeps ``size`` of all the pictures that it is shown, each with the same probability (reservoir sampling).

    So many as ``large`` says are drawn large enough to be looked at closely.
    """

    def __init__(self, size: int, random: Random | None = None, *, large: int = _LARGE_PLACES) -> None:
        self._size = size
        self._large = large
        self._random = random or Random()  # noqa: S311 (no secret depends on it)
        # It hands out each number once, in whatever threads.
        self._numbers = count()
        self._pairs: dict[int, Pair] = {}
        # Of all that ever had a place: a few hundred, however long the run.
        self._names: set[str] = set()
        self._lock = threading.Lock()

    def show(self, name: str, before: bytes, after: bytes | None, *, lossless: bool = True) -> None:
        """Takes a picture or leaves it. Called in many threads at once."""
        number = next(self._numbers)
        place = number if number < self._size else int(self._random.random() * (number + 1))
        if place >= self._size:
            return
        pair = Pair(number, name, encoded=Encoded(before, after, lossless))
        if len(before) + len(after or b"") > _KEPT_AS_IT_IS:
            pair.draw(self._size_at(place))
        with self._lock:
            current = self._pairs.get(place)
            # Of two threads that took the same place, the later picture's has it, whoever is done first.
            if current is None or current.number < number:
                self._pairs[place] = pair
                self._names.add(name)

    def add(self, result: Result) -> None:
        """Takes how a picture ended."""
        if result.name not in self._names:
            return
        with self._lock:
            for pair in self._pairs.values():
                if pair.name == result.name:
                    pair.result = result

    def pairs(self) -> list[Pair]:
        """Draws what is not drawn yet, and gives the pairs in the order in which they came."""
        with self._lock:
            for place, pair in self._pairs.items():
                pair.draw(self._size_at(place))
            return sorted(self._pairs.values(), key=lambda pair: pair.number)

    def _size_at(self, place: int) -> Size:
        return LARGE if place < self._large else SMALL


def added(earlier: Sequence[Pair], new: Sequence[Pair], most: int) -> list[Pair]:
    """Puts pairs of an earlier page before new ones: as many as fill it, but at least half a page of them."""
    names = {pair.name for pair in new}
    room = max(most - len(new), most // 2)
    large = max(0, _LARGE_PLACES - sum(pair.is_large for pair in new))
    kept = list[Pair]()
    for pair in earlier:
        if len(kept) < room and pair.name not in names and large >= pair.is_large:
            large -= pair.is_large
            kept.append(pair)
    return [*kept, *new]
