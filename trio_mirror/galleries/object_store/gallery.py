"""The objects below a prefix of a store as a gallery."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import trio

from trio_mirror.errors import (
    AccessError,
    FetchError,
    ListError,
    MirrorError,
    NameRefusedError,
    SettingsError,
    StorageError,
    UnknownUploadError,
    UploadError,
)
from trio_mirror.galleries.deadline import deadline
from trio_mirror.galleries.gallery import UrlGallery
from trio_mirror.galleries.in_thread import in_thread
from trio_mirror.galleries.object_store.driver import find_driver, open_files, run_on_loop
from trio_mirror.galleries.object_store.errors import StoreError, map_exceptions
from trio_mirror.galleries.object_store.objects import Objects
from trio_mirror.galleries.object_store.properties import KeptObjects
from trio_mirror.galleries.places import split_store_url
from trio_mirror.model import Picture
from trio_mirror.names import PictureName, printable
from trio_mirror.settings import Settings

_T = TypeVar("_T")

# Seconds that closing connections may take.
_CLOSING = 1.0


@asynccontextmanager
async def open_store(url: str, settings: Settings) -> AsyncIterator[ObjectStoreGallery]:
    """Opens the gallery at a URL; leaving the block closes its connections.

    Raises:
        SettingsError: the scheme's driver is not installed, or the URL cannot work.
        AccessError: the store refuses us.
        ListError: an SFTP server cannot be reached.
    """
    scheme, place, prefix = split_store_url(url)
    driver = find_driver(scheme)
    shown = f"{scheme}://{'/'.join((place, *prefix))}/"
    try:
        with map_exceptions(), deadline(settings.timeout):
            # An abandoned thread is one that connects by SFTP; what it opens is dropped with it.
            files = await in_thread(open_files, scheme, f"{scheme}://{place}", settings)
    except StoreError as error:
        raise error.as_error(
            AccessError if error.refused else ListError, f"{printable(shown)} cannot be opened: {error}"
        ) from error
    objects = driver.objects(files, printable(shown), settings)
    try:
        yield ObjectStoreGallery(files, objects, shown, settings)
    finally:
        # Drivers do so by themselves when they are collected, which may be long after the run.
        with trio.move_on_after(_CLOSING, shield=True):
            await run_on_loop(files.loop, objects.close)


class ObjectStoreGallery(UrlGallery):
    """The objects below a prefix of a store.

    Names that begin with a dot, or have a segment that does, are left out of the list, as in a folder.
    """

    lists_all = True

    def __init__(self, files: Any, objects: Objects, url: str, settings: Settings) -> None:
        super().__init__(url)
        self._files = files
        self._objects = objects
        self._root = objects.root_of(url)
        self._settings = settings
        self._has_been_read = False

    def names(self) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """Lists the names: on S3 page by page, elsewhere folder by folder.

        Raises:
            ListError: the bucket is not there, or cannot be read; from the iteration. Transient where the list
                broke off and may be opened again.
            AccessError: the store refuses us; from the iteration.
        """
        pages = self._pages() if hasattr(self._files, "_call_s3") else self._folders()
        return aclosing(self._visible(pages))

    async def fetch(self, name: str, known_etag: str | None = None) -> Picture | None:
        """Reads one object, unless it still has the entity tag that is known.

        Raises:
            NameRefusedError: the name leads out of the prefix.
            FetchError: there is no such object, it cannot be read, or it is over a limit.
            AccessError: the store refuses us, and has given us nothing so far.
        """
        path = self._path_of(name)
        try:
            picture = await self._request(self._objects.read, path, name, known_etag)
        except StoreError as error:
            # One object among many may be somebody else's. Where none was ever given, it is the credentials.
            if error.refused and not self._has_been_read:
                raise AccessError(f"{self} refuses us at {name}: {error}") from error
            message = "there is no such object" if error.missing else f"it cannot be read: {error}"
            raise error.as_error(FetchError, message) from error
        self._has_been_read = True
        return picture

    async def prepare(self) -> None:
        """Makes sure that the bucket is there, as far as the store lets us know.

        Raises:
            SettingsError: it is not.
            AccessError: a server with folders refuses us.
        """
        await trio.lowlevel.checkpoint()
        try:
            if self._objects.has_folders:
                await self._request(partial(self._files._makedirs, exist_ok=True), self._root)
            elif isinstance(self._objects, KeptObjects):
                await self._request(self._files._info, self._root.partition("/")[0])
        except StoreError as error:
            # Rights to write may come without those to look: then the first write shows.
            if error.missing:
                raise SettingsError(f"{self}: there is no such bucket; create it first") from error
            if self._objects.has_folders:
                if error.refused:
                    raise AccessError(f"{self} refuses us: {error}") from error
                raise SettingsError(f"{self} cannot be created: {error}") from error

    async def has(self, name: str) -> bool:
        """Whether an object has a name.

        Raises:
            NameRefusedError: the name leads out of the prefix.
            FetchError: that cannot be found out.
        """
        try:
            info = await self._request(self._files._info, self._path_of(name))
        except StoreError as error:
            if error.missing:
                return False
            raise error.as_error(FetchError, f"it cannot be looked for: {error}") from error
        return info["type"] != "directory"

    async def store(self, picture: Picture) -> None:
        """Writes one object, whole or not at all.

        Raises:
            NameRefusedError: the name leads out of the prefix.
            AccessError: the store refuses us.
            StorageError: there is no room left.
            UnknownUploadError: it was sent, and no response came.
            UploadError: it was not stored.
        """
        path = self._path_of(picture.name)
        try:
            await self._request(self._objects.write, path, picture)
        except StoreError as error:
            raise self._upload_error(error) from error

    async def _pages(self) -> AsyncGenerator[str, None]:
        """The names on S3: a page of up to 1,000 keys at a time (ListObjectsV2)."""
        bucket, key, _ = self._files.split_path(self._root)
        prefix = f"{key}/" if key else ""
        page: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix}
        while True:
            listed = await self._listed(partial(self._files._call_s3, **page), "list_objects_v2")
            for entry in listed.get("Contents", ()):
                yield entry["Key"].removeprefix(prefix)
            if not listed.get("IsTruncated"):
                return
            page["ContinuationToken"] = listed["NextContinuationToken"]

    async def _folders(self) -> AsyncGenerator[str, None]:
        """The names elsewhere: the sorted files of a folder, then its subfolders in order."""
        base = f"{self._root.rstrip('/')}/"
        folders = [self._root]
        while folders:
            entries = await self._listed(partial(self._files._ls, detail=True), folders.pop())
            entries = sorted(entries, key=lambda entry: entry["name"])
            for entry in entries:
                if entry["type"] == "file" or (entry["type"] == "link" and await self._may_be_file(entry["name"])):
                    yield entry["name"].removeprefix(base)
            folders += reversed([entry["name"].rstrip("/") for entry in entries if entry["type"] == "directory"])

    async def _may_be_file(self, link: str) -> bool:
        """Whether a symbolic link may be read, as in a folder: one to nowhere fails alone, when it is."""
        try:
            info = await self._request(self._files._info, link)
        except StoreError:
            return True
        return info["type"] == "file"

    async def _visible(self, names: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
        async with aclosing(names):
            async for name in names:
                # An object whose key ends in a slash stands for a folder.
                if name and not name.endswith("/") and not name.startswith(".") and "/." not in name:
                    yield name

    def _path_of(self, name: str) -> str:
        path = "/".join((self._root.rstrip("/"), *PictureName(name).segments))
        # Drivers read more into a path than a key: a version on S3, a query on Azure.
        if "?versionId=" in name or self._files._strip_protocol(path) != path:
            raise NameRefusedError(
                "the store's driver would take the name for another one, for what follows a '?' or '#'"
            )
        return path

    async def _listed(self, listing: Callable[..., Coroutine[Any, Any, _T]], place: str) -> _T:
        """One step of the list, which may have thousands of them."""
        try:
            return await self._request(listing, place)
        except StoreError as error:
            if error.refused:
                raise AccessError(f"{self} refuses us: {error}") from error
            message = "there is no such bucket or folder" if error.missing else str(error)
            raise error.as_error(ListError, f"{self} cannot be listed: {message}") from error

    async def _request(self, function: Callable[..., Coroutine[Any, Any, _T]], *arguments: Any) -> _T:
        """Runs an async function on the driver's event loop, within the timeout.

        Raises:
            StoreError: it failed, or took too long.
        """
        with map_exceptions(), deadline(self._settings.timeout):
            return await run_on_loop(self._files.loop, function, *arguments)

    def _upload_error(self, error: StoreError) -> MirrorError:
        if error.refused:
            return AccessError(f"{self} refuses us: {error}")
        if error.full:
            return StorageError(f"{self} is full: {error}; make room, and run the same again")
        if error.sent:
            return error.as_error(UnknownUploadError, f"it was sent, but {error}: the store may have it or not")
        message = "there is no such bucket" if error.missing else error
        return error.as_error(UploadError, f"it was not stored: {message}")
