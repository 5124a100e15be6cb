"""The command ``trio-mirror-gallery``: a folder of pictures, served as an HTTP gallery."""

from __future__ import annotations

import logging
import signal
from os.path import expanduser
from pathlib import Path
from typing import Annotated

import trio
import typer

from trio_mirror.cli.ending import run_command
from trio_mirror.demo.server import make_app, serve_app
from trio_mirror.errors import SettingsError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
def _serve_folder(
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
    # No shell has seen the home folder in --mirrored=~/uploads, and there may be none.
    mirrored = Path(expanduser(mirrored or folder.resolve().parent / "mirrored"))  # noqa: PTH111
    _check_folders(folder, mirrored)
    trio.run(_serve_until_signal, folder, mirrored, port)


def _check_folders(folder: Path, mirrored: Path) -> None:
    if not folder.is_dir():
        raise SettingsError(f"{folder} is not a folder")
    served, stored = folder.resolve(), mirrored.resolve()
    if stored.is_relative_to(served):
        raise SettingsError(f"uploads cannot be stored in {mirrored}, within what is served (--mirrored)")
    if served.is_relative_to(stored):
        raise SettingsError(f"uploads cannot be stored in {mirrored}, which what is served lies in (--mirrored)")


async def _serve_until_signal(folder: Path, mirrored: Path, port: int) -> None:
    app = await make_app(folder, mirrored)
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with serve_app(app, port) as url:
            typer.echo(f"{folder} is served at {url} and uploads are stored in {mirrored}. Ctrl-C ends it.")
            await anext(aiter(signals))
    stored: int = app.state.stored
    typer.echo(f"{stored:,} {'picture was' if stored == 1 else 'pictures were'} stored.")


def main() -> None:
    """Runs ``trio-mirror-gallery`` and exits."""
    run_command(app)
