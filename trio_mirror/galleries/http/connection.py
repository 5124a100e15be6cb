"""One HTTP/1.1 connection over a socket, with TLS or without: a request out, a response in, and again (RFC 9112).

This is the hot path of a run on small pictures, where httpcore's connection costs several times as much. It
stands on a plain non-blocking socket: a stream would try in vain to read before the response can be there, and
visit the scheduler after each write that went through at once.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import httpx
import trio

from trio_mirror.galleries.http.exchange import Request, RequestBody
from trio_mirror.galleries.http.parser import ResponseReader
from trio_mirror.galleries.http.response import Response
from trio_mirror.galleries.http.secure_socket import SecureSocket

# A head comes with a small picture behind it. What follows of a known length is not parsed, and a few large reads cost
# least; a chunk, though, can be of one byte, and the event loop stands still while a read is parsed.
_READ_BYTES = 64 * 1024
_BODY_READ_BYTES = 1024 * 1024
# A request of this size is sent as one piece, since the copy costs less than to keep count of several. It fits the
# socket's buffer, so that it does not wait for the server; while a larger one is sent, an early response is noticed.
_WRITE_BYTES = 64 * 1024


class Connection:
    """A connection that carries one exchange at a time.

    Args:
        sock: connected to the server, over TLS or not, and non-blocking; the connection owns it.
        on_idle: called after each exchange whose connection can be used again.
    """

    def __init__(self, sock: socket.socket | SecureSocket, on_idle: Callable[[Connection], None]) -> None:
        self._socket = sock
        self._on_idle = on_idle
        self._reader = ResponseReader()

    async def exchange(self, request: Request) -> Response:
        """Sends a request and gives the response when its head has come; its body is read as it is asked for.

        Raises:
            httpx.NetworkError: the connection broke.
            httpx.RemoteProtocolError: what came is not a response, or a doubtful one.
        """
        reader, broken, response = self._reader, None, None
        reader.begin()
        try:
            try:
                await self._send(request)
            except httpx.WriteError as error:
                # The server may have responded early, 413 for example, and closed.
                reader.keep_alive, broken = False, error
            if reader.refused is not None:
                raise reader.refused
            while not reader.has_head:
                if reader.ended:
                    raise broken or httpx.RemoteProtocolError("the server closed the connection without a response")
                try:
                    await self._read()
                except httpx.ReadError as error:
                    raise (broken or error) from error.__cause__
            if request.method == "HEAD":
                reader.end_at_head()
            reason = reader.reason.decode("ascii", "ignore")
            response = Response(request.url, reader.status, reason, reader.headers, reader.fields, self)
            return response
        finally:
            if response is None:
                self.close()

    async def receive(self) -> bytes:
        """The next part of the response's body; empty at its end. A checkpoint only where it has to be read."""
        while not (part := self._reader.take()) and not self._reader.complete:
            await self._read()
        return part

    @property
    def has_come(self) -> bool:
        """Whether all of the response has come."""
        return self._reader.complete

    async def aclose(self) -> None:
        """Ends an exchange: the connection is kept if all of the response came and both sides would go on."""
        if self._reader.complete and self._reader.keep_alive:
            self._on_idle(self)
        else:
            self.close()

    @property
    def closed(self) -> bool:
        """Whether it was closed on this side."""
        return self._socket.fileno() == -1

    @property
    def server_address(self) -> str | None:
        """The address of the server, while there is a connection to it."""
        with suppress(OSError):
            return cast("str", self._socket.getpeername()[0])
        return None

    def is_stale(self) -> bool:
        """Whether the server closed an idle connection, or sent something unasked."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    def close(self) -> None:
        """Closes the connection at once, without waiting."""
        if not self.closed:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()

    async def _read(self) -> None:
        """Feeds the reader with what comes next.

        Raises:
            httpx.ReadError: the connection broke.
            httpx.RemoteProtocolError: what came is not a response, or it ended early.
        """
        reader = self._reader
        size = min(reader.missing, _BODY_READ_BYTES) or _READ_BYTES
        # While other tasks have their turn the response may come; where many are busy, there is nothing to wait for.
        await trio.lowlevel.checkpoint()
        while True:
            try:
                data = self._socket.recv(size)
                break
            except BlockingIOError:
                await trio.lowlevel.wait_readable(self._socket)
            except OSError as error:
                raise httpx.ReadError(str(error)) from error
        reader.feed(data) if data else reader.end()

    async def _send(self, request: Request) -> None:
        parts = [_head_of(request), *request.body.pieces]
        if sum(map(len, parts)) <= _WRITE_BYTES:
            await self._send_all([b"".join(parts)], request.body)
        else:
            await self._send_large(parts, request.body)

    async def _send_large(self, parts: list[bytes], body: RequestBody) -> None:
        """Sends a request that a refusal, or the end of the connection, stops half way."""
        broken = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_for_early_response, nursery.cancel_scope)
            try:
                await self._send_all(parts, body)
            except httpx.WriteError as error:
                broken = error
            nursery.cancel_scope.cancel()
        if broken is not None:
            # Raised here, so that it comes alone and not in a group.
            raise broken

    async def _send_all(self, parts: list[bytes], body: RequestBody) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        unsent = [memoryview(part) for part in parts]
        while True:
            try:
                sent = self._socket.sendmsg(unsent)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                raise httpx.WriteError(str(error)) from error
            while unsent and sent >= len(unsent[0]):
                sent -= len(unsent.pop(0))
            if not unsent:
                # A cancellation at the next checkpoint leaves it known that the whole request has left.
                body.sent = True
                return
            unsent[0] = unsent[0][sent:]
            await trio.lowlevel.wait_writable(self._socket)

    async def _watch_for_early_response(self, sending: trio.CancelScope) -> None:
        """Stops a large upload that has its response already; one that the server takes goes on to its end."""
        reader = self._reader
        try:
            while not (reader.has_head or reader.ended):
                await self._read()
        except httpx.RemoteProtocolError as error:
            reader.refused = error
        except httpx.ReadError:
            # The write will find out, or the reading that follows it.
            pass
        if 200 <= reader.status < 300 and reader.refused is None:
            # It may be stored as it comes, and what has not come would be missing.
            return
        reader.keep_alive = False
        sending.cancel()


def _head_of(request: Request) -> bytes:
    target = request.url.split("/", 3)[3]
    start = f"{request.method} /{target} HTTP/1.1".encode("ascii")
    return b"\r\n".join([start, *map(b": ".join, request.fields), b"", b""])
