"""Exchanges over any transport of httpx, and what they are in its words."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import cast

import httpx
import trio

from trio_mirror.galleries.http.exchange import Request, RequestBody
from trio_mirror.galleries.http.response import Response, decoded
from trio_mirror.galleries.urls import written


class OverHttpx:
    """Carries exchanges over a transport of httpx."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def exchange(self, request: Request) -> Response:
        """Sends a request, and gives the response when its head has come."""
        return response_of(request.url, await self._transport.handle_async_request(to_httpx(request)))

    async def aclose(self) -> None:
        """Closes the transport."""
        await self._transport.aclose()


class _Body:
    """The body of a response of httpx."""

    has_come = False

    def __init__(self, response: httpx.Response, on_close: Callable[[], None]) -> None:
        self._response = response
        self._on_close = on_close
        self._stream = cast("httpx.AsyncByteStream", response.stream)
        self._chunks: AsyncIterator[bytes] | None = None

    @property
    def server_address(self) -> str | None:
        stream = self._response.extensions.get("network_stream")
        try:
            return None if stream is None else stream.get_extra_info("server_addr")[0]
        except OSError:  # the connection may be gone by now
            return None

    async def receive(self) -> bytes:
        self._chunks = self._chunks or aiter(self._stream)
        async for chunk in self._chunks:
            if chunk:
                return chunk
        return b""

    async def aclose(self) -> None:
        with closing():
            # A generator is closed here, not whenever it is collected.
            if isinstance(self._chunks, AsyncGenerator):
                await self._chunks.aclose()
            await self._stream.aclose()
            self._on_close()


def closing() -> trio.CancelScope:
    """For a cancelled task too, and in bounded time: TLS closes by a message."""
    return trio.move_on_after(1, shield=True)


def to_httpx(request: Request) -> httpx.Request:
    """A request as one of httpx. With a stream of its own, httpx takes the header fields as they are."""
    fields, extensions = request.fields, request.extensions
    return httpx.Request(request.method, request.url, headers=fields, stream=request.body, extensions=extensions)


async def from_httpx(request: httpx.Request) -> Request:
    """A request of httpx as one of ours."""
    body = request.stream if isinstance(request.stream, RequestBody) else RequestBody(await request.aread())
    return Request(request.method, written(request.url), request.headers.raw, body, request.extensions)


def response_of(url: str, response: httpx.Response, on_close: Callable[[], None] = lambda: None) -> Response:
    """A response of httpx as one of ours, and what is called when it is closed."""
    raw, body = response.headers.raw, _Body(response, on_close)
    return Response(url, response.status_code, response.reason_phrase, raw, decoded(raw), body)
