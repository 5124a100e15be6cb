"""A gallery in memory, whose misbehaviour a test chooses."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

import trio

from tests.helpers.pictures import png
from trio_mirror import FetchError, ListError, Picture

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable


class MemoryGallery:
    """Lists names, gives a PNG for each, and keeps what is stored."""

    def __init__(self, names: Iterable[str] = (), *, data: bytes | None = None) -> None:
        self.listed = names
        self.data = png() if data is None else data
        self.stored: dict[str, Picture] = {}
        self.fetched: list[str] = []
        self.fetch_seconds = 0.0
        self.store_seconds = 0.0
        self.broken_list = False

    def __str__(self) -> str:
        return "memory"

    @asynccontextmanager
    async def names(self) -> AsyncIterator[AsyncIterator[str]]:
        async def each() -> AsyncGenerator[str, None]:
            for name in self.listed:
                yield name
            if self.broken_list:
                raise ListError("the list broke off")

        async with aclosing(each()) as names:
            yield names

    async def fetch(self, name: str, known_etag: str | None = None) -> Picture | None:
        self.fetched.append(name)
        await trio.sleep(self.fetch_seconds)
        if "missing" in name:
            raise FetchError("it is missing")
        return Picture(name=name, data=self.data, media_type="image/png")

    async def prepare(self) -> None:
        pass

    async def store(self, picture: Picture) -> None:
        await trio.sleep(self.store_seconds)
        self.stored[picture.name] = picture
