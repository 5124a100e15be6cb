"""Two names that a file system takes for one: in upper and lower case, or composed and decomposed."""

from __future__ import annotations

import os
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

from trio_mirror.errors import UploadError
from trio_mirror.galleries.disk_names import from_disk, to_disk
from trio_mirror.galleries.folder.replacement import temporary_name
from trio_mirror.names import printable


class StoredNames:
    """Keeps a picture from replacing one that was stored under another name.

    The names are remembered only where the file system takes two for one: never without a path.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stored = dict[int, str]()

    @contextmanager
    def storing(self, folder: int, file_name: str, name: str) -> Iterator[None]:
        """Checks a name before the block stores a picture under it.

        Raises:
            UploadError: the file of that name was stored under another one.
        """
        with self._lock:
            confuses_names = self._confuses_names
        if not confuses_names:
            yield
            return
        # One at a time, so that of two such names one is the first.
        with self._lock:
            with suppress(FileNotFoundError):
                first = self._stored.get(_inode(folder, file_name), name)
                if first != name:
                    raise UploadError(
                        f"the file system takes its name for that of {printable(first)}, which was stored before"
                    )
            yield
            self._stored[_inode(folder, file_name)] = name

    @cached_property
    def _confuses_names(self) -> bool:
        if self._path is None:
            return False
        probe = self._path / to_disk(f"{temporary_name()}é")
        try:
            probe.touch(exist_ok=False)
        except OSError:
            return False
        try:
            name = from_disk(probe.name)
            others = (name.upper(), unicodedata.normalize("NFD", name))
            return any(os.path.lexists(self._path / to_disk(it)) for it in others)
        finally:
            probe.unlink(missing_ok=True)


def _inode(folder: int, file_name: str) -> int:
    return os.stat(file_name, dir_fd=folder, follow_symlinks=False).st_ino
