"""One HTTP exchange at a time: its deadline, its limits, its redirects, and httpx's errors in our words.

Galleries know only the URLs of httpx. To them an exchange that fails is an `ExchangeError`, which they turn into the
error of a picture or of the list.
"""

from __future__ import annotations

import os
import socket
import ssl
from base64 import b64encode
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

import httpx
import trio

from trio_mirror import __version__
from trio_mirror.errors import MirrorError, SettingsError
from trio_mirror.names import printable
from trio_mirror.transport.coding import ACCEPTED, CodingError, Decoder
from trio_mirror.transport.digest import digest_of
from trio_mirror.transport.pool import host_of, open_transport
from trio_mirror.transport.retry import OVERLOAD_STATUSES, TRANSIENT_STATUSES, parse_http_date, parse_retry_after
from trio_mirror.units import format_size

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Collection, Iterable, Iterator, Mapping

    from trio_mirror.settings import Settings

Origin: TypeAlias = tuple[str, str, int | None]
"""Scheme, host and port (RFC 6454, section 4)."""

Fields: TypeAlias = "Mapping[str, str]"
"""The header fields of an answer, by their names in lower case; what came repeatedly is joined by commas.

Values are text as ISO 8859-1, which loses nothing of what they are (RFC 9110, section 5.5).
"""
_RawField: TypeAlias = tuple[bytes, bytes]

MAX_REDIRECTS = 5
_REDIRECTS = {301, 302, 303, 307, 308}
# Seconds over which the slowest rate of a body is measured.
_RATE_WINDOW = 30.0
# An answer's first line is for people; more than this of an error page is noise.
_ANSWER_BYTES = 2_048
_ANSWER_CHARACTERS = 200
# Seconds that reading it may take.
_ANSWER_TIMEOUT = 2.0

