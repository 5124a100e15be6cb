"""The text of a list over HTTP, to its end even where the server breaks it off."""

from __future__ import annotations

from contextlib import AsyncExitStack
from hashlib import sha256
from typing import TYPE_CHECKING

from trio_mirror.galleries.http.errors import ExchangeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio_mirror.galleries.http.client import Client


class UnbrokenText:
    """The body of the base URL; where it breaks off, it is asked for again, and goes on from there.

    A list is read as slowly as its pictures are mirrored, which may be for hours. Servers give up on so slow a
    reader: nginx does after 60 s in which none of what it sends was taken (``send_timeout``).

    Args:
        client: of the gallery.
        chunks: the body, opened for the first time; whoever opened it closes it.
    """

    def __init__(self, client: Client, chunks: AsyncIterator[bytes]) -> None:
        self._client = client
        self._chunks: AsyncIterator[bytes] | None = chunks
        self._opened_again = AsyncExitStack()
        self._read = 0
        self._digest = sha256()

    async def next_chunk(self) -> bytes:
        """Gives what follows, in one attempt; nothing at the end.

        Raises:
            ExchangeError: it broke off, or is another one by now.
        """
        try:
            chunk = await self._go_on() if self._chunks is None else await anext(self._chunks, b"")
        except ExchangeError:
            self._chunks = None
            raise
        self._read += len(chunk)
        self._digest.update(chunk)
        return chunk

    async def aclose(self) -> None:
        """Closes the body, if it was opened again."""
        await self._opened_again.aclose()

    async def _go_on(self) -> bytes:
        """Opens it again, and reads up to where it broke off, and the next chunk."""
        await self.aclose()
        _, chunks = await self._opened_again.enter_async_context(self._client.stream(""))
        missing, digest, chunk = self._read, sha256(), b""
        while missing and (chunk := await anext(chunks, b"")):
            digest.update(chunk[:missing])
            missing, chunk = max(0, missing - len(chunk)), chunk[missing:]
        if digest.digest() != self._digest.digest():
            raise ExchangeError("it broke off, and begins otherwise by now; what follows is not known")
        self._chunks = chunks
        return chunk or await anext(chunks, b"")
