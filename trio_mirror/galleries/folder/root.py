"""The folder below which everything is read and written, and nothing outside of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from trio_mirror.errors import NameRefusedError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_PIECE = 65_536


class Root:
    """A folder, which may not be there yet, whose links are followed as long as they stay inside."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def real(self) -> str:
        """Its absolute path without any link."""
        return os.path.realpath(self.path)

    def resolve(self, segments: list[str]) -> list[str]:
        """The segments that lead to a place without any link.

        Raises:
            NameRefusedError: the place is outside.
        """
        place = Path(os.path.realpath(self.path.joinpath(*segments)))
        if not place.is_relative_to(self.real):
            raise NameRefusedError("the name leads out of the folder through a symbolic link")
        return [*place.relative_to(self.real).parts]

    @contextmanager
    def open_folder(self, segments: list[str], *, create: bool = False) -> Iterator[int]:
        """Opens a folder: descends without following links, so that none put there meanwhile leads out either.

        Raises:
            OSError: it is not there, or no folder.
        """
        folder = os.open(self.real, _FOLDER)
        try:
            for segment in segments:
                if create:
                    with suppress(FileExistsError):
                        os.mkdir(segment, dir_fd=folder)
                outer, folder = folder, os.open(segment, _FOLDER, dir_fd=folder)
                os.close(outer)
            yield folder
        finally:
            os.close(folder)

    def open_each(self, names: list[str]) -> Iterator[tuple[int, str]]:
        """Each name's folder, open as long as it is looked at, and the file's name in it."""
        for name in names:
            *folders, file_name = name.split("/")
            # A folder that is gone has no name of it any more.
            with suppress(OSError), self.open_folder(folders) as folder:
                yield folder, file_name


def open_file(folder: int, file_name: str) -> BinaryIO:
    """Opens a file of an open folder, unless it is a link."""

    def opener(path: str, flags: int) -> int:
        # O_NONBLOCK, as opening a named pipe would wait for its other end.
        return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)

    return open(file_name, "rb", opener=opener)


def read_at_most(most: int, file: BinaryIO, size: int) -> bytes:
    """Reads to the end or so many bytes, whatever size the file had when it was opened: some say 0."""
    # Not at once: a read takes as much memory as it asks for, and the limit may be more than there is.
    data, piece = b"", max(size + 1, _PIECE)
    while len(data) < most and (more := file.read(min(piece, most - len(data)))):
        data += more
    return data
