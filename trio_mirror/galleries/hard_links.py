"""Which names of a folder are names of one file."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from contextlib import suppress


def find_hard_links(base: str) -> dict[str, list[str]]:
    """The sorted names of each file that has several, by each of them.

    Only names in the folder count that are not hidden. What cannot be read is left out.
    """
    found = defaultdict[tuple[int, int], list[str]](list)
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
