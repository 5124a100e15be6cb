"""Runs in which one system call fails once, which strace injects, and what must hold afterwards."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from tests.helpers import processes
from tests.helpers.faulty_server import FaultyGallery, names_of, picture, serve
from tests.helpers.pictures import is_mirrored
from trio_mirror.cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

CALLS = {
    "fsync": ("EIO", "ENOSPC"),
    "fdatasync": ("EIO", "ENOSPC"),
    "write": ("EIO", "ENOSPC"),
    "pwrite64": ("EIO", "ENOSPC"),
    "ftruncate": ("EIO",),
    "rename,renameat": ("EIO", "ENOSPC"),
    "openat": ("EMFILE", "ENOSPC"),
    "mkdir,mkdirat": ("ENOSPC",),
    "unlink,unlinkat": ("EIO",),
    "getdents64": ("EIO",),
    "read": ("EIO",),
    "pread64": ("EIO",),
    "flock": ("ENOLCK",),
    "newfstatat": ("EIO",),
    "socket": ("EMFILE",),
    "connect": ("ETIMEDOUT", "ENETUNREACH"),
    "recvfrom": ("ECONNRESET",),
    "clone3": ("EAGAIN",),
    "epoll_ctl": ("ENOSPC",),
    "epoll_wait": ("EINTR",),
}
"""System calls by their names in strace, and the errors that they give.

Not sendto: by it, too, threads wake Trio up over a pair of sockets, which never fails but here, and then hangs it.
"""
PLACES = ("folder", "in-place", "http")
PICTURES = 6
# What Trio cannot start or go on without: a run that ends so names its internal error.
_OF_TRIO = {"epoll_ctl", "recvfrom", "newfstatat"}
_TIMEOUT = 300  # seconds in which a run must end
# What Python loads is loaded before calls are counted, by a run without work; then it stops until strace is there.
_LAUNCHER = """
import contextlib, encodings.idna, os, signal
from trio_mirror.cli.command import main
import trio_mirror.cli.job, trio_mirror.flip.png, trio_mirror.galleries.folder, trio_mirror.galleries.http.gallery
import sys; arguments, sys.argv[1:] = sys.argv[1:], ["--show-config"]
with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.suppress(SystemExit): main()
sys.argv[1:] = arguments
os.kill(os.getpid(), signal.SIGSTOP)
main()
"""


@cache
def missing() -> str | None:
    """Why no system call can be made to fail here."""
    if shutil.which("strace") is None:
        return "strace is not installed; on Debian: apt-get install strace"
    done = subprocess.run(["strace", "-qq", "-o/dev/null", "-einject=fsync:error=EIO", "true"], check=False)
    return "strace may not trace here (ptrace)" if done.returncode else None


@dataclass(frozen=True)
class Injection:
    """What fails: a call, with an error, where a thread makes it for the Nth time."""

    place: str
    call: str
    error: str
    when: int


async def play(injection: Injection) -> list[str] | None:
    """Runs once with the failure and once without; what was wrong, a sentence each. None if nothing was injected."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        async with _open_place(injection.place, folder) as (arguments, states):
            log, (code, out, err) = await _run(arguments, folder, injection)
            if "INJECTED" not in log:
                return None
            before = states()
            faults = _faults(code, out, err, before, injection)
            if injection.place != "folder" and set(before.values()) == {"mirrored"}:
                return faults  # the next run is a new one, and would flip all back
            again = await _run(arguments, folder)
            after = states()
    if again[1][0] not in (ExitCode.DONE, ExitCode.UNKNOWN):
        faults.append(f"the run after it ended with {again[1][0]}: {again[1][2][-500:]}")
    if undone := [name for name, state in before.items() if state == "mirrored" != after[name]]:
        faults.append(f"undone by the run after it: {undone}")
    if again[1][0] == ExitCode.DONE and set(after.values()) != {"mirrored"}:
        faults.append(f"the run after it ended with 0, and the pictures are {after}")
    return faults


