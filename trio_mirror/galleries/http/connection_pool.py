"""Leases our own connections: each request takes a warm one, and gives it back when its response is read.

Taking one costs the same whatever the concurrency, which httpcore's pool does not promise: it looks at every
connection for every request. There is no queue either, since a run never has more requests under way than its
pictures in flight.
"""

from __future__ import annotations

import socket
import ssl
from collections import deque
from functools import partial

import httpx
import trio

from trio_mirror.galleries.http.connection import Connection
from trio_mirror.galleries.http.exchange import Request
from trio_mirror.galleries.http.response import Response
from trio_mirror.galleries.http.secure_socket import secured
from trio_mirror.galleries.in_thread import when_threads

IDLE_TIMEOUT = 30.0
"""Seconds after which an idle connection is closed: servers close theirs after 5 s (Apache) to 75 s (nginx)."""


class ConnectionPool:
    """Connections to one origin, the most recently used first; over TLS where there is a context for it."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None = None) -> None:
        self._host = host
        self._port = port
        self._context = context
        self._idle: deque[tuple[float, Connection]] = deque()
        self._closed = False

    async def exchange(self, request: Request) -> Response:
        """Sends a request over a warm connection, or over a new one."""
        connection = self._warm() or await self._connect()
        return await connection.exchange(request)

    async def aclose(self) -> None:
        """Closes the idle connections, without waiting; one that is leased is closed when it comes back."""
        self._closed = True
        while self._idle:
            self._idle.pop()[1].close()

    def _warm(self) -> Connection | None:
        while self._idle:
            _, connection = self._idle.pop()
            if not connection.is_stale():
                return connection
            connection.close()
        return None

    async def _connect(self) -> Connection:
        try:
            stream = await when_threads(partial(trio.open_tcp_stream, self._host, self._port))
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error
        # Trio looked the host up and tried its addresses side by side (RFC 8305); a plain socket goes on from there.
        connected = stream.socket
        plain = socket.socket(connected.family, connected.type, connected.proto, fileno=connected.detach())
        plain.settimeout(0)
        try:
            sock = plain if self._context is None else await secured(plain, self._context, self._host)
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error
        return Connection(sock, self._take_back)

    def _take_back(self, connection: Connection) -> None:
        now = trio.current_time()
        if self._closed:
            connection.close()
            return
        self._idle.append((now, connection))
        # The least recently used are on the left: as each return adds one, looking at one or two keeps up.
        while self._idle[0][0] < now - IDLE_TIMEOUT:
            self._idle.popleft()[1].close()
