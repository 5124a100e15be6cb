"""The command ``trio-mirror-journal``: what a journal holds, and several journals into one."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from trio_mirror.cli.ending import run_command
from trio_mirror.journal import COLUMNS, Summary, merge_journals, read_journal
from trio_mirror.model import Outcome, Result
from trio_mirror.names import printable
from trio_mirror.settings import format_size

_SHOW = "show"


class _ShowByDefault(TyperGroup):
    """Commands of which ``show`` need not be named."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        if args and args[0] not in {*self.commands, "-h", "--help"}:
            args = [_SHOW, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_ShowByDefault,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Show what a journal of trio-mirror holds, as in trio-mirror-journal FILE --failed, or merge several. "
    "The command show need not be named.",
)


@app.command(_SHOW)
def _show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The journal; a run may be using it.")],
    *,
    mirrored: Annotated[bool, typer.Option("--mirrored", help="List what is mirrored.")] = False,
    skipped: Annotated[bool, typer.Option("--skipped", help="List what was skipped.")] = False,
    failed: Annotated[bool, typer.Option("--failed", help="List what failed.")] = False,
    unknown: Annotated[bool, typer.Option("--unknown", help="List what may be mirrored or not.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; of a list, one object a line.")] = False,
) -> None:
    """Print the summary of a journal, or list its pictures.

    A listed picture is one line: its name, stage and error, with tabs between.
    """
    asked = zip(Outcome, (mirrored, skipped, failed, unknown), strict=True)
    outcomes = [outcome for outcome, wanted in asked if wanted]
    with read_journal(file) as journal:
        if outcomes:
            for result in journal.results(outcomes):
                print(json.dumps({it: getattr(result, it) for it in COLUMNS}) if as_json else _line(result))  # noqa: T201
        else:
            summary = journal.summary()
            print(json.dumps(asdict(summary), indent=2) if as_json else "\n".join(_lines(summary)))  # noqa: T201


@app.command("merge")
def _merge(
    into: Annotated[Path, typer.Argument(metavar="INTO", help="The journal to merge into; begun if there is none.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Journals of the same source and target.")],
) -> None:
    """Merge journals into one; the newest result of each picture stays."""
    taken = merge_journals(into, files)
    print(f"{taken:,} {'result' if taken == 1 else 'results'} merged into {printable(str(into))}")  # noqa: T201


def _line(result: Result) -> str:
    # printable() escapes tabs, so that those between the fields are the only ones.
    return "\t".join(printable(field) for field in (result.name, result.stage, result.error) if field is not None)


def _lines(summary: Summary) -> Iterator[str]:
    yield f"from {printable(summary.source)} ({format_size(summary.bytes_in)})"
    yield f"to   {printable(summary.target)} ({format_size(summary.bytes_out)})"
    yield ", ".join(f"{count:,} {outcome}" for outcome, count in summary.counts.items())
    if summary.first is not None:
        yield f"first result {summary.first}, last {summary.last}"


def main() -> None:
    """Runs ``trio-mirror-journal`` and exits."""
    # A reader that has seen enough, such as head, ends the command as it ends cat.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    run_command(app)
