"""Runs a contender against the server, and holds it to having done the job."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.gallery import Galleries
from tests.bench.lineup import DRY_RUN, Task
from tests.bench.nginx import serving
from tests.bench.proxy import delaying
from tests.bench.timing import BenchError, timed
from tests.bench.workloads import LATENCY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.lineup import Contender
    from tests.bench.nginx import Server
    from tests.bench.timing import Cost


@dataclass(frozen=True, slots=True)
class Runner:
    """The server, its galleries, and the long line to it."""

    server: Server
    galleries: Galleries
    delayed_ports: tuple[int, int]
    """Where the server is at the end of the long line, plain and over TLS."""
    work: Path

    def run(
        self,
        contender: Contender,
        kind: str,
        count: int,
        concurrency: int,
        *,
        delayed: bool = False,
        on_terminal: bool = False,
    ) -> Cost:
        """Has a contender mirror a gallery.

        Args:
            contender: who.
            kind: of the pictures.
            count: how many.
            concurrency: how many at once.
            delayed: whether over the long line.
            on_terminal: whether its standard error is a terminal.

        Raises:
            BenchError: it failed, or left pictures out.
        """
        port, tls_port = self.delayed_ports if delayed else (self.server.port, self.server.tls_port)
        path = self.galleries.path(kind, count)
        task = Task(
            url=f"http://127.0.0.1:{port}{path}",
            tls_url=f"https://127.0.0.1:{tls_port}{path}",
            folder=self.galleries.pictures(kind),
            count=count,
            concurrency=concurrency,
        )
        cost = timed(contender.command(task), self.work, on_terminal=on_terminal)
        if contender.uploads and (uploaded := self.server.uploads(count)) != count:
            raise BenchError(f"{contender.title} uploaded {uploaded:,} pictures, not {count:,}")
        if contender is DRY_RUN and (printed := _lines(self.work / "stdout")) != count:
            raise BenchError(f"{contender.title} printed {printed:,} names, not {count:,}")
        return cost


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


@contextmanager
def running() -> Iterator[Runner]:
    """Starts the server and the long line for as long as the block runs.

    Raises:
        BenchError: one of them does not start.
    """
    with tempfile.TemporaryDirectory(prefix="trio-mirror-bench-") as folder:
        root, server_work, work = (Path(folder, name) for name in ("root", "nginx", "work"))
        for created in (root, server_work, work):
            created.mkdir()
        with (
            serving(root, server_work) as server,
            delaying(server.port, LATENCY, work) as port,
            delaying(server.tls_port, LATENCY, work) as tls_port,
        ):
            yield Runner(server, Galleries(root), (port, tls_port), work)
