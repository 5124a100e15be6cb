"""The command line: options → Settings → a job → an exit code."""

from __future__ import annotations

import inspect
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from trio_mirror import __version__
from trio_mirror.errors import SettingsError
from trio_mirror.exits import ExitCode
from trio_mirror.formats import formats_in_short
from trio_mirror.names import printable
from trio_mirror.settings import Setting, Settings, from_environment, option_name, settings_table

if TYPE_CHECKING:
    from collections.abc import Callable

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")

_VIEW = "What you see"


def _taking_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Adds an option for each field of Settings, for typer to find in the command's signature.

    What was not given stays None, so that the environment and the defaults of Settings come after it.
    """
    own = inspect.signature(command, eval_str=True).parameters.values()
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_option_of(name, setting))
        for name, setting in settings_table().items()
    ]
    kept = [parameter for parameter in own if parameter.kind is not parameter.VAR_KEYWORD]
    command.__signature__ = inspect.Signature([*kept, *added])  # type: ignore[attr-defined]
    return command


def _option_of(name: str, setting: Setting) -> Any:
    option = option_name(name)
    shared: dict[str, Any] = {
        "help": f"{setting.explained} [dim]\\[{setting.shown}][/dim]",
        "show_default": False,
        "rich_help_panel": setting.panel,
    }
    if setting.flag:
        return Annotated[bool, typer.Option(f"{option}/--no-{option[2:]}", **shared)]
    names = [option, setting.short] if setting.short else [option]
    kind = list[Any] if setting.repeatable else Any
    parser = _option_parser(setting.parse)
    return Annotated[kind, typer.Option(*names, parser=parser, metavar=setting.metavar, **shared)]


def _option_parser(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    def parse_option(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise typer.BadParameter(printable(str(error))) from error

    return parse_option


def _print_version(asked: bool) -> None:  # noqa: FBT001 (typer calls it so)
    if asked:
        print(f"trio-mirror {__version__}")  # noqa: T201
        raise typer.Exit


@app.command(epilog=f"What is mirrored exactly, re-encoded, or refused:\n\n{formats_in_short()}")
@_taking_settings
def mirror_gallery(
    source: Annotated[
        str | None,
        typer.Argument(
            help="A URL like http://host/images/, or a folder. Without it, a built-in gallery is mirrored.",
            envvar="TRIO_MIRROR_SOURCE",
            show_envvar=False,
        ),
    ] = None,
    *,
    to: Annotated[
        str | None,
        typer.Option(
            help="Where the mirrored pictures go: a URL or a folder. [dim]\\[back to SOURCE][/dim]",
            metavar="TARGET",
            show_default=False,
            envvar="TRIO_MIRROR_TO",
            show_envvar=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only print the names.", envvar="TRIO_MIRROR_DRY_RUN", show_envvar=False),
    ] = False,
    json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print the report as JSON.",
            rich_help_panel=_VIEW,
            envvar="TRIO_MIRROR_JSON",
            show_envvar=False,
        ),
    ] = False,
    progress: Annotated[
        bool | None,
        typer.Option(
            help="Show a progress line. [dim]\\[on a terminal][/dim]",
            rich_help_panel=_VIEW,
            show_default=False,
            envvar="TRIO_MIRROR_PROGRESS",
            show_envvar=False,
        ),
    ] = None,
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose", "-v", count=True, help="Say more; -vv says all.", show_default=False, rich_help_panel=_VIEW
        ),
    ] = 0,
    quiet: Annotated[
        int,
        typer.Option(
            "--quiet", "-q", count=True, help="Say less; -qq no summary.", show_default=False, rich_help_panel=_VIEW
        ),
    ] = 0,
    debug: Annotated[
        bool,
        typer.Option(
            "--debug",
            help="Show tracebacks.",
            rich_help_panel=_VIEW,
            envvar="TRIO_MIRROR_DEBUG",
            show_envvar=False,
        ),
    ] = False,
    version: Annotated[  # noqa: ARG001 (its callback does it)
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version),
    ] = False,
    **chosen: Any,
) -> None:
    """Mirror every picture of a gallery left to right, all at once: list, download, flip, upload.

    Every option also reads TRIO_MIRROR_<OPTION>. The exit code tells how it went; the README has the table.
    """
    given = {name: value for name, value in chosen.items() if value not in (None, [])}
    try:
        settings = Settings(**from_environment(os.environ) | given)
    except SettingsError as error:
        _end(ExitCode.USAGE, str(error))
    from trio_mirror.job import Job, run_job

    job = Job(
        source=source,
        target=to,
        settings=settings,
        dry_run=dry_run,
        json=json,
        progress=progress,
        verbosity=verbose - quiet,
        debug=debug,
    )
    try:
        code = run_job(job)
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    except Exception as error:
        if debug:
            raise
        _end(
            ExitCode.BUG,
            f"an error of ours, {type(error).__name__}: {error}; --debug shows where it came from",
        )
    raise typer.Exit(code)


def _end(code: ExitCode, message: str) -> NoReturn:
    print(f"error: {printable(message)}", file=sys.stderr)  # noqa: T201
    raise typer.Exit(code)


def main() -> None:
    """Runs the command line and exits."""
    app()
