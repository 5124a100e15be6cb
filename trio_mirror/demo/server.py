"""Serves the built-in gallery on this machine's loopback addresses."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

import trio

from trio_mirror.errors import SettingsError
from trio_mirror.galleries.folder import FolderGallery
from trio_mirror.pipeline.nurseries import open_nursery_beside

if TYPE_CHECKING:
    from hypercorn.typing import Framework
    from starlette.applications import Starlette

_log = logging.getLogger(__name__)
_ADDRESS = "127.0.0.1"
# For which a client may neither send nor take anything.
_SILENCE = 60  # seconds


@asynccontextmanager
async def serve_gallery(folder: Path, mirrored: Path, *, port: int = 0) -> AsyncIterator[str]:
    """Serves a folder of pictures over HTTP while the block runs, and gives the gallery's base URL.

    Uploads are stored in ``mirrored``, which is created if missing; port 0 takes a free one. Requests in flight at the
    end of the block have 3 seconds to end.

    Raises:
        SettingsError: the port cannot be used, or ``mirrored`` cannot be created.
    """
    async with serve_app(await make_app(folder, mirrored), port) as url:
        yield url


async def make_app(folder: Path, mirrored: Path) -> Starlette:
    """Makes the server of a folder; raises what `serve_gallery` does of ``mirrored``."""
    from trio_mirror.demo.app import gallery_app

    await FolderGallery(mirrored).prepare()
    return gallery_app(folder, mirrored)


@asynccontextmanager
async def serve_app(app: Starlette, port: int) -> AsyncIterator[str]:
    """Serves it while the block runs; raises what `serve_gallery` does of ``port``."""
    shutdown = trio.Event()
    with ExitStack() as stack:
        listeners = [stack.enter_context(_listen(socket.AF_INET, _ADDRESS, port))]
        port = listeners[0].getsockname()[1]
        # "localhost" leads many clients here first. The address may be missing, or its port taken.
        with suppress(SettingsError):
            listeners.append(stack.enter_context(_listen(socket.AF_INET6, "::1", port)))
        async with open_nursery_beside() as nursery:
            nursery.start_soon(_run_hypercorn, app, listeners, shutdown)
            yield f"http://{_ADDRESS}:{port}/images/"
            shutdown.set()


def _listen(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((address, port), family=family)
    except OSError as error:
        raise SettingsError(f"port {port} of {address} cannot be used: {os.strerror(error.errno or 0)}") from error
    # Linux resets a connection, which inherits this, whose client takes nothing for so long.
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENCE * 1_000)
    return listener


async def _run_hypercorn(app: Starlette, listeners: Sequence[socket.socket], shutdown: trio.Event) -> None:
    import hypercorn.trio

    config = hypercorn.Config()
    config.loglevel = "ERROR"
    config.read_timeout = _SILENCE
    # The two libraries type the same ASGI interface each in its own way.
    framework = cast("Framework", app)
    while not shutdown.is_set():
        config.bind = [f"fd://{os.dup(listener.fileno())}" for listener in listeners]
        try:
            await hypercorn.trio.serve(framework, config, shutdown_trigger=shutdown.wait)
        except* (trio.BusyResourceError, trio.BrokenResourceError):
            # A client that sends on after the end of its last request can, as its connection is closed,
            # make Hypercorn send from two tasks at once, which ends all of it (seen with 0.18).
            _log.warning("the server starts anew after a broken connection")
