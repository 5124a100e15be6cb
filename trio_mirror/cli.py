"""The command line: options → Options and Settings → a job → an exit code."""

from __future__ import annotations

import inspect
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperOption

from trio_mirror import __version__
from trio_mirror.config import CONFIG_FILE, all_settings, build, choose, shown_config
from trio_mirror.errors import SettingsError
from trio_mirror.exits import ExitCode
from trio_mirror.fields import Panel, option_name
from trio_mirror.formats import formats_in_short
from trio_mirror.names import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio_mirror.fields import Setting

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich")

_MOST_USED = ("to", "concurrency", "include", "journal", "sheet", "dry_run", "help_all")
_MORE_HELP = f"Each option can also be set as TRIO_MIRROR_<OPTION> in the environment, or in {CONFIG_FILE}."


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
        "help": f"{setting.explained} [dim]\\[{setting.shown}][/dim]",
        "show_default": False,
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


class _ShortHelp(TyperCommand):
    """A command whose ``--help`` fits a screen: the options used most; ``--help-all`` shows the others."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        options = {it.name: it for it in self.params if isinstance(it, TyperOption)}
        for option in options.values():
            # What is off by default needs no word on how to turn it off.
            option.hidden, option.rich_help_panel, option.secondary_opts = True, "Used most", []
        for name in _MOST_USED:
            options[name].hidden = False
        source = next(it for it in self.params if it.name == "source")
        source.hidden = True  # type: ignore[attr-defined]
        self.params = [source, *(options[name] for name in _MOST_USED)]
        self.add_help_option = False
        self.epilog = _MORE_HELP
        self.format_all_help(ctx, formatter)

    def format_all_help(self, ctx: Any, formatter: Any) -> None:
        super().format_help(ctx, formatter)


def _print_all_help(ctx: typer.Context, asked: bool) -> None:  # noqa: FBT001 (typer calls it so)
    if asked:
        assert isinstance(ctx.command, _ShortHelp)
        ctx.command.format_all_help(ctx, ctx.make_formatter())
        raise typer.Exit


def _print_version(asked: bool) -> None:  # noqa: FBT001 (typer calls it so)
    if asked:
        print(f"trio-mirror {__version__}")  # noqa: T201
        raise typer.Exit


@app.command(cls=_ShortHelp, epilog=f"What is mirrored exactly, re-encoded, or refused:\n\n{formats_in_short()}")
@_taking_settings
def mirror_gallery(
    source: Annotated[
        str | None,
        typer.Argument(
            help="A URL, a folder, or a list of names (with --base): a file, - for stdin. "
            "Without it, a built-in gallery.",
            metavar="SOURCE",
            show_default=False,
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
            help=f"Where settings are read from. [dim]\\[{CONFIG_FILE}, if there][/dim]",
            metavar="FILE",
            show_default=False,
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
    """
    typed = {name: value for name, value in {"source": source, **given}.items() if value not in (None, [])}
    try:
        chosen = choose(typed, os.environ, config)
        options, settings = build(chosen)
    except SettingsError as error:
        _end(ExitCode.USAGE, str(error))
    if show_config:
        print(shown_config(chosen))  # noqa: T201
        return
    from trio_mirror.job import Job, run_job

    try:
        code = run_job(Job(options=options, settings=settings, verbosity=verbose - quiet))
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    except Exception as error:
        if options.debug:
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
