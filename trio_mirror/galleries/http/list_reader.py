"""Reads the list of a gallery on an HTTP server: lines as they stream in, or an index and the indexes below it."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from functools import partial
from itertools import chain, islice
from typing import TypeVar

import httpx
import trio

from trio_mirror.errors import AccessError, ListError
from trio_mirror.galleries.http.client import Client, Receive
from trio_mirror.galleries.http.crawl import Crawl
from trio_mirror.galleries.http.errors import ExchangeError
from trio_mirror.galleries.http.html_index import names_of_html
from trio_mirror.galleries.http.index import Index
from trio_mirror.galleries.http.json_index import names_of_json
from trio_mirror.galleries.http.xml_index import names_of_xml
from trio_mirror.galleries.in_thread import in_thread
from trio_mirror.galleries.links import folder_of
from trio_mirror.galleries.listing import names_of
from trio_mirror.galleries.urls import shown
from trio_mirror.names import printable
from trio_mirror.settings import Settings, format_size

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_NAMES = 256  # of an index that are read at a time
_ENTRIES = {
    "text/html": names_of_html,
    "application/xhtml+xml": names_of_html,
    "application/json": names_of_json,
    "application/xml": names_of_xml,
    "text/xml": names_of_xml,
}


class ListReader:
    """Reads the list of one gallery, each time that it is opened.

    ``query`` is that of the requests for the indexes of sub-folders.

    Attributes:
        is_index: whether the last list was an index, which has whatever lies there.
    """

    def __init__(self, client: Client, settings: Settings, query: str, place: object) -> None:
        self._client = client
        self._settings = settings
        self._query = query
        self._place = place
        self._left_out: str | None = None
        self.is_index = False

    @asynccontextmanager
    async def open(self, url: httpx.URL) -> AsyncIterator[tuple[httpx.URL, AsyncIterator[str]]]:
        """Opens a list: what its names are below, and the names; raises what `HttpGallery.names` does."""
        async with AsyncExitStack() as stack:
            there, media_type, text = await stack.enter_async_context(self._open(url))
            if media_type.startswith("text/") and index_parser(media_type) is None:
                base = folder_of(there)
                names = names_of(text, self._place, base)
            else:
                index = await self._index(there, media_type, text)
                await stack.aclose()
                base, names, self.is_index = index.base, self._crawl(index), True
            yield base, await stack.enter_async_context(aclosing(names))

    @asynccontextmanager
    async def _open(self, url: httpx.URL) -> AsyncIterator[tuple[httpx.URL, str, AsyncIterator[bytes]]]:
        """Opens a list, or one page of it: where it came from, its media type, and its text."""
        async with AsyncExitStack() as stack:
            with self._list_errors(url):
                there, fields, receive = await stack.enter_async_context(self._client.stream(url))
            media_type = fields.get("content-type", "text/plain").partition(";")[0].strip().lower()
            yield there, media_type, await stack.enter_async_context(aclosing(self._text_of(url, receive)))

    async def _text_of(self, url: httpx.URL, receive: Receive) -> AsyncGenerator[bytes, None]:
        with self._list_errors(url):
            while part := await receive():
                yield part

    async def _crawl(self, index: Index) -> AsyncGenerator[str, None]:
        crawl = Crawl(self._read_index, self._next_names, recursive=self._settings.recursive, place=self._place)
        async with aclosing(crawl.names(index)) as names:
            async for name in names:
                yield name
        # Once, though the list may be opened again.
        if crawl.left_out is not None and crawl.left_out != self._left_out:
            self._left_out = crawl.left_out
            _log.warning("%s", crawl.left_out)

    async def _read_index(self, url: httpx.URL) -> Index:
        # The next page of a list has its own query.
        async with self._open(
            url if url.query or not self._query else url.copy_with(query=self._query.encode())
        ) as page:
            return await self._index(*page)

    async def _index(self, url: httpx.URL, media_type: str, text: AsyncIterator[bytes]) -> Index:
        parse = index_parser(media_type)
        if parse is None:
            forms = "one name a line as text/plain, or an index as text/html, application/json or application/xml"
            raise ListError(f"the list {shown(url)} is {printable(media_type)}, not {forms}")
        return await self._parsed(url, partial(parse, await self._whole(url, text), url))

    async def _next_names(self, index: Index) -> list[str]:
        return await self._parsed(index.base, lambda: list(islice(index.names, _NAMES)))

    async def _parsed(self, url: httpx.URL, read: Callable[[], _T]) -> _T:
        """Reads a part of an index in a thread."""
        with trio.move_on_after(self._settings.timeout):
            return await in_thread(read)
        limit = f"{self._settings.timeout:g} s (--timeout)"
        raise ListError(f"the list {shown(url)} is an index page that took longer than {limit} to read")

    async def _whole(self, url: httpx.URL, text: AsyncIterator[bytes]) -> bytearray:
        """An index as a whole; it has the limit of a picture."""
        limit, index = self._settings.max_bytes, bytearray()
        async for chunk in text:
            index += chunk
            if len(index) > limit:
                size = format_size(limit)
                raise ListError(f"the list {shown(url)} is an index page over the limit of {size} (--max-bytes)")
        return index

    @contextmanager
    def _list_errors(self, url: httpx.URL) -> Iterator[None]:
        try:
            yield
        except ExchangeError as error:
            if error.refused:
                hint = "check the credentials (--auth or --header), and that this folder may be listed"
                raise AccessError(f"{shown(url)} refuses us: {error}; {hint}") from error
            raise error.at(self._place, ListError, f"the list {shown(url)} cannot be read: {error}") from error


def index_parser(media_type: str) -> Callable[[bytes | bytearray, httpx.URL], Index] | None:
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
