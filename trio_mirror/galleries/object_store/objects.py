"""Whole objects read and written, in the way that all of fsspec's drivers have in common."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from secrets import token_hex
from typing import Any

from trio_mirror.errors import FetchError
from trio_mirror.model import Picture
from trio_mirror.names import media_type_of
from trio_mirror.settings import Settings, format_size


class Objects:
    """The objects of a store. Its methods run on the driver's event loop, and raise whatever the driver does."""

    has_folders = False  # whether folders have to be made

    def __init__(self, files: Any, place: str, settings: Settings) -> None:
        self.files = files
        self._place = place
        self._max_bytes = settings.max_bytes

    def root_of(self, url: str) -> str:
        """The path of a gallery, in the form of the driver."""
        return self.files._strip_protocol(url)

    async def close(self) -> None:
        """Closes the driver's connections."""

    async def read(self, path: str, name: str, known_etag: str | None) -> Picture | None:
        """Reads one object, unless it has the entity tag that is known.

        Raises:
            FetchError: it is over the limit.
        """
        info = await self.describe(path)
        if info["type"] == "directory":
            raise FileNotFoundError(path)
        etag = _etag_of(info)
        if known_etag is not None and etag == known_etag:
            return None
        # The tag is read before the bytes: where the object changes between the two, the tag is the
        # older one, and the next run with --update takes it again.
        self._check_size(info["size"])
        # Nothing can be asked for a range of an empty object.
        data = await self.load(path) if info["size"] else b""
        self._check_size(len(data))
        media_type = info.get("media_type") or media_type_of(name)
        return Picture(name=name, data=data, media_type=media_type, etag=etag, properties=info.get("properties"))

    async def describe(self, path: str) -> Mapping[str, Any]:
        """The type, size and entity tag of an object, and where it has them, its media type and `Properties`."""
        return await self.files._info(path)

    async def load(self, path: str) -> bytes:
        """The bytes of an object, or one more than the limit."""
        return await self.files._cat_file(path, start=0, end=self._max_bytes + 1)

    async def write(self, path: str, picture: Picture) -> None:
        """Writes one object, whole or not at all."""
        await self.files._pipe_file(path, picture.data)

    def _check_size(self, size: int) -> None:
        if size > self._max_bytes:
            raise FetchError(f"it is over the limit of {format_size(self._max_bytes)} (--max-bytes)")


class Files(Objects):
    """Files on an SFTP server, which shows them while they are being written."""

    has_folders = True

    async def write(self, path: str, picture: Picture) -> None:
        """Writes a temporary file, and puts it in the place of the other."""
        _, temporary = temporary_beside(path)
        try:
            await self.files._pipe_file(temporary, picture.data)
            await self.files._mv(temporary, path)
        except BaseException:
            # Where it cannot be created it cannot be removed either, which says nothing.
            with suppress(Exception):
                await self.files._rm_file(temporary)
            raise


def temporary_beside(path: str) -> tuple[str, str]:
    """The folder of a file, and a new file in it, whose leading dot keeps it out of lists."""
    folder = path.rpartition("/")[0]
    return folder, f"{folder}/.trio-mirror-{token_hex(8)}"


def _etag_of(info: Mapping[str, Any]) -> str | None:
    """The store's entity tag; else one made of time and size, as for a folder."""
    if tag := info.get("ETag") or info.get("etag"):
        return str(tag)
    time = info.get("mtime") or info.get("created")
    return None if time is None else f'"{time}-{info["size"]}"'
