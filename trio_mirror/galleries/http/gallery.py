"""A gallery on an HTTP server: ``GET`` the list, ``GET`` a picture, ``POST`` the mirrored one."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import httpx
import trio

from trio_mirror.errors import (
    AccessError,
    FetchError,
    ListError,
    MirrorError,
    SettingsError,
    UnknownUploadError,
    UploadError,
)
from trio_mirror.galleries.gallery import UrlGallery
from trio_mirror.galleries.http.client import open_client
from trio_mirror.galleries.http.crawl import Crawl
from trio_mirror.galleries.http.errors import ExchangeError
from trio_mirror.galleries.http.index import index_parser
from trio_mirror.galleries.http.retry_after import parse_http_date
from trio_mirror.galleries.in_thread import in_thread
from trio_mirror.galleries.links import folder_of, resolve
from trio_mirror.galleries.listing import names_of
from trio_mirror.galleries.urls import origin, shown
from trio_mirror.model import Picture
from trio_mirror.names import PictureName, printable
from trio_mirror.settings import UploadAs, format_size, option_error

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator

    from trio_mirror.galleries.http.client import Client
    from trio_mirror.galleries.http.index import Index
    from trio_mirror.galleries.http.response import Fields
    from trio_mirror.settings import Settings

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
# The parameters of S3's lists (ListObjects, ListObjectsV2), which say nothing of an object.
_OF_LISTS = {
    *("list-type", "prefix", "delimiter", "marker", "continuation-token", "start-after", "max-keys", "encoding-type"),
    *("fetch-owner",),
}
_Error = TypeVar("_Error", bound=MirrorError)
_NAMES = 256  # of an index that are read at a time


@asynccontextmanager
async def open_http_gallery(
    url: httpx.URL,
    settings: Settings,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    auth: httpx.Auth | None = None,
) -> AsyncIterator[HttpGallery]:
    """Opens the gallery at a base URL; leaving the block closes its connections.

    Args:
        url: the base; credentials in it, and its query, are used and never shown.
        settings: timeouts, limits, credentials, and the form of an upload.
        transport: in place of our own connections; whoever gave it closes it.
        auth: credentials, where the URL has none.

    Raises:
        SettingsError: the URL has a fragment.
    """
    if url.fragment:
        raise SettingsError(f"the URL of a gallery has no fragment; write {shown(url.copy_with(fragment=None))} alone")
    async with open_client(url, settings, transport=transport, auth=None if url.userinfo else auth) as client:
        yield HttpGallery(client, url.copy_with(userinfo=b""), settings)


class HttpGallery(UrlGallery):
    """Speaks the protocol of the README below one base URL: the one that was written, or where its list came from."""

    def __init__(self, client: Client, url: httpx.URL, settings: Settings) -> None:
        # As it was written: where a "%2F", "%3F" or "%25" is decoded, the path is another one.
        path = url.raw_path.partition(b"?")[0].removesuffix(b"/") + b"/"
        base = url.copy_with(raw_path=path)
        super().__init__(str(base))
        self._client = client
        self._base = self.identity
        self._list = url if url.query else base
        parameters = url.query.decode("ascii").split("&")
        self._query = "&".join(it for it in parameters if it.partition("=")[0] not in _OF_LISTS)
        self._settings = settings
        self._upload_url = resolve(base, settings.upload_url or "")
        self._left_out: str | None = None

    @asynccontextmanager
    async def names(self) -> AsyncIterator[AsyncIterator[str]]:
        """Opens the list: one name a line as it streams in, or the files of an index, which is downloaded first.

        Where the list was redirected, its pictures are where it came from, and so are uploads in place. Repeats
        within the dedup window are left out.

        Raises:
            ListError: no response, a status other than 200, not a list, an index over ``max_bytes``, or one of which
                everything was left out; transient where the list broke off and may be opened again.
            AccessError: 401, 403, or a certificate that is not trusted.
        """
        async with AsyncExitStack() as stack:
            url, media_type, text = await stack.enter_async_context(self._open(self._list))
            if media_type.startswith("text/") and index_parser(media_type) is None:
                self._base = str(folder_of(url))
                names = names_of(text, self)
            else:
                index = await self._index(url, media_type, text)
                await stack.aclose()
                self._base = str(index.base)
                names = self._crawl(index)
            yield await stack.enter_async_context(aclosing(names))

    async def locate(self) -> str:
        """Finds out, and gives, where its pictures are, for a run that does not read its list.

        Raises:
            ListError: as `names` does.
            AccessError: as `names` does.
        """
        async with self.names():
            return self._base

    async def fetch(self, name: str, known_etag: str | None = None) -> Picture | None:
        """Reads one picture, or None if it still has the entity tag that is known of it.

        Raises:
            FetchError: no response in time, a status other than 200, cut short, or over a limit.
            AccessError: a certificate that is not trusted.
            NameRefusedError: the name does not lead below the base.
        """
        try:
            found = await self._client.get(self._url_of(name), known_etag)
        except ExchangeError as error:
            raise self._error(error, FetchError) from error
        if found is None:
            return None
        body, fields = found
        return Picture(
            name=name,
            data=body,
            media_type=fields.get("content-type", "application/octet-stream"),
            etag=fields.get("etag"),
            modified=_modified(fields),
        )

    async def prepare(self) -> None:
        """Checks where uploads go; whether a server stores is known from its first response.

        Raises:
            SettingsError: ``upload_url`` is not of this origin, to which alone credentials and headers may go.
        """
        await trio.lowlevel.checkpoint()
        base = httpx.URL(self.identity)
        if self._upload_url is None or origin(self._upload_url) != origin(base):
            why = f"expected a path, or a URL that begins with {base.scheme}://{base.netloc.decode()}/"
            raise option_error("upload_url", why)

    async def store(self, picture: Picture) -> None:
        """Uploads one picture from memory, with a Content-Length.

        Every attempt of the same bytes under the same name has the same ``Idempotency-Key``, so that a server
        that knows it stores them once.

        Raises:
            UploadError: any response but an accepted status, or no connection.
            AccessError: a certificate that is not trusted.
            UnknownUploadError: it was sent, and no response came in time.
        """
        try:
            await self._client.upload(*self._upload(picture))
        except ExchangeError as error:
            if error.sent:
                message = f"it was sent, but {error}: the server may have it or not"
                raise error.as_error(UnknownUploadError, message) from error
            raise self._error(error, UploadError) from error

    @asynccontextmanager
    async def _open(self, url: httpx.URL) -> AsyncIterator[tuple[httpx.URL, str, AsyncIterator[bytes]]]:
        """Opens a list, or one page of it: where it came from, its media type, and its text."""
        async with AsyncExitStack() as stack:
            with self._list_errors(url):
                there, fields, chunks = await stack.enter_async_context(self._client.stream(url))
            media_type = fields.get("content-type", "text/plain").partition(";")[0].strip().lower()
            yield there, media_type, await stack.enter_async_context(aclosing(self._text_of(url, chunks)))

    async def _text_of(self, url: httpx.URL, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        with self._list_errors(url):
            async for chunk in chunks:
                yield chunk

    async def _crawl(self, index: Index) -> AsyncGenerator[str, None]:
        crawl = Crawl(self._read_index, self._next_names, recursive=self._settings.recursive, place=self)
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

    def _upload(self, picture: Picture) -> tuple[str, httpx.URL, dict[str, str], dict[str, Any]]:
        """The method, the URL, the header fields and the content of an upload."""
        url = self._upload_url if self._settings.upload_url else httpx.URL(self._base)
        assert url is not None, "checked by `prepare`"
        fields = {}
        if picture.upload_key is not None:
            # A quoted string, after draft-ietf-httpapi-idempotency-key-header, section 2.1.
            fields["Idempotency-Key"] = f'"{picture.upload_key}"'
        if self._settings.upload_as is UploadAs.MULTIPART:
            # RFC 7578, section 4.2: the part's filename; httpx writes it the way browsers do.
            files = {self._settings.field: (picture.name, picture.data, picture.media_type)}
            return "POST", url, fields, {"files": files}
        fields["Content-Type"] = picture.media_type
        if self._settings.upload_as is UploadAs.PUT:
            return "PUT", self._url_of(picture.name), fields, {"content": picture.data}
        return "POST", url.copy_add_param("name", picture.name), fields, {"content": picture.data}

    def _url_of(self, name: str) -> httpx.URL:
        name = PictureName(name)
        query = name.query or self._query
        return httpx.URL(f"{self._base}{quote(name)}{query and '?'}{query}")

    @contextmanager
    def _list_errors(self, url: httpx.URL) -> Iterator[None]:
        try:
            yield
        except ExchangeError as error:
            if error.refused:
                hint = "check the credentials (--auth or --header), and that this folder may be listed"
                raise AccessError(f"{shown(url)} refuses us: {error}; {hint}") from error
            raise self._error(error, ListError, f"the list {shown(url)} cannot be read: {error}") from error

    def _error(self, error: ExchangeError, kind: type[_Error], message: str | None = None) -> _Error | AccessError:
        if error.barred:
            return AccessError(f"{self} cannot be used: {error}")
        return error.as_error(kind, message)


def _modified(fields: Fields) -> float | None:
    """What a response says in ``Last-Modified`` (RFC 9110, section 8.8.2), in seconds since the epoch."""
    date = parse_http_date(fields.get("last-modified", ""), datetime.now(UTC))
    return None if date is None else date.timestamp()
