"""The names of files, which are bytes: UTF-8 on every disk, whatever encoding the locale has.

Python names files by texts, which it encodes by the locale. In Latin-1, say, ``é`` would be another file there.
"""

from __future__ import annotations

import os


def to_disk(name: str) -> str:
    """The text by which Python finds the file of a name."""
    return os.fsdecode(name.encode("utf-8", "surrogateescape"))


def from_disk(path: str) -> str:
    """The name of a file that Python found."""
    return os.fsencode(path).decode("utf-8", "surrogateescape")
