"""What an exchange is, whatever carries it: a request out, a response in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx

from trio_mirror.galleries.http.response import RawField, Response


class RequestBody(httpx.AsyncByteStream, httpx.SyncByteStream):
    """A request body that knows when all of it was handed to the connection.

    As a stream of httpx it is its own iterator: an asynchronous generator would stay open when the connection fails.
    """

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.sent = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        # Authentication may send it once more.
        self._left = iter(self.pieces)
        self.sent = False
        return self

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.pieces)

    async def __anext__(self) -> bytes:
        for piece in self._left:
            return piece
        # Reached only when the last piece has left.
        self.sent = True
        raise StopAsyncIteration


@dataclass(slots=True)
class Request:
    """A request, with a Content-Length among its fields if it has a body."""

    method: str
    url: str  # as `trio_mirror.galleries.urls.written` gives it
    fields: Sequence[RawField]
    body: RequestBody = field(default_factory=RequestBody)
    extensions: Mapping[str, Any] = field(default_factory=dict)  # as httpx has them


class Carrier(Protocol):
    """Carries exchanges."""

    async def exchange(self, request: Request) -> Response:
        """Sends a request, and gives the response when its head has come. Whoever gets it closes it.

        Raises:
            httpx.TransportError: there is no response.
        """

    async def aclose(self) -> None:
        """Closes the idle connections."""
