"""Authentication by a scheme of httpx's, such as Digest, around any transport."""

from __future__ import annotations

from contextlib import aclosing

import httpx

from trio_mirror.galleries.http.errors import too_large
from trio_mirror.galleries.http.response import Response


class AuthTransport(httpx.AsyncBaseTransport):
    """Makes the requests that an `httpx.Auth` asks for, as a client of httpx does.

    Args:
        transport: carries them.
        auth: the scheme.
        max_bytes: the largest body that the scheme may look at.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport, auth: httpx.Auth, max_bytes: int) -> None:
        self._transport = transport
        self._auth = auth
        self._max_bytes = max_bytes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends a request, and what the scheme asks for before and after it; gives the last response."""
        # A copy, since the scheme changes it.
        body, request = (
            request.stream,
            httpx.Request(
                request.method,
                request.url,
                headers=request.headers,
                stream=request.stream,
                extensions=request.extensions,
            ),
        )
        if self._auth.requires_request_body:
            # Reading replaces the stream, but only this one knows whether it was sent.
            request.read()
            request.stream = body
        async with aclosing(self._auth.async_auth_flow(request)) as flow:
            request = await anext(flow)
            while True:
                response = await self._send(request)
                try:
                    request = await flow.asend(response)
                except StopAsyncIteration:
                    return response
                except BaseException:
                    await response.aclose()
                    raise
                async with aclosing(Response(response, request.url)) as refusal:
                    await refusal.read_start()

    async def _send(self, request: httpx.Request) -> httpx.Response:
        response = await self._transport.handle_async_request(request)
        response.request = request
        if not self._auth.requires_response_body:
            return response
        body = bytearray()
        read = Response(response, request.url)
        async with aclosing(read), read.chunks() as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > self._max_bytes:
                    raise too_large(self._max_bytes)
        # A content coding is undone by now, and a digest of the coded body says nothing any more.
        coded = {b"content-encoding", b"content-digest", b"repr-digest"} if "content-encoding" in read.fields else set()
        headers = [field for field in response.headers.raw if field[0].lower() not in coded]
        return httpx.Response(
            response.status_code, headers=headers, content=bytes(body), request=request, extensions=response.extensions
        )
