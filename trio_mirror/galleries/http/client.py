"""One HTTP exchange at a time: its deadline, its limits, and its redirects.

An exchange that fails raises an `ExchangeError`, which the gallery turns into the error of a picture or of the list.
"""

from __future__ import annotations

from base64 import b64encode
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import httpx

from trio_mirror import __version__
from trio_mirror.galleries.deadline import deadline
from trio_mirror.galleries.http.auth import AuthTransport
from trio_mirror.galleries.http.coding import ACCEPTED
from trio_mirror.galleries.http.digest import digest_of
from trio_mirror.galleries.http.errors import ExchangeError, map_exceptions, too_large
from trio_mirror.galleries.http.min_rate import MinRate
from trio_mirror.galleries.http.response import Response
from trio_mirror.galleries.http.transport import open_transport

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Iterator, Mapping

    from trio_mirror.galleries.http.response import Fields
    from trio_mirror.settings import Settings

MAX_REDIRECTS = 5

Auth: TypeAlias = "tuple[str, str] | httpx.Auth | None"
"""A user and a password, for HTTP Basic, or a scheme of httpx's."""

RawField: TypeAlias = tuple[bytes, bytes]

_NO_FIELDS: Mapping[str, str] = MappingProxyType({})


@asynccontextmanager
async def open_client(
    base: httpx.URL,
    settings: Settings,
    *,
    transport: httpx.AsyncBaseTransport | None,
    auth: Auth,
    header: Collection[tuple[str, str]],
) -> AsyncIterator[Client]:
    """Opens a client for the origin of ``base``; leaving the block closes its connections.

    Args:
        base: the URL of the gallery.
        settings: timeouts and limits.
        transport: in place of our own connections; whoever gave it closes it.
        auth: credentials for every request.
        header: header fields for every request.

    Raises:
        SettingsError: ``ca_file`` cannot be read, or the environment does not fit.
    """
    headers = httpx.Headers(
        {"Host": base.netloc.decode("ascii"), "User-Agent": f"trio-mirror/{__version__}", "Accept": "*/*"}
    )
    if isinstance(auth, tuple):
        # RFC 7617, section 2.
        headers["Authorization"] = f"Basic {b64encode(_as_typed(':'.join(auth))).decode()}"
    chosen = httpx.Headers([(name.encode("ascii"), _as_typed(value)) for name, value in header])
    kept = [field for field in headers.raw if field[0].decode("ascii") not in chosen]
    async with AsyncExitStack() as stack:
        if transport is None:
            # A scheme may ask for a token elsewhere.
            opened = open_transport(base, settings, any_origin=isinstance(auth, httpx.Auth))
            transport = await stack.enter_async_context(opened)
        if isinstance(auth, httpx.Auth):
            transport = AuthTransport(transport, auth, settings.max_bytes)
        yield Client(transport, settings, [*kept, *chosen.raw])


