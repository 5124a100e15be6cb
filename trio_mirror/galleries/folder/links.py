"""Which one of a file's names stands for it, where links give it several."""

from __future__ import annotations

import logging
import os
import stat
import threading
from collections import defaultdict
from contextlib import suppress
from functools import cached_property

from trio_mirror.errors import NameRefusedError
from trio_mirror.galleries.disk_names import from_disk, to_disk
from trio_mirror.galleries.folder.root import Root
from trio_mirror.names import PictureName, printable

_log = logging.getLogger(__name__)


class Links:
    """The links in a folder, symbolic and hard."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._links_to_hidden = dict[str, str]()

    def once_each(self, names: list[str]) -> list[str]:
        """Leaves out the second names of the files of one folder, given and named as on disk."""
        kept = []
        for name in names:
            first = self._first_name(name)
            if first == name:
                kept.append(name)
            else:
                names_of_it = printable(from_disk(name)), printable(from_disk(first))
                _log.info("%s is left out: it is the same file as %s", *names_of_it)
        return kept

    def first_name(self, name: str) -> str:
        """The name that stands for all that lead to the same file, whatever list they come from."""
        try:
            path = to_disk(PictureName(name))
            places = self._root.resolve(path.split("/"))
        except (OSError, NameRefusedError):
            return name
        # The folder's own list does not lead through links to folders; another one may.
        is_listed = places and not _is_hidden(places)
        return from_disk(self._first_name("/".join(places) if is_listed else path))

    def other_names(self, name: str) -> list[str]:
        """The sorted names of a file's other hard links."""
        return [it for it in self._hard_links_of(name) if it != name]

    def _first_name(self, name: str) -> str:
        try:
            status = os.lstat(self._root.path / name)
            if stat.S_ISLNK(status.st_mode):
                places = self._root.resolve(name.split("/"))
                place = "/".join(places)
                if not (self._root.path / place).is_file():
                    return name
                return self._links_to_hidden.setdefault(place, name) if _is_hidden(places) else place
            return self._hard_links_of(name)[0] if status.st_nlink > 1 else name
        except (OSError, NameRefusedError):
            # To fetch it says what is wrong with it.
            return name

    def _hard_links_of(self, name: str) -> list[str]:
        with self._lock:
            return self._hard_links.get(name, [name])

    @cached_property
    def _hard_links(self) -> dict[str, list[str]]:
        """The sorted names of each file that has several, by each of them; what cannot be read is left out."""
        base, found = self._root.real, defaultdict[tuple[int, int], list[str]](list)
        for folder, subfolders, file_names in os.walk(base):
            subfolders[:] = [it for it in subfolders if not it.startswith(".")]
            for file_name in file_names:
                if file_name.startswith("."):
                    continue
                path = os.path.join(folder, file_name)  # noqa: PTH118 (a hot loop in large folders)
                with suppress(OSError):
                    status = os.lstat(path)
                    if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
                        found[status.st_dev, status.st_ino].append(os.path.relpath(path, base))
        return {name: sorted(names) for names in found.values() for name in names}


def _is_hidden(segments: list[str]) -> bool:
    return any(it.startswith(".") for it in segments)
