"""Serves the built-in gallery on this machine's loopback addresses."""

from __future__ import annotations

import logging
import os
import signal
import socket
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, cast

import trio
import typer

from trio_mirror.errors import SettingsError
from trio_mirror.galleries.folder import FolderGallery
from trio_mirror.names import printable
from trio_mirror.pipeline.nurseries import open_nursery_beside

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from hypercorn.typing import Framework
    from starlette.applications import Starlette

_log = logging.getLogger(__name__)
_ADDRESS = "127.0.0.1"
_HOSTS = (_ADDRESS, "localhost", "[::1]")
# For which a client may neither send nor take anything.
_SILENCE = 60  # seconds


@asynccontextmanager
async def serve_gallery(folder: Path, mirrored: Path, *, port: int = 0) -> AsyncIterator[str]:
    """Serves a folder of pictures over HTTP while the block runs, and gives the gallery's base URL.

    Requests in flight at the end of the block have 3 seconds to end.

    Args:
        folder: what is served.
        mirrored: the folder where uploads are stored; created if missing.
        port: of the loopback addresses; 0 takes a free one.

    Raises:
        SettingsError: the port cannot be used, or ``mirrored`` cannot be created.
    """
    async with _serve(await _make_app(folder, mirrored), port) as url:
        yield url


async def _make_app(folder: Path, mirrored: Path) -> Starlette:
    from trio_mirror.demo.app import gallery_app

    await FolderGallery(mirrored).prepare()
    return gallery_app(folder, mirrored, hosts=_HOSTS)


@asynccontextmanager
async def _serve(app: Starlette, port: int) -> AsyncIterator[str]:
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


def main() -> None:
    """Runs ``trio-mirror-gallery``."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(context_settings={"help_option_names": ["-h", "--help"]})(_command)
    app()


def _command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of pictures to serve.")],
    *,
    port: Annotated[
        int, typer.Option(metavar="PORT", min=0, max=65535, help="Where to listen; 0 takes a free one.")
    ] = 8000,
    mirrored: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where uploads are stored.", show_default="mirrored, beside DIR")
    ] = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Say what is served and stored.")] = False,
) -> None:
    """Serve a folder of pictures as an HTTP gallery on this machine, until Ctrl-C."""
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(message)s")
    mirrored = mirrored or folder.resolve().parent / "mirrored"
    try:
        _check_folders(folder, mirrored)
        trio.run(_serve_until_signal, folder, mirrored, port)
    except SettingsError as error:
        typer.echo(f"error: {printable(str(error))}", err=True)
        raise typer.Exit(2) from error


def _check_folders(folder: Path, mirrored: Path) -> None:
    if not folder.is_dir():
        raise SettingsError(f"{folder} is not a folder")
    served, stored = folder.resolve(), mirrored.resolve()
    if stored.is_relative_to(served):
        raise SettingsError(f"uploads cannot be stored in {mirrored}, within what is served (--mirrored)")
    if served.is_relative_to(stored):
        raise SettingsError(f"uploads cannot be stored in {mirrored}, which what is served lies in (--mirrored)")


async def _serve_until_signal(folder: Path, mirrored: Path, port: int) -> None:
    app = await _make_app(folder, mirrored)
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with _serve(app, port) as url:
            typer.echo(f"{folder} is served at {url} and uploads are stored in {mirrored}. Ctrl-C ends it.")
            await anext(aiter(signals))
    stored: int = app.state.stored
    typer.echo(f"{stored:,} {'picture was' if stored == 1 else 'pictures were'} stored.")
