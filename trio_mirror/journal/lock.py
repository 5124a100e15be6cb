"""One run at a time on a journal."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trio_mirror.errors import JournalError

_PID_BYTES = 20


@contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Holds the journal for this run alone, by an flock on the file ``<journal>-lock`` beside it.

    The kernel ends the lock with the process, however that ends. It is a file of its own, as closing any descriptor
    of the journal itself would drop the POSIX locks that SQLite holds on it.

    Raises:
        JournalError: another run holds it, or the file is something else.
        OSError: the file cannot be created or locked.
    """
    while True:
        # Through a link, or into a file of another kind, nothing is written.
        descriptor = os.open(f"{path}-lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            _lock(descriptor, path)
            # Where a run that ended removed the file before it was locked, another run may hold a new one.
            if _is_in_place(descriptor, path):
                # Of one length always, so that no reader finds the rest of a longer one.
                os.pwrite(descriptor, f"{os.getpid():<{_PID_BYTES - 1}}\n".encode(), 0)
                yield
                return
        finally:
            os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    if os.fstat(descriptor).st_size not in {0, _PID_BYTES}:
        raise JournalError(f"{path}-lock is not the lock of a journal; move it away, or choose another journal")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, _PID_BYTES, 0).decode("ascii", "replace").strip()
        raise JournalError(
            f"the journal {path} is in use by another run (process {holder}); "
            "wait for its end, or give this run a journal of its own"
        ) from error


def _is_in_place(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(f"{path}-lock"))
    except FileNotFoundError:
        return False
