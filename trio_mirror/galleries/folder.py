"""A gallery that is a folder."""

from __future__ import annotations

import errno
import logging
import os
import stat
import threading
import unicodedata
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from functools import cached_property, partial
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import trio

from trio_mirror.errors import FetchError, ListError, NameRefusedError, SettingsError, StorageError, UploadError
from trio_mirror.galleries.disk_names import from_disk, to_disk
from trio_mirror.galleries.hard_links import find_hard_links
from trio_mirror.galleries.in_thread import in_thread
from trio_mirror.galleries.replacement import confuses_names, replace_file, sweep
from trio_mirror.galleries.scarcity import traits_of
from trio_mirror.model import Picture
from trio_mirror.names import PictureName, is_picture_name, media_type_of, printable
from trio_mirror.settings import format_size

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterator

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

# As many threads as Trio has for all such calls together.
_THREADS = 40
_PIECE = 65_536
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class FolderGallery:
    """A gallery that is a folder and its subfolders.

    Nothing outside the folder is ever read or written. A symbolic link to a place inside it is followed; one
    that leads out is refused. So are hidden names, which the folder's own list leaves out, and the run's own files,
    by whatever links a name leads there. Every system call that touches the disk runs in a thread, which a cancellation
    leaves to itself.

    A folder that is mirrored in place lists each file once, however many names it has. A symbolic link to a file
    that is listed is left out, and so are all hard links to a file but the first. Storing keeps them: a link stays
    a link, and all names of a file that are listed stay names of one file. A hard link outside the folder, or
    hidden in it, keeps the file as it was.

    Where a file system takes two names for one (in upper and lower case, say), a picture is refused that would
    replace one stored under the other name. Only there are the stored names remembered.

    Args:
        path: the folder.
        max_bytes: the size of the largest picture that is fetched.
        in_place: the folder is the source and the target of a run.
        keep_times: a replaced file keeps its times, and a new one has the time of its source.
        own_files: of the run, such as its journal; read when the first picture comes.
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
        self._own_files = own_files
        # Threads that a dead disk holds for ever must not be those in which, say, the journal is written.
        self._threads = trio.CapacityLimiter(_THREADS)
        self._lock = threading.Lock()
        self._stored = dict[int, str]()
        self._links_to_hidden = dict[str, str]()

    @property
    def identity(self) -> str:
        """The same for all ways to write the place."""
        return os.path.realpath(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"FolderGallery({str(self.path)!r})"

    async def prepare(self) -> None:
        """Creates the folder and its parents unless it is mirrored in place; removes what killed runs have left in it.

        Raises:
            SettingsError: it is a file, or cannot be created.
        """
        try:
            if not self._in_place:
                await self._in_thread(lambda: self.path.mkdir(parents=True, exist_ok=True))
            await self._in_thread(partial(sweep, self.path))
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
            ListError: the folder, or one of its subfolders, cannot be read, or all pictures in them are hidden; from
                the iteration.
        """
        async with aclosing(self._walk()) as names:
            yield names

    async def first_name(self, name: str) -> str:
        """The one name, of all that lead to a file by links, under which a folder in place mirrors it.

        Any list may name a file and links to it. With one name for all of them, each file is mirrored once, whatever
        remembers names.
        """
        first = await self._in_thread(partial(self._first_name_of_any, name))
        if first != name:
            _log.info("%s is the same file as %s, and is mirrored as that", printable(name), printable(first))
        return first

    async def fetch(self, name: str, known_etag: str | None = None) -> Picture | None:
        """Reads one picture, unless it has the entity tag that is known, which is made of the file's time and size.

        Raises:
            NameRefusedError: the name leads out of the folder, is hidden, or leads to a file of the run.
            FetchError: there is no such file, or it cannot be read, or it is larger than ``max_bytes``.
        """
        return await self._in_thread(partial(self._read, PictureName(name), known_etag))

    async def store(self, picture: Picture) -> None:
        """Writes one picture, whole or not at all, replacing what has its name.

        A replaced file keeps its mode, owner, group and extended attributes. Where it is cancelled, the picture may
        still be stored.

        Raises:
            NameRefusedError: the name leads out of the folder, is hidden, or leads to a file of the run.
            StorageError: the disk is full.
            UploadError: it cannot be written, or would replace a picture of another name.
        """
        await self._in_thread(partial(self._write, picture, PictureName(picture.name)))

    async def _in_thread(self, call: Callable[[], _T]) -> _T:
        return await in_thread(call, limiter=self._threads)

    async def _walk(self) -> AsyncGenerator[str, None]:
        folders = [""]
        hidden, is_empty = 0, True
        while folders:
            files, subfolders, left_out = await self._in_thread(partial(self._list_folder, folders.pop()))
            hidden += left_out
            if self._in_place:
                files = await self._in_thread(partial(self._once_each, files))
            for file in files:
                is_empty = False
                yield from_disk(file)
            folders += reversed(subfolders)
        if is_empty and hidden:
            raise ListError(f"the folder {self}: left out are hidden pictures ({hidden:,}); nothing else is in it")

    def _list_folder(self, prefix: str) -> tuple[list[str], list[str], int]:
        """A folder's files and the prefixes (``sub/``) of its subfolders, both sorted; how many pictures are hidden."""
        files, subfolders, hidden = [], [], 0
        try:
            with os.scandir(self.path / prefix) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        hidden += is_picture_name(entry.name)
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        subfolders.append(f"{prefix}{entry.name}/")
                    elif _may_be_file(entry):
                        files.append(f"{prefix}{entry.name}")
        except OSError as error:
            raise ListError(f"the folder {self.path / prefix} cannot be listed: {error.strerror}") from error
        return sorted(files), sorted(subfolders), hidden

    def _once_each(self, names: list[str]) -> list[str]:
        """Leaves out the second names of the files of one folder."""
        kept = []
        for name in names:
            first = self._first_name(name)
            if first == name:
                kept.append(name)
            else:
                names_of_it = printable(from_disk(name)), printable(from_disk(first))
                _log.info("%s is left out: it is the same file as %s", *names_of_it)
        return kept

    def _first_name_of_any(self, name: str) -> str:
        try:
            path = to_disk(PictureName(name))
            _, *places = self._resolve(path.split("/"))
        except (OSError, NameRefusedError):
            return name
        # Our own list does not lead through links to folders; another one may.
        is_listed = places and not any(it.startswith(".") for it in places)
        return from_disk(self._first_name("/".join(places) if is_listed else path))

    def _first_name(self, name: str) -> str:
        """The name under which a file is listed."""
        try:
            status = os.lstat(self.path / name)
            if stat.S_ISLNK(status.st_mode):
                _, *places = self._resolve(name.split("/"))
                place = "/".join(places)
                if not (self.path / place).is_file():
                    return name
                is_listed = not any(it.startswith(".") for it in places)
                return place if is_listed else self._links_to_hidden.setdefault(place, name)
            return self._hard_links_of(name)[0] if status.st_nlink > 1 else name
        except (OSError, NameRefusedError):
            # To fetch it says what is wrong with it.
            return name

    def _hard_links_of(self, name: str) -> list[str]:
        """The sorted names of one file in the folder."""
        with self._lock:
            return self._hard_links.get(name, [name])

    @cached_property
    def _hard_links(self) -> dict[str, list[str]]:
        return find_hard_links(os.path.realpath(self.path))

    def _read(self, name: PictureName, known_etag: str | None) -> Picture | None:
        try:
            base, *places = self._resolve(_visible(name))
            if not places:
                raise FetchError("it is not a regular file")
            self._refuse_own(places)
            *folders, file_name = places
            with _open_folder(base, folders) as folder, _open_file(folder, file_name) as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise FetchError("it is not a regular file")
                etag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
                if etag == known_etag:
                    return None
                data = _read_at_most(self.max_bytes + 1, file, status.st_size)
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
                base, *folders, file_name = self._resolve(_visible(name))
            else:
                # A link that has the picture's name is replaced: what it leads to may be another picture's place.
                *above, file_name = _visible(name)
                base, *folders = self._resolve(above)
            self._refuse_own([*folders, file_name])
            with (
                _open_folder(base, folders, create=True) as folder,
                self._checked_name(folder, file_name, name),
            ):
                replace_file(
                    folder,
                    file_name,
                    picture.data,
                    modified=picture.modified,
                    keep_times=self._keep_times,
                    hard_links=_open_each(base, self._other_names(folder, file_name, "/".join([*folders, file_name]))),
                )
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageError(
                    f"{self.path} is full: {error.strerror}; make room, and run the same again"
                ) from error
            raise UploadError(f"it cannot be written: {error.strerror}", **traits_of(error)) from error

    @contextmanager
    def _checked_name(self, folder: int, file_name: str, name: str) -> Iterator[None]:
        """Makes sure that the block replaces no picture that was stored under another name."""
        with self._lock:
            confuses_names = self._confuses_names
        if not confuses_names:
            yield
            return
        # One at a time, so that of two such names one is the first.
        with self._lock:
            with suppress(FileNotFoundError):
                first = self._stored.get(_status(folder, file_name).st_ino, name)
                if first != name:
                    raise UploadError(
                        f"the file system takes its name for that of {printable(first)}, which was stored before"
                    )
            yield
            self._stored[_status(folder, file_name).st_ino] = name

    @cached_property
    def _confuses_names(self) -> bool:
        # The names of a folder that is mirrored in place are its own.
        return not self._in_place and confuses_names(self.path)

    def _other_names(self, folder: int, file_name: str, name: str) -> list[str]:
        """The other names of a file that is mirrored in place."""
        if self._in_place:
            with suppress(FileNotFoundError):
                if _status(folder, file_name).st_nlink > 1:
                    return [it for it in self._hard_links_of(name) if it != name]
        return []

    def _refuse_own(self, places: list[str]) -> None:
        own = self._own_places
        # Nor may a folder take the name of a file that is still to be written.
        if own and not own.isdisjoint(accumulate(map(_folded, places), "{}/{}".format)):
            raise NameRefusedError("it is a file of this run")

    @cached_property
    def _own_places(self) -> frozenset[str]:
        """Where the run's own files lie in the folder: what they are, and what they are called."""
        base, places = Path(os.path.realpath(self.path)), set[Path]()
        for file in map(Path, self._own_files):
            places |= {Path(os.path.realpath(file)), Path(os.path.realpath(file.parent), file.name)}
        return frozenset(_folded(str(it.relative_to(base))) for it in places if it.is_relative_to(base))

    def _resolve(self, segments: list[str]) -> tuple[str, ...]:
        """The folder's real path, and the segments that lead from there to the place without any link."""
        base = os.path.realpath(self.path)
        place = os.path.realpath(Path(base, *segments))
        if not Path(place).is_relative_to(base):
            raise NameRefusedError("the name leads out of the folder through a symbolic link")
        return base, *Path(place).relative_to(base).parts


