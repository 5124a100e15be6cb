"""The command line: options → Options and Settings → a job → an exit code."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperOption

from trio_mirror import __version__
from trio_mirror.cli.ending import end, run_command
from trio_mirror.cli.exits import ExitCode
from trio_mirror.cli.streams import print_line, stdout_written
from trio_mirror.flip.formats import FORMATS
from trio_mirror.names import printable
from trio_mirror.settings import (
    CONFIG_FILE,
    Panel,
    Setting,
    all_settings,
    build,
    choose,
    option_name,
    shown_config,
    unknown_variables,
)

_ALL = "trio_mirror.all_options"
_MORE_HELP = (
    "What is not a picture is skipped. Without --to, each picture is replaced; until all are, a rerun goes on and "
    "flips none back. With --to, it goes on with --skip-existing. If what is stored ends as unknown, --update mirrors "
    f"it as it is. Each option is also TRIO_MIRROR_<OPTION>, or in {CONFIG_FILE}."
)

# Without markup, help and errors need no rich, whose import takes longer than all the rest of ``--help``.
app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)


def _taking_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Adds an option for each field of Options and Settings, for typer to find in the command's signature.

    What was not given stays None, so that the environment, the file and the defaults come after it.
    """
    source, *named, _given = inspect.signature(command, eval_str=True).parameters.values()
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_option_of(name, setting))
        for name, setting in all_settings().items()
        if name != source.name
    ]
    command.__signature__ = inspect.Signature([source, *added, *named])  # type: ignore[attr-defined]
    return command


def _option_of(name: str, setting: Setting) -> Any:
    option = option_name(name)
    default = "" if setting.shown in {"none", "off"} else f" [{setting.shown}]"
    shared: dict[str, Any] = {"help": f"{setting.help_text}{default}", "rich_help_panel": setting.panel}
    names = [option, setting.also] if setting.also else [option]
    if setting.flag:
        # Beside another name there is no room for a third in a narrow terminal.
        if not (setting.also or option.startswith("--no-")):
            names = [f"{option}/--no-{option[2:]}"]
        return Annotated[bool, typer.Option(*names, show_default=False, **shared)]
    if setting.choices:
        shared["autocompletion"] = lambda: list(setting.choices)
    # Read as text: the settings parse it, and say in their own words what is invalid.
    kind = list[str] if setting.repeatable else str
    return Annotated[kind, typer.Option(*names, metavar=setting.metavar, **shared)]


def _as_typed(parameter: Any, ctx: Any, value: Any) -> Any:
    """Takes a value as it is: the settings parse it. typer imports pydantic for it, which takes a fifth of a start."""
    return value if parameter.callback is None else parameter.callback(ctx, parameter, value)


class _Command(TyperCommand):
    """A command whose ``--help`` has the common options alone; ``--help-all`` has all of them, by panels."""

    def get_params(self, ctx: Any) -> Any:
        params = super().get_params(ctx)
        for it in params:
            it.process_value = partial(_as_typed, it)  # type: ignore[method-assign]
        return params

    def format_options(self, ctx: Any, formatter: Any) -> None:
        panels: dict[str, list[tuple[str, str]]] = {panel: [] for panel in Panel}
        for parameter in self.get_params(ctx):
            assert isinstance(parameter, TyperArgument | TyperOption)
            record = parameter.get_help_record(ctx)
            if isinstance(parameter, TyperArgument):
                # Without its type, which typer would add.
                record = str(parameter.metavar), str(parameter.help)
            if record is not None:
                panels.setdefault(parameter.rich_help_panel or "Other options", []).append(record)
        panels["Formats"] = [(row.name, row.in_short) for row in FORMATS]
        for title in panels if _ALL in ctx.meta else [Panel.COMMON]:
            with formatter.section(title):
                formatter.write_dl(panels[title])


def _print_all_help(context: typer.Context, asked: bool) -> None:  # noqa: FBT001 (typer calls it so)
    if asked:
        context.meta[_ALL] = True
        print(context.get_help())  # noqa: T201
        raise typer.Exit


def _print_version(asked: bool) -> None:  # noqa: FBT001 (typer calls it so)
    if asked:
        print(f"trio-mirror {__version__}")  # noqa: T201
        raise typer.Exit


def _option(help_text: str, *names: str, panel: Panel | None = None, **more: Any) -> Any:
    """An option of the command alone, which is not a setting."""
    return typer.Option(*names, help=help_text, show_default=False, rich_help_panel=panel, **more)


@app.command(cls=_Command, context_settings={"help_option_names": ["-h", "--help"]}, epilog=_MORE_HELP)
@_taking_settings
def mirror_gallery(
    source: Annotated[
        list[str] | None,
        typer.Argument(help=all_settings()["source"].help_text, metavar="SOURCE", rich_help_panel=Panel.COMMON),
    ] = None,
    *,
    verbose: Annotated[
        int, _option("Print more; -vv prints all.", "-v", "--verbose", panel=Panel.OUTPUT, count=True)
    ] = 0,
    quiet: Annotated[int, _option("Print less; -qq no summary.", "-q", "--quiet", panel=Panel.OUTPUT, count=True)] = 0,
    config: Annotated[
        str | None,
        _option(
            f"Configuration file [{CONFIG_FILE}, if there].",
            metavar="FILE",
            envvar="TRIO_MIRROR_CONFIG",
            show_envvar=False,
        ),
    ] = None,
    show_config: Annotated[bool, _option("Print each setting and its origin.", "--show-config")] = False,
    help_all: Annotated[  # noqa: ARG001 (its callback does it)
        bool, _option("Show all options.", "--help-all", panel=Panel.COMMON, is_eager=True, callback=_print_all_help)
    ] = False,
    version: Annotated[  # noqa: ARG001 (its callback does it)
        bool, _option("Print the version.", "--version", is_eager=True, callback=_print_version)
    ] = False,
    **given: Any,
) -> None:
    """Mirror galleries, folders and pictures: flip each picture left to right.

    Example: trio-mirror http://host/images/ --to ./mirrored
    """
    typed = {name: value for name, value in {"source": source, **given}.items() if value not in (None, [], ())}
    for why in unknown_variables(os.environ) if quiet - verbose < 2 else ():
        # No error: Kubernetes sets such variables itself where a service has our name.
        print_line(f"warning: {printable(why)}")
    chosen = choose(typed, os.environ, config)
    options, settings = build(chosen)
    if show_config:
        with stdout_written(reader_may_leave=True):
            print(shown_config(chosen))  # noqa: T201
        return
    from trio_mirror.cli.job import run_job

    try:
        code = run_job(options, settings, verbose - quiet, config or CONFIG_FILE)
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    except Exception as error:
        if options.debug:
            raise
        cause: Exception = error
        while isinstance(cause, ExceptionGroup):
            cause = cause.exceptions[0]
        end(ExitCode.BUG, f"internal error, {type(cause).__name__}: {cause}; --debug shows its traceback")
    raise typer.Exit(code)


def main() -> None:
    """Runs the command line and exits."""
    # Pillow reads this when it is imported, in our worker processes too. By default it gives each raster's memory back
    # to the system, and a page fault for every 4 KiB of the next one costs a re-encoded picture a fifth of its time.
    os.environ.setdefault("PILLOW_BLOCKS_MAX", "8")
    run_command(app)
