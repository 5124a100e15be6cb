"""Leases httpx's transports: for TLS, for proxies, and for any origin."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import httpx
import trio

from trio_mirror.errors import SettingsError
from trio_mirror.galleries.http.addresses import is_private
from trio_mirror.galleries.http.connection_pool import IDLE_TIMEOUT
from trio_mirror.galleries.http.errors import ExchangeError, ProxiedConnectError, tls_refusal
from trio_mirror.galleries.http.proxies import proxy_for
from trio_mirror.galleries.http.redirects import PUBLIC_ONLY
from trio_mirror.galleries.in_thread import in_thread, when_threads

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Mapping


class HttpxPool(httpx.AsyncBaseTransport):
    """httpx's own transports, each limited to one connection, so that leasing one costs the same for any number.

    A server is asked for HTTP/1.1, which is faster here, and for HTTP/2 as well where its first response fails.

    Args:
        make_context: makes the TLS context that they share; it is called in a thread, as it reads files.
    """

    def __init__(self, make_context: Callable[[], ssl.SSLContext]) -> None:
        self._make_context = make_context
        self._context: ssl.SSLContext | None = None
        self._lock = trio.Lock()
        self._idle = defaultdict[str | None, list[httpx.AsyncHTTPTransport]](list)
        self._http2 = False
        self._has_responded = False
        self._proxy_for = lru_cache(maxsize=64)(proxy_for)

    async def prepare(self) -> ssl.SSLContext:
        """Makes the TLS context, if there is none.

        Raises:
            SettingsError: it cannot be made.
        """
        async with self._lock:
            if self._context is None:
                self._context = await in_thread(self._make_context)
        return self._context

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends a request over a warm transport, or over a new one."""
        try:
            proxy = self._proxy_for(request.url)
            context = self._context or await self.prepare()
        except SettingsError as error:
            # Of where a redirect leads; for the gallery itself they were looked at before.
            raise ExchangeError(str(error)) from error
        try:
            return await self._send(request, context, proxy)
        except httpx.TransportError as error:
            if self._has_responded or not _may_be_refused(error, request):
                raise
            offered, self._http2 = self._http2, True
            if not offered and (request.method == "GET" or tls_refusal(error)):
                return await self._send(request, context, proxy)
            # What TLS says while a body is on its way is lost with the connection. A small request gets to hear it.
            probe = httpx.Request("HEAD", request.url, headers={"Host": request.headers["Host"]})
            await (await self._send(probe, context, proxy)).aclose()
            raise

    async def _send(self, request: httpx.Request, context: ssl.SSLContext, proxy: str | None) -> httpx.Response:
        idle = self._idle[proxy]
        transport = idle.pop() if idle else self._new_transport(context, proxy)
        if proxy is None and request.extensions.get(PUBLIC_ONLY):
            request.extensions["trace"] = _refuse_private
        try:
            response = await when_threads(partial(transport.handle_async_request, request))
        except BaseException as error:
            await _close(transport)
            if proxy is not None and isinstance(error, httpx.ConnectError):
                raise ProxiedConnectError(str(error)) from error
            raise
        if not self._has_responded:
            self._has_responded = True
            self._http2 = response.extensions.get("http_version") == b"HTTP/2"
        assert isinstance(response.stream, httpx.AsyncByteStream)
        if proxy is not None:
            # It leads to the proxy, whose address is not the server's.
            response.extensions.pop("network_stream", None)
        response.stream = _LeasedBody(response.stream, transport, idle)
        return response

    async def aclose(self) -> None:
        """Closes the idle transports."""
        for idle in self._idle.values():
            while idle:
                await _close(idle.pop())

    def _new_transport(self, context: ssl.SSLContext, proxy: str | None) -> httpx.AsyncHTTPTransport:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE_TIMEOUT)
        return httpx.AsyncHTTPTransport(verify=context, limits=limits, proxy=proxy, trust_env=False, http2=self._http2)


class _LeasedBody(httpx.AsyncByteStream):
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
            with _closing():
                await self._body.aclose()
                self._idle.append(self._transport)


async def _refuse_private(event: str, info: Mapping[str, Any]) -> None:
    """Looks at the address that a connection was made to, before anything is sent: a look-up may say another one."""
    if event == "connection.connect_tcp.complete":
        stream = info["return_value"]
        address = stream.get_extra_info("server_addr")[0]
        if is_private(address):
            await stream.aclose()
            raise ExchangeError(f"redirected to a host at {address}, a private address, which is not followed")


def _may_be_refused(error: httpx.TransportError, request: httpx.Request) -> bool:
    """Whether a server may have refused HTTP/1.1, or our certificate: by TLS, or by closing the connection.

    RFC 7301, section 3.2, has an alert for the first; not all send it.
    """
    if refusal := tls_refusal(error):
        return "NO_APPLICATION_PROTOCOL" in (refusal.reason or "")
    closed = isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError)
    return closed and request.url.scheme == "https"


async def _close(transport: httpx.AsyncHTTPTransport) -> None:
    with _closing():
        await transport.aclose()


def _closing() -> trio.CancelScope:
    """For a cancelled task too, and in bounded time: TLS closes by a message."""
    return trio.move_on_after(1, shield=True)
