"""Leases httpx's transports: for proxies, for HTTP/2, and for any origin."""

from __future__ import annotations

import ssl
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

import httpx
import trio

from trio_mirror.errors import SettingsError
from trio_mirror.galleries.http.addresses import is_private
from trio_mirror.galleries.http.connection_pool import IDLE_TIMEOUT
from trio_mirror.galleries.http.errors import ExchangeError, ProxiedConnectError, tls_refusal
from trio_mirror.galleries.http.exchange import Request
from trio_mirror.galleries.http.over_httpx import closing, response_of, to_httpx
from trio_mirror.galleries.http.proxies import proxy_for
from trio_mirror.galleries.http.redirects import PUBLIC_ONLY
from trio_mirror.galleries.http.response import Response
from trio_mirror.galleries.in_thread import in_thread, when_threads


class HttpxPool:
    """httpx's own transports, each limited to one connection, so that leasing one costs the same for any number.

    A server is asked for HTTP/1.1, which is faster here, and for HTTP/2 as well where its first response fails.

    ``make_context`` makes the TLS context that they share; it is called in a thread, as it reads files.

    Attributes:
        http2: whether HTTP/2 is offered.
    """

    def __init__(self, make_context: Callable[[], ssl.SSLContext]) -> None:
        self._make_context = make_context
        self._context: ssl.SSLContext | None = None
        self._lock = trio.Lock()
        self._idle = defaultdict[str | None, list[httpx.AsyncHTTPTransport]](list)
        self.http2 = False
        self._has_responded = False
        self._proxy_for = lru_cache(maxsize=64)(lambda origin: proxy_for(httpx.URL(origin)))

    async def prepare(self) -> ssl.SSLContext:
        """Makes the TLS context, if there is none.

        Raises:
            SettingsError: it cannot be made.
        """
        async with self._lock:
            if self._context is None:
                self._context = await in_thread(self._make_context)
        return self._context

    async def exchange(self, request: Request) -> Response:
        """Sends a request over a warm transport, or over a new one."""
        try:
            proxy = self._proxy_for("/".join(request.url.split("/", 3)[:3]))
            context = self._context or await self.prepare()
        except SettingsError as error:
            # Of where a redirect leads; for the gallery itself they were looked at before.
            raise ExchangeError(str(error)) from error
        try:
            return await self._send(request, context, proxy)
        except httpx.TransportError as error:
            if self._has_responded or not _may_be_refused(error, request):
                raise
            offered, self.http2 = self.http2, True
            if not offered and (request.method == "GET" or tls_refusal(error)):
                return await self._send(request, context, proxy)
            # What TLS says while a body is on its way is lost with the connection. A small request gets to hear it.
            host = [field for field in request.fields if field[0].lower() == b"host"]
            await (await self._send(Request("HEAD", request.url, host), context, proxy)).aclose()
            raise

    async def _send(self, request: Request, context: ssl.SSLContext, proxy: str | None) -> Response:
        idle = self._idle[proxy]
        transport = idle.pop() if idle else self._new_transport(context, proxy)
        asked = to_httpx(request)
        if proxy is None and request.extensions.get(PUBLIC_ONLY):
            asked.extensions["trace"] = _refuse_private
        try:
            response = await when_threads(partial(transport.handle_async_request, asked))
        except BaseException as error:
            await _close(transport)
            if proxy is not None and isinstance(error, httpx.ConnectError):
                raise ProxiedConnectError(str(error)) from error
            raise
        if not self._has_responded:
            self._has_responded = True
            self.http2 = response.extensions.get("http_version") == b"HTTP/2"
        if proxy is not None:
            # It leads to the proxy, whose address is not the server's.
            response.extensions.pop("network_stream", None)
        # A body that was not read to its end takes its connection with it; the transport makes another.
        return response_of(request.url, response, partial(idle.append, transport))

    async def aclose(self) -> None:
        """Closes the idle transports."""
        for idle in self._idle.values():
            while idle:
                await _close(idle.pop())

    def _new_transport(self, context: ssl.SSLContext, proxy: str | None) -> httpx.AsyncHTTPTransport:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE_TIMEOUT)
        return httpx.AsyncHTTPTransport(verify=context, limits=limits, proxy=proxy, trust_env=False, http2=self.http2)


async def _refuse_private(event: str, info: Mapping[str, Any]) -> None:
    """Looks at the address that a connection was made to, before anything is sent: a look-up may say another one."""
    if event == "connection.connect_tcp.complete":
        stream = info["return_value"]
        address = stream.get_extra_info("server_addr")[0]
        if is_private(address):
            await stream.aclose()
            raise ExchangeError(f"redirected to a host at {address}, a private address, which is not followed")


def _may_be_refused(error: httpx.TransportError, request: Request) -> bool:
    """Whether a server may have refused HTTP/1.1, or our certificate: by TLS, or by closing the connection.

    RFC 7301, section 3.2, has an alert for the first; not all send it.
    """
    if refusal := tls_refusal(error):
        return "NO_APPLICATION_PROTOCOL" in (refusal.reason or "")
    closed = isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError)
    return closed and request.url.startswith("https:")


async def _close(transport: httpx.AsyncHTTPTransport) -> None:
    with closing():
        await transport.aclose()