# What OpenSSL makes of an answer in plain HTTP, by its versions.
_NO_TLS = {"WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}

_TIMED_OUT: dict[str, Any] = {"transient": True, "overload": True}
_NO_FIELDS: Mapping[str, str] = MappingProxyType({})

_T = TypeVar("_T")
_Error = TypeVar("_Error", bound=MirrorError)


class ExchangeError(MirrorError):
    """One HTTP exchange failed.

    Attributes:
        sent: whether the whole request had left and no answer came, so that the server may have acted on it.
        unauthorized: whether authentication refused us.
        untrusted: whether TLS did, so that no request to this server can work.
    """

    def __init__(self, message: str, *, unauthorized: bool = False, untrusted: bool = False, **more: Any) -> None:
        super().__init__(message, **more)
        self.sent = False
        self.unauthorized = unauthorized
        self.untrusted = untrusted

    def as_error(self, kind: type[_Error], message: str | None = None) -> _Error:
        """The same failure, as the error of a picture or of the list."""
        return kind(
            str(self) if message is None else message,
            transient=self.transient,
            retry_after=self.retry_after,
            overload=self.overload,
        )


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
        self, transport: httpx.AsyncBaseTransport, base: httpx.URL, settings: Settings, headers: list[_RawField]
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
            headers = httpx.Headers([*headers.raw, *_encoded({"If-None-Match": known_etag})])
        response, fields = await self._answer(path, headers)
        try:
            if response.status_code == httpx.codes.NOT_MODIFIED:
                return None
            return await self._read(response, fields), fields
        finally:
            await _stream(response).aclose()

    @asynccontextmanager
    async def stream(self, path: str) -> AsyncIterator[tuple[Fields, AsyncIterator[bytes]]]:
        """Opens a body of any length: gives the answer's headers, and the body in chunks.

        The timeout bounds each wait for a chunk, not the whole, since a reader may take its time.

        Raises:
            ExchangeError: no answer or no next chunk in time, a status other than 200, a body cut short.
        """
        async with AsyncExitStack() as stack:
            response, fields = await self._in_time(self._answer(path, self._headers_of_stream))
            stack.push_async_callback(_stream(response).aclose)
            chunks = await stack.enter_async_context(_chunks(response, fields))
            yield fields, await stack.enter_async_context(aclosing(self._each_in_time(chunks)))

    async def _each_in_time(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        pace = _Pace(self._settings.min_rate)

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
        request = httpx.Request("POST", self._base, headers=[*self._headers, *_encoded(fields)], **content)
        body = request.stream = _Watched(cast("httpx.SyncByteStream", request.stream))
        try:
            response = await self._in_time(self._transport.handle_async_request(request))
        except ExchangeError as error:
            error.sent = body.sent
            raise
        try:
            status = response.status_code
            if status not in self._settings.success_status:
                refusal = await _refusal(response)
                if response.is_success:
                    refusal = ExchangeError(f"{refusal}; where that means stored, --success-status {status} says so")
                raise refusal
            # Read to its end, so that its connection is kept: httpx's is lost even where the body is empty.
            await _first_line(response, _decoded_fields(response.headers.raw))
        finally:
            await _stream(response).aclose()

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
                url = await _redirected(url, response)
            except BaseException:
                await _stream(response).aclose()
                raise
            await _stream(response).aclose()
        raise ExchangeError(f"more than {MAX_REDIRECTS} redirects")

    async def _read(self, response: httpx.Response, fields: Fields) -> bytes:
        """The whole body, decoded and checked."""
        limit = self._settings.max_bytes
        if int(fields.get("content-length", 0)) > limit:
            raise _too_large(limit)
        digest = digest_of(fields)
        pace = _Pace(self._settings.min_rate)
        parts: list[bytes] = []
        size = 0
        async with _chunks(response, fields) as chunks:
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
        if len(raw) > self._settings.max_headers:
            raise ExchangeError(
                f"the answer has {len(raw)} headers, more than {self._settings.max_headers} (--max-headers)"
            )
        size = sum(len(name) + len(value) + 4 for name, value in raw)
        if size > self._settings.max_header_bytes:
            limit = format_size(self._settings.max_header_bytes)
            raise ExchangeError(f"the answer's headers are over the limit of {limit} (--max-header-bytes)")
        return _decoded_fields(raw)

    async def _in_time(self, attempt: Awaitable[_T]) -> _T:
        """One cancel scope around one attempt; httpx's errors and the deadline's become ExchangeErrors."""
        timeout = self._settings.timeout
        try:
            with trio.CancelScope(deadline=trio.current_time() + timeout):
                return await attempt
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise _translated(error) from error
        except CodingError as error:
            raise ExchangeError(str(error)) from error
        raise ExchangeError(f"no whole answer within {timeout:g} s (--timeout)", **_TIMED_OUT)


class _Pace:
    """Tells when a body comes in slower than the slowest rate, measured over windows of 30 s of waiting for it.

    Args:
        min_rate: bytes a second.
    """

    def __init__(self, min_rate: float) -> None:
        self._min_rate = min_rate
        self._bytes = 0
        self._waited = 0.0
        self.resume()

    def resume(self) -> None:
        """Leaves out the time that the reader took since the last chunk."""
        self._since = trio.current_time()

    def saw(self, size: int) -> None:
        """Counts a chunk.

        Raises:
            ExchangeError: fewer bytes came in the window than the slowest rate allows.
        """
        now = trio.current_time()
        self._waited += now - self._since
        self._since = now
        self._bytes += size
        if self._waited < _RATE_WINDOW:
            return
        if self._bytes < self._min_rate * self._waited:
            slowest = f"{format_size(self._min_rate)}/s"
            raise ExchangeError(f"the body came slower than {slowest} (--min-rate)", **_TIMED_OUT)
        self._bytes, self._waited = 0, 0.0


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


def _stream(response: httpx.Response) -> httpx.AsyncByteStream:
    return cast("httpx.AsyncByteStream", response.stream)


def _encoded(fields: Mapping[str, str]) -> list[_RawField]:
    # What came as _decoded_fields gave it goes back as it was. What cannot have come so, as from a journal that was
    # edited, begins no other field.
    encoded = {name.encode(): value.encode("iso-8859-1", "replace") for name, value in fields.items()}
    return [(name, value.translate(None, b"\r\n\0")) for name, value in encoded.items()]


def _decoded_fields(raw: list[_RawField]) -> Fields:
    fields: dict[str, str] = {}
    for name, value in raw:
        key, text = name.lower().decode("iso-8859-1"), value.decode("iso-8859-1")
        fields[key] = f"{fields[key]}, {text}" if key in fields else text
    return fields


def _chunks(response: httpx.Response, fields: Fields) -> aclosing[AsyncGenerator[bytes, None]]:
    """The decoded body; a generator is closed with the block, not whenever it is collected."""
    coding = fields.get("content-encoding", "identity")
    if coding == "identity":
        return aclosing(cast("AsyncGenerator[bytes, None]", aiter(_stream(response))))
    return aclosing(_decoded(_stream(response), coding))


async def _decoded(stream: httpx.AsyncByteStream, coding: str) -> AsyncGenerator[bytes, None]:
    decoder = Decoder(coding)
    async for chunk in stream:
        for piece in decoder.feed(chunk):
            yield piece
    decoder.end()


async def _first_line(response: httpx.Response, fields: Fields) -> str:
    """Reads what an answer says, for people; a short body is read whole, so that its connection is kept."""
    body = bytearray()
    in_time = trio.CancelScope(deadline=trio.current_time() + _ANSWER_TIMEOUT)
    with suppress(httpx.HTTPError, CodingError), in_time:
        async with _chunks(response, fields) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > _ANSWER_BYTES:
                    break
    text = body[:_ANSWER_BYTES].decode("utf-8", "replace")
    if fields.get("content-type", "").lower().startswith("text/html"):
        text = _title_of(text)
    lines = text.strip().splitlines() or [""]
    return printable(lines[0][:_ANSWER_CHARACTERS])


def _title_of(page: str) -> str:
    """What an error page says in short; the rest of it is for browsers."""
    from selectolax.lexbor import LexborHTMLParser

    title = LexborHTMLParser(page).css_first("title")
    return "" if title is None else title.text()


async def _refusal(response: httpx.Response) -> ExchangeError:
    status, fields = response.status_code, _decoded_fields(response.headers.raw)
    first_line = (await _first_line(response, fields)).removeprefix(f"{status} ")
    answer = f"the server answered {status} {printable(response.reason_phrase)}".strip()
    # By the server's own clock, where it tells: ours may differ.
    now = datetime.now(UTC)
    now = parse_http_date(fields.get("date", ""), now) or now
    retry_after = fields.get("retry-after")
    return ExchangeError(
        answer if first_line in answer else f"{answer}: {first_line}",
        transient=status in TRANSIENT_STATUSES,
        retry_after=None if retry_after is None else parse_retry_after(retry_after, now),
        overload=status in OVERLOAD_STATUSES,
        unauthorized=status in {401, 403},
    )


async def _redirected(here: httpx.URL, response: httpx.Response) -> httpx.URL:
    """Where a redirect leads, on the same origin.

    Raises:
        ExchangeError: the answer is no redirect, or one that is not followed.
    """
    if response.status_code not in _REDIRECTS or "Location" not in response.headers:
        raise await _refusal(response)
    location = response.headers["Location"]
    try:
        there = here.join(location)
    except httpx.InvalidURL as error:
        raise ExchangeError(f"redirected to what is no URL: {printable(location[:_ANSWER_CHARACTERS])}") from error
    if origin(there) != origin(here):
        # Credentials and custom headers go to the origin they were given for, and nowhere else.
        raise ExchangeError(f"redirected to another origin, {printable(_origin_text(there))}, which is not followed")
    return there


def origin(url: httpx.URL) -> Origin:
    """The origin of a URL, with its scheme's default port filled in."""
    return url.scheme, host_of(url), url.port or {"http": 80, "https": 443}.get(url.scheme)


def _origin_text(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def _too_large(max_bytes: int) -> ExchangeError:
    return ExchangeError(f"the body is over the limit of {format_size(max_bytes)} (--max-bytes)")


def _translated(error: Exception) -> ExchangeError:
    """Puts one of httpx's exceptions in words that a user knows."""
    if refusal := _tls_refusal(error):
        return ExchangeError(f"TLS failed: {_why_no_tls(refusal)}", untrusted=True)
    if isinstance(error, httpx.ConnectError | httpx.ProxyError):
        return ExchangeError(_why_not_connected(error), transient=True, overload=True)
    if isinstance(error, httpx.RemoteProtocolError) and "body" in str(error):
        return ExchangeError("the body ended early", transient=True)
    detail = f": {printable(str(error))}" if str(error) else ""
    return ExchangeError(
        f"the connection failed ({type(error).__name__}){detail}",
        transient=isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError),
    )


def _why_not_connected(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.ProxyError):
        return f"the proxy refused the connection: {printable(str(error))}"
    causes = list(_causes(error))
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return "the name of the host is unknown"
    numbers = [cause.errno for cause in causes if isinstance(cause, OSError) and cause.errno]
    return f"no connection: {os.strerror(numbers[-1])}" if numbers else "no connection"


def _why_no_tls(refusal: ssl.SSLError) -> str:
    if isinstance(refusal, ssl.SSLCertVerificationError):
        return f"{getattr(refusal, 'verify_message', '') or refusal}; --ca-file names certificates to trust"
    if refusal.reason in _NO_TLS:
        return "what answers there speaks no TLS; is its URL http://?"
    return str(refusal)


def _tls_refusal(error: Exception) -> ssl.SSLError | None:
    """What kept TLS from being established, other than a connection that broke meanwhile."""
    if not isinstance(error, httpx.ConnectError):
        return None
    refusal = next((cause for cause in _causes(error) if isinstance(cause, ssl.SSLError)), None)
    return None if isinstance(refusal, ssl.SSLEOFError) else refusal


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception, and all that led to it; of a group, the first of its members stands for all."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else cause.__cause__ or cause.__context__
