"""fsspec's drivers: what is known of each, and how they are opened.

They run on asyncio, in the one thread that fsspec keeps for it; those that block run in threads below that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, TypeVar

import trio

from trio_mirror.errors import SettingsError
from trio_mirror.galleries.object_store.azure import AzureObjects
from trio_mirror.galleries.object_store.gcs import GcsObjects
from trio_mirror.galleries.object_store.objects import Files, Objects
from trio_mirror.galleries.object_store.s3 import S3Objects
from trio_mirror.galleries.object_store.webdav import DavFiles, dav_client
from trio_mirror.settings import Settings

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Driver:
    """What is known of the driver of a scheme."""

    objects: type[Objects]
    package: str = "fsspec"  # what has to be installed
    extra: str = "cloud"  # what installs it


DRIVERS = {
    "s3": Driver(S3Objects, "s3fs", "s3"),
    "gs": Driver(GcsObjects, "gcsfs", "gcs"),
    "az": Driver(AzureObjects, "adlfs", "azure"),
    # Not paramiko, fsspec's own: by default that trusts any host key.
    "sftp": Driver(Files, "sshfs", "sftp"),
    "webdav": Driver(DavFiles, "webdav4", "webdav"),
    "webdavs": Driver(DavFiles, "webdav4", "webdav"),
    "memory": Driver(Objects),
}


def find_driver(scheme: str) -> Driver:
    """The driver of a scheme.

    Raises:
        SettingsError: the driver is not installed.
    """
    driver = DRIVERS[scheme]
    if any(find_spec(package) is None for package in ("fsspec", driver.package)):
        raise SettingsError(f"{scheme}:// needs an extra: pip install 'trio-mirror[{driver.extra}]'")
    return driver


def open_files(scheme: str, url: str, settings: Settings) -> Any:
    """A file system with asyncio methods; fsspec's own configuration applies. It blocks: to be called in a thread."""
    import fsspec
    from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper

    driver_scheme = scheme.replace("webdavs", "webdav")
    kind = fsspec.get_filesystem_class(driver_scheme)
    # One of our own, whose connections end with the run.
    options = kind._get_kwargs_from_urls(url) | {"skip_instance_cache": True}
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
    elif driver_scheme == "webdav":
        options |= {"base_url": url, "client": dav_client(url, settings)}
    if driver_scheme not in {"sftp", "webdav"}:
        # A change must be seen, and a long listing not be kept. The others keep none, and lack this option.
        options["use_listings_cache"] = False
    files = kind(**options)
    files.retries = 1
    return files if files.async_impl else AsyncFileSystemWrapper(files, asynchronous=False)


async def run_on_loop(
    loop: asyncio.AbstractEventLoop, function: Callable[..., Coroutine[Any, Any, _T]], *arguments: Any
) -> _T:
    """Runs an async function on an asyncio loop in another thread; cancelling the one cancels the other.

    A driver without asyncio works in a thread below that loop, which cannot be cancelled: it ends its request,
    and the result is dropped.
    """
    ended = trio.Event()
    token = trio.lowlevel.current_trio_token()
    future = asyncio.run_coroutine_threadsafe(function(*arguments), loop)
    future.add_done_callback(lambda _: token.run_sync_soon(ended.set))
    try:
        await ended.wait()
    except trio.Cancelled:
        future.cancel()
        raise
    return future.result()
