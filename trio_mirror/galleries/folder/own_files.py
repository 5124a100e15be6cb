"""The files of a run, such as its journal, which are never pictures of it."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Collection
from functools import cached_property
from itertools import accumulate
from pathlib import Path

from trio_mirror.errors import PictureError
from trio_mirror.galleries.folder.root import Root


class OwnFiles:
    """Refuses places in a folder that belong to the run. The paths are read at the first check."""

    def __init__(self, root: Root, paths: Collection[str | os.PathLike[str]]) -> None:
        self._root = root
        self._paths = paths

    def check(self, segments: list[str], error: type[PictureError]) -> None:
        """Raises the error for a place that is a file of the run, or would take the name of one as a folder."""
        own = self._places
        if own and not own.isdisjoint(accumulate(map(_folded, segments), "{}/{}".format)):
            raise error("it is a file of this run")

    @cached_property
    def _places(self) -> frozenset[str]:
        """Where they lie in the folder: what they are, and what they are called."""
        base, places = Path(self._root.real), set[Path]()
        for path in map(Path, self._paths):
            places |= {Path(os.path.realpath(path)), Path(os.path.realpath(path.parent), path.name)}
        return frozenset(_folded(str(it.relative_to(base))) for it in places if it.is_relative_to(base))


def _folded(name: str) -> str:
    """The same for all names that some file system takes for one."""
    return unicodedata.normalize("NFC", name).casefold()