class Client:
    """An HTTP client for one origin: every wait under a deadline, every body under a limit.

    It hands requests straight to a transport. What httpx's own client adds to that (cookies, redirects anywhere,
    timeouts of each read alone, which a body that drips beats for ever) is not wanted here, and costs time.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport, settings: Settings, headers: list[RawField]) -> None:
        self._transport = transport
        self._settings = settings
        self._headers = headers
        # A picture is compressed already: a content coding around it would only cost time.
        self._headers_of_get = httpx.Headers([*headers, (b"Accept-Encoding", b"identity")])
        self._headers_of_stream = httpx.Headers([*headers, (b"Accept-Encoding", ACCEPTED.encode())])

    async def get(self, url: str, known_etag: str | None = None) -> tuple[bytes, Fields] | None:
        """Reads a whole body, cut off after the timeout, body included.

        Args:
            url: of the body.
            known_etag: an entity tag; None is the result where the body still has it.

        Raises:
            ExchangeError: no complete response in time, a status other than 200, a body cut short, too slow, over
                ``max_bytes`` (counted after content decoding), or other than its digest.
        """
        headers = self._headers_of_get
        if known_etag is not None:
            # RFC 9110, section 13.1.2.
            headers = httpx.Headers([*headers.raw, *_encoded_fields({"If-None-Match": known_etag})])
        with map_exceptions(), deadline(self._settings.timeout):
            response = await self._exchange(self._get_request(url, headers))
            try:
                if response.status == httpx.codes.NOT_MODIFIED and known_etag is not None:
                    return None
                if response.status != httpx.codes.OK:
                    raise await response.refusal()
                return await self._read(response), response.fields
            finally:
                await response.aclose()

    @asynccontextmanager
    async def stream(self, url: str) -> AsyncIterator[tuple[httpx.URL, Fields, AsyncIterator[bytes]]]:
        """Opens a body of any length: gives the URL that it came from, the header fields, and the body in chunks.

        The timeout bounds each wait for a chunk, not the whole, since a reader may take its time.

        Raises:
            ExchangeError: no response or no next chunk in time, a status other than 200, a body cut short.
        """
        async with AsyncExitStack() as stack:
            with map_exceptions(), deadline(self._settings.timeout):
                response = await self._exchange(self._get_request(url, self._headers_of_stream))
                stack.push_async_callback(response.aclose)
                if response.status != httpx.codes.OK:
                    raise await response.refusal()
                chunks = await stack.enter_async_context(response.chunks())
            yield response.url, response.fields, await stack.enter_async_context(aclosing(self._each_in_time(chunks)))

    async def _each_in_time(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        min_rate = MinRate(self._settings.min_rate)
        while True:
            min_rate.resume()
            with map_exceptions(), deadline(self._settings.timeout):
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            min_rate.count(chunk)
            yield chunk

    async def post(self, url: str, fields: Mapping[str, str] = _NO_FIELDS, **content: Any) -> None:
        """Posts to a URL. A redirect is a response like any other: it is not followed.

        Args:
            url: where to.
            fields: header fields beside those of every request.
            content: what `httpx.Request` takes: ``content``, ``files``, ``params``.

        Raises:
            ExchangeError: a status not of ``success_status``, or no response in time; its ``sent`` says whether
                the body had left.
        """
        request = httpx.Request("POST", url, headers=[*self._headers, *_encoded_fields(fields)], **content)
        body = request.stream = _Body(cast("httpx.SyncByteStream", request.stream))
        try:
            with map_exceptions(), deadline(self._settings.timeout):
                response = await self._exchange(request)
        except ExchangeError as error:
            error.sent = body.sent
            raise
        try:
            if response.status not in self._settings.success_status:
                raise await self._upload_refusal(response)
            # Read to its end, so that its connection is kept: httpx's is lost even where the body is empty.
            await response.read_start()
        finally:
            await response.aclose()

    async def _exchange(self, request: httpx.Request) -> Response:
        """Sends a request, and a GET also where redirects lead. Whoever gets the response closes it."""
        for _ in range(MAX_REDIRECTS + 1):
            response = Response(await self._transport.handle_async_request(request))
            response.url = request.url
            if request.method != "GET":
                return response
            try:
                response.check_headers()
                there = response.redirect(request.url)
            except ExchangeError:
                await response.aclose()
                raise
            if there is None:
                return response
            await response.aclose()
            request = self._get_request(there, request.headers)
        raise ExchangeError(f"more than {MAX_REDIRECTS} redirects")

    @staticmethod
    def _get_request(url: httpx.URL | str, headers: httpx.Headers) -> httpx.Request:
        # With a stream of its own, httpx takes the headers as they are.
        return httpx.Request("GET", url, headers=headers, stream=_Body(()))

    @staticmethod
    async def _upload_refusal(response: Response) -> ExchangeError:
        refusal = await response.refusal()
        if httpx.codes.is_success(response.status):
            hint = f"where that means stored, --success-status {response.status} says so"
            refusal.args = (f"{refusal}; {hint}",)
        return refusal

    async def _read(self, response: Response) -> bytes:
        """The whole body, decoded and checked."""
        limit, fields = self._settings.max_bytes, response.fields
        if int(fields.get("content-length", 0)) > limit:
            raise too_large(limit)
        digest = digest_of(fields)
        min_rate = MinRate(self._settings.min_rate)
        parts: list[bytes] = []
        size = 0
        async with response.chunks() as chunks:
            async for chunk in chunks:
                min_rate.count(chunk)
                parts.append(chunk)
                size += len(chunk)
                if size > limit:
                    raise too_large(limit)
                if digest is not None:
                    digest.update(chunk)
        if digest is not None and not digest.matches():
            raise ExchangeError("the body is not what its digest says", transient=True)
        return b"".join(parts)


class _Body(httpx.AsyncByteStream, httpx.SyncByteStream):
    """A request body that knows when all of it was handed to the connection; other readers read it synchronously.

    It is its own iterator: an asynchronous generator would stay open when the connection fails.

    Args:
        parts: of a body in memory.
    """

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = parts
        self.sent = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        # Authentication may send it once more.
        self._left = iter(self._parts)
        self.sent = False
        return self

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts)

    async def __anext__(self) -> bytes:
        for part in self._left:
            return part
        # Reached only when the last part has left.
        self.sent = True
        raise StopAsyncIteration


def _as_typed(text: str) -> bytes:
    """UTF-8, in which the bytes of an argument or a variable that are none go out as they came in (PEP 383)."""
    return text.encode("utf-8", "surrogateescape")


def _encoded_fields(fields: Mapping[str, str]) -> list[RawField]:
    # What came as a Response's fields goes back as it was. What cannot have come so, as from a journal that was
    # edited, begins no other field.
    encoded = {name.encode(): value.encode("iso-8859-1", "replace") for name, value in fields.items()}
    return [(name, value.translate(None, b"\r\n\0")) for name, value in encoded.items()]
