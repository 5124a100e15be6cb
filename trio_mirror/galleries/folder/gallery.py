"""A folder as a gallery: its list, its pictures, and what is stored in it."""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import trio

from trio_mirror.errors import (
    FetchError,
    ListError,
    NameRefusedError,
    NotPictureError,
    SettingsError,
    StorageError,
    UploadError,
)
from trio_mirror.galleries.disk_names import from_disk, to_disk
from trio_mirror.galleries.folder.links import Links
from trio_mirror.galleries.folder.listing import list_folder
from trio_mirror.galleries.folder.own_files import OwnFiles
from trio_mirror.galleries.folder.replacement import replace_file, sweep
from trio_mirror.galleries.folder.root import Root, open_file, read_at_most
from trio_mirror.galleries.folder.stored_names import StoredNames
from trio_mirror.galleries.in_thread import in_thread
from trio_mirror.galleries.scarcity import traits_of
from trio_mirror.model import Picture
from trio_mirror.names import PictureName, media_type_of, printable
from trio_mirror.settings import format_size

_log = logging.getLogger(__name__)

# As many threads as Trio has for all such calls together.
_THREADS = 40


class FolderGallery:
    """A gallery that is a folder and its subfolders.

    Nothing outside the folder is ever read or written. A symbolic link to a place inside it is followed; one that leads
    out is refused. So are hidden names, which the folder's own list leaves out, and the run's own files, by whatever
    links a name leads there. Every system call that touches the disk runs in a thread, which a cancellation leaves to
    itself.

    A folder that is mirrored in place lists each file once, however many names it has. A symbolic link to a file that
    is listed is left out, and so are all hard links to a file but the first. Storing keeps them: a link stays a link,
    and all names of a file that are listed stay names of one file. A hard link outside the folder, or hidden in it,
    keeps the file as it was.

    Where a file system takes two names for one (in upper and lower case, say), a picture is refused that would replace
    one stored under the other name. Only there are the stored names remembered.

    With ``keep_times`` a replaced file keeps its times, and a new one has the time of its source. ``own_files`` are
    read when the first picture comes.
    """

    lists_all = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_bytes: int = 64 * 1024 * 1024,
        in_place: bool = False,
        keep_times: bool = True,
        own_files: Collection[str | os.PathLike[str]] = (),
    ) -> None:
        self.path = Path(path)
        self.max_bytes = max_bytes
        self._in_place = in_place
        self._keep_times = keep_times
        # Threads that a dead disk holds for ever must not be those in which, say, the journal is written.
        self._threads = trio.CapacityLimiter(_THREADS)
        self._root = Root(self.path)
        self._links = Links(self._root)
        self._own_files = OwnFiles(self._root, own_files)
        # The names of a folder that is mirrored in place are its own: none of them is taken for another.
        self._stored_names = StoredNames(None if in_place else self.path)

    @property
    def identity(self) -> str:
        """The same for all ways to write the place."""
        return self._root.real

    def __str__(self) -> str:
        return str(self.path)

    async def prepare(self) -> None:
        """Creates the folder and its parents unless it is mirrored in place; removes what killed runs have left in it.

        Raises:
            SettingsError: it is a file, or cannot be created.
        """
        try:
            if not self._in_place:
                await in_thread(partial(self.path.mkdir, parents=True, exist_ok=True), limiter=self._threads)
            await in_thread(sweep, self.path, limiter=self._threads)
        except FileExistsError as error:
            raise SettingsError(f"{self} is a file, not a folder") from error
        except OSError as error:
            raise SettingsError(f"the folder {self} cannot be created: {error.strerror}") from error

    def names(self) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """Lists the names, folder by folder: the sorted files of one, then its subfolders in order.

        Hidden files and folders are left out, and with them our own temporary files. Links to folders are not
        descended into. Names are given as the disk has them, so that some may be refused by :meth:`fetch`.

        Raises:
            ListError: the folder, or one of its subfolders, cannot be read, or all pictures in them are hidden; from
                the iteration.
        """
        return aclosing(self._walk())

    async def first_name(self, name: str) -> str:
        """The one name, of all that lead to a file by links, under which a folder in place mirrors it.

        Any list may name a file and links to it. With one name for all of them, each file is mirrored once, whatever
        remembers names.
        """
        first = await in_thread(self._links.first_name, name, limiter=self._threads)
        if first != name:
            _log.info("%s is the same file as %s, and is mirrored as that", printable(name), printable(first))
        return first

    async def fetch(self, name: str, known_etag: str | None = None) -> Picture | None:
        """Reads one picture, unless it has the entity tag that is known, which is made of the file's time and size.

        Raises:
            NameRefusedError: the name leads out of the folder, or is hidden.
            NotPictureError: it leads to a file of the run.
            FetchError: there is no such file, or it cannot be read, or it is larger than ``max_bytes``.
        """
        return await in_thread(self._read, PictureName(name), known_etag, limiter=self._threads)

    async def has(self, name: str) -> bool:
        """Whether a file, or a link to one, has a name."""
        return await in_thread(os.path.lexists, self.path / to_disk(PictureName(name)), limiter=self._threads)

    async def store(self, picture: Picture) -> None:
        """Writes one picture, whole or not at all, replacing what has its name.

        A replaced file keeps its mode, owner, group and extended attributes. Where it is cancelled, the picture may
        still be stored.

        Raises:
            NameRefusedError: the name leads out of the folder, is hidden, or leads to a file of the run.
            StorageError: the disk is full.
            UploadError: it cannot be written, or would replace a picture of another name.
        """
        await in_thread(self._write, picture, PictureName(picture.name), limiter=self._threads)

    async def _walk(self) -> AsyncGenerator[str, None]:
        folders = [""]
        hidden, is_empty = 0, True
        while folders:
            files, subfolders, left_out = await in_thread(list_folder, self.path, folders.pop(), limiter=self._threads)
            hidden += left_out
            if self._in_place:
                files = await in_thread(self._links.once_each, files, limiter=self._threads)
            for file in files:
                is_empty = False
                yield from_disk(file)
            folders += reversed(subfolders)
        if is_empty and hidden:
            raise ListError(f"the folder {self}: left out are hidden pictures ({hidden:,}); nothing else is in it")

    def _read(self, name: PictureName, known_etag: str | None) -> Picture | None:
        try:
            places = self._root.resolve(_visible(name))
            if not places:
                raise FetchError("it is not a regular file")
            self._own_files.check(places, NotPictureError)
            *folders, file_name = places
            with self._root.open_folder(folders) as folder, open_file(folder, file_name) as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise FetchError("it is not a regular file")
                etag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
                if etag == known_etag:
                    return None
                data = read_at_most(self.max_bytes + 1, file, status.st_size)
        except OSError as error:
            raise FetchError(f"it cannot be read: {error.strerror}", **traits_of(error)) from error
        if len(data) > self.max_bytes:
            raise FetchError(f"it is over the limit of {format_size(self.max_bytes)} (--max-bytes)")
        return Picture(
            name=name, data=data, media_type=media_type_of(name), etag=etag, modified=status.st_mtime_ns / 1e9
        )

    def _write(self, picture: Picture, name: PictureName) -> None:
        try:
            if self._in_place:
                *folders, file_name = self._root.resolve(_visible(name))
            else:
                # A link that has the picture's name is replaced: what it leads to may be another picture's place.
                *above, file_name = _visible(name)
                folders = self._root.resolve(above)
            places = [*folders, file_name]
            self._own_files.check(places, NameRefusedError)
            with (
                self._root.open_folder(folders, create=True) as folder,
                self._stored_names.storing(folder, file_name, name),
            ):
                replace_file(
                    folder,
                    file_name,
                    picture.data,
                    modified=picture.modified,
                    keep_times=self._keep_times,
                    hard_links=self._root.open_each(self._other_names(folder, file_name, "/".join(places))),
                )
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageError(
                    f"{self.path} is full: {error.strerror}; make room, and run the same again"
                ) from error
            raise UploadError(f"it cannot be written: {error.strerror}", **traits_of(error)) from error

    def _other_names(self, folder: int, file_name: str, name: str) -> list[str]:
        """The other names of a file that is mirrored in place."""
        if self._in_place:
            with suppress(FileNotFoundError):
                if os.stat(file_name, dir_fd=folder, follow_symlinks=False).st_nlink > 1:
                    return self._links.other_names(name)
        return []


class FileGallery(FolderGallery):
    """A file that gets one picture, whatever its name."""

    def __init__(self, folder: str, name: str, **choices: Any) -> None:
        super().__init__(folder, **choices)
        self._name = name

    @property
    def identity(self) -> str:
        """The same for all ways to write the place."""
        return os.path.join(super().identity, to_disk(self._name))  # noqa: PTH118

    def __str__(self) -> str:
        return str(self.path / to_disk(self._name))

    async def has(self, name: str) -> bool:  # noqa: ARG002 (whatever the picture's)
        """Whether the file is there."""
        return await super().has(self._name)

    async def store(self, picture: Picture) -> None:
        """Writes the picture as the file."""
        await super().store(replace(picture, name=self._name))


def _visible(name: PictureName) -> list[str]:
    segments = to_disk(name).split("/")
    if any(it.startswith(".") for it in segments):
        raise NameRefusedError("the name is hidden, and a folder leaves hidden files out")
    return segments
