"""A uniform random sample of the pictures of a run, in bounded memory, with a thumbnail of each before and after."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from trio_mirror.view.thumbnails import thumbnail

if TYPE_CHECKING:
    from trio_mirror.model import Result


@dataclass(slots=True)
class Pair:
    """One picture of the sample."""

    number: int
    """Which of the pictures of the run it was."""
    name: str
    before: bytes | None
    after: bytes | None
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
        self._lock = threading.Lock()

    def show(self, name: str, before: bytes, after: bytes) -> None:
        """Takes a picture or leaves it. Called in many threads at once; thumbnails are drawn of those taken only."""
        with self._lock:
            number = self._seen
            self._seen += 1
            place = number if number < self._size else self._random.randrange(self._seen)
        if place >= self._size:
            return
        pair = Pair(number, name, thumbnail(before), thumbnail(after))
        with self._lock:
            current = self._pairs.get(place)
            # Of two threads that took the same place, the later picture's has it, whoever is done first.
            if current is None or current.number < number:
                self._pairs[place] = pair

    def add(self, result: Result) -> None:
        """Takes how a picture ended."""
        with self._lock:
            for pair in self._pairs.values():
                if pair.name == result.name:
                    pair.result = result

    @property
    def pairs(self) -> list[Pair]:
        """Those kept, in the order in which they came."""
        with self._lock:
            return sorted(self._pairs.values(), key=lambda pair: pair.number)
