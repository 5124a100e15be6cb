"""Runs a command and tells what it cost: a small process between the harness and what is measured.

Linux counts the memory of a process that starts another one to the peak of the one it starts, so whatever
measures must be smaller than what is measured: this script imports nothing that it can do without.

``python -I -S stopwatch.py OUTPUT ERRORS COMMAND…`` prints ``exit-code seconds cpu-seconds peak-kibibytes``. The CPU
time, user and system, is that of the command and of all its descendants that were waited for; the peak is that of the
largest single process among them.
"""

from __future__ import annotations

import os
import sys
import time


def main(output: str, errors: str, command: list[str]) -> str:
    writing = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    redirected = [(os.POSIX_SPAWN_OPEN, 1, output, writing, 0o600), (os.POSIX_SPAWN_OPEN, 2, errors, writing, 0o600)]
    start = time.monotonic()
    child = os.posix_spawnp(command[0], command, os.environ, file_actions=redirected)
    _, status, used = os.wait4(child, 0)
    seconds = time.monotonic() - start
    return f"{os.waitstatus_to_exitcode(status)} {seconds} {used.ru_utime + used.ru_stime} {used.ru_maxrss}"


if __name__ == "__main__":
    print(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
