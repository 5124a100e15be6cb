"""The index of a folder as servers make it: a page of links, the JSON of nginx and Caddy, or the XML of S3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TypeAlias

import httpx

from trio_mirror.galleries.dedup_window import DedupWindow
from trio_mirror.galleries.http.html_index import names_of_html
from trio_mirror.galleries.http.json_index import names_of_json
from trio_mirror.galleries.http.xml_index import names_of_xml
from trio_mirror.galleries.links import folder_of
from trio_mirror.galleries.listing import WINDOW

IndexParser: TypeAlias = Callable[[bytes | bytearray, httpx.URL], "Index"]


@dataclass(slots=True)
class Index:
    """What an index lists. It is read entry by entry, as it may hold millions of them, and once only."""

    base: httpx.URL  # the folder: what the names are below
    names: Iterator[str] = field(default_factory=lambda: iter(()))
    """The names right below the base, those of folders with a slash at their end; to be read in a thread."""
    elsewhere: int = 0  # links to other places that were found so far, those to the folders around this one left out
    example: str = ""  # the first of them
    next_page: httpx.URL | None = None  # where the list goes on; known when the names were read
    _seen: DedupWindow = field(default_factory=lambda: DedupWindow(WINDOW))

    def is_new(self, text: str) -> bool:
        """Whether a name or a link comes for the first time within the dedup window."""
        return self._seen.add(text.encode("utf-8", "surrogatepass"))

    def leave(self, link: str) -> None:
        """Counts a link to another place."""
        self.elsewhere += 1
        self.example = self.example or link


def index_parser(media_type: str) -> IndexParser | None:
    """What reads an index of a media type; None for a media type that no index has.

    It is a function of the whole index and of the URL that it came from. It looks for the first name, and raises
    `ListError` where it finds that this is not an index; so does the iteration of `Index.names`.
    """
    entries = _ENTRIES.get(media_type)
    if entries is None:
        return None

    def parse(page: bytes | bytearray, url: httpx.URL) -> Index:
        index = Index(folder_of(url))
        names = entries(page, url, index)
        index.names = chain(list(islice(names, 1)), names)
        return index

    return parse


_ENTRIES = {
    "text/html": names_of_html,
    "application/xhtml+xml": names_of_html,
    "application/json": names_of_json,
    "application/xml": names_of_xml,
    "text/xml": names_of_xml,
}
