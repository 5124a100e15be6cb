"""Authentication by a scheme of httpx's, such as Digest, around any carrier."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager

import httpx

from trio_mirror.galleries.http.errors import ExchangeError, too_large
from trio_mirror.galleries.http.exchange import Carrier, Request
from trio_mirror.galleries.http.over_httpx import from_httpx, response_of, to_httpx
from trio_mirror.galleries.http.response import Response


class WithAuth:
    """Makes the requests that an `httpx.Auth` asks for, as a client of httpx does.

    It may look at bodies of up to ``max_bytes``.
    """

    def __init__(self, carrier: Carrier, auth: httpx.Auth, max_bytes: int) -> None:
        self._carrier = carrier
        self._auth = auth
        self._max_bytes = max_bytes

    async def exchange(self, request: Request) -> Response:
        """Sends a request, and what the scheme asks for before and after it; gives the last response."""
        asked = to_httpx(request)
        if self._auth.requires_request_body:
            # Reading replaces the stream, but only this one knows whether it was sent.
            asked.read()
            asked.stream = request.body
        async with aclosing(self._auth.async_auth_flow(asked)) as flow:
            with _in_known_form():
                asked = await anext(flow)
            while True:
                response = await self._carrier.exchange(await from_httpx(asked))
                shown = httpx.Response(response.status, headers=response.raw, stream=_Stream(response), request=asked)
                if self._auth.requires_response_body:
                    shown = await self._whole(response, asked)
                    response = response_of(request.url, shown)
                try:
                    with _in_known_form():
                        asked = await flow.asend(shown)
                except StopAsyncIteration:
                    return response
                except BaseException:
                    await response.aclose()
                    raise
                await response.read_start()
                await response.aclose()

    async def aclose(self) -> None:
        """Closes the idle connections."""
        await self._carrier.aclose()

    async def _whole(self, response: Response, asked: httpx.Request) -> httpx.Response:
        """Reads and closes a response, and gives it with its body, decoded."""
        body = bytearray()
        async with aclosing(response):
            while chunk := await response.receive():
                body += chunk
                if len(body) > self._max_bytes:
                    raise too_large(self._max_bytes)
        # A content coding is undone by now, and a digest of the coded body says nothing any more.
        coded = {b"content-encoding", b"content-digest", b"repr-digest"}
        gone = coded if "content-encoding" in response.fields else set()
        headers = [field for field in response.raw if field[0].lower() not in gone]
        return httpx.Response(response.status, headers=headers, content=bytes(body), request=asked)


class _Stream(httpx.AsyncByteStream):
    """The body of a response, which a scheme may read."""

    def __init__(self, response: Response) -> None:
        self._body = response.body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while part := await self._body.receive():
            yield part


@contextmanager
def _in_known_form() -> Iterator[None]:
    """Refuses what httpx cannot answer, such as Digest with an unknown algorithm or with ``auth-int`` alone."""
    try:
        yield
    except (LookupError, NotImplementedError, ValueError) as error:
        why = f"the server asks for credentials in a form that is not known: {error}"
        raise ExchangeError(why, barred=True) from error
