"""A gallery on a raw socket that misbehaves by a seeded plan, and remembers all that is stored.

It runs within a test (`serve`), or as a process that prints its URL: ``python -m tests.helpers.faulty_server --help``.
Beside the gallery itself it answers ``GET /stored`` with what it has, as JSON.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import hashlib
import json
import re
import socket
import subprocess
import sys
import zlib
from collections import Counter
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING
from urllib.parse import unquote

import trio

from tests.helpers import processes
from tests.helpers.faults import FETCH_FAULTS, UPLOAD_FAULTS, Fault, Plan
from tests.helpers.pictures import png
from tests.helpers.wire import Connection, head_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence

    from tests.helpers.wire import Request

BASE = "/images/"
# Seconds: how long a storm goes on, and what its Retry-After says.
_STORM, _RETRY_AFTER = 0.5, 1


def names_of(count: int) -> list[str]:
    return [f"{index:06}.png" for index in range(count)]


def picture(name: str) -> bytes:
    """The original of a name; neighbours differ, so that a mix-up shows."""
    return _variant(int(hashlib.md5(name.encode()).hexdigest(), 16) % 32)


@cache
def _variant(number: int) -> bytes:
    return png(17 + number, 12)


@cache
def _bomb(layers: int) -> bytes:
    """Zeros in layers of gzip: 1 GiB in 1 MB, which is some kilobytes in another layer."""
    compressor = zlib.compressobj(wbits=31)
    head = compressor.compress(b"") + compressor.flush(zlib.Z_FULL_FLUSH)
    # A full flush ends at a byte's end and depends on nothing before, so that the part can be repeated.
    part = compressor.compress(bytes(2**26)) + compressor.flush(zlib.Z_FULL_FLUSH)
    bomb = head + 16 * part + compressor.flush()
    for _ in range(layers - 1):
        bomb = gzip.compress(bomb)
    return bomb


async def _made_bomb(layers: int) -> bytes:
    """A bomb, made in a thread: it takes a second on a busy machine, in which other requests would be cut off."""
    return await trio.to_thread.run_sync(_bomb, layers)


@dataclass
class Stored:
    """What a server has got under one name."""

    data: bytes = b""
    """The last upload."""
    keys: list[str] = field(default_factory=list)
    """The ``Idempotency-Key`` of each upload."""
    times: list[float] = field(default_factory=list)
    """When each was stored, by Trio's clock."""


