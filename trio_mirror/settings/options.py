"""The command line's own choices beside the settings of a run: from where, to where, and what it prints and writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from trio_mirror.names import hide_credentials, is_url
from trio_mirror.settings.fields import Panel, choice, flag, option_error, path, text

STDOUT = "-"
"""Stands for standard output in the place of a file's name."""


class LogFormat(StrEnum):
    """The form of the log's lines."""

    TEXT = "text"
    """For people."""
    JSON = "json"
    """One object a line, for programs."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line does with a run. Checked on construction.

    Raises:
        SettingsError: values that do not go together.
    """

    source: Sequence[str] = text(
        "URL, folder, or pictures; with --base a list of names; - for stdin. Default: a built-in gallery.",
        Panel.COMMON,
        "SOURCE",
        "http://host/images/",
        default=(),
        shown="a built-in gallery",
    )
    to: str | None = path("Where mirrored pictures go.", Panel.COMMON, "TARGET", "./mirrored", shown="back to SOURCE")
    dry_run: bool = flag("Only print the names.", Panel.COMMON)
    sheet: str | None = path("Write a page of before and after.", Panel.COMMON, "FILE", "sheet.html")

    progress: bool | None = flag("Show progress.", Panel.OUTPUT, default=None, shown="on")
    json: bool = flag("Print the report as JSON.", Panel.OUTPUT)
    events: str | None = path("Write each result as a JSON line; - is stdout.", Panel.OUTPUT, "FILE", "events.jsonl")
    log_file: str | None = path("Append the log, each picture in it.", Panel.OUTPUT, "FILE", "run.log")
    log_format: LogFormat = choice(LogFormat.TEXT, "Format of the log's lines.", Panel.OUTPUT)
    debug: bool = flag("Show tracebacks.", Panel.OUTPUT)

    def __post_init__(self) -> None:
        # Drawn pictures may try out a server.
        if self.to and not self.source and not is_url(self.to):
            example = f"trio-mirror ./photos --to {hide_credentials(self.to)}"
            raise option_error("to", f"SOURCE is missing, expected what to mirror, as in {example}")
        if self.to == STDOUT and (self.json or self.events == STDOUT):
            raise option_error("to", "the picture goes to stdout; expected no --json there, and --events with a file")
        if self.json and self.events == STDOUT:
            raise option_error("events", "--json prints to stdout too; expected a file, for example events.jsonl")
