"""A uniform random sample of the pictures of a run, in bounded memory, with a thumbnail of each before and after."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from trio_mirror.cli.view.thumbnails import thumbnail

if TYPE_CHECKING:
    from trio_mirror.model import Result


# Bytes of a pair of pictures, before and after. A smaller pair is kept as it is until the end, for most of those that
# are taken give their places away again; a larger one takes longer to flip than to draw, and is drawn at once.
_KEPT_AS_IT_IS = 256 * 1024


@dataclass(slots=True)
class Pair:
    """One picture of the sample."""

    number: int
    """Which of the pictures of the run it was."""
    name: str
    before: bytes | None = None
    """A thumbnail, if one could be drawn."""
    after: bytes | None = None
    result: Result | None = None
    """How it ended, once it has."""


class Sample:
    """Keeps so many of all the pictures that it is shown, each with the same probability (reservoir sampling).

    Args:
        size: how many.
        random: where chance comes from.
    """

    def __init__(self, size: int, random: Random | None = None) -> None:
        self._size = size
        self._random = random or Random()  # noqa: S311 (no secret depends on it)
        self._seen = 0
        self._pairs: dict[int, Pair] = {}
        self._undrawn: dict[int, tuple[bytes, bytes]] = {}
        self._lock = threading.Lock()

    def show(self, name: str, before: bytes, after: bytes) -> None:
        """Takes a picture or leaves it. Called in many threads at once."""
        with self._lock:
            number = self._seen
            self._seen += 1
            place = number if number < self._size else self._random.randrange(self._seen)
        if place >= self._size:
            return
        pair, undrawn = Pair(number, name), len(before) + len(after) <= _KEPT_AS_IT_IS
        if not undrawn:
            pair.before, pair.after = thumbnail(before), thumbnail(after)
        with self._lock:
            current = self._pairs.get(place)
            # Of two threads that took the same place, the later picture's has it, whoever is done first.
            if current is None or current.number < number:
                self._pairs[place] = pair
                self._undrawn.pop(place, None)
                if undrawn:
                    self._undrawn[place] = before, after

    def add(self, result: Result) -> None:
        """Takes how a picture ended."""
        with self._lock:
            for pair in self._pairs.values():
                if pair.name == result.name:
                    pair.result = result

    def pairs(self) -> list[Pair]:
        """Draws what is not drawn yet, and gives the pairs in the order in which they came."""
        with self._lock:
            while self._undrawn:
                place, (before, after) = self._undrawn.popitem()
                pair = self._pairs[place]
                pair.before, pair.after = thumbnail(before), thumbnail(after)
            return sorted(self._pairs.values(), key=lambda pair: pair.number)