def _faults(code: int, out: str, err: str, states: dict[str, str], injection: Injection) -> list[str]:
    count = list(states.values()).count("mirrored")
    faults = []
    if code not in set(ExitCode) or (code == ExitCode.BUG and injection.call not in _OF_TRIO):
        faults.append(f"it ended with {code}: {err[-500:]}")
    if "Traceback" in err:
        faults.append(f"it printed a traceback: {err[-1500:]}")
    if "torn" in states.values():
        faults.append(f"the pictures are {states}")
    if code == ExitCode.DONE and count < PICTURES:
        faults.append(f"it ended with 0, and {count} of {PICTURES} are mirrored")
    if out and json.loads(out)["mirrored"] > count:
        faults.append(f"its report is not true: {out}, {count} are mirrored")
    return faults


@asynccontextmanager
async def _open_place(place: str, folder: Path) -> AsyncIterator[tuple[list[str], Callable[[], dict[str, str]]]]:
    """Pictures in a place: the arguments of a run, and a look at what they are."""
    names = names_of(PICTURES)
    if place == "http":
        gallery = FaultyGallery(names, in_place=True)
        async with serve(gallery) as url:
            yield [url], lambda: {name: _state(name, gallery.current(name)) for name in names}
        return
    source, target = folder / "pictures", folder / ("pictures" if place == "in-place" else "mirrored")
    source.mkdir()
    for name in names:
        (source / name).write_bytes(picture(name))

    def states() -> dict[str, str]:
        stored = {name: target / name for name in names}
        return {name: _state(name, it.read_bytes()) if it.exists() else "missing" for name, it in stored.items()}

    arguments = ["--in-place"] if place == "in-place" else ["--to", str(target), "--journal", str(folder / "journal")]
    yield [str(source), *arguments], states


def _state(name: str, data: bytes) -> str:
    if data == picture(name):
        return "original"
    try:
        return "mirrored" if is_mirrored(picture(name), data) else "torn"
    except (OSError, SyntaxError):
        return "torn"


async def _run(
    arguments: list[str], folder: Path, injection: Injection | None = None
) -> tuple[str, tuple[int, str, str]]:
    """Runs the command line: strace's log, the exit code, and what was printed."""
    environment = processes.ENVIRONMENT | {"XDG_STATE_HOME": str(folder / "state")}
    command = [*arguments, "--json", "-qq", "--timeout", "5", "--retries", "1"]
    launched = [sys.executable, "-c", _LAUNCHER] if injection else processes.module("trio_mirror")
    process = await trio.to_thread.run_sync(
        partial(subprocess.Popen, [*launched, *command], stdout=-1, stderr=-1, text=True, env=environment)
    )
    log = folder / "strace.log"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_kill_late, process)
        if injection is not None:
            nursery.start_soon(_inject, injection, process.pid, log)
        ended = await processes.ended(process)
        nursery.cancel_scope.cancel()
    return log.read_text() if injection else "", (ended.code, ended.out, ended.err)


async def _kill_late(process: subprocess.Popen[str]) -> None:
    await trio.sleep(_TIMEOUT)
    process.kill()


async def _inject(injection: Injection, process: int, log: Path) -> None:
    """Waits until the process has stopped, has strace attach to it, and lets it go on."""
    await _until(process, "State:\tT")
    inject = f"-einject={injection.call}:error={injection.error}:when={injection.when}"
    command = ["strace", "-f", "-qq", "-o", str(log), f"-etrace={injection.call}", inject, f"-p{process}"]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(trio.run_process, command, check=False))
        await _until(process, "TracerPid:\t0", is_there=False)
        os.kill(process, signal.SIGCONT)


async def _until(process: int, line: str, *, is_there: bool = True) -> None:
    status = trio.Path(f"/proc/{process}/status")
    while (line in await status.read_text()) != is_there:  # noqa: ASYNC110 (another process changes it)
        await trio.sleep(0.002)
