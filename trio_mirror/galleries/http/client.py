"""One HTTP exchange at a time: its deadline, its limits, and its redirects.

Galleries know only the URLs of httpx. To them an exchange that fails is an `ExchangeError`, which they turn into the
error of a picture or of the list.
"""

from __future__ import annotations

import ssl
from base64 import b64encode
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, cast

import httpx
import trio

from trio_mirror import __version__
from trio_mirror.errors import SettingsError
from trio_mirror.galleries.http.coding import ACCEPTED, CodingError
from trio_mirror.galleries.http.digest import digest_of
from trio_mirror.galleries.http.errors import ExchangeError, translated
from trio_mirror.galleries.http.min_rate import Pace
from trio_mirror.galleries.http.pool import open_transport
from trio_mirror.galleries.http.response import (
    chunks_of,
    decoded_fields,
    encoded_fields,
    read_first_line,
    read_redirect,
    read_refusal,
    stream_of,
)
from trio_mirror.names import printable
from trio_mirror.settings.units import format_size

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Collection, Iterable, Mapping

    from trio_mirror.galleries.http.response import Fields, RawField
    from trio_mirror.settings import Settings

MAX_REDIRECTS = 5
# Of one response.
_MAX_HEADERS = 100
_MAX_HEADER_BYTES = 64 * 1024
_NO_FIELDS: Mapping[str, str] = MappingProxyType({})

_T = TypeVar("_T")


@asynccontextmanager
async def open_client(
    base: httpx.URL, settings: Settings, *, auth: tuple[str, str] | None, header: Collection[tuple[str, str]]
) -> AsyncIterator[Client]:
    """Opens a client for the origin of ``base``; leaving the block closes its connections.

    Raises:
        SettingsError: ``ca_file`` cannot be read.
    """
    headers = httpx.Headers(
        {"Host": base.netloc.decode("ascii"), "User-Agent": f"trio-mirror/{__version__}", "Accept": "*/*"}
    )
    if auth is not None:
        # RFC 7617, section 2.
        headers["Authorization"] = f"Basic {b64encode(_as_typed(':'.join(auth))).decode()}"
    chosen = httpx.Headers([(name.encode("ascii"), _as_typed(value)) for name, value in header])
    kept = [field for field in headers.raw if field[0].decode("ascii") not in chosen]
    async with open_transport(base, partial(_tls_context, settings)) as transport:
        yield Client(transport, base, settings, [*kept, *chosen.raw])


def _as_typed(text: str) -> bytes:
    """UTF-8, in which the bytes of an argument or a variable that are none go out as they came in (PEP 383)."""
    return text.encode("utf-8", "surrogateescape")


def _tls_context(settings: Settings) -> ssl.SSLContext:
    if settings.insecure or settings.ca_file is None:
        try:
            return httpx.create_ssl_context(verify=not settings.insecure)
        except OSError as error:
            variables = "SSL_CERT_FILE, SSL_CERT_DIR and SSLKEYLOGFILE"
            raise SettingsError(f"TLS cannot be set up: {error}; look at the environment's {variables}") from error
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        reason = "it holds no certificate in PEM form" if isinstance(error, ssl.SSLError) else error.strerror
        raise SettingsError(f"--ca-file: {printable(settings.ca_file)} cannot be used: {reason}") from error


