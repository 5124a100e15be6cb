"""Writes a file whole or not at all, and hands on to it what the replaced file had besides its bytes.

The bytes go to a temporary file, which then takes the name. Its writer holds an flock on it. The kernel ends the lock
with the process, so that a temporary file without one is what a killed run has left, and `sweep` removes it.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import secrets
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from trio_mirror.galleries.disk_names import from_disk
from trio_mirror.names import printable

_log = logging.getLogger(__name__)

# The leading dot keeps it out of lists.
_TEMPORARY = re.compile(r"\.trio-mirror-[0-9a-f]{16}é?")


def replace_file(
    folder: int,
    file_name: str,
    data: bytes,
    *,
    modified: float | None = None,
    keep_times: bool = True,
    hard_links: Iterable[tuple[int, str]] = (),
) -> None:
    """Writes a new file, or replaces one and keeps its mode, owner, group and extended attributes (such as ACLs).

    Where the system does not let us keep the owner or the group, nobody else gains access by it. Anything but a regular
    file is replaced by a new one. With ``keep_times`` a replaced file keeps its times, and a new one has the time
    ``modified``, in seconds since the epoch. ``hard_links``, the other names of the replaced file, each with its open
    folder, become names of the new one.

    Raises:
        OSError: it cannot be written; what was there is whole.
    """
    old: os.stat_result | None = None
    with suppress(FileNotFoundError):
        old = os.stat(file_name, dir_fd=folder, follow_symlinks=False)
    if old is not None and not stat.S_ISREG(old.st_mode):
        old = None
    with _temporary_file(folder, 0o666 if old is None else 0o600) as (temporary, descriptor):
        # Through a descriptor of its own: some network file systems report a full disk only when one is closed.
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(data)
        if old is not None:
            _keep_attributes(folder, file_name, descriptor)
            if keep_times:
                os.utime(descriptor, ns=(old.st_atime_ns, old.st_mtime_ns))
            _keep_access(old, descriptor)
        elif keep_times and modified is not None:
            os.utime(descriptor, (modified, modified))
        os.replace(temporary, file_name, src_dir_fd=folder, dst_dir_fd=folder)
        if old is not None and old.st_nlink > 1:
            for other_folder, other in hard_links:
                _relink(old, folder, file_name, other_folder, other)


def sweep(path: str | os.PathLike[str]) -> None:
    """Removes the temporary files of killed runs from a folder and its subfolders; follows no links."""
    for folder, _, file_names in os.walk(path):
        for file_name in filter(_TEMPORARY.fullmatch, file_names):
            # In use, gone meanwhile, or not ours: it stays.
            with suppress(OSError):
                _remove_unlocked(Path(folder, file_name))


@contextmanager
def _temporary_file(folder: int, mode: int) -> Iterator[tuple[str, int]]:
    """Creates a temporary file, locked while the block runs; a block that fails leaves none behind."""
    while True:
        name = temporary_name()
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode, dir_fd=folder)
        # Where a file system has no locks, none can be taken for a sweep either.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            break
        # Another run swept it before it was locked.
        os.close(descriptor)
    try:
        yield name, descriptor
    except BaseException:
        os.unlink(name, dir_fd=folder)
        raise
    finally:
        os.close(descriptor)


def temporary_name() -> str:
    """A name that no list gives, and `sweep` knows."""
    return f".trio-mirror-{secrets.token_hex(8)}"


def _remove_unlocked(path: Path) -> None:
    # For writing, as NFS wants it for an exclusive lock.
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    finally:
        os.close(descriptor)


def _keep_attributes(folder: int, file_name: str, new: int) -> None:
    """Copies the extended attributes that we may read and write."""
    if sys.platform == "linux":
        with suppress(OSError):
            old = os.open(file_name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
            try:
                # An ACL that it has from its folder would grant what the old file did not.
                with suppress(OSError):
                    os.removexattr(new, "system.posix_acl_access")
                for attribute in os.listxattr(old):
                    with suppress(OSError):
                        os.setxattr(new, attribute, os.getxattr(old, attribute))
            finally:
                os.close(old)


def _keep_access(old: os.stat_result, new: int) -> None:
    """Keeps group, owner and mode; last the mode, as a change of owner clears bits of it."""
    mode = stat.S_IMODE(old.st_mode)
    # What was granted to one group or user is not granted to another.
    if not _change_owner(new, -1, old.st_gid):
        mode &= ~(stat.S_IRWXG | stat.S_ISGID)
    if not _change_owner(new, old.st_uid, -1):
        mode &= ~stat.S_ISUID
    os.chmod(new, mode)


def _change_owner(file: int, user: int, group: int) -> bool:
    try:
        os.chown(file, user, group)
    except OSError:
        return False
    return True


def _relink(old: os.stat_result, folder: int, file_name: str, other_folder: int, other: str) -> None:
    """Makes another name of the old file a name of the new one, unless it is none of its names by now."""
    temporary = temporary_name()
    try:
        if os.path.samestat(old, os.stat(other, dir_fd=other_folder, follow_symlinks=False)):
            os.link(file_name, temporary, src_dir_fd=folder, dst_dir_fd=other_folder)
            os.replace(temporary, other, src_dir_fd=other_folder, dst_dir_fd=other_folder)
    except OSError as error:
        _log.warning(
            "%s: it was the same file as %s and now is one of its own, not mirrored: %s",
            printable(from_disk(other)),
            printable(from_disk(file_name)),
            error.strerror,
        )
