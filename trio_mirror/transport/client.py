"""One HTTP exchange at a time: its deadline, its limits, its redirects, and httpx's errors in our words.

This is the one place that knows httpx's client classes and exceptions. An exchange that fails is an
`ExchangeError`; galleries turn it into the error of a picture or of the list.
"""

from __future__ import annotations

import ssl
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import httpx
import trio

from trio_mirror import __version__
from trio_mirror.errors import MirrorError
from trio_mirror.names import printable
from trio_mirror.units import format_size

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator

    from trio_mirror.settings import Settings

Origin: TypeAlias = tuple[str, str, int | None]
"""Scheme, host and port (RFC 6454, section 4)."""

MAX_REDIRECTS = 5
_REDIRECTS = {301, 302, 303, 307, 308}
# An answer's first line is for people; more than this of an error page is noise.
_ANSWER_BYTES = 2_048
_ANSWER_CHARACTERS = 200
# Seconds that reading it may take.
_ANSWER_TIMEOUT = 2.0


class ExchangeError(MirrorError):
    """One HTTP exchange failed.

    Attributes:
        status: the status of the answer, where one came.
        sent: whether the whole request had left and no answer came, so that the server may have acted on it.
        refused_access: whether authentication or TLS refused us.
    """

    def __init__(self, message: str, *, status: int | None = None, refused_access: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.sent = False
        self.refused_access = refused_access


@asynccontextmanager
async def open_client(
    base: httpx.URL, settings: Settings, *, auth: tuple[str, str] | None, header: Collection[tuple[str, str]]
) -> AsyncIterator[Client]:
    """Opens a client for the origin of ``base``; leaving the block closes its connections."""
    async with httpx.AsyncClient(
        auth=auth,
        headers=[("User-Agent", f"trio-mirror/{__version__}"), ("Accept", "*/*"), *header],
        # One connection for each picture in flight, and one for the list that streams beside them. A pool
        # smaller than its users would raise PoolTimeout for no fault of the server.
        limits=httpx.Limits(
            max_connections=settings.concurrency + 1, max_keepalive_connections=settings.concurrency + 1
        ),
        # httpx counts each read alone, so a body that drips beats its timeouts for ever: ours are cancel scopes.
        timeout=None,  # noqa: S113
        follow_redirects=False,
    ) as client:
        yield Client(client, base, settings.timeout)


class Client:
    """An HTTP client for one origin: every wait under a deadline, every body under a limit."""

    def __init__(self, client: httpx.AsyncClient, base: httpx.URL, timeout: float) -> None:
        self._client = client
        self._base = base
        self._timeout = timeout

    async def get(self, path: str, max_bytes: int) -> tuple[bytes, httpx.Headers]:
        """Reads a whole body in one attempt, cut off after the timeout, body included.

        Args:
            path: what follows the base URL, percent-encoded.
            max_bytes: the limit of the body, counted after content decoding.

        Raises:
            ExchangeError: no whole answer in time, a status other than 200, a body cut short or over the limit.
        """
        body = bytearray()
        with self._attempt():
            # A picture is compressed already: a content coding around it would only cost time.
            async with self._answer(path, {"Accept-Encoding": "identity"}) as response:
                if int(response.headers.get("Content-Length", 0)) > max_bytes:
                    raise _too_large(max_bytes)
                async with _chunks(response) as chunks:
                    async for chunk in chunks:
                        body += chunk
                        if len(body) > max_bytes:
                            raise _too_large(max_bytes)
        return bytes(body), response.headers

    @asynccontextmanager
    async def stream(self, path: str) -> AsyncIterator[tuple[httpx.Headers, AsyncIterator[bytes]]]:
        """Opens a body of any length: gives the answer's headers, and the body in chunks.

        The timeout bounds each wait for a chunk, not the whole, since a reader may take its time.

        Raises:
            ExchangeError: no answer or no next chunk in time, a status other than 200, a body cut short.
        """
        async with AsyncExitStack() as stack:
            with self._attempt():
                response = await stack.enter_async_context(self._answer(path, {}))
            chunks = await stack.enter_async_context(_chunks(response))
            yield response.headers, await stack.enter_async_context(aclosing(self._each_in_time(chunks)))

    async def _each_in_time(self, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        while True:
            with self._attempt():
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            yield chunk

    async def post(self, accepted: Collection[int], **content: Any) -> None:
        """Posts to the base URL in one attempt. A redirect is an answer like any other: it is not followed.

        Args:
            accepted: the statuses that mean done.
            content: what httpx's ``build_request`` takes: ``content``, ``files``, ``headers``, ``params``.

        Raises:
            ExchangeError: any other status, or no answer in time; its ``sent`` tells whether the body had left.
        """
        request = self._client.build_request("POST", self._base, **content)
        body = request.stream = _Watched(cast("httpx.AsyncByteStream", request.stream))
        try:
            with self._attempt():
                response = await self._client.send(request, stream=True)
        except ExchangeError as error:
            error.sent = body.sent
            raise
        async with _closing(response):
            first_line = await _first_line(response)
        if response.status_code not in accepted:
            raise ExchangeError(_status_line(response, first_line), status=response.status_code)

    @asynccontextmanager
    async def _answer(self, path: str, headers: dict[str, str]) -> AsyncIterator[httpx.Response]:
        url = self._base.copy_with(raw_path=self._base.raw_path + path.encode("ascii"))
        for _ in range(MAX_REDIRECTS + 1):
            request = self._client.build_request("GET", url, headers=headers)
            async with _closing(await self._client.send(request, stream=True)) as response:
                if response.status_code == 200:
                    yield response
                    return
                if response.status_code not in _REDIRECTS or "Location" not in response.headers:
                    refused = response.status_code in {401, 403}
                    raise ExchangeError(
                        _status_line(response, await _first_line(response)),
                        status=response.status_code,
                        refused_access=refused,
                    )
                url = _redirected(url, response.headers["Location"])
        raise ExchangeError(f"more than {MAX_REDIRECTS} redirects")

    @contextmanager
    def _attempt(self) -> Iterator[None]:
        """One cancel scope around one attempt; httpx's errors and the deadline's become ExchangeErrors."""
        try:
            with trio.fail_after(self._timeout):
                yield
        except trio.TooSlowError as error:
            raise ExchangeError(f"no answer within {self._timeout:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise _translated(error) from error


class _Watched(httpx.AsyncByteStream):
    """A request body that knows when all of it was handed to the connection."""

    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream
        self.sent = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part
        # Reached only when the connection asks for what follows the last part.
        self.sent = True


@asynccontextmanager
async def _closing(response: httpx.Response) -> AsyncIterator[httpx.Response]:
    try:
        yield response
    finally:
        # Closing gives the connection back, or tears it down: a cancelled task owes that too, in bounded time.
        with trio.move_on_after(1, shield=True):
            await response.aclose()


def _chunks(response: httpx.Response) -> aclosing[AsyncGenerator[bytes, None]]:
    """The decoded body; httpx's generator is closed with the block, not whenever it is collected."""
    return aclosing(cast("AsyncGenerator[bytes, None]", response.aiter_bytes()))


async def _first_line(response: httpx.Response) -> str:
    """Reads what an answer says, for people; a short body is read whole, so that its connection is kept."""
    body = bytearray()
    with suppress(httpx.HTTPError), trio.move_on_after(_ANSWER_TIMEOUT):
        async with _chunks(response) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > _ANSWER_BYTES:
                    break
    lines = body[:_ANSWER_BYTES].decode("utf-8", "replace").strip().splitlines() or [""]
    return printable(lines[0][:_ANSWER_CHARACTERS])


def _status_line(response: httpx.Response, first_line: str) -> str:
    status = f"{response.status_code} {printable(response.reason_phrase)}".strip()
    return f"the server answered {status}: {first_line}" if first_line else f"the server answered {status}"


def _redirected(here: httpx.URL, location: str) -> httpx.URL:
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
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


def _origin_text(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def _too_large(max_bytes: int) -> ExchangeError:
    return ExchangeError(f"the body is over the limit of {format_size(max_bytes)} (--max-bytes)")


def _translated(error: Exception) -> ExchangeError:
    """Puts one of httpx's exceptions in words that a user knows."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            detail = getattr(cause, "verify_message", "") or cause
            return ExchangeError(f"TLS failed: {detail}", refused_access=True)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectError):
        return ExchangeError("the connection was refused or the host is unknown")
    if isinstance(error, httpx.RemoteProtocolError) and "body" in str(error):
        return ExchangeError("the body ended early")
    if isinstance(error, httpx.DecodingError):
        return ExchangeError("the body's content coding is damaged")
    detail = f": {printable(str(error))}" if str(error) else ""
    return ExchangeError(f"the connection failed ({type(error).__name__}){detail}")