class Client:
    """An HTTP client for one origin: every wait under a deadline, every body under a limit.

    It hands requests straight to a transport. What httpx's own client adds to that (cookies, redirects anywhere,
    timeouts of each read alone, which a body that drips beats for ever) is not wanted here, and costs time.
    """

    def __init__(
        self, transport: httpx.AsyncBaseTransport, base: httpx.URL, settings: Settings, headers: list[RawField]
    ) -> None:
        self._transport = transport
        self._base = base
        self._settings = settings
        self._headers = headers
        # A picture is compressed already: a content coding around it would only cost time.
        self._headers_of_get = httpx.Headers([*headers, (b"Accept-Encoding", b"identity")])
        self._headers_of_stream = httpx.Headers([*headers, (b"Accept-Encoding", ACCEPTED.encode())])

    async def get(self, path: str, known_etag: str | None = None) -> tuple[bytes, Fields] | None:
        """Reads a whole body in one attempt, cut off after the timeout, body included.

        Args:
            path: what follows the base URL, percent-encoded.
            known_etag: an entity tag; None is the answer where the body still has it.

        Raises:
            ExchangeError: no whole answer in time, a status other than 200, a body cut short, too slow, over
                ``max_bytes`` (counted after content decoding), or not what its digest says.
        """
        return await self._in_time(self._get(path, known_etag))

    async def _get(self, path: str, known_etag: str | None) -> tuple[bytes, Fields] | None:
        headers = self._headers_of_get
        if known_etag is not None:
            # RFC 9110, section 13.1.2.
            headers = httpx.Headers([*headers.raw, *encoded_fields({"If-None-Match": known_etag})])
        response, fields = await self._answer(path, headers)
        try:
            if response.status_code == httpx.codes.NOT_MODIFIED:
                return None
            return await self._read(response, fields), fields
        finally:
            await stream_of(response).aclose()

    @asynccontextmanager
    async def stream(self, path: str) -> AsyncIterator[tuple[Fields, AsyncIterator[bytes]]]:
        """Opens a body of any length: gives the answer's headers, and the body in chunks.

        The timeout bounds each wait for a chunk, not the whole, since a reader may take its time.

        Raises:
            ExchangeError: no answer or no next chunk in time, a status other than 200, a body cut short.
        """
        async with AsyncExitStack() as stack:
            response, fields = await self._in_time(self._answer(path, self._headers_of_stream))
            stack.push_async_callback(stream_of(response).aclose)
            chunks = await stack.enter_async_context(chunks_of(response, fields))
            yield fields, await stack.enter_async_context(aclosing(self._each_in_time(chunks)))

    async def _each_in_time(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        pace = Pace(self._settings.min_rate)

        async def next_chunk() -> bytes | None:
            pace.resume()
            chunk = await anext(chunks, None)
            pace.saw(len(chunk or b""))
            return chunk

        while (chunk := await self._in_time(next_chunk())) is not None:
            yield chunk

    async def post(self, fields: Mapping[str, str] = _NO_FIELDS, **content: Any) -> None:
        """Posts to the base URL in one attempt. A redirect is an answer like any other: it is not followed.

        Args:
            fields: what to send beside the headers of every request.
            content: what `httpx.Request` takes: ``content``, ``files``, ``params``.

        Raises:
            ExchangeError: a status not of ``success_status``, or no answer in time; its ``sent`` tells whether
                the body had left.
        """
        request = httpx.Request("POST", self._base, headers=[*self._headers, *encoded_fields(fields)], **content)
        body = request.stream = _Watched(cast("httpx.SyncByteStream", request.stream))
        try:
            response = await self._in_time(self._transport.handle_async_request(request))
        except ExchangeError as error:
            error.sent = body.sent
            raise
        try:
            status = response.status_code
            if status not in self._settings.success_status:
                refusal = await read_refusal(response)
                if response.is_success:
                    refusal = ExchangeError(f"{refusal}; where that means stored, --success-status {status} says so")
                raise refusal
            # Read to its end, so that its connection is kept: httpx's is lost even where the body is empty.
            await read_first_line(response, decoded_fields(response.headers.raw))
        finally:
            await stream_of(response).aclose()

    async def _answer(self, path: str, headers: httpx.Headers) -> tuple[httpx.Response, Fields]:
        """One answer of status 200, or 304 where that was asked for, after redirects; whoever gets it closes it."""
        url = httpx.URL(f"{self._base}{path}")
        for _ in range(MAX_REDIRECTS + 1):
            # With a stream of its own, httpx takes the headers as they are.
            request = httpx.Request("GET", url, headers=headers, stream=_Watched(()))
            response = await self._transport.handle_async_request(request)
            try:
                fields = self._fields(response)
                if response.status_code == 200 or (response.status_code == 304 and "If-None-Match" in headers):
                    return response, fields
                url = await read_redirect(url, response)
            except BaseException:
                await stream_of(response).aclose()
                raise
            await stream_of(response).aclose()
        raise ExchangeError(f"more than {MAX_REDIRECTS} redirects")

    async def _read(self, response: httpx.Response, fields: Fields) -> bytes:
        """The whole body, decoded and checked."""
        limit = self._settings.max_bytes
        if int(fields.get("content-length", 0)) > limit:
            raise _too_large(limit)
        digest = digest_of(fields)
        pace = Pace(self._settings.min_rate)
        parts: list[bytes] = []
        size = 0
        async with chunks_of(response, fields) as chunks:
            async for chunk in chunks:
                pace.saw(len(chunk))
                parts.append(chunk)
                size += len(chunk)
                if size > limit:
                    raise _too_large(limit)
                if digest is not None:
                    digest.update(chunk)
        if digest is not None and not digest.matches():
            raise ExchangeError("the body is not what its digest says", transient=True)
        return b"".join(parts)

    def _fields(self, response: httpx.Response) -> Fields:
        raw = response.headers.raw
        if len(raw) > _MAX_HEADERS:
            raise ExchangeError(f"the response has {len(raw)} headers, more than {_MAX_HEADERS}")
        size = sum(len(name) + len(value) + 4 for name, value in raw)
        if size > _MAX_HEADER_BYTES:
            raise ExchangeError(f"the response's headers are over the limit of {format_size(_MAX_HEADER_BYTES)}")
        return decoded_fields(raw)

    async def _in_time(self, attempt: Awaitable[_T]) -> _T:
        """One cancel scope around one attempt; httpx's errors and the deadline's become ExchangeErrors."""
        timeout = self._settings.timeout
        try:
            with trio.CancelScope(deadline=trio.current_time() + timeout):
                return await attempt
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise translated(error) from error
        except CodingError as error:
            raise ExchangeError(str(error)) from error
        raise ExchangeError(f"no whole answer within {timeout:g} s (--timeout)", transient=True, overload=True)


class _Watched(httpx.AsyncByteStream):
    """A request body that knows when all of it was handed to the connection.

    It is its own iterator, and no asynchronous generator, for nobody would close that when the connection fails.

    Args:
        parts: of a body in memory.
    """

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = iter(parts)
        self.sent = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        for part in self._parts:
            return part
        # Asked for only when the last part has left.
        self.sent = True
        raise StopAsyncIteration


def _too_large(max_bytes: int) -> ExchangeError:
    return ExchangeError(f"the body is over the limit of {format_size(max_bytes)} (--max-bytes)")
