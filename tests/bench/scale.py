"""Models a run over a cluster: the real dispatcher on a simulated clock, with slow slices and lost workers.

Slices are counted ranges here, since a thousand million names cannot be gone through one by one in minutes. What the
driver does for each name is measured beside it, over real names and results, and extrapolated.
"""

from __future__ import annotations

import gc
import math
import random
import time
import tracemalloc
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import trio
import trio.testing

from tests.helpers.memory_gallery import MemoryGallery
from tests.helpers.simulated_cluster import AtOnce, CountedSlice, SimulatedCluster, driven
from trio_mirror.distributed.dispatcher import Dispatcher
from trio_mirror.distributed.slices import NamedSlice
from trio_mirror.settings import Settings

if TYPE_CHECKING:
    import argparse

    from trio_mirror.model import Result

_REQUESTS = 2  # for a name: to get its picture, and to send it back to the same origin
_TELLS = 10.0  # seconds; workers do so each second, which the model bundles
_NOTICES = 30.0  # seconds until Ray takes a node for dead
_SLOW_SHARE, _SLOWER = 0.001, 10
_LENGTH = 40  # characters of a name
_NAMES_MEASURED = 100_000


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    parser.add_argument("--names", type=float, default=1e7, help="of the list; 1e9 takes minutes [1e7]")
    parser.add_argument("--workers", type=int, nargs="+", default=[100, 1_000], help="a row for each [100 1000]")
    parser.add_argument("--slice", type=int, default=2_000, help="names of a slice [2000]")
    parser.add_argument("--pace", type=float, default=100.0, help="names a second that a worker can do [100]")
    parser.add_argument("--rate", type=float, default=100_000.0, help="requests a second of the origin [100000]")
    parser.add_argument("--lost-every", type=float, default=24.0, help="hours after which a worker is lost [24]")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Modelled:
    """How one run went, by the simulated clock."""

    workers: int
    seconds: float
    at_best: float
    """Seconds, were no slice slow and no worker lost."""
    stragglers: float
    """Seconds of the run that workers had nothing to do."""
    losses: float
    """Seconds of the run that went into what was lost."""
    starts: int
    calls: int
    real_seconds: float


@dataclass(frozen=True, slots=True)
class _Name:
    """What one name costs the driver."""

    seconds: float
    bytes: float


def run(options: argparse.Namespace) -> int:
    """Prints the model's table."""
    gc.freeze()  # as the command does
    name = _Name(_seconds_of_a_name(), _bytes_of_a_name())
    rows = [
        trio.run(_model, options, workers, clock=trio.testing.MockClock(autojump_threshold=0))
        for workers in options.workers
    ]
    print("\n".join(_table(options, rows, name)))
    return 0


async def _model(options: argparse.Namespace, workers: int) -> _Modelled:
    chance, began = random.Random(1), time.perf_counter()
    lost_every = options.lost_every * 3_600

    def pace(_: CountedSlice) -> float:
        return options.pace / _SLOWER if chance.random() < _SLOW_SHARE else options.pace  # type: ignore[no-any-return]

    cluster = SimulatedCluster(
        workers,
        pace,
        requests=_REQUESTS,
        fails_after=lambda _: chance.expovariate(1 / lost_every),
        every=_TELLS,
        notices=_NOTICES,
    )
    dispatcher: Dispatcher[CountedSlice] = Dispatcher(cluster, rate=options.rate, on_error=print)
    send, receive = trio.open_memory_channel[CountedSlice](0)
    async with trio.open_nursery() as nursery:
        await nursery.start(cluster.run_in)
        started = trio.current_time()
        nursery.start_soon(_feed, send, int(options.names), options.slice)
        await dispatcher.run(receive)
        seconds = trio.current_time() - started
        nursery.cancel_scope.cancel()
    return _Modelled(
        workers=workers,
        seconds=seconds,
        at_best=options.names / min(workers * options.pace, options.rate / _REQUESTS),
        stragglers=cluster.idle_seconds / workers,
        losses=cluster.lost_seconds / workers,
        starts=cluster.starts,
        calls=cluster.calls,
        real_seconds=time.perf_counter() - began,
    )


async def _feed(send: trio.MemorySendChannel[CountedSlice], names: int, size: int) -> None:
    with send:
        for begin in range(0, names, size):
            await send.send(CountedSlice(min(size, names - begin)))


def _seconds_of_a_name() -> float:
    """Seconds of the driver for one name, from its list to its report."""

    async def drive() -> float:
        listed = (f"{number:0{_LENGTH}}" for number in range(_NAMES_MEASURED))
        run = driven(AtOnce(), MemoryGallery(listed), Settings())
        began = time.process_time()
        async with run.working():
            async for _ in run:
                pass
        if run.report.mirrored != _NAMES_MEASURED:
            raise SystemExit(f"only {run.report.mirrored:,} of {_NAMES_MEASURED:,} names came through")
        return (time.process_time() - began) / _NAMES_MEASURED

    return trio.run(drive)


def _bytes_of_a_name() -> float:
    """Bytes of the driver for one name in flight."""

    async def take(_: list[Result]) -> None:
        pass

    numbers, size = count(), Settings().slice
    gc.collect()
    tracemalloc.start()
    kept = [
        NamedSlice({f"{next(numbers):0{_LENGTH}}": None for _ in range(size)}, take, resends=True) for _ in range(20)
    ]
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return used / (len(kept) * size)


def _table(options: argparse.Namespace, rows: list[_Modelled], name: _Name) -> list[str]:
    names = int(options.names)
    lost = ["by stragglers", "by losses", "slices run again"]
    columns = ["workers", "time", "at best", *lost, "calls a second", "possible", "memory"]
    return [
        (
            f"{names:,} names in slices of {options.slice:,}; a worker does {options.pace:g} a second and is lost every"
            f" {options.lost_every:g} h, one slice in {1 / _SLOW_SHARE:,.0f} is {_SLOWER} × slower;"
            f" one origin, {options.rate:,.0f} requests a second, {_REQUESTS} a name"
        ),
        "",
        f"| {' | '.join(columns)} |",
        f"|{' --- |' * len(columns)}",
        *(f"| {' | '.join(_cells(options, row, name))} |" for row in rows),
        "",
        (
            f"measured over {_NAMES_MEASURED:,} names: the driver needs {1e6 * name.seconds:.0f} µs and"
            f" {name.bytes:.0f} bytes for each, so that it takes {1 / name.seconds:,.0f} a second at most,"
            f" and for {names:,} of them {_time(names * name.seconds)} of one core"
        ),
    ]


def _cells(options: argparse.Namespace, row: _Modelled, name: _Name) -> tuple[str, ...]:
    slices = math.ceil(int(options.names) / options.slice)
    # Two slices for each worker, and what the list has ready for the next.
    names_held = min(2 * row.workers + 2, slices) * options.slice
    return (
        f"{row.workers:,}",
        _time(row.seconds),
        _time(row.at_best),
        _time(row.stragglers),
        _time(row.losses),
        f"{row.starts - slices:,}",
        f"{row.calls / row.seconds:,.0f}",
        f"{row.calls / row.real_seconds:,.0f}",
        f"{names_held * name.bytes / 1024**2:,.0f} MiB",
    )


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7_200 else f"{seconds / 3_600:.1f} h"
