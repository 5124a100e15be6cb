"""A server of a world: the faulty gallery of the other tests, whose faults are drawn as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote
from zlib import crc32

import trio

from tests.helpers.faults import Fault
from tests.helpers.faulty_server import BASE, FaultyGallery
from tests.simulation.pictures import Stored

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.helpers.wire import Connection, Request
    from tests.simulation.world import World

_COMMON = (Fault.RESET_BEFORE, Fault.RESET_INSIDE, Fault.RESET_AFTER, Fault.UNAVAILABLE, Fault.STORM, Fault.STALLED)
_FAULTS = {
    "GET": (*_COMMON, Fault.TRUNCATED, Fault.DRIPPED, Fault.WRONG_DIGEST, Fault.HTML),
    "POST": (*_COMMON, Fault.LOST, Fault.LOST, Fault.RESET_AFTER),
}
_LIST_FAULTS = (401, 503, Fault.TRUNCATED, Fault.STALLED)
# A drip takes a turn of the scheduler for each byte.
_MOST_DRIPPED = 500
_LATENCIES = (0.0, 0.01, 0.1, 1.0)


class Server(FaultyGallery):
    """A gallery that holds pictures, which uploads change."""

    def __init__(self, world: World, host: str, held: dict[str, bytes], listed: bytes = b"") -> None:
        super().__init__()
        self.held = held
        self._world = world
        self._host = host
        self._listed = listed
        self._stored = Stored(world, host)

    def current(self, name: str) -> bytes:
        return self.held[name]

    async def _serve(self, connection: Connection, request: Request) -> None:
        await trio.sleep(self._world.chance.choice(_LATENCIES))
        name = unquote(request.path.removeprefix(BASE))
        if name and name not in self.held:
            return await self._answer(connection, 404)
        if name and request.headers.get("if-none-match") == _etag(self.held[name]):
            return await self._answer(connection, 304)
        return await super()._serve(connection, request)

    async def _list(self, connection: Connection) -> None:
        is_spoilt = self._world.happens(self._world.trouble.requests / 2)
        fault = self._world.chance.choice(_LIST_FAULTS) if is_spoilt else None
        self._world.note(f"{self._host}: GET the list{f', {fault}' if fault else ''}")
        if isinstance(fault, int):
            return await self._answer(connection, fault)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(self._listed)}\r\n\r\n"
        await connection.send(head.encode())
        half = self._world.chance.randrange(len(self._listed))
        await connection.send(self._listed[:half])
        await trio.sleep(self._world.chance.choice(_LATENCIES))
        if fault is not None:
            return await (connection.end() if fault is Fault.TRUNCATED else connection.until_they_leave())
        return await connection.send(self._listed[half:])

    def _fault(self, method: str, name: str) -> Fault | None:
        fault = (
            self._world.chance.choice(_FAULTS[method]) if self._world.happens(self._world.trouble.requests) else None
        )
        if fault is Fault.DRIPPED and len(self.held[name]) > _MOST_DRIPPED:
            fault = None
        self._world.note(f"{self._host}: {method} {name}{f', {fault}' if fault else ''}")
        return fault

    def _store(self, name: str, request: Request, data: bytes) -> None:
        self._stored.check(name, data)
        self.held[name] = data

    async def _answer(
        self, connection: Connection, status: int, body: bytes = b"", headers: Mapping[str, object] | None = None
    ) -> None:
        await super()._answer(connection, status, body, {"ETag": _etag(body), **(headers or {})})


def _etag(body: bytes) -> str:
    return f'"{crc32(body):x}"'
