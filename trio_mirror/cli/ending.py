"""How a command ends: an error as one plain line on stderr, and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

import typer

from trio_mirror.cli.exits import ExitCode, exit_code_of
from trio_mirror.cli.streams import prepare_streams, print_line
from trio_mirror.errors import MirrorError, hide_userinfo
from trio_mirror.names import printable


def run_command(app: typer.Typer, arguments: Sequence[str] | None = None, name: str | None = None) -> NoReturn:
    """Runs a command line and exits; ``arguments`` and ``name`` are those of the process by default."""
    prepare_streams()
    try:
        sys.exit(app(arguments, prog_name=name, standalone_mode=False) or ExitCode.DONE)
    except typer.TyperException as error:
        message = error.format_message()
        _print_error(message[:1].lower() + message[1:])
        sys.exit(ExitCode.USAGE)
    except MirrorError as error:
        _print_error(str(error))
        sys.exit(exit_code_of(None, error))


def end(code: ExitCode, message: str) -> NoReturn:
    """Ends the command that runs."""
    _print_error(message)
    raise typer.Exit(code)


def _print_error(message: str) -> None:
    print_line(f"error: {printable(hide_userinfo(message))}")
