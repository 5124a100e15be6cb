"""The index of a folder as servers make it: a page of links, the JSON of nginx and Caddy, or the XML of S3."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx

from trio_mirror.galleries.dedup_window import DedupWindow


@dataclass(slots=True)
class Index:
    """What an index lists. It is read entry by entry, as it may hold millions of them, and once only."""

    base: httpx.URL  # the folder: what the names are below
    names: Iterator[str] = field(default_factory=lambda: iter(()))
    """The names right below the base, those of folders with a slash at their end; to be read in a thread."""
    elsewhere: int = 0  # links to other places that were found so far, those to the folders around this one left out
    example: str = ""  # the first of them
    next_page: httpx.URL | None = None  # where the list goes on; known when the names were read
    _seen: DedupWindow = field(default_factory=DedupWindow)

    def is_new(self, text: str) -> bool:
        """Whether a name or a link comes for the first time within the dedup window."""
        return self._seen.add(text.encode("utf-8", "surrogatepass"))

    def leave(self, link: str) -> None:
        """Counts a link to another place."""
        self.elsewhere += 1
        self.example = self.example or link
