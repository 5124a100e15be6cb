"""The list of the built-in gallery, which many may ask for at once."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import trio

from trio_mirror.errors import NameRefusedError
from trio_mirror.galleries.folder import FolderGallery
from trio_mirror.names import PictureName, is_other_file, printable

_log = logging.getLogger(__name__)
_CHUNK = 64 * 1024  # bytes that are read at a time
_KEPT_SECONDS = 1.0


@dataclass(eq=False)
class NamesPage:
    """The names of a folder, one a line, without what is not a picture, and what would be refused when asked for.

    It is read once for all who ask within a second, unless the folder itself (not one in it) has changed meanwhile.
    """

    _gallery: FolderGallery
    _lock: trio.Lock = field(default_factory=trio.Lock)
    _text: bytes = b""
    _changed: float = math.nan
    _read_at: float = -math.inf

    async def text(self) -> bytes:
        """The text of the list.

        Raises:
            ListError: the folder cannot be read.
        """
        async with self._lock:
            changed = await self._time_of_change()
            if changed != self._changed or trio.current_time() > self._read_at + _KEPT_SECONDS:
                self._text = b"".join([chunk async for chunk in self._read()])
                self._changed, self._read_at = changed, trio.current_time()
            return self._text

    async def _time_of_change(self) -> float:
        try:
            return (await trio.Path(self._gallery.path).stat()).st_mtime_ns
        except OSError:
            return math.nan  # which differs from itself: to list the folder says what is wrong with it

    async def _read(self) -> AsyncIterator[bytes]:
        lines = bytearray()
        async with self._gallery.names() as names:
            async for name in names:
                if is_other_file(name):
                    continue
                try:
                    lines += f"{PictureName(name)}\n".encode()
                except NameRefusedError as error:
                    _log.warning("left out of the list: %s: %s", printable(name), error)
                if len(lines) >= _CHUNK:
                    yield bytes(lines)
                    lines.clear()
                    await trio.lowlevel.checkpoint()
        yield bytes(lines)
