"""A long line: a TCP proxy on loopback that hands on every byte a while after it came, in each direction.

What is on its way is not held up by what went before, so the line adds latency and takes no bandwidth. Opening a
connection through it takes no time; the first bytes do.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from math import inf
from typing import TYPE_CHECKING

import trio

from tests.bench.nginx import free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK = 65_536
# By its other end, or by the task of the other direction.
_BROKEN_OFF = (trio.BrokenResourceError, trio.ClosedResourceError)


@contextmanager
def delaying(target: int, delay: float, work: Path) -> Iterator[int]:
    """Runs the proxy in a process of its own while the block runs, and gives its port.

    Args:
        target: the port that it hands on to.
        delay: seconds that each byte takes, each way.
        work: where its log goes.
    """
    port = free_port()
    log = work / "proxy.log"
    with log.open("wb") as errors:
        command = [sys.executable, "-m", "tests.bench.proxy", str(port), str(target), str(delay)]
        process = subprocess.Popen(command, stderr=errors)
    try:
        wait_for(port, process, log)
        yield port
    finally:
        process.terminate()
        process.wait()


async def serve(port: int, target: int, delay: float) -> None:
    """Takes connections at a port and hands them on, until cancelled."""
    await trio.serve_tcp(partial(_hand_on, target=target, delay=delay), port, host="127.0.0.1")


async def _hand_on(client: trio.SocketStream, *, target: int, delay: float) -> None:
    server = await trio.open_tcp_stream("127.0.0.1", target)
    async with server, trio.open_nursery() as nursery:
        for source, sink in ((client, server), (server, client)):
            entrance, exit_ = trio.open_memory_channel[tuple[float, bytes]](inf)
            nursery.start_soon(_read, source, entrance, delay)
            nursery.start_soon(_write, exit_, sink)


async def _read(source: trio.SocketStream, line: trio.MemorySendChannel[tuple[float, bytes]], delay: float) -> None:
    with line:
        try:
            while data := await source.receive_some(_CHUNK):
                line.send_nowait((trio.current_time() + delay, data))
        except _BROKEN_OFF:
            pass  # it ends like any other


async def _write(line: trio.MemoryReceiveChannel[tuple[float, bytes]], sink: trio.SocketStream) -> None:
    with line:
        try:
            async for due, data in line:
                await trio.sleep_until(due)
                await sink.send_all(data)
            await sink.send_eof()
        except _BROKEN_OFF:
            await sink.aclose()


if __name__ == "__main__":
    trio.run(serve, int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
