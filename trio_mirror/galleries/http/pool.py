"""Leased connections: each request takes a warm one from a free list, and gives it back when its body is read.

Taking one costs the same whatever the concurrency, which httpcore's pool does not promise: it looks at every
connection for every request. There is no queue either, since a run never has more requests under way than its
pictures in flight.
"""

from __future__ import annotations

import socket
from collections import deque
from typing import TYPE_CHECKING
from urllib.request import getproxies, proxy_bypass

import httpx
import trio

from trio_mirror.errors import SettingsError
from trio_mirror.galleries.http.connection import Connection
from trio_mirror.galleries.http.errors import ProxiedConnectError

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable

# Seconds after which an idle connection is closed: servers close theirs after 5 s (Apache) to 75 s (nginx).
_IDLE_TIMEOUT = 30.0


def open_transport(origin: httpx.URL, make_context: Callable[[], ssl.SSLContext]) -> httpx.AsyncBaseTransport:
    """The transport for an origin: our own connections where plain HTTP goes straight to it, else httpx's.

    Args:
        origin: whose scheme and host count.
        make_context: makes the TLS context, which reads all the certificates that are trusted; called if needed.

    Raises:
        SettingsError: the environment names a proxy of an unknown kind.
    """
    proxy = _proxy_for(origin)
    if origin.scheme == "http" and proxy is None:
        return PlainPool()
    return BorrowedPool(make_context(), proxy)


class PlainPool(httpx.AsyncBaseTransport):
    """Leases our own connections to one origin, the most recently used first."""

    def __init__(self) -> None:
        self._idle: deque[tuple[float, Connection]] = deque()
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends a request over a warm connection, or over a new one."""
        connection = self._warm() or await self._connect(request.url)
        return await connection.exchange(request)

    async def aclose(self) -> None:
        """Closes the idle connections; one that is leased is closed when it comes back."""
        self._closed = True
        while self._idle:
            self._idle.pop()[1].close()

    def _warm(self) -> Connection | None:
        while self._idle:
            _, connection = self._idle.pop()
            if not connection.is_stale():
                return connection
            connection.close()
        return None

    async def _connect(self, url: httpx.URL) -> Connection:
        try:
            stream = await trio.open_tcp_stream(host_of(url), url.port or 80)
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error
        # Trio looked the host up and tried its addresses side by side (RFC 8305); a plain socket goes on from there.
        connected = stream.socket
        plain = socket.socket(connected.family, connected.type, connected.proto, fileno=connected.detach())
        plain.settimeout(0)
        return Connection(plain, self._take_back)

    def _take_back(self, connection: Connection) -> None:
        now = trio.current_time()
        if self._closed:
            connection.close()
            return
        self._idle.append((now, connection))
        # The least recently used are on the left: as each return adds one, looking at one or two keeps up.
        while self._idle[0][0] < now - _IDLE_TIMEOUT:
            self._idle.popleft()[1].close()


class BorrowedPool(httpx.AsyncBaseTransport):
    """Leases httpx's own transports, each limited to one connection: for TLS, and for proxies.

    Args:
        context: the TLS context that they share.
        proxy: the URL of the proxy that they go through, if any.
    """

    def __init__(self, context: ssl.SSLContext, proxy: str | None) -> None:
        self._context = context
        self._proxy = proxy
        self._idle: list[httpx.AsyncHTTPTransport] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends a request over a warm transport, or over a new one."""
        transport = self._idle.pop() if self._idle else self._new_transport()
        try:
            response = await transport.handle_async_request(request)
        except BaseException as error:
            await _close(transport)
            if self._proxy is not None and isinstance(error, httpx.ConnectError):
                raise ProxiedConnectError(str(error)) from error
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _BorrowedBody(response.stream, transport, self._idle)
        return response

    async def aclose(self) -> None:
        """Closes the idle transports."""
        while self._idle:
            await _close(self._idle.pop())

    def _new_transport(self) -> httpx.AsyncHTTPTransport:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=_IDLE_TIMEOUT)
        return httpx.AsyncHTTPTransport(verify=self._context, limits=limits, proxy=self._proxy, trust_env=False)


class _BorrowedBody(httpx.AsyncByteStream):
    """A body that gives its transport back when it is closed."""

    def __init__(
        self, body: httpx.AsyncByteStream, transport: httpx.AsyncHTTPTransport, idle: list[httpx.AsyncHTTPTransport]
    ) -> None:
        self._body = body
        self._transport = transport
        self._idle = idle
        self._closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._body.__aiter__()

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            # A body that was not read to its end takes its connection with it; the transport makes another.
            with _owed():
                await self._body.aclose()
                self._idle.append(self._transport)


async def _close(transport: httpx.AsyncHTTPTransport) -> None:
    with _owed():
        await transport.aclose()


def _owed() -> trio.CancelScope:
    """For what a cancelled task owes too, in bounded time: TLS says goodbye."""
    return trio.move_on_after(1, shield=True)


def _proxy_for(origin: httpx.URL) -> str | None:
    """The proxy that the environment names for an origin (``HTTP_PROXY``, ``ALL_PROXY``, ``NO_PROXY``)."""
    proxies = getproxies()
    proxy = proxies.get(origin.scheme) or proxies.get("all")
    # What is left out is named with or without its port, and in IPv6 with or without brackets.
    if proxy is None or proxy_bypass(host_of(origin)) or proxy_bypass(origin.netloc.decode("ascii")):
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    if not proxy.startswith(("http://", "https://")):
        raise SettingsError(f"the environment's proxy for {origin.scheme}:// is neither http:// nor https://")
    try:
        parse_url(proxy)
    except httpx.InvalidURL as error:
        # It may hold a password, so that the message does not repeat it.
        raise SettingsError(f"the environment's proxy for {origin.scheme}:// is no URL") from error
    return proxy


def host_of(url: httpx.URL) -> str:
    """The host of a URL as it is looked up. httpx's own decodes IDNA, and raises for what is none, such as "xn--0"."""
    return url.raw_host.decode("ascii")


def parse_url(text: str) -> httpx.URL:
    """Reads a URL whose host can be looked up.

    Raises:
        httpx.InvalidURL: it is none: not in Unicode, say, or a label of its host is empty or too long.
    """
    try:
        url = httpx.URL(text)
        # What a look-up does with a name first (RFC 3490, section 4.1).
        host_of(url).encode("idna")
    except UnicodeError as error:
        raise httpx.InvalidURL(str(error)) from error
    return url
