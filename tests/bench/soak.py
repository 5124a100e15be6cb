"""Shows that memory does not grow with the list: many small pictures against a tenth of them.

The server fails one request in twenty, in ways that a retry mends.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from tests.helpers import processes
from tests.helpers.faulty_server import faulty_process

if TYPE_CHECKING:
    import argparse

_FAULTS = "unavailable,reset-before,reset-inside,reset-after"
_ALLOWED = 1.10


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pictures", type=int, default=50_000, help="how many; the other run has a tenth")


def run(options: argparse.Namespace) -> int:
    """Prints the peak memory of both runs and their ratio; 1 if it is more than allowed, or a run failed."""
    few = _peak(options.pictures // 10)
    many = _peak(options.pictures)
    ratio = many / few
    print(f"peak memory grew by a factor of {ratio:.3f}; {_ALLOWED:.2f} is allowed")
    return int(ratio > _ALLOWED)


def _peak(pictures: int) -> int:
    """The most bytes of memory that a run with this many pictures had."""
    with (
        tempfile.TemporaryDirectory() as folder,
        faulty_process(
            "--pictures", str(pictures), "--share", "0.05", "--fetch", f"{_FAULTS},truncated", "--upload", _FAULTS
        ) as url,
    ):
        started = time.monotonic()
        code, report, peak = trio.run(processes.measured, url, "--json", "--journal", Path(folder, "journal"))
        seconds = time.monotonic() - started
    if code != 0:
        raise SystemExit(f"the run with {pictures:,} pictures ended with {code}: {report['failures'][:3]}")
    print(f"{pictures:,} pictures: {peak / 1024**2:.1f} MiB at most, {seconds:.0f} s, {pictures / seconds:.0f}/s")
    return peak
