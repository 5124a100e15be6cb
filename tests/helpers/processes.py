"""The command line as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from tests.helpers import warm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[2]
STOPWATCH = ROOT / "tests/bench/stopwatch.py"
ENVIRONMENT = warm.CLEAN | {"PYTHONPATH": str(ROOT)}


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it said."""

    code: int
    out: str
    err: str


def module(name: str, *arguments: str | Path) -> list[str]:
    """The command that runs a module."""
    return [sys.executable, "-m", name, *map(str, arguments)]


def start(
    *arguments: str | Path,
    program: str = "trio_mirror",
    own_group: bool = False,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[str]:
    """Starts the command line; in a process group of its own, it and all that it starts can be sent one signal."""
    return subprocess.Popen(
        module(program, *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT | dict(environment or {}),
        start_new_session=own_group,
    )


def workers_of(process: int) -> list[int]:
    """The worker processes that a process has started; none where it has ended."""
    found = []
    with suppress(FileNotFoundError, ProcessLookupError):
        # Linux lists them by the thread that started them.
        for thread in Path(f"/proc/{process}/task").iterdir():
            children = map(int, _read(thread / "children").split())
            found += [it for it in children if b"process_worker" in _read(Path(f"/proc/{it}/cmdline"))]
    return found


def _read(file: Path) -> bytes:
    """A file of a process; nothing where that has just ended: then it is not there, or cannot be read any more."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return file.read_bytes()
    return b""


def open_files() -> set[str]:
    """What this process has open, as the system names it. What earlier tests have left may close at any time."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(str(descriptor.readlink()))
    return found


async def ended(process: subprocess.Popen[str]) -> Ended:
    """Waits for a process; one that is cancelled meanwhile is killed."""
    said = ["", ""]

    async def read(index: int) -> None:
        stream = (process.stdout, process.stderr)[index]
        assert stream is not None
        said[index] = await trio.to_thread.run_sync(stream.read, abandon_on_cancel=True)
        # Not where it was cancelled: to close a stream waits for the thread that reads it.
        stream.close()

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, 0)
            nursery.start_soon(read, 1)
            code = await trio.to_thread.run_sync(process.wait, abandon_on_cancel=True)
    except trio.Cancelled:
        process.kill()
        raise
    return Ended(code, said[0], said[1])


async def says(process: subprocess.Popen[str], words: str) -> None:
    """Waits for a line on stderr with some words in it; all up to there is taken, and `ended` does not give it."""
    assert process.stderr is not None
    while words not in (line := await trio.to_thread.run_sync(process.stderr.readline, abandon_on_cancel=True)):
        assert line, f"it never said {words!r}"


async def run(*arguments: str | Path) -> Ended:
    """Runs the command line to its end, while the test goes on serving."""
    done = await trio.to_thread.run_sync(partial(warm.run, *arguments))
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


async def interrupted(
    *arguments: str | Path, stored: Path, names: Sequence[str] = (), number: signal.Signals = signal.SIGINT
) -> Ended:
    """Runs the command line, and interrupts it as a terminal does once something is stored, with these names in it."""
    process = start(*arguments, own_group=True)
    while not (any(stored.iterdir()) and all((stored / name).exists() for name in names)):  # noqa: ASYNC240 (another process makes them; a folder answers)
        assert process.poll() is None, "it has ended"
        await trio.sleep(0.01)
    # A terminal sends it to every process of the group.
    os.killpg(process.pid, number)
    return await ended(process)


async def measured(*arguments: str | Path) -> tuple[int, Any, int]:
    """Runs the command line, and gives its exit code, its JSON report, and its peak memory in bytes.

    By way of a small process, since Linux counts the memory of the one that starts it to the peak.
    """
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        watched = map(str, [STOPWATCH, out, err, *module("trio_mirror", *arguments)])
        command = [sys.executable, "-I", "-S", *watched]
        done = await trio.run_process(command, capture_stdout=True, env=ENVIRONMENT)
        code, _, _, peak_kibibytes = done.stdout.split()
        return int(code), json.loads(await trio.Path(out).read_text()), int(peak_kibibytes) * 1024
