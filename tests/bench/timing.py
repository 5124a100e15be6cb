"""What a command cost: a whole process with all its children, start-up included."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench import stopwatch

if TYPE_CHECKING:
    from collections.abc import Sequence
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


def timed(command: Sequence[str], folder: Path) -> Cost:
    """Runs a command to its end.

    Args:
        command: what to run, and its arguments.
        folder: where its output is written, as ``stdout`` and ``stderr``.

    Raises:
        BenchError: it failed; the message ends with what it said.
    """
    output, errors = folder / "stdout", folder / "stderr"
    ran = subprocess.run(
        [sys.executable, "-I", "-S", stopwatch.__file__, str(output), str(errors), *command],
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
