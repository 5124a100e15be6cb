"""Messages between a driver and a worker process: pickled objects over a pipe, each behind its length.

Both ends are our own, and nobody else writes into the pipe, so that what comes may be unpickled.
"""

from __future__ import annotations

import pickle
from typing import Any

from trio.lowlevel import FdStream

_LENGTH = 4  # bytes


class Frames:
    """The two pipes of one end."""

    def __init__(self, incoming: FdStream, outgoing: FdStream) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._buffer = bytearray()

    async def send(self, message: Any) -> None:
        """Sends one message; one task at a time.

        Raises:
            trio.BrokenResourceError: the other end is gone.
        """
        data = pickle.dumps(message)
        await self._outgoing.send_all(len(data).to_bytes(_LENGTH, "big") + data)

    async def receive(self) -> Any:
        """Gives the next message; None where the other end is gone."""
        length = await self._take(_LENGTH)
        data = None if length is None else await self._take(int.from_bytes(length, "big"))
        return None if data is None else pickle.loads(data)  # noqa: S301 (our own process wrote it)

    async def _take(self, size: int) -> bytes | None:
        while len(self._buffer) < size:
            if not (chunk := await self._incoming.receive_some()):
                return None
            self._buffer += chunk
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    async def aclose(self) -> None:
        """Closes both pipes."""
        await self._incoming.aclose()
        await self._outgoing.aclose()
