"""The names of an index, and of the indexes of its sub-folders."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from urllib.parse import quote

import httpx

from trio_mirror.errors import ListError, NameRefusedError
from trio_mirror.galleries.http.index import Index
from trio_mirror.galleries.links import name_below
from trio_mirror.names import PictureName, hide_credentials, printable

MAX_DEPTH = 16  # sub-folders within each other that are followed: a link on the server's disk may lead back up for ever
_MOST_FOLDERS = 65_536  # that wait to be followed


class Crawl:
    """Goes through an index: its files, then with ``recursive`` those of its sub-folders, each page once.

    Names are below the first index; what leads out of it is left out. ``read`` reads the index at a URL; ``take`` takes
    the next names of one, none at its end.
    """

    def __init__(
        self,
        read: Callable[[httpx.URL], Awaitable[Index]],
        take: Callable[[Index], Awaitable[list[str]]],
        *,
        recursive: bool,
        place: object,
    ) -> None:
        self._read = read
        self._take = take
        self._recursive = recursive
        self._place = place
        self._folders_left = 0
        self._links_left = 0
        self._example = ""

    @property
    def left_out(self) -> str | None:
        """What was left out so far, and how much of it."""
        left = []
        if self._links_left:
            left.append(f"links that lead elsewhere ({self._links_left:,}, such as {self._example})")
        if self._folders_left:
            why = f"deeper than {MAX_DEPTH}, or out of it" if self._recursive else "--recursive follows them"
            left.append(f"sub-folders ({self._folders_left:,}; {why})")
        return f"the list {self._place}: left out are {' and '.join(left)}" if left else None

    async def names(self, root: Index) -> AsyncGenerator[str, None]:
        """The names, as page by page is read.

        Raises:
            ListError: a page cannot be read, or everything was left out.
        """
        index, prefix = root, ""
        folders, seen, is_empty = list[str](), set[str](), True
        while True:
            if prefix not in seen:
                seen.add(prefix)
                found = list[str]()
                async for entry in self._names_of(index):
                    name = f"{prefix}{entry}"
                    if not entry.endswith("/"):
                        is_empty = False
                        yield name
                    elif self._recursive and name.count("/") <= MAX_DEPTH and len(folders) + len(found) < _MOST_FOLDERS:
                        found.append(name)
                    else:
                        self._folders_left += 1
                folders += reversed(found)
            if not folders:
                break
            folder = folders.pop()
            try:
                path = quote(PictureName(folder.removesuffix("/")))
            except NameRefusedError:
                # It is a result that failed.
                is_empty = False
                yield folder.removesuffix("/")
                continue
            index = await self._read(httpx.URL(f"{root.base}{path}/"))
            below = name_below(root.base, str(index.base))
            if below is None:
                self._folders_left += 1
            else:
                prefix = below
        if is_empty and self.left_out is not None:
            raise ListError(f"{self.left_out}; nothing else is in it")

    async def _names_of(self, index: Index) -> AsyncGenerator[str, None]:
        """The names of an index, and of the pages on which it goes on."""
        page: Index | None = index
        while page is not None:
            while names := await self._take(page):
                for name in names:
                    yield name
            if page.elsewhere and not self._links_left:
                self._example = printable(hide_credentials(page.example[:200]))
            self._links_left += page.elsewhere
            page = None if page.next_page is None else await self._read(page.next_page)
