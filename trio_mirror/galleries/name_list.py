"""A gallery whose list is elsewhere: in a file, or on standard input."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from io import FileIO
from pathlib import Path

import httpx
import trio

from trio_mirror.errors import ListError
from trio_mirror.galleries.disk_names import to_disk
from trio_mirror.galleries.gallery import Gallery, identity_of
from trio_mirror.galleries.in_thread import in_thread
from trio_mirror.galleries.links import listed_name
from trio_mirror.galleries.listing import names_of
from trio_mirror.model import Picture
from trio_mirror.names import hide_credentials, is_url

STDIN = "-"  # stands for standard input in the place of a file's name

_CHUNK = 65_536


class NameListGallery:
    """The pictures of a gallery that a list names: one name a line, or one URL a line.

    A URL stands for the name that it has below the gallery's own URL. Any other URL stays as it is, which the name
    rules refuse. To people, and to the journal, the gallery of the pictures is this one. ``first_name`` gives the one
    name for all names of the same picture, where there may be several.
    """

    def __init__(
        self,
        base: Gallery,
        source: str | os.PathLike[str],
        first_name: Callable[[str], Awaitable[str]] | None = None,
    ) -> None:
        self._base = base
        self._source = source
        self._first_name = first_name
        self._place = "on standard input" if source == STDIN else source
        place = str(base)
        self._url = httpx.URL(place.removesuffix("/") + "/") if is_url(place) else None

    @property
    def identity(self) -> str | None:
        """The same for all ways to write the place."""
        return identity_of(self._base)

    def __str__(self) -> str:
        return str(self._base)

    @property
    def can_be_listed_again(self) -> bool:
        """Whether `names` can be opened more than once: a pipe gives each line once only."""
        return self._source != STDIN and Path(self._source).is_file()

    @asynccontextmanager
    async def names(self) -> AsyncIterator[AsyncIterator[str]]:
        """Opens the list, which streams in as it is read.

        Raises:
            ListError: it cannot be read.
        """
        descriptor = await self._open()
        try:
            async with aclosing(self._each(descriptor)) as names:
                yield names
        finally:
            os.close(descriptor)

    async def fetch(self, name: str, known_etag: str | None = None) -> Picture | None:
        """Reads one picture of the base."""
        return await self._base.fetch(name, known_etag)

    async def prepare(self) -> None:
        """Makes the base ready to store."""
        await self._base.prepare()

    async def store(self, picture: Picture) -> None:
        """Stores one picture in the base."""
        await self._base.store(picture)

    async def _open(self) -> int:
        with self._readable():
            if self._source == STDIN:
                # Where its descriptor is closed, or has become that of something else, Python has no stdin.
                return os.dup(sys.stdin.fileno() if sys.stdin is not None else -1)
            # O_NONBLOCK, as opening a named pipe would wait for its other end.
            return await in_thread(os.open, self._source, os.O_RDONLY | os.O_NONBLOCK)

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ListError(f"the list {self._place} cannot be read: {error.strerror}") from error

    async def _each(self, descriptor: int) -> AsyncGenerator[str, None]:
        async with (
            aclosing(self._chunks(descriptor)) as chunks,
            aclosing(names_of(chunks, self._place, self._url)) as names,
        ):
            async for name in names:
                yield await self._first(name)

    async def _first(self, name: str) -> str:
        return name if self._first_name is None else await self._first_name(name)

    async def _chunks(self, descriptor: int) -> AsyncGenerator[bytes, None]:
        chunk = b"-"
        while chunk:
            with self._readable():
                chunk = await _read(descriptor)
            yield chunk


class NamedGallery(NameListGallery):
    """The pictures of a gallery that are named one by one, by names or URLs."""

    can_be_listed_again = True

    def __init__(
        self, base: Gallery, names: Sequence[str], first_name: Callable[[str], Awaitable[str]] | None = None
    ) -> None:
        super().__init__(base, STDIN, first_name)
        self._named = names
        # As by a shell's pattern, what is not a picture may be among many.
        self.lists_all = len(names) > 1

    def __str__(self) -> str:
        if len(self._named) > 1:
            return f"{len(self._named)} files in {self._base}"
        [name] = self._named
        return hide_credentials(name) if is_url(name) else str(Path(str(self._base), to_disk(name)))

    @asynccontextmanager
    async def names(self) -> AsyncIterator[AsyncIterator[str]]:
        """Gives the names."""

        async def names() -> AsyncGenerator[str, None]:
            for name in self._named:
                yield await self._first(listed_name(name, self._url))

        async with aclosing(names()) as each:
            yield each


async def _read(descriptor: int) -> bytes:
    """The next bytes of a file, a pipe, a terminal or a socket; none at its end. Any wait can be cancelled."""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor):
        await trio.lowlevel.wait_readable(descriptor)
        return os.read(descriptor, _CHUNK)
    # A regular file is not waited for: epoll refuses it, and kqueue never reports its end.
    # Through a descriptor of its own: a read that a dead disk holds goes on after the list is closed.
    return await in_thread(_read_once, FileIO(os.dup(descriptor)))


def _read_once(file: FileIO) -> bytes:
    with file:
        return file.read(_CHUNK)