class FileGallery(FolderGallery):
    """A file that gets one picture, whatever its name.

    Args:
        folder: of the file.
        name: of the file.
        choices: as for a folder.
    """

    def __init__(self, folder: str, name: str, **choices: Any) -> None:
        super().__init__(folder, **choices)
        self._name = name

    @property
    def identity(self) -> str:
        """The same for all ways to write the place."""
        return os.path.join(super().identity, to_disk(self._name))  # noqa: PTH118

    def __str__(self) -> str:
        return str(self.path / to_disk(self._name))

    async def store(self, picture: Picture) -> None:
        """Writes the picture as the file."""
        await super().store(replace(picture, name=self._name))


def _visible(name: PictureName) -> list[str]:
    segments = to_disk(name).split("/")
    if any(it.startswith(".") for it in segments):
        raise NameRefusedError("the name is hidden, and a folder leaves hidden files out")
    return segments


def _folded(name: str) -> str:
    """The same for all names that some file system takes for one."""
    return unicodedata.normalize("NFC", name).casefold()


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


def _open_each(base: str, names: list[str]) -> Iterator[tuple[int, str]]:
    for name in names:
        *folders, file_name = name.split("/")
        # A folder that is gone has no name of it any more.
        with suppress(OSError), _open_folder(base, folders) as folder:
            yield folder, file_name


def _status(folder: int, file_name: str) -> os.stat_result:
    return os.stat(file_name, dir_fd=folder, follow_symlinks=False)


def _open_file(folder: int, file_name: str) -> BinaryIO:
    def opener(path: str, flags: int) -> int:
        # O_NONBLOCK, as opening a named pipe would wait for its other end.
        return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)

    return open(file_name, "rb", opener=opener)


def _read_at_most(most: int, file: BinaryIO, size: int) -> bytes:
    """Reads to the end or so many bytes, whatever size the file had when it was opened: some say 0."""
    # Not at once: a read takes as much memory as it asks for, and the limit may be more than there is.
    data, piece = b"", max(size + 1, _PIECE)
    while len(data) < most and (more := file.read(min(piece, most - len(data)))):
        data += more
    return data
