"""TLS over a non-blocking socket, with the calls of a socket.

OpenSSL works in memory here. With the socket in its hands, an alert that it cannot send makes reads fail from Python
3.13.5 on: that of an end, and those of other connections of the thread.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import trio

_RECORD_BYTES = 16 * 1024  # that one read gives at most (RFC 8446, section 5.1)
_READ_BYTES = _WRITE_BYTES = 64 * 1024


async def secured(sock: socket.socket, context: ssl.SSLContext, host: str) -> SecureSocket:
    """Puts TLS on a socket that is connected to a host, and non-blocking.

    Raises:
        OSError: the connection broke, or one side refuses the other.
    """
    # httpx may have offered HTTP/2 by this context.
    context.set_alpn_protocols(["http/1.1"])
    secure = SecureSocket(sock, context, host)
    try:
        while True:
            try:
                secure.do_handshake()
            except BlockingIOError:
                await trio.lowlevel.wait_readable(sock)
            else:
                return secure
    except BaseException:
        secure.close()
        raise


class SecureSocket:
    """A socket with TLS on it, which it owns. Its calls raise what those of the socket raise, and `ssl.SSLError`."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self._socket = sock
        self._arrived, self._leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._arrived, self._leaving, server_hostname=host)
        self._unsent = memoryview(b"")
        self._taken = 0  # bytes that the unsent ones are made of

    def do_handshake(self) -> None:
        """Shakes hands, as far as the server has spoken."""
        while True:
            try:
                return self._tls.do_handshake()
            except ssl.SSLWantReadError:
                pass
            finally:
                self._socket.sendall(self._leaving.read())  # an alert, too; a socket that is new has room for it
            self._receive()

    def recv(self, size: int, _flags: int = 0) -> bytes:
        """Reads what comes, of one record at most; it cannot be peeked at."""
        while True:
            try:
                return self._tls.read(min(size, _RECORD_BYTES))
            except ssl.SSLWantReadError:
                self._receive()
            except ssl.SSLEOFError:
                # An end without an alert counts as it does without TLS: lengths and chunks say what is missing.
                return b""

    def sendmsg(self, parts: Sequence[memoryview]) -> int:
        """Sends the first part or some of it; after it would have blocked, it must be called with the same again."""
        if not self._unsent:
            self._taken = self._tls.write(parts[0][:_WRITE_BYTES])
            self._unsent = memoryview(self._leaving.read())
        while self._unsent:
            self._unsent = self._unsent[self._socket.send(self._unsent) :]
        return self._taken

    def close(self) -> None:
        """Closes it, and does not wait for the alert by which the server does so (RFC 8446, section 6.1)."""
        with suppress(OSError):
            with suppress(ssl.SSLWantReadError):
                self._tls.unwrap()
            if not self._unsent:
                self._socket.send(self._leaving.read())
        self._socket.close()

    def fileno(self) -> int:
        """As of the socket."""
        return self._socket.fileno()

    def getpeername(self) -> Any:
        """As of the socket."""
        return self._socket.getpeername()

    def _receive(self) -> None:
        if data := self._socket.recv(_READ_BYTES):
            self._arrived.write(data)
        else:
            self._arrived.write_eof()
