"""Compares Ray on this machine with two workers to the same with one, on small pictures."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.lineup import Contender, Task, trio_mirror
from tests.bench.runner import running
from tests.bench.timing import BenchError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from tests.bench.runner import Runner

_WANTED = 1.7
_FRACTION = 8


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    parser.add_argument("--pictures", type=int, default=16_000, help="how many [16000]")
    parser.add_argument("--rounds", type=int, default=3, help="times that each runs [3]")


@contextmanager
def _cluster_of(workers: int) -> Iterator[Contender]:
    """Starts a Ray of one node with so many workers, for trio-mirror to use."""
    try:
        from ray.cluster_utils import Cluster
    except ImportError:
        raise BenchError("Ray is not installed: pip install '.[cluster]'") from None
    head = {"num_cpus": workers, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)

    def command(task: Task) -> list[str]:
        # Some slices for each worker, so that they end at about the same time.
        size = str(max(1, min(500, task.count // 16)))
        return trio_mirror("--cluster", cluster.address, "--slice", size)(task)

    try:
        yield Contender(key=f"ray-{workers}", title=f"Ray, workers: {workers}", command=command)
    finally:
        cluster.shutdown()


def run(options: argparse.Namespace) -> int:
    """Prints the pictures a second of both and their ratio; 1 where it is too small, or something failed."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    try:
        with running() as runner:
            # In turn, so that whatever else the machine does meets both alike.
            for _ in range(options.rounds):
                for workers, measured in rates.items():
                    with _cluster_of(workers) as contender:
                        measured.append(_rate(runner, contender, options.pictures))
                    print(f"{contender.title}: {measured[-1]:,.0f} pictures per second", flush=True)
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    ratio = median(rates[2]) / median(rates[1])
    print(f"two workers ÷ one: {ratio:.2f}; {_WANTED} is wanted, on {os.cpu_count()} cores that the server shares")
    return int(ratio < _WANTED)


def _rate(runner: Runner, contender: Contender, pictures: int) -> float:
    """Pictures a second, the start of Ray left out: the difference of a long run and a short one."""
    fewer = max(1, pictures // _FRACTION)
    short = runner.run(contender, "small", fewer, 16).seconds
    seconds = runner.run(contender, "small", pictures, 16).seconds - short
    if seconds <= 0:
        raise BenchError(f"{pictures} pictures take no longer than {fewer} do: ask for more with --pictures")
    return (pictures - fewer) / seconds
