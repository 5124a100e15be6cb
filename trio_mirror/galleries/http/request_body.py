"""The body of a request, which tells whether the server may have all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator


class RequestBody(httpx.AsyncByteStream, httpx.SyncByteStream):
    """A request body that knows when all of it was handed to the connection; other readers read it synchronously.

    It is its own iterator: an asynchronous generator would stay open when the connection fails.

    Args:
        parts: of a body in memory.

    Attributes:
        sent: whether all of it was handed over.
    """

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = parts
        self.sent = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        # Authentication may send it once more.
        self._left = iter(self._parts)
        self.sent = False
        return self

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts)

    async def __anext__(self) -> bytes:
        for part in self._left:
            return part
        # Reached only when the last part has left.
        self.sent = True
        raise StopAsyncIteration
