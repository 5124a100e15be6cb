"""HTTP/1.1 by hand, for a server that is to break it: heads and bodies on a raw connection."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Mapping

# Seconds between the bytes of a drip.
_DRIP = 0.02
_REASONS = {
    200: "OK",
    302: "Found",
    304: "Not Modified",
    307: "Temporary Redirect",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    429: "Too Many Requests",
    503: "Unavailable",
}


def head_of(status: int, headers: Mapping[str, object]) -> bytes:
    """The head of an answer."""
    lines = [f"HTTP/1.1 {status} {_REASONS[status]}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


class Request:
    """The head of a request."""

    def __init__(self, head: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        self.method, self.path, _ = first.split(" ")
        pairs = (line.partition(":") for line in lines)
        self.headers = {name.lower(): value.strip() for name, _, value in pairs}
        self.length = int(self.headers.get("content-length", 0))


class Connection:
    """One connection: heads and bodies come out of it, bytes go in, and it breaks when told to."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._buffer = bytearray()

    async def request(self) -> Request | None:
        """The next request; None if they left, whatever they had not read."""
        try:
            head = await self.head()
        except trio.BrokenResourceError:
            return None
        return Request(head) if head else None

    async def head(self) -> bytes:
        """All up to the next empty line and with it; nothing if they left before."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if not await self._receive():
                return b""
        return self._taken(end + 4)

    async def body(self, length: int, *, drip: bool = False) -> bytes:
        """The next bytes; raises BrokenResourceError if they left before."""
        while len(self._buffer) < length:
            if drip:
                await trio.sleep(_DRIP)
            if not await self._receive(1 if drip else 65_536):
                raise trio.BrokenResourceError
        return self._taken(length)

    async def send(self, data: bytes) -> None:
        await self._stream.send_all(data)

    async def drip(self, data: bytes) -> None:
        """Sends a byte at a time."""
        for index in range(len(data)):
            await self.send(data[index : index + 1])
            await trio.sleep(_DRIP)

    async def until_they_leave(self) -> None:
        while await self._receive():
            pass

    async def end(self) -> None:
        """Ends the connection as a server does that has said all."""
        await self._stream.aclose()

    def reset(self) -> None:
        """Ends the connection by a TCP reset: that is what close() does to a socket that shall not linger."""
        stream = self._stream
        while isinstance(stream, trio.SSLStream):
            stream = stream.transport_stream
        assert isinstance(stream, trio.SocketStream)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stream.socket.close()

    async def _receive(self, most: int = 65_536) -> bool:
        data = await self._stream.receive_some(most)
        self._buffer += data
        return bool(data)

    def _taken(self, length: int) -> bytes:
        taken = bytes(self._buffer[:length])
        del self._buffer[:length]
        return taken
