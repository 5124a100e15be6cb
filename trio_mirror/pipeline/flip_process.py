"""A flip in a process of its own, which an alarm kills when its time is over.

A thread cannot be killed. Flips that were given up keep their threads busy until they end, if ever, and of those there
may be no more than flip threads; the flips beyond them run here. Each costs about a tenth of a second more, which is
why only they do.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

from trio_mirror.errors import FlipError
from trio_mirror.model import Flipped


class _Command(TypedDict):
    args: list[str]
    env: dict[str, str]


def python_command(*arguments: str) -> _Command:
    """How Python is started with this package, as arguments of `subprocess`: from where this very process has it."""
    package = str(Path(__file__).parents[2])
    paths = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    return {"args": [sys.executable, "-P", *arguments], "env": os.environ | {"PYTHONPATH": paths}}


def flip_apart(call: Callable[[], Flipped], timeout: float) -> Flipped:
    """Makes a call of `flip` in another process, for so many seconds at most. It blocks: to be called in a thread.

    Raises:
        FlipError: as there, or the process died.
        TimeoutError: it took longer.
    """
    # A Ctrl-C in the terminal is for the run.
    ended = subprocess.run(
        **python_command("-m", "trio_mirror.pipeline.flip_process"),
        input=pickle.dumps((call, timeout)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        check=False,
    )
    if ended.returncode == -signal.SIGALRM:
        raise TimeoutError
    if ended.returncode:
        raise FlipError(f"its process ended with exit code {ended.returncode}")
    flipped: Flipped | Exception = pickle.loads(ended.stdout)  # noqa: S301 (our own process wrote it)
    if isinstance(flipped, Exception):
        raise flipped
    return flipped


def main() -> None:
    """Makes the one call that comes by standard input."""
    call, timeout = pickle.load(sys.stdin.buffer)  # noqa: S301 (our own process wrote it)
    signal.setitimer(signal.ITIMER_REAL, timeout)
    result: Any
    try:
        result = call()
    except Exception as error:  # noqa: BLE001 (raised where it was asked for)
        result = error
    pickle.dump(result, sys.stdout.buffer)


if __name__ == "__main__":
    main()
