"""What one folder of a gallery holds."""

from __future__ import annotations

import os
from pathlib import Path

from trio_mirror.errors import ListError
from trio_mirror.names import is_picture_name


def list_folder(base: Path, prefix: str) -> tuple[list[str], list[str], int]:
    """A folder's files and the prefixes (``sub/``) of its subfolders, both sorted; how many pictures are hidden.

    ``prefix`` leads from the gallery's folder to it: empty, or with a slash at its end.

    Raises:
        ListError: it cannot be read.
    """
    files, subfolders, hidden = [], [], 0
    try:
        with os.scandir(base / prefix) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    hidden += is_picture_name(entry.name)
                elif entry.is_dir(follow_symlinks=False):
                    subfolders.append(f"{prefix}{entry.name}/")
                elif _may_be_file(entry):
                    files.append(f"{prefix}{entry.name}")
    except OSError as error:
        raise ListError(f"the folder {base / prefix} cannot be listed: {error.strerror}") from error
    return sorted(files), sorted(subfolders), hidden


def _may_be_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        # A link in a circle, say, or into a folder that is closed to us: reading it fails it alone.
        return True
