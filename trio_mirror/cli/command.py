"""The command line: options → Options and Settings → a job → an exit code."""

from __future__ import annotations

import inspect
import os
import shlex
import sys
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand

from trio_mirror import __version__
from trio_mirror.cli.exits import ExitCode
from trio_mirror.cli.streams import prepare_streams, stdout_written
from trio_mirror.errors import OutputError, SettingsError
from trio_mirror.names import printable
from trio_mirror.settings.fields import Panel, option_name
from trio_mirror.settings.sources import CONFIG_FILE, all_settings, build, choose, shown_config

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio_mirror.settings.fields import Setting

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich")


def _taking_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Adds an option for each field of Options and Settings, for typer to find in the command's signature.

    What was not given stays None, so that the environment, the file and the defaults come after it.
    """
    own = inspect.signature(command, eval_str=True).parameters
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_option_of(name, setting))
        for name, setting in all_settings().items()
        if name not in own
    ]
    kept = [parameter for parameter in own.values() if parameter.kind is not parameter.VAR_KEYWORD]
    command.__signature__ = inspect.Signature([*kept, *added])  # type: ignore[attr-defined]
    return command


def _option_of(name: str, setting: Setting) -> Any:
    option = option_name(name)
    shared: dict[str, Any] = {
        "help": setting.explained,
        "show_default": setting.shown,
        "rich_help_panel": setting.panel,
    }
    if setting.flag:
        return Annotated[bool, typer.Option(f"{option}/--no-{option[2:]}", **shared)]
    names = [option, setting.short] if setting.short else [option]
    kind = list[Any] if setting.repeatable else Any
    parser = _option_parser(setting.parse)
    if setting.choices:
        shared["autocompletion"] = lambda: list(setting.choices)
    return Annotated[kind, typer.Option(*names, parser=parser, metavar=setting.metavar, **shared)]


def _option_parser(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    def parse_option(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise typer.BadParameter(printable(str(error))) from error

    return parse_option


class _Command(TyperCommand):
    """A command whose ``--help`` fits a screen: the options used most; ``--help-all`` shows the others."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from trio_mirror.cli.help import has_colour, short_help

        ctx.color = has_colour()
        formatter.write(short_help(ctx))


def _print_all_help(ctx: typer.Context, asked: bool) -> None:  # noqa: FBT001 (typer calls it so)
    if asked:
        from trio_mirror.cli.help import has_colour, whole_help

        typer.echo(whole_help(ctx), color=has_colour())
        raise typer.Exit


def _print_version(asked: bool) -> None:  # noqa: FBT001 (typer calls it so)
    if asked:
        print(f"trio-mirror {__version__}")  # noqa: T201
        raise typer.Exit


@app.command(cls=_Command, context_settings={"help_option_names": ["-h", "--help"], "allow_extra_args": True})
@_taking_settings
def mirror_gallery(
    context: typer.Context,
    source: Annotated[
        str | None,
        typer.Argument(
            help="A URL, a folder, or a list of names (with --base): a file, - for stdin. "
            "Without it, a built-in gallery.",
            metavar="SOURCE",
            show_default=False,
            rich_help_panel=Panel.RUN,
        ),
    ] = None,
    *,
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose",
            "-v",
            count=True,
            help="Say more; -vv says all.",
            show_default=False,
            rich_help_panel=Panel.VIEW,
        ),
    ] = 0,
    quiet: Annotated[
        int,
        typer.Option(
            "--quiet",
            "-q",
            count=True,
            help="Say less; -qq no summary.",
            show_default=False,
            rich_help_panel=Panel.VIEW,
        ),
    ] = 0,
    config: Annotated[
        str | None,
        typer.Option(
            help="Where settings are read from.",
            show_default=f"{CONFIG_FILE}, if there",
            metavar="FILE",
            envvar="TRIO_MIRROR_CONFIG",
            show_envvar=False,
        ),
    ] = None,
    show_config: Annotated[
        bool, typer.Option("--show-config", help="Print each setting and where it was chosen.")
    ] = False,
    help_all: Annotated[  # noqa: ARG001 (its callback does it)
        bool, typer.Option("--help-all", help="Show the other options, too.", is_eager=True, callback=_print_all_help)
    ] = False,
    version: Annotated[  # noqa: ARG001 (its callback does it)
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
    **given: Any,
) -> None:
    """Mirror every picture of a gallery left to right: list, download, flip, upload.

    SOURCE and TARGET are each a URL like http://host/images/ or a folder; SOURCE may also be a list of names.

    Example: trio-mirror http://host/images/ --to ./mirrored
    """
    if context.args:
        extra = shlex.quote(context.args[0])
        _end(
            ExitCode.USAGE,
            f"{extra}: there is one SOURCE only; write a target as --to {extra}, and many files as their folder "
            "with --include",
        )
    typed = {name: value for name, value in {"source": source, **given}.items() if value not in (None, [])}
    try:
        chosen = choose(typed, os.environ, config)
        options, settings = build(chosen)
    except SettingsError as error:
        _end(ExitCode.USAGE, str(error))
    if show_config:
        try:
            with stdout_written(reader_may_leave=True):
                print(shown_config(chosen))  # noqa: T201
        except OutputError as error:
            _end(ExitCode.DISK, str(error))
        return
    from trio_mirror.cli.job import Job, run_job

    try:
        code = run_job(Job(options=options, settings=settings, verbosity=verbose - quiet))
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    except Exception as error:
        if options.debug:
            raise
        cause: Exception = error
        while isinstance(cause, ExceptionGroup):
            cause = cause.exceptions[0]
        _end(
            ExitCode.BUG,
            f"an error of ours, {type(cause).__name__}: {cause}; --debug shows where it came from",
        )
    raise typer.Exit(code)


def _end(code: ExitCode, message: str) -> NoReturn:
    print(f"error: {printable(message)}", file=sys.stderr)  # noqa: T201
    raise typer.Exit(code)


def main() -> None:
    """Runs the command line and exits."""
    # Pillow reads this when it is imported, in our worker processes too. By default it gives each raster's memory back
    # to the system, and a page fault for every 4 KiB of the next one costs a re-encoded picture a fifth of its time.
    os.environ.setdefault("PILLOW_BLOCKS_MAX", "8")
    prepare_streams()
    app()
