"""A gallery on an HTTP server: ``GET`` the list, ``GET`` a picture, ``POST`` the mirrored one."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from trio_mirror.errors import (
    AccessError,
    FetchError,
    ListError,
    SettingsError,
    UnknownUploadError,
    UploadError,
)
from trio_mirror.galleries.listing import ListingParser
from trio_mirror.model import Picture
from trio_mirror.names import check_name, printable
from trio_mirror.settings import UploadAs
from trio_mirror.transport.client import Client, ExchangeError, open_client

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    import httpx

    from trio_mirror.settings import Settings


@asynccontextmanager
async def open_http_gallery(url: httpx.URL, settings: Settings, *, trust: bool) -> AsyncIterator[HttpGallery]:
    """Opens the gallery at a base URL; leaving the block closes its connections.

    Args:
        url: the base; credentials in it are used, and never shown.
        settings: timeouts, limits, and the form of an upload.
        trust: whether ``settings.auth`` and ``settings.header`` were given for this origin.

    Raises:
        SettingsError: the URL has a query or a fragment.
    """
    if url.query or url.fragment:
        raise SettingsError(f"{url.host}: the URL of a gallery ends in its path; it has no query and no fragment")
    auth = (url.username, url.password) if url.userinfo else settings.auth if trust else None
    base = url.copy_with(userinfo=b"", path=url.path.removesuffix("/") + "/")
    async with open_client(base, settings, auth=auth, header=settings.header if trust else ()) as client:
        yield HttpGallery(client, str(base), settings)


async def _names(chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
    parser = ListingParser()
    async for chunk in chunks:
        for name in parser.feed(chunk):
            yield name
    for name in parser.end():
        yield name


class HttpGallery:
    """Speaks the protocol of the README below one base URL."""

    def __init__(self, client: Client, url: str, settings: Settings) -> None:
        self._client = client
        self._url = url
        self._settings = settings

    def __str__(self) -> str:
        return self._url

    @asynccontextmanager
    async def names(self) -> AsyncIterator[AsyncIterator[str]]:
        """Opens the list, one name a line; repeats within its window are left out.

        Raises:
            ListError: no answer, a status other than 200, not text, or cut short.
            AccessError: 401, 403, or a certificate that is not trusted.
        """
        try:
            async with self._client.stream("") as (headers, chunks):
                media_type = headers.get("Content-Type", "text/plain").partition(";")[0].strip().lower()
                if not media_type.startswith("text/") or media_type == "text/html":
                    raise ListError(f"the list {self} is {printable(media_type)}, not one name a line as text/plain")
                async with aclosing(_names(chunks)) as names:
                    yield names
        except ExchangeError as error:
            raise self._list_error(error) from error

    async def fetch(self, name: str) -> Picture:
        """Reads one picture in one attempt.

        Raises:
            FetchError: no answer in time, a status other than 200, cut short, or over ``max_bytes``.
            NameRefusedError: the name is no place below the base.
        """
        path = "/".join(quote(segment, safe="") for segment in check_name(name))
        try:
            body, headers = await self._client.get(path, self._settings.max_bytes)
        except ExchangeError as error:
            raise FetchError(str(error)) from error
        return Picture(
            name=name,
            data=body,
            media_type=headers.get("Content-Type", "application/octet-stream"),
            etag=headers.get("ETag"),
        )

    async def prepare(self) -> None:
        """Does nothing: whether a server stores is known when it answers."""

    async def store(self, picture: Picture) -> None:
        """Posts one picture from memory, with a Content-Length, in one attempt.

        Raises:
            UploadError: any answer but an accepted status, or no connection.
            UnknownUploadError: it was sent, and no answer came in time.
        """
        try:
            await self._client.post(self._settings.success_status, **self._upload(picture))
        except ExchangeError as error:
            if error.sent:
                raise UnknownUploadError(f"it was sent, but {error}: the server may have it or not") from error
            raise UploadError(str(error)) from error

    def _upload(self, picture: Picture) -> dict[str, Any]:
        if self._settings.upload_as is UploadAs.RAW:
            return {
                "content": picture.data,
                "headers": {"Content-Type": picture.media_type},
                "params": {"name": picture.name},
            }
        # RFC 7578, section 4.2: the part's filename; httpx writes it the way browsers do.
        return {"files": {self._settings.field: (picture.name, picture.data, picture.media_type)}}

    def _list_error(self, error: ExchangeError) -> ListError | AccessError:
        if error.refused_access:
            return AccessError(f"{self} refuses us: {error}; give credentials with --auth or --header")
        return ListError(f"the list {self} cannot be read: {error}")
