"""One HTTP/1.1 connection over a socket: a request out, a response in, and again (RFC 9112).

This is the hot path of a run on small pictures, where httpcore's connection costs several times as much. It
stands on a plain non-blocking socket: a stream would try in vain to read before the response can be there, and
visit the scheduler after each write that went through at once.
"""

from __future__ import annotations

import socket
from collections import deque
from typing import TYPE_CHECKING, Any, cast

import httpx
import trio

from trio_mirror.galleries.http.parser import ResponseReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

# A head comes with a small picture behind it. What follows of a known length is large, and a few large reads cost
# least; a chunk, though, can be of one byte, and the event loop stands still while a read is parsed.
_READ_BYTES = 64 * 1024
_BODY_READ_BYTES = 256 * 1024
# A request of this size is sent as one piece, since the copy costs less than to keep count of several. It fits the
# socket's buffer, so that it does not wait for the server; while a larger one is sent, an early response is noticed.
_WRITE_BYTES = 64 * 1024


class Connection:
    """A connection that carries one exchange at a time.

    Args:
        sock: connected to the server, and non-blocking; the connection owns it.
        on_idle: called after each exchange whose connection can be used again.
    """

    def __init__(self, sock: socket.socket, on_idle: Callable[[Connection], None]) -> None:
        self._socket = sock
        self._on_idle = on_idle

    async def exchange(self, request: httpx.Request) -> httpx.Response:
        """Sends a request and gives the response when its head has come; its body is read as it is asked for.

        Args:
            request: with a Content-Length if it has a body.

        Raises:
            httpx.NetworkError: the connection broke.
            httpx.RemoteProtocolError: what came is not a response, or a doubtful one.
        """
        reader = ResponseReader()
        response = None
        # The error, should the server close before its response.
        closed: httpx.TransportError = httpx.RemoteProtocolError("the server closed the connection without a response")
        try:
            try:
                await self._send(request, reader)
            except httpx.WriteError as error:
                # The server may have responded early, 413 for example, and closed.
                reader.keep_alive, closed = False, error
            if reader.refused is not None:
                raise reader.refused
            while not reader.has_head:
                if reader.ended:
                    raise closed
                try:
                    await self.read_into(reader)
                except httpx.ReadError as error:
                    raise (closed if isinstance(closed, httpx.WriteError) else error) from error.__cause__
            response = httpx.Response(
                reader.status,
                headers=reader.headers,
                stream=_Body(self, reader),
                extensions={"http_version": b"HTTP/1.1", "reason_phrase": reader.reason, "network_stream": self},
            )
            return response
        finally:
            if response is None:
                self.close()

    @property
    def closed(self) -> bool:
        """Whether it was closed on this side."""
        return self._socket.fileno() == -1

    def get_extra_info(self, info: str) -> Any:
        """The address of the server as ``server_addr``, as the streams of httpx give it."""
        return self._socket.getpeername() if info == "server_addr" else None

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

    def release(self, reader: ResponseReader) -> None:
        """Ends an exchange: the connection is kept if all of the response was read and both sides would go on."""
        if reader.complete and reader.keep_alive:
            self._on_idle(self)
        else:
            self.close()

    async def read_into(self, reader: ResponseReader) -> None:
        """Feeds the reader with what comes next.

        Raises:
            httpx.ReadError: the connection broke.
            httpx.RemoteProtocolError: what came is not a response, or it ended early.
        """
        size = _READ_BYTES if reader.length is None else _BODY_READ_BYTES
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

    async def _send(self, request: httpx.Request, reader: ResponseReader) -> None:
        fields = request.headers.raw
        parts = [_head_of(request, fields)]
        # Looked up here, as httpx decodes all fields to find one.
        missing = next((int(value) for name, value in fields if name.lower() == b"content-length"), 0)
        stream = aiter(cast("httpx.AsyncByteStream", request.stream))
        while missing > 0:
            parts.append(await anext(stream))
            missing -= len(parts[-1])
        if sum(map(len, parts)) <= _WRITE_BYTES:
            await self._send_all([b"".join(parts)], stream)
        else:
            await self._send_large(parts, stream, reader)

    async def _send_large(self, parts: list[bytes], stream: AsyncIterator[bytes], reader: ResponseReader) -> None:
        """Sends a request that a refusal, or the end of the connection, stops half way."""
        broken = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_for_early_response, reader, nursery.cancel_scope)
            try:
                await self._send_all(parts, stream)
            except httpx.WriteError as error:
                broken = error
            nursery.cancel_scope.cancel()
        if broken is not None:
            # Raised here, so that it comes alone and not in a group.
            raise broken

    async def _send_all(self, parts: list[bytes], stream: AsyncIterator[bytes]) -> None:
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
                # By being asked for what follows its last part, the stream learns that the whole request has left. A
                # cancellation at the next checkpoint does not keep that from it.
                while await anext(stream, None) is not None:
                    pass
                return
            unsent[0] = unsent[0][sent:]
            await trio.lowlevel.wait_writable(self._socket)

    async def _watch_for_early_response(self, reader: ResponseReader, sending: trio.CancelScope) -> None:
        """Stops a large upload that has its response already; one that the server takes goes on to its end."""
        try:
            while not (reader.has_head or reader.ended):
                await self.read_into(reader)
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


class _Body(httpx.AsyncByteStream):
    """The body of a response; closing it gives the connection back, or closes it too.

    An iterator by hand: a generator that is left in the middle would be closed by the garbage collector.
    """

    def __init__(self, connection: Connection, reader: ResponseReader) -> None:
        self._connection = connection
        self._reader = reader
        self._parts: deque[bytes] = deque()
        self._closed = False

    def __aiter__(self) -> _Body:
        return self

    async def __anext__(self) -> bytes:
        # A checkpoint only where it reads: parts at hand came with one.
        while not self._parts:
            self._parts.extend(self._reader.take())
            if not self._parts:
                if self._reader.complete:
                    raise StopAsyncIteration
                await self._connection.read_into(self._reader)
        return self._parts.popleft()

    async def aclose(self) -> None:
        # No checkpoint: nothing is waited for.
        if not self._closed:
            self._closed = True
            self._connection.release(self._reader)


def _head_of(request: httpx.Request, fields: list[tuple[bytes, bytes]]) -> bytes:
    lines = [b"%b %b HTTP/1.1\r\n" % (request.method.encode("ascii"), request.url.raw_path)]
    lines += [b"%b: %b\r\n" % field for field in fields]
    return b"".join([*lines, b"\r\n"])
