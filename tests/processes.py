"""The command line as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

ROOT = Path(__file__).parent.parent
_CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("TRIO_MIRROR_")}
ENVIRONMENT = _CLEAN | {"PYTHONPATH": str(ROOT)}


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it said."""

    code: int
    out: str
    err: str
    peak_bytes: int
    """The most memory that it had, all its libraries included."""


def module(name: str, *arguments: str | Path) -> list[str]:
    """The command that runs a module."""
    return [sys.executable, "-m", name, *map(str, arguments)]


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    """Starts the command line."""
    return subprocess.Popen(
        module("trio_mirror", *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    )


async def ended(process: subprocess.Popen[str]) -> Ended:
    """Waits for a process; one that is cancelled meanwhile is killed."""
    said = ["", ""]

    async def read(index: int) -> None:
        stream = (process.stdout, process.stderr)[index]
        assert stream is not None
        with stream:
            said[index] = await trio.to_thread.run_sync(stream.read, abandon_on_cancel=True)

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, 0)
            nursery.start_soon(read, 1)
            # wait4 and not Popen's own wait, as it alone tells the memory of this one process.
            wait = partial(os.wait4, process.pid, 0)
            _, status, usage = await trio.to_thread.run_sync(wait, abandon_on_cancel=True)
    except trio.Cancelled:
        process.kill()
        raise
    process.returncode = os.waitstatus_to_exitcode(status)
    return Ended(process.returncode, said[0], said[1], usage.ru_maxrss * 1024)


async def run(*arguments: str | Path) -> Ended:
    """Runs the command line to its end, while the test goes on serving."""
    return await ended(start(*arguments))
