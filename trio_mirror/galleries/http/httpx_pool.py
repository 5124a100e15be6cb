"""Leases httpx's transports: for TLS, for proxies, and for any origin."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import httpx
import trio

from trio_mirror.galleries.http.connection_pool import IDLE_TIMEOUT
from trio_mirror.galleries.http.errors import ProxiedConnectError
from trio_mirror.galleries.in_thread import when_threads

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator


class HttpxPool(httpx.AsyncBaseTransport):
    """httpx's own transports, each limited to one connection, so that leasing one costs the same for any number.

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
            response = await when_threads(partial(transport.handle_async_request, request))
        except BaseException as error:
            await _close(transport)
            if self._proxy is not None and isinstance(error, httpx.ConnectError):
                raise ProxiedConnectError(str(error)) from error
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _LeasedBody(response.stream, transport, self._idle)
        return response

    async def aclose(self) -> None:
        """Closes the idle transports."""
        while self._idle:
            await _close(self._idle.pop())

    def _new_transport(self) -> httpx.AsyncHTTPTransport:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE_TIMEOUT)
        return httpx.AsyncHTTPTransport(verify=self._context, limits=limits, proxy=self._proxy, trust_env=False)


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


async def _close(transport: httpx.AsyncHTTPTransport) -> None:
    with _closing():
        await transport.aclose()


def _closing() -> trio.CancelScope:
    """For a cancelled task too, and in bounded time: TLS closes by a message."""
    return trio.move_on_after(1, shield=True)
