"""The command line in a process of its own that starts warm: forked from one that has imported the program before.

To import it takes most of the time of the small runs that tests make. All else is as in a process that starts cold, but
for what Python and libraries read from the environment while they start. As a program this is that first process.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import re
import runpy
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Mapping

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("TRIO_MIRROR_")}
"""The environment, without settings of ours."""

# What a run imports when it gets there.
_LATER = (
    "PIL.PngImagePlugin",
    "rich.console",
    "rich.text",
    "trio_mirror.cli.command",
    "trio_mirror.cli.job",
    "trio_mirror.cli.view.live",
    "trio_mirror.cli.view.sheet",
    "trio_mirror.flip.png",
    "trio_mirror.galleries.http.gallery",
    "trio_mirror.journal",
)
# Variables that are read by no library while it is imported.
_READ_LATE = re.compile("TRIO_MIRROR_.*|COLUMNS|TMPDIR|(HTTP|ALL|NO)_PROXY")
_LONGEST = 1 << 17  # bytes of a request
_SECONDS = 300.0
_turn = Lock()


def can_run(environment: Mapping[str, str]) -> bool:
    """Whether it makes no difference to start warm with these variables."""
    return all(map(_READ_LATE.fullmatch, environment))


def run(
    *arguments: str | Path,
    given: bytes = b"",
    stdout: BinaryIO | None = None,
    stderr: BinaryIO | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Runs ``python -m trio_mirror`` to its end in the working directory, with ``given`` on standard input."""
    request = [[*map(str, arguments)], dict(environment or {}), str(Path.cwd())]
    with _turn, ThreadPoolExecutor(3) as threads:
        server = _server()
        (inside, written), (out, printed), (err, said) = os.pipe(), os.pipe(), os.pipe()
        streams = [inside, stdout.fileno() if stdout else printed, stderr.fileno() if stderr else said]
        socket.send_fds(server, [json.dumps(request).encode()], streams)
        for descriptor in (inside, printed, said):
            os.close(descriptor)
        threads.submit(_write, written, given)
        outputs = threads.map(_read, (out, err))
        process = int(server.recv(16))
        try:
            code = int(server.recv(16))
        except TimeoutError:
            os.kill(process, signal.SIGKILL)
            code = int(server.recv(16))
        return subprocess.CompletedProcess(arguments, code, *outputs)


def _write(descriptor: int, data: bytes) -> None:
    with open(descriptor, "wb", buffering=0) as pipe:
        pipe.write(data)


def _read(descriptor: int) -> bytes:
    with open(descriptor, "rb") as pipe:
        return pipe.read()


@cache
def _server() -> socket.socket:
    """Starts the first process, which ends with this one."""
    ours, others = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(_SECONDS)
    with others:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.helpers.warm", str(others.fileno())],
            # Python makes its streams for pipes, as those of the processes that are forked will be.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            env=CLEAN,
            pass_fds=[others.fileno()],
        )

    def end() -> None:
        ours.close()
        process.communicate()

    atexit.register(end)
    return ours


def _serve(descriptor: int) -> None:
    """Forks for each request; returns in the process that is forked, which is to run the program."""
    import_module("trio_mirror.__main__").import_less()
    del sys.modules["trio_mirror.__main__"]  # it is run as a module of this name
    for name in _LATER:
        import_module(name)
    gc.freeze()
    with socket.socket(fileno=descriptor) as control:
        while True:
            request, streams, _, _ = socket.recv_fds(control, _LONGEST, 3)
            if not request:
                sys.exit()
            process = os.fork()
            if not process:
                arguments, environment, folder = json.loads(request)
                for number, stream in enumerate(streams):
                    os.dup2(stream, number)
                    os.close(stream)
                os.environ |= environment
                os.chdir(folder)
                sys.argv[1:] = arguments
                return
            for stream in streams:
                os.close(stream)
            control.send(b"%d" % process)
            control.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
    runpy.run_module("trio_mirror", run_name="__main__", alter_sys=True)
