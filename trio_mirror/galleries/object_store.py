"""Galleries in object stores and on SFTP servers, by way of fsspec's drivers.

The drivers run on asyncio, in the one thread that fsspec keeps for it; those that block run in threads below
that. `_Store` hands them their requests from Trio and takes them back when they are cancelled.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from secrets import token_hex
from typing import TYPE_CHECKING, Any, TypeVar

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
from trio_mirror.galleries.object_store_errors import Fault, fault_of
from trio_mirror.model import Picture
from trio_mirror.names import check_name, media_type_of, printable
from trio_mirror.settings.units import format_size

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping

    from trio_mirror.settings import Settings

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Driver:
    """What is to be known of the driver of a scheme."""

    package: str | None
    """What to install for it, beyond fsspec."""
    writes_whole: bool = True
    """Whether an object appears whole or not at all."""
    media_type: str | None = None
    """The argument of a write that takes the media type."""


_DRIVERS = {
    "s3": _Driver(package="s3fs", media_type="ContentType"),
    "gs": _Driver(package="gcsfs", media_type="content_type"),
    "az": _Driver(package="adlfs"),
    # Not paramiko, fsspec's own: by default that trusts any host key.
    "sftp": _Driver(package="sshfs", writes_whole=False),
    "memory": _Driver(package=None),
}


def split_store_url(url: str) -> tuple[str, str, tuple[str, ...]]:
    """Splits a URL such as ``s3://bucket/in/`` into its scheme, its bucket or host, and the segments of its prefix.

    Nothing is percent-decoded, and ``?`` and ``#`` mean themselves: a key may hold any character.

    Raises:
        SettingsError: there is no bucket, or there are credentials, which would be seen by who sees the command line.
    """
    scheme, _, rest = url.partition("://")
    place, _, prefix = rest.partition("/")
    shown = printable(f"{scheme}://{place.rpartition('@')[2]}/{prefix}")
    if not place:
        raise SettingsError(f"{shown} names no bucket; write it like {scheme}://bucket/prefix/")
    user = place.rpartition("@")[0]
    if ":" in user or (user and scheme != "sftp"):
        raise SettingsError(
            f"{shown}: no credentials in this URL; the driver finds them in its own environment or files"
        )
    return scheme.lower(), place, tuple(filter(None, prefix.split("/")))


@asynccontextmanager
async def open_store(url: str, settings: Settings) -> AsyncIterator[FsspecGallery]:
    """Opens the gallery at a URL; leaving the block closes its connections.

    Raises:
        SettingsError: the extra ``cloud`` or the scheme's driver is not installed, or the URL cannot work.
        AccessError: the store refuses us.
        ListError: an SFTP server cannot be reached.
    """
    scheme, place, prefix = split_store_url(url)
    driver = _DRIVERS[scheme]
    shown = f"{scheme}://{'/'.join((place, *prefix))}/"
    if find_spec("fsspec") is None:
        raise SettingsError(f"{scheme}:// needs an extra: pip install 'trio-mirror[cloud]'")
    if driver.package is not None and find_spec(driver.package) is None:
        extra = "'trio-mirror[cloud]'" if scheme == "s3" else driver.package
        raise SettingsError(f"{scheme}:// needs the package {driver.package}: pip install {extra}")
    try:
        with trio.fail_after(settings.timeout):
            # An abandoned thread is one that connects by SFTP; what it opens, nobody uses, and it goes with it.
            files = await trio.to_thread.run_sync(
                partial(_open_driver, scheme, f"{scheme}://{place}", settings), abandon_on_cancel=True
            )
    except trio.TooSlowError as error:
        raise ListError(f"{printable(shown)} did not answer within {settings.timeout:g} s (--timeout)") from error
    except Exception as error:
        fault = fault_of(error)
        kind = AccessError if fault.refused else ListError
        raise kind(f"{printable(shown)} cannot be opened: {fault.message}") from error
    gallery = FsspecGallery(files, driver, shown, settings)
    try:
        yield gallery
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(_close_driver, files)


def _open_driver(scheme: str, url: str, settings: Settings) -> Any:
    """The driver's file system, with its asyncio methods; fsspec's own configuration applies."""
    import fsspec
    from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper

    kind = fsspec.get_filesystem_class(scheme)
    # One of our own, whose connections end with the run.
    options = kind._get_kwargs_from_urls(url) | {"skip_instance_cache": True}  # noqa: SLF001
    if scheme == "s3":
        options["config_kwargs"] = fsspec.config.conf.get("s3", {}).get("config_kwargs", {}) | {
            "max_pool_connections": settings.concurrency,
            "connect_timeout": settings.timeout,
            "read_timeout": settings.timeout,
            # Attempts are made and counted by us.
            "retries": {"total_max_attempts": 1},
        }
    elif scheme == "sftp":
        # asyncssh's default, ~/.ssh/known_hosts, which sshfs turns off.
        options["known_hosts"] = ()
        options["connect_timeout"] = settings.timeout
        # A name that is not UTF-8 is refused alone; by default none of its folder could be read.
        options["sftp_client_kwargs"] = {"path_errors": "surrogateescape"}
    if scheme != "sftp":
        # What changes is to be seen, and a long listing not kept. sshfs keeps none, and knows no such option.
        options["use_listings_cache"] = False
    files = kind(**options)
    files.retries = 1
    return files if files.async_impl else AsyncFileSystemWrapper(files, asynchronous=False)


def _close_driver(files: Any) -> None:
    # s3fs closes its client when it is collected, which may be long after the run.
    client = getattr(files, "_s3", None)
    if client is not None:
        files.close_session(files.loop, client)


class FsspecGallery:
    """The objects below a prefix of a store.

    Names that begin with a dot, or have a segment that does, are left out of the list, as in a folder.

    Args:
        files: the file system of a driver.
        driver: what is to be known of the driver.
        url: where the gallery is, as people read it; ends in ``/``.
        settings: timeouts and limits.
    """

    def __init__(self, files: Any, driver: _Driver, url: str, settings: Settings) -> None:
        self._files = files
        self._driver = driver
        self._url = url
        self._root: str = files._strip_protocol(url)  # noqa: SLF001 (fsspec's way to tell a driver's own paths)
        self._settings = settings
        self._has_been_read = False

    def __str__(self) -> str:
        return self._url

    @asynccontextmanager
    async def names(self) -> AsyncIterator[AsyncIterator[str]]:
        """Lists the names: on S3 page by page, elsewhere folder by folder.

        Raises:
            ListError: the bucket is not there, or cannot be read; from the iteration.
            AccessError: the store refuses us; from the iteration.
        """
        pages = self._pages() if hasattr(self._files, "_call_s3") else self._folders()
        async with aclosing(self._visible(pages)) as names:
            yield names

    async def fetch(self, name: str, known_etag: str | None = None) -> Picture | None:
        """Reads one object, unless it still has the entity tag that is known.

        Raises:
            NameRefusedError: the name leads out of the prefix.
            FetchError: there is no such object, it cannot be read, or it is over a limit.
            AccessError: the store refuses us, and has given us nothing so far.
        """
        path = self._path_of(name)
        try:
            picture = await self._request(self._read(path, name, known_etag))
        except FetchError:
            raise
        except Exception as error:
            fault = fault_of(error)
            # One object among many may be somebody else's. Where none was ever given, it is the credentials.
            if fault.refused and not self._has_been_read:
                raise AccessError(f"{self} refuses us at {name}: {fault.message}") from error
            message = "there is no such object" if fault.missing else f"it cannot be read: {fault.message}"
            raise FetchError(message, transient=fault.transient, overload=fault.overload) from error
        self._has_been_read = True
        return picture

    async def prepare(self) -> None:
        """Makes sure that the bucket is there, as far as the store lets us know.

        Raises:
            SettingsError: it is not.
        """
        if not self._driver.writes_whole:
            await self._prepared(self._files._makedirs(self._root, exist_ok=True))  # noqa: SLF001
        elif self._driver.package is not None:
            bucket = self._root.partition("/")[0]
            await self._prepared(self._files._info(bucket))  # noqa: SLF001

    async def store(self, picture: Picture) -> None:
        """Writes one object, whole or not at all, in one attempt.

        Raises:
            NameRefusedError: the name leads out of the prefix.
            AccessError: the store refuses us.
            StorageError: there is no room left.
            UnknownUploadError: it was sent, and no answer came.
            UploadError: it was not stored.
        """
        path = self._path_of(picture.name)
        try:
            await self._request(self._write(path, picture))
        except Exception as error:
            raise self._upload_error(fault_of(error)) from error

    async def _read(self, path: str, name: str, known_etag: str | None) -> Picture | None:
        """Runs on asyncio, as `_write` does."""
        limit = self._settings.max_bytes
        info = await self._files._info(path)  # noqa: SLF001
        if info["type"] == "directory":
            raise FileNotFoundError(path)
        etag = _etag_of(info)
        if known_etag is not None and etag == known_etag:
            return None
        # The tag is told before the bytes are read: where the object changes between the two, the tag is the
        # older one, and the next run with --update takes it again.
        data = b""
        if 0 < info["size"] <= limit:
            data = await self._files._cat_file(path, start=0, end=limit + 1)  # noqa: SLF001
        if max(info["size"], len(data)) > limit:
            raise FetchError(f"it is over the limit of {format_size(limit)} (--max-bytes)")
        media_type = info.get("ContentType") or info.get("contentType") or media_type_of(name)
        return Picture(name=name, data=data, media_type=media_type, etag=etag)

    async def _write(self, path: str, picture: Picture) -> None:
        if self._driver.writes_whole:
            keyword = self._driver.media_type
            await self._files._pipe_file(path, picture.data, **({keyword: picture.media_type} if keyword else {}))  # noqa: SLF001
            return
        folder = path.rpartition("/")[0]
        # A leading dot keeps the temporary file out of lists.
        temporary = f"{folder}/.trio-mirror-{token_hex(8)}"
        try:
            await self._files._pipe_file(temporary, picture.data)  # noqa: SLF001
            await self._files._mv(temporary, path)  # noqa: SLF001
        except BaseException:
            # Where it cannot be created it cannot be removed either, which tells nothing.
            with suppress(Exception):
                await self._files._rm_file(temporary)  # noqa: SLF001
            raise

    async def _pages(self) -> AsyncGenerator[str, None]:
        """The names on S3: a page of up to 1,000 keys at a time (ListObjectsV2)."""
        bucket, key, _ = self._files.split_path(self._root)
        prefix = f"{key}/" if key else ""
        page: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix}
        while True:
            answer = await self._listed(partial(self._files._call_s3, "list_objects_v2", **page))  # noqa: SLF001
            for entry in answer.get("Contents", ()):
                yield entry["Key"].removeprefix(prefix)
            if not answer.get("IsTruncated"):
                return
            page["ContinuationToken"] = answer["NextContinuationToken"]

    async def _folders(self) -> AsyncGenerator[str, None]:
        """The names elsewhere: the sorted files of a folder, then its subfolders in order."""
        base = f"{self._root.rstrip('/')}/"
        folders = [self._root]
        while folders:
            entries = await self._listed(partial(self._files._ls, folders.pop(), detail=True))  # noqa: SLF001
            entries = sorted(entries, key=lambda entry: entry["name"])
            for entry in entries:
                if entry["type"] == "file" or (entry["type"] == "link" and await self._may_be_file(entry["name"])):
                    yield entry["name"].removeprefix(base)
            folders += reversed([entry["name"].rstrip("/") for entry in entries if entry["type"] == "directory"])

    async def _may_be_file(self, link: str) -> bool:
        """Whether a symbolic link may be read, as in a folder: one to nowhere fails alone, when it is."""
        try:
            info = await self._request(self._files._info(link))  # noqa: SLF001
        except Exception:  # noqa: BLE001 (drivers raise what they like)
            return True
        return bool(info["type"] == "file")

    async def _visible(self, names: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
        async with aclosing(names):
            async for name in names:
                # An object whose key ends in a slash stands for a folder.
                if name and not name.endswith("/") and not name.startswith(".") and "/." not in name:
                    yield name

    def _path_of(self, name: str) -> str:
        path = "/".join((self._root.rstrip("/"), *check_name(name)))
        # Drivers read more into a path than a key: a version on S3, a query on Azure.
        if "?versionId=" in name or self._files._strip_protocol(path) != path:  # noqa: SLF001
            raise NameRefusedError(
                "the store's driver would take the name for another one, for what follows a '?' or '#'"
            )
        return path

    async def _listed(self, listing: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """One step of the list, in as many attempts as are allowed: the list may have a million of them."""
        return await self._list_attempt(listing)

    async def _list_attempt(self, listing: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        try:
            return await self._request(listing())
        except Exception as error:
            fault = fault_of(error)
            if fault.refused:
                raise AccessError(f"{self} refuses us: {fault.message}") from error
            message = "there is no such bucket or folder" if fault.missing else fault.message
            raise ListError(
                f"{self} cannot be listed: {message}", transient=fault.transient, overload=fault.overload
            ) from error

    async def _prepared(self, preparing: Coroutine[Any, Any, object]) -> None:
        try:
            await self._request(preparing)
        except Exception as error:
            fault = fault_of(error)
            # Rights to write may come without those to look: then the first write tells.
            if fault.missing:
                raise SettingsError(f"{self}: there is no such bucket; create it first") from error
            if not self._driver.writes_whole:
                raise SettingsError(f"{self} cannot be created: {fault.message}") from error

    async def _request(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Runs one attempt on the driver's event loop, within the timeout.

        Raises:
            Exception: what the driver raises; a TimeoutError if it took too long.
        """
        timeout = self._settings.timeout
        try:
            with trio.fail_after(timeout):
                return await _on_loop(self._files.loop, work)
        except trio.TooSlowError as error:
            raise TimeoutError(f"no answer within {timeout:g} s (--timeout)") from error

    def _upload_error(self, fault: Fault) -> MirrorError:
        if fault.refused:
            return AccessError(f"{self} refuses us: {fault.message}")
        if fault.full:
            return StorageError(f"{self} is full: {fault.message}; make room, and run the same again")
        if fault.reached and not fault.answered:
            message = f"it was sent, but {fault.message}: the store may have it or not"
            return UnknownUploadError(message, transient=True, overload=fault.overload)
        message = "there is no such bucket" if fault.missing else fault.message
        return UploadError(f"it was not stored: {message}", transient=fault.transient, overload=fault.overload)


async def _on_loop(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, _T]) -> _T:
    """Awaits a coroutine that runs on an asyncio loop in another thread; cancelling the one cancels the other.

    A driver without asyncio works in a thread below that loop, which cannot be cancelled: it ends its request,
    and nobody takes what it gives.
    """
    ended = trio.Event()
    token = trio.lowlevel.current_trio_token()

    def tell(_: object) -> None:
        token.run_sync_soon(ended.set)

    future = asyncio.run_coroutine_threadsafe(work, loop)
    future.add_done_callback(tell)
    try:
        await ended.wait()
    except trio.Cancelled:
        future.cancel()
        raise
    return future.result()


def _etag_of(info: Mapping[str, Any]) -> str | None:
    """The store's entity tag; else one made of time and size, as for a folder."""
    if tag := info.get("ETag") or info.get("etag"):
        return str(tag)
    time = info.get("mtime") or info.get("created")
    return None if time is None else f'"{time}-{info["size"]}"'
