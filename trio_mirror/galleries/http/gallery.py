"""A gallery on an HTTP server: ``GET`` the list, ``GET`` a picture, ``POST`` or ``PUT`` the mirrored one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from urllib.parse import quote

import httpx
import trio

from trio_mirror.errors import FetchError, SettingsError, UnknownUploadError, UploadError
from trio_mirror.galleries.gallery import UrlGallery
from trio_mirror.galleries.http.client import Client, open_client
from trio_mirror.galleries.http.errors import ExchangeError
from trio_mirror.galleries.http.list_reader import ListReader
from trio_mirror.galleries.http.multipart import Multipart
from trio_mirror.galleries.http.response import Fields
from trio_mirror.galleries.http.retry_after import parse_http_date
from trio_mirror.galleries.links import resolve
from trio_mirror.galleries.urls import origin, shown, written
from trio_mirror.model import Picture
from trio_mirror.names import PictureName
from trio_mirror.settings import Settings, UploadAs, option_error

# The parameters of S3's lists (ListObjects, ListObjectsV2), which say nothing of an object.
_OF_LISTS = {
    *("list-type", "prefix", "delimiter", "marker", "continuation-token", "start-after", "max-keys", "encoding-type"),
    *("fetch-owner",),
}


@asynccontextmanager
async def open_http_gallery(
    url: httpx.URL,
    settings: Settings,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    auth: httpx.Auth | None = None,
) -> AsyncIterator[HttpGallery]:
    """Opens the gallery at a base URL; leaving the block closes its connections.

    Credentials in the URL, which come before ``auth``, and its query are used and never shown. Whoever gave a
    ``transport`` closes it.

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
        self._multipart = Multipart(settings.field)
        self._reader = ListReader(client, settings, self._query, self)

    @property
    def lists_all(self) -> bool:
        """Whether its list has whatever lies there."""
        return self._reader.is_index

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
        async with self._reader.open(self._list) as (base, names):
            self._base = str(base)
            yield names

    async def locate(self) -> str:
        """Finds out, for a run that does not read its list, where its pictures are; raises what `names` does."""
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
            raise error.at(self, FetchError) from error
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

    async def has(self, name: str) -> bool:
        """Whether the server has a picture, by HEAD.

        Raises:
            FetchError: no response in time, or a status other than 200, 404 and 410.
            AccessError: a certificate that is not trusted.
            NameRefusedError: the name does not lead below the base.
        """
        try:
            return await self._client.has(self._url_of(name))
        except ExchangeError as error:
            raise error.at(self, FetchError) from error

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
            raise error.at(self, UploadError) from error

    def _upload(self, picture: Picture) -> tuple[str, str, dict[str, str], Sequence[bytes]]:
        """The method, the URL, the header fields and the body of an upload."""
        assert self._upload_url is not None, "checked by `prepare`"
        url = written(self._upload_url) if self._settings.upload_url else self._base
        fields = {"Content-Type": picture.media_type}
        if picture.upload_key is not None:
            # A quoted string, after draft-ietf-httpapi-idempotency-key-header, section 2.1.
            fields["Idempotency-Key"] = f'"{picture.upload_key}"'
        if self._settings.upload_as is UploadAs.MULTIPART:
            boundary, head, tail = self._multipart.frame(picture.name, picture.media_type)
            fields["Content-Type"] = f"multipart/form-data; boundary={boundary}"
            return "POST", url, fields, (head, picture.data, tail)
        if self._settings.upload_as is UploadAs.PUT:
            return "PUT", self._url_of(picture.name), fields, (picture.data,)
        return "POST", written(httpx.URL(url).copy_add_param("name", picture.name)), fields, (picture.data,)

    def _url_of(self, name: str) -> str:
        name = PictureName(name)
        query = name.query or self._query
        # As httpx would write it, which takes a tenth of a millisecond.
        return f"{self._base}{quote(name)}{query and '?'}{query}"


def _modified(fields: Fields) -> float | None:
    """What a response says in ``Last-Modified`` (RFC 9110, section 8.8.2), in seconds since the epoch."""
    date = parse_http_date(fields.get("last-modified", ""), datetime.now(UTC))
    return None if date is None else date.timestamp()
