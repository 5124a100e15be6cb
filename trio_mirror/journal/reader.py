"""Reading a journal, also while a run writes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from trio_mirror.errors import JournalError
from trio_mirror.journal.database import (
    connect,
    damaged,
    encode,
    explained,
    galleries_of,
    is_empty,
    real_path,
)
from trio_mirror.journal.intents import intents_of, recover
from trio_mirror.journal.lock import hold_lock
from trio_mirror.journal.rows import COLUMNS, result_of
from trio_mirror.model import Outcome, Result

_PAGE = 200
"""Rows read at a time: few enough for a step within the event loop."""

_SELECT = f"SELECT {', '.join(COLUMNS)} FROM pictures"  # noqa: S608 (the columns are our own)
_FIND = "WHERE name = CAST(? AS TEXT)"
_PAGE_OF_ALL = f"WHERE name >= CAST(? AS TEXT) ORDER BY name LIMIT {_PAGE}"
_PAGE_OF_NOT_MIRRORED = f"""INDEXED BY not_mirrored
    WHERE outcome <> 'mirrored' AND name >= CAST(? AS TEXT) ORDER BY name LIMIT {_PAGE}"""
# One scan, without the sorting of all rows that GROUP BY would need.
_COUNT = f"""SELECT {", ".join(f"count(*) FILTER (WHERE outcome = '{outcome}')" for outcome in Outcome)},
    ifnull(sum(bytes_in), 0), ifnull(sum(bytes_out), 0),
    strftime('%Y-%m-%dT%H:%M:%SZ', min(time), 'unixepoch'), strftime('%Y-%m-%dT%H:%M:%SZ', max(time), 'unixepoch')
    FROM pictures"""  # noqa: S608 (the outcomes are our own)


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What a journal holds, counted."""

    source: str
    target: str
    counts: Mapping[Outcome, int]
    """Pictures of each outcome, those of 0 included."""
    bytes_in: int
    bytes_out: int
    first: str | None
    """The time of the oldest result in UTC, as RFC 3339 writes it; None where there is no result."""
    last: str | None
    """The time of the newest result, likewise."""


@dataclass(eq=False)
class JournalReader:
    """An open journal. Its methods may be called from any thread, one at a time.

    None of them ever waits for a run that writes: in SQLite's WAL mode a writer appends to the ``-wal`` file,
    and a reader sees the last commit before it began (https://www.sqlite.org/wal.html, section 2.2).
    """

    path: Path
    source: str  # where the pictures come from, without credentials
    target: str  # where they go, likewise
    _reading: sqlite3.Connection
    _resources: ExitStack

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file. To close it again does nothing."""
        self._resources.close()

    def find(self, name: str) -> Result | None:
        """What is remembered of one picture.

        Raises:
            JournalError: the journal cannot be read.
        """
        return next(iter(self._results(_FIND, name)), None)

    def results(self, outcomes: Collection[Outcome] = tuple(Outcome)) -> Iterator[Result]:
        """All that is remembered, or that of some outcomes only, in the order of the names.

        It reads page by page with nothing held open in between, so that it may take as long as a run. No picture
        comes twice, whatever is recorded meanwhile.

        Raises:
            JournalError: the journal cannot be read, at any step.
        """
        page_of = _PAGE_OF_ALL if Outcome.MIRRORED in outcomes else _PAGE_OF_NOT_MIRRORED
        start = ""
        while page := self._results(page_of, start):
            if page[-1].name < start:
                raise damaged(self.path, "its names are out of order")
            yield from (result for result in page if result.outcome in outcomes)
            # Nothing sorts between a name and the same with a NUL behind it.
            start = page[-1].name + "\0"

    def names(self, outcomes: Collection[Outcome]) -> Iterator[str]:
        """The names of the `results` of some outcomes.

        Raises:
            JournalError: the journal cannot be read, at any step.
        """
        return (entry.name for entry in self.results(outcomes))

    def summary(self) -> Summary:
        """Counts what the journal holds, which reads all of it.

        Raises:
            JournalError: the journal cannot be read.
        """
        [(*counts, bytes_in, bytes_out, first, last)] = self._query(_COUNT)
        return Summary(
            source=self.source,
            target=self.target,
            counts=dict(zip(Outcome, counts, strict=True)),
            bytes_in=bytes_in,
            bytes_out=bytes_out,
            first=first,
            last=last,
        )

    def _results(self, sql: str, name: str) -> list[Result]:
        rows = self._query(f"{_SELECT} {sql}", encode(name))
        try:
            return [result_of(row) for row in rows]
        except (ValueError, TypeError) as error:
            raise damaged(self.path, "a row makes no sense") from error

    def _query(self, sql: str, *values: bytes) -> list[tuple[Any, ...]]:
        with explained(self.path):
            # To the end at once: a statement left half read would keep the -wal file from being used anew.
            return self._reading.execute(sql, values).fetchall()


def read_journal(path: Path) -> JournalReader:
    """Opens a journal for reading alone, also while a run writes it.

    Raises:
        JournalError: it does not exist, is not a journal, has another format, is damaged, or cannot be read.
    """
    with explained(path), ExitStack() as opened:
        path = real_path(path)
        reading = opened.enter_context(closing(connect(path)))
        if is_empty(reading):
            raise JournalError(f"{path} is empty, and not a journal yet")
        if intents_of(path).exists():
            # Of a run that was killed. One under way keeps its own, and a full disk leaves them for the next run.
            unwritable = (JournalError, OSError, sqlite3.DatabaseError)
            with suppress(*unwritable), hold_lock(path), closing(connect(path)) as writing:
                recover(writing, intents_of(path))
        return JournalReader(path, *galleries_of(reading, path), reading, opened.pop_all())
