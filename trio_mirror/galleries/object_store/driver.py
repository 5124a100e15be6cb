"""fsspec's drivers: what is known of each, and their file systems opened and closed.

They run on asyncio, in the one thread that fsspec keeps for it; those that block run in threads below that.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from trio_mirror.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from trio_mirror.settings import Settings

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Driver:
    """What is known of the driver of a scheme."""

    package: str | None
    """What to install for it, beyond fsspec."""
    writes_whole: bool = True
    """Whether an object appears whole or not at all."""
    media_type: str | None = None
    """The argument of a write that takes the media type."""


DRIVERS = {
    "s3": Driver(package="s3fs", media_type="ContentType"),
    "gs": Driver(package="gcsfs", media_type="content_type"),
    "az": Driver(package="adlfs"),
    # Not paramiko, fsspec's own: by default that trusts any host key.
    "sftp": Driver(package="sshfs", writes_whole=False),
    "memory": Driver(package=None),
}


def find_driver(scheme: str) -> Driver:
    """The driver of a scheme.

    Raises:
        SettingsError: the extra ``cloud`` or the driver is not installed.
    """
    driver = DRIVERS[scheme]
    if find_spec("fsspec") is None:
        raise SettingsError(f"{scheme}:// needs an extra: pip install 'trio-mirror[cloud]'")
    if driver.package is not None and find_spec(driver.package) is None:
        extra = "'trio-mirror[cloud]'" if scheme == "s3" else driver.package
        raise SettingsError(f"{scheme}:// needs the package {driver.package}: pip install {extra}")
    return driver


def open_files(scheme: str, url: str, settings: Settings) -> Any:
    """A file system with asyncio methods; fsspec's own configuration applies. It blocks: to be called in a thread."""
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
        # A change must be seen, and a long listing not be kept. sshfs keeps none, and lacks this option.
        options["use_listings_cache"] = False
    files = kind(**options)
    files.retries = 1
    return files if files.async_impl else AsyncFileSystemWrapper(files, asynchronous=False)


def close_files(files: Any) -> None:
    """Closes the connections of a file system. It blocks: to be called in a thread."""
    # s3fs closes its client when it is collected, which may be long after the run.
    client = getattr(files, "_s3", None)
    if client is not None:
        files.close_session(files.loop, client)


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