class FaultyGallery:
    """The gallery; `handle` serves one connection.

    Args:
        names: what it lists.
        plan: what goes wrong.
        delay: seconds that it thinks about each request.
        elsewhere: the URL of another origin, for redirects.
        in_place: an upload replaces its picture.
    """

    def __init__(
        self,
        names: Iterable[str] = (),
        plan: Plan | None = None,
        *,
        delay: float = 0.0,
        elsewhere: str = "",
        in_place: bool = False,
    ) -> None:
        self.names = names
        self.plan = plan or Plan()
        self.delay = delay
        self.elsewhere = elsewhere
        self.in_place = in_place
        self.stored: dict[str, Stored] = {}
        self.attempts: Counter[tuple[str, str]] = Counter()
        self.answers: Counter[int] = Counter()
        self.headers: dict[str, str] = {}
        """Of the last request."""
        self.connections = 0
        self.open_connections = 0
        self._storm_until = 0.0

    def current(self, name: str) -> bytes:
        """What it gives for a name."""
        return self.stored[name].data if self.in_place and name in self.stored else picture(name)

    async def handle(self, stream: trio.abc.Stream) -> None:
        """Serves the requests of one connection, until either side ends it."""
        self.connections += 1
        self.open_connections += 1
        connection = Connection(stream)
        try:
            while (request := await connection.request()) is not None:
                self.headers = request.headers
                await trio.sleep(self.delay)
                await self._serve(connection, request)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            self.open_connections -= 1
            await trio.aclose_forcefully(stream)

    async def _serve(self, connection: Connection, request: Request) -> None:
        if request.path == "/stored":
            return await self._answer(connection, 200, json.dumps(self._as_json()).encode())
        if request.method == "GET" and request.path == BASE:
            return await self._list(connection)
        if request.method == "GET":
            return await self._give(connection, unquote(request.path.removeprefix(BASE)))
        return await self._take(connection, request)

    async def _list(self, connection: Connection) -> None:
        # Without a length, for it may have no end: what ends it is the end of the connection.
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n")
        for name in self.names:
            await connection.send(f"{name}\n".encode())
        await connection.end()

    async def _give(self, connection: Connection, name: str) -> None:
        body = self.current(name)
        match fault := self._fault("GET", name):
            case Fault.RESET_BEFORE:
                connection.reset()
            case Fault.RESET_INSIDE | Fault.TRUNCATED:
                await connection.send(head_of(200, {"Content-Length": len(body)}) + body[: len(body) // 2])
                await connection.end() if fault is Fault.TRUNCATED else connection.reset()
            case Fault.RESET_AFTER:
                await self._answer(connection, 200, body)
                connection.reset()
            case Fault.DRIPPED:
                await connection.drip(head_of(200, {"Content-Length": len(body)}) + body)
            case Fault.WRONG_DIGEST:
                digest = base64.b64encode(hashlib.sha256(body[1:]).digest()).decode()
                await self._answer(connection, 200, body, {"Content-Digest": f"sha-256=:{digest}:"})
            case Fault.HTML:
                await self._answer(connection, 200, b"<!DOCTYPE html><title>Welcome</title>")
            case Fault.ENDLESS:
                await connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
                while True:
                    await connection.send(bytes(65_536))
            case Fault.BOMB:
                await self._answer(connection, 200, await _made_bomb(1), {"Content-Encoding": "gzip"})
            case Fault.NESTED_BOMB:
                await self._answer(connection, 200, await _made_bomb(2), {"Content-Encoding": "gzip, gzip"})
            case _:
                await self._end(connection, fault, name, body)

    async def _take(self, connection: Connection, request: Request) -> None:
        # The name stands in the head of the one part of the multipart body (RFC 7578).
        part_head = await connection.head()
        found = re.search(rb'filename="([^"]*)"', part_head)
        if found is None:
            raise trio.BrokenResourceError
        name = found[1].decode()
        rest = request.length - len(part_head)
        fault = self._fault("POST", name)
        if fault is Fault.RESET_BEFORE:
            return connection.reset()
        if fault is Fault.RESET_INSIDE:
            await connection.body(rest // 2)
            return connection.reset()
        body = await connection.body(rest, drip=fault is Fault.DRIPPED)
        if fault in (None, Fault.DRIPPED, Fault.LOST, Fault.RESET_AFTER):
            boundary = part_head.partition(b"\r\n")[0]
            self._store(name, request, body.removesuffix(b"--\r\n").removesuffix(b"\r\n" + boundary))
        if fault is Fault.RESET_AFTER:
            return connection.reset()
        return await self._end(connection, fault, name, b"")

    async def _end(self, connection: Connection, fault: Fault | None, name: str, body: bytes) -> None:
        """What fetches and uploads have in common."""
        match fault:
            case Fault.UNAVAILABLE:
                await self._answer(connection, 503)
            case Fault.STORM:
                await self._answer(connection, 429, headers={"Retry-After": _RETRY_AFTER})
            case Fault.STALLED | Fault.LOST:
                await connection.until_they_leave()
            case Fault.ELSEWHERE:
                await self._answer(connection, 307, headers={"Location": f"{self.elsewhere}{name}"})
            case _:
                await self._answer(connection, 200, body)

    def _fault(self, method: str, name: str) -> Fault | None:
        if trio.current_time() < self._storm_until:
            return Fault.STORM
        self.attempts[method, name] += 1
        fault = self.plan.fault(method, name, self.attempts[method, name])
        if fault is Fault.STORM:
            self._storm_until = trio.current_time() + _STORM
        return fault

    def _store(self, name: str, request: Request, data: bytes) -> None:
        stored = self.stored.setdefault(name, Stored())
        stored.data = data
        stored.keys.append(request.headers.get("idempotency-key", ""))
        stored.times.append(trio.current_time())

    async def _answer(
        self, connection: Connection, status: int, body: bytes = b"", headers: Mapping[str, object] | None = None
    ) -> None:
        self.answers[status] += 1
        await connection.send(head_of(status, {"Content-Length": len(body)} | dict(headers or {})) + body)

    def _as_json(self) -> dict[str, object]:
        pictures = {
            name: {
                "count": len(it.times),
                "keys": sorted(set(it.keys)),
                "sha256": hashlib.sha256(it.data).hexdigest(),
            }
            for name, it in self.stored.items()
        }
        return {"connections": self.connections, "answers": dict(self.answers), "pictures": pictures}


@asynccontextmanager
async def serve(
    gallery: FaultyGallery, *, port: int = 0, tls: ssl.SSLContext | None = None, buffer: int | None = None
) -> AsyncIterator[str]:
    """Serves a gallery while the block runs, and gives its base URL. Leaving the block cuts all connections.

    Args:
        gallery: what is served.
        port: of the loopback address; 0 takes a free one.
        tls: serves HTTPS with this.
        buffer: bytes that the system receives at most before the gallery reads them; None for the usual.
    """
    [listener] = await trio.open_tcp_listeners(port, host="127.0.0.1", backlog=1_000)
    if buffer is not None:
        listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    port = listener.socket.getsockname()[1]
    listening: list[trio.abc.Listener[trio.abc.Stream]] = [trio.SSLListener(listener, tls) if tls else listener]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(trio.serve_listeners, gallery.handle, listening))
        yield f"http{'s' if tls else ''}://127.0.0.1:{port}{BASE}"
        nursery.cancel_scope.cancel()


@contextmanager
def faulty_process(*arguments: str) -> Iterator[str]:
    """Serves from a process of its own while the block runs, and gives its base URL."""
    with subprocess.Popen(
        processes.module("tests.helpers.faulty_server", *arguments),
        stdout=subprocess.PIPE,
        text=True,
        env=processes.ENVIRONMENT,
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def _faults(text: str) -> tuple[Fault, ...]:
    return tuple(Fault(name) for name in text.split(",") if name)


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.helpers.faulty_server")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--share", type=float, default=0.1, help="the part of all fetches, and of all uploads, that fails"
    )
    parser.add_argument("--fetch", type=_faults, default=FETCH_FAULTS, help="faults, with commas between")
    parser.add_argument("--upload", type=_faults, default=UPLOAD_FAULTS, help="likewise")
    parser.add_argument("--times", type=int, default=1, help="how many attempts of one thing fail")
    parser.add_argument("--elsewhere", default="http://localhost:1/", help="where redirects lead")
    return parser.parse_args(arguments)


async def _serve_for_ever(options: argparse.Namespace) -> None:
    plan = Plan(seed=options.seed, share=options.share, fetch=options.fetch, upload=options.upload, times=options.times)
    gallery = FaultyGallery(names_of(options.pictures), plan, elsewhere=options.elsewhere)
    async with serve(gallery, port=options.port) as url:
        print(url, flush=True)  # noqa: T201
        await trio.sleep_forever()


if __name__ == "__main__":
    trio.run(_serve_for_ever, _arguments(sys.argv[1:]))
