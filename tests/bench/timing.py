"""What a command cost: a whole process with all its children, start-up included."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
import threading
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench import stopwatch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class BenchError(Exception):
    """The benchmark cannot go on; the message says why."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a command took."""

    seconds: float
    """From its start to its end."""
    cpu: float
    """Seconds of CPU, user and system, over all its processes."""
    peak: int
    """Bytes of resident memory at the peak of its largest process."""


def timed(command: Sequence[str], folder: Path, *, on_terminal: bool = False) -> Cost:
    """Runs a command to its end.

    Args:
        command: what to run, and its arguments.
        folder: where its output is written, as ``stdout`` and ``stderr``.
        on_terminal: whether its standard error is a terminal.

    Raises:
        BenchError: it failed; the message ends with what it said.
    """
    output, errors = folder / "stdout", folder / "stderr"
    with _terminal(errors) if on_terminal else nullcontext(str(errors)) as shown:
        ran = subprocess.run(
            [sys.executable, "-I", "-S", stopwatch.__file__, str(output), shown, *command],
            capture_output=True,
            text=True,
            check=False,
        )
    if ran.returncode:
        raise BenchError(f"{command[0]} could not be started: {ran.stderr.strip()}")
    exit_code, seconds, cpu, peak = ran.stdout.split()
    if exit_code != "0":
        said = errors.read_text(errors="replace")[-2000:].strip()
        raise BenchError(f"exit code {exit_code} of {' '.join(command)}\n{said}")
    return Cost(float(seconds), float(cpu), 1024 * int(peak))


@contextmanager
def _terminal(written: Path) -> Iterator[str]:
    """Opens a terminal of 80 × 24 cells and gives its path; what is written on it is copied to a file."""
    ours, side = pty.openpty()
    termios.tcsetwinsize(side, (24, 80))
    reader = threading.Thread(target=_copy, args=(ours, written))
    reader.start()
    try:
        yield os.ttyname(side)
    finally:
        os.close(side)
        reader.join()
        os.close(ours)


def _copy(terminal: int, written: Path) -> None:
    # Linux says EIO at the end, when nobody has the other side open any more.
    with written.open("wb") as file, suppress(OSError):
        while part := os.read(terminal, 65_536):
            file.write(part)
