"""A gallery that is a folder."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, TypeVar

import trio

from trio_mirror.errors import FetchError, ListError, NameRefusedError, SettingsError, StorageError, UploadError
from trio_mirror.model import Picture
from trio_mirror.names import PictureName, media_type_of
from trio_mirror.settings import format_size

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator

_T = TypeVar("_T")

# As many threads as Trio has for all such calls together.
_READERS = 40
_PIECE = 65_536
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class DirectoryGallery:
    """A gallery that is a folder and its subfolders.

    Nothing outside the folder is ever read or written. A symbolic link to a place inside it is followed; one
    that leads out is refused. Every system call that touches the disk runs in a thread.

    Args:
        path: the folder.
        max_bytes: the size of the largest picture that is fetched.
    """

    def __init__(self, path: str | os.PathLike[str], *, max_bytes: int = 64 * 1024 * 1024) -> None:
        self.path = Path(path)
        self.max_bytes = max_bytes
        # Of its own: reads that a dead disk keeps for ever must not take the threads in which the journal is written.
        self._readers = trio.CapacityLimiter(_READERS)

    def __str__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"DirectoryGallery({str(self.path)!r})"

    async def prepare(self) -> None:
        """Creates the folder, and those above it, where they are missing.

        Raises:
            SettingsError: it is a file, or cannot be created.
        """
        try:
            await trio.to_thread.run_sync(lambda: self.path.mkdir(parents=True, exist_ok=True))
        except FileExistsError as error:
            raise SettingsError(f"{self} is a file, not a folder") from error
        except OSError as error:
            raise SettingsError(f"the folder {self} cannot be created: {error.strerror}") from error

    @asynccontextmanager
    async def names(self) -> AsyncIterator[AsyncIterator[str]]:
        """Lists the names, folder by folder: the sorted files of one, then its subfolders in order.

        Hidden files and folders are left out, and with them our own temporary files. Links to folders are not
        descended into. Names are given as the disk has them, so that some may be refused by :meth:`fetch`.

        Raises:
            ListError: the folder, or one of its subfolders, cannot be read; from the iteration.
        """
        async with aclosing(self._walk()) as names:
            yield names

    async def fetch(self, name: str, known_etag: str | None = None) -> Picture | None:
        """Reads one picture, unless it has the entity tag that is known, which is made of the file's time and size.

        Raises:
            NameRefusedError: the name leads out of the folder.
            FetchError: there is no such file, or it cannot be read, or it is larger than ``max_bytes``.
        """
        return await self._reading(partial(self._read, PictureName(name), known_etag))

    async def store(self, picture: Picture) -> None:
        """Writes one picture, whole or not at all, replacing what has its name.

        A cancellation that arrives during the write takes effect after it.

        Raises:
            NameRefusedError: the name leads out of the folder.
            StorageError: the disk is full.
            UploadError: it cannot be written.
        """
        await trio.to_thread.run_sync(self._write, PictureName(picture.name), picture.data)

    async def _reading(self, read: Callable[[], _T]) -> _T:
        return await trio.to_thread.run_sync(read, abandon_on_cancel=True, limiter=self._readers)

    async def _walk(self) -> AsyncGenerator[str, None]:
        folders = [""]
        while folders:
            files, subfolders = await self._reading(partial(self._list_folder, folders.pop()))
            for file in files:
                yield file
            folders += reversed(subfolders)

    def _list_folder(self, prefix: str) -> tuple[list[str], list[str]]:
        """The sorted names of a folder's files, and the sorted prefixes (``sub/``) of its subfolders."""
        files, subfolders = [], []
        try:
            with os.scandir(self.path / prefix) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        subfolders.append(f"{prefix}{entry.name}/")
                    elif _may_be_file(entry):
                        files.append(f"{prefix}{entry.name}")
        except OSError as error:
            raise ListError(f"the folder {self.path / prefix} cannot be listed: {error.strerror}") from error
        return sorted(files), sorted(subfolders)

    def _read(self, name: PictureName, known_etag: str | None) -> Picture | None:
        try:
            base, *places = self._resolve(name.segments)
            if not places:
                raise FetchError("it is not a regular file")
            *folders, file_name = places
            with _open_folder(base, folders) as folder, _open_file(folder, file_name, "rb") as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise FetchError("it is not a regular file")
                etag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
                if etag == known_etag:
                    return None
                data = _read_at_most(self.max_bytes + 1, file, status.st_size)
        except OSError as error:
            raise FetchError(f"it cannot be read: {error.strerror}") from error
        if len(data) > self.max_bytes:
            raise FetchError(f"it is over the limit of {format_size(self.max_bytes)} (--max-bytes)")
        return Picture(name=name, data=data, media_type=media_type_of(name), etag=etag)

    def _write(self, name: PictureName, data: bytes) -> None:
        *above, file_name = name.segments
        try:
            base, *folders = self._resolve(above)
            with _open_folder(base, folders, create=True) as folder:
                _replace_file(folder, file_name, data)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageError(
                    f"{self.path} is full: {error.strerror}; make room, and run the same again"
                ) from error
            raise UploadError(f"it cannot be written: {error.strerror}") from error

    def _resolve(self, segments: list[str]) -> tuple[str, ...]:
        """The folder's real path, and the segments that lead from there to the place without any link."""
        base = os.path.realpath(self.path)
        place = os.path.realpath(Path(base, *segments))
        if not Path(place).is_relative_to(base):
            raise NameRefusedError("the name leads out of the folder through a symbolic link")
        return base, *Path(place).relative_to(base).parts


def _may_be_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        # A link in a circle, say, or into a folder that is closed to us: reading it fails it alone.
        return True


@contextmanager
def _open_folder(base: str, segments: list[str], *, create: bool = False) -> Iterator[int]:
    """Descends from the base without following links, so that none put there meanwhile leads out either."""
    folder = os.open(base, _FOLDER)
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


def _open_file(folder: int, file_name: str, mode: Literal["rb", "xb"]) -> BinaryIO:
    def opener(path: str, flags: int) -> int:
        # O_NONBLOCK, as opening a named pipe would wait for its other end.
        return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666, dir_fd=folder)

    return open(file_name, mode, opener=opener)


def _read_at_most(most: int, file: BinaryIO, size: int) -> bytes:
    """Reads to the end or so many bytes, whatever size the file had when it was opened: some say 0."""
    # Not at once: a read takes as much memory as it asks for, and the limit may be more than there is.
    data, piece = b"", max(size + 1, _PIECE)
    while len(data) < most and (more := file.read(min(piece, most - len(data)))):
        data += more
    return data


def _replace_file(folder: int, file_name: str, data: bytes) -> None:
    # A leading dot keeps the temporary file out of lists.
    temporary = f".trio-mirror-{secrets.token_hex(8)}"
    file = _open_file(folder, temporary, "xb")
    try:
        with file:
            file.write(data)
        os.replace(temporary, file_name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        os.unlink(temporary, dir_fd=folder)
        raise
