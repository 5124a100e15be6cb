"""A network without a network: whoever connects gets one end of a socket pair, and a server of this world the other.

The connections of the program are its real ones; only what Trio calls a socket factory is ours.
"""

from __future__ import annotations

import socket as sockets
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.simulation.world import World

# Seconds.
_LATENCY = 0.05
_NO_ROUTE = 100.0


class Network(trio.abc.SocketFactory):
    """The hosts that can be reached, each served in a nursery."""

    def __init__(self, world: World, nursery: trio.Nursery) -> None:
        self._world = world
        self._nursery = nursery
        self._hosts: dict[str, Callable[[trio.SocketStream], Awaitable[None]]] = {}
        self._open: set[sockets.socket] = set()
        self._is_up = True
        trio.socket.set_custom_socket_factory(self)

    def add(self, host: str, serve: Callable[[trio.SocketStream], Awaitable[None]]) -> None:
        """Adds a host, which serves each connection."""
        self._hosts[host] = serve

    def socket(self, family: Any = None, type: Any = None, proto: Any = None) -> _Socket:  # noqa: A002 (Trio's names)
        """Makes a socket that is not connected yet."""
        return _Socket(self)

    def cut(self) -> None:
        """Ends what a killed process has open; what it has sent still arrives."""
        self._is_up = False
        for theirs in self._open:
            # A server may have closed its end already.
            with suppress(OSError):
                theirs.shutdown(sockets.SHUT_RDWR)

    async def settle(self) -> None:
        """Waits until all that was sent has arrived, and the next process can connect."""
        while self._open:  # noqa: ASYNC110 (each ends by itself)
            await trio.sleep(_LATENCY)
        self._is_up = True

    async def connect(self, host: str) -> sockets.socket:
        """Connects to a host, after its latency."""
        trouble = self._world.trouble.requests / 6
        await trio.sleep(self._world.chance.uniform(0, _LATENCY))
        if self._world.happens(trouble):
            self._world.note(f"no route to {host}")
            await trio.sleep(_NO_ROUTE)
        if not self._is_up or self._world.happens(trouble):
            self._world.note(f"{host} refuses a connection")
            raise ConnectionRefusedError
        ours, theirs = sockets.socketpair()
        self._nursery.start_soon(self._serve, host, theirs)
        return ours

    async def _serve(self, host: str, theirs: sockets.socket) -> None:
        self._open.add(theirs)
        await self._hosts[host](trio.SocketStream(trio.socket.from_stdlib_socket(theirs)))
        self._open.remove(theirs)


class _Socket(trio.socket.SocketType):
    """What of a socket `trio.open_tcp_stream` uses."""

    type, family, proto = sockets.SOCK_STREAM, sockets.AF_UNIX, 0

    def __init__(self, network: Network) -> None:
        super().__init__()
        self._network = network
        self._end: sockets.socket | None = None

    async def connect(self, address: Any) -> None:
        self._end = await self._network.connect(address[0])

    def setsockopt(self, *_: object) -> None:
        # Options of TCP, which Trio sets where it can.
        raise OSError

    def detach(self) -> int:
        assert self._end is not None
        return self._end.detach()

    def close(self) -> None:
        if self._end is not None:
            self._end.close()
