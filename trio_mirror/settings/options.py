"""What the command line is asked beside the settings of the run: from where to where, and what to show of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from trio_mirror.settings.fields import Panel, cannot_work, choice, count, flag, parse_text, setting

STDOUT = "-"
"""Stands for standard output in the place of a file's name."""

MAX_SHEET_PICTURES = 60
"""How many pairs of pictures a contact sheet holds at most: it stays a page that a browser opens at once."""


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
        SettingsError: values that cannot work, or not together.
    """

    source: str | None = setting(
        None,
        "A URL like http://host/images/, a folder, or a list of names: a file, - for stdin.",
        Panel.RUN,
        parse_text,
        "SOURCE",
        "a built-in gallery",
        example="http://host/images/",
    )
    to: str | None = setting(
        None,
        "Where mirrored pictures go.",
        Panel.RUN,
        parse_text,
        "TARGET",
        "back to SOURCE",
        example="./mirrored",
    )
    dry_run: bool = flag("Only print the names.", Panel.RUN)

    progress: bool | None = flag("Show how it goes.", Panel.VIEW, default=None, shown="on")
    json: bool = flag("Print the report as JSON.", Panel.VIEW)
    sheet: str | None = setting(
        None, "Write a page of before and after here.", Panel.VIEW, parse_text, "FILE", "none", example="sheet.html"
    )
    sheet_pictures: int = count(MAX_SHEET_PICTURES, "How many pairs of pictures on it.", Panel.VIEW)
    events: str | None = setting(
        None,
        "Write each result here as it happens, JSON lines; - is stdout.",
        Panel.VIEW,
        parse_text,
        "FILE",
        "none",
        example="events.jsonl",
    )
    log_file: str | None = setting(
        None, "Append the log here, each picture in it.", Panel.VIEW, parse_text, "FILE", "none", example="run.log"
    )
    log_format: LogFormat = choice(LogFormat.TEXT, "The form of the log's lines.", Panel.VIEW)
    debug: bool = flag("Show tracebacks.", Panel.VIEW)

    def __post_init__(self) -> None:
        if not 1 <= self.sheet_pictures <= MAX_SHEET_PICTURES:
            wanted = f"from 1 to {MAX_SHEET_PICTURES}, such as {MAX_SHEET_PICTURES}"
            raise cannot_work("sheet_pictures", f"{self.sheet_pictures} cannot work; it must be {wanted}")
        if self.json and self.events == STDOUT:
            raise cannot_work("events", "--json prints to stdout too; write the events to a file, such as events.jsonl")
