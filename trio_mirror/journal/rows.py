"""How the result of a picture stands in a row of the journal."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from itertools import chain, islice
from operator import attrgetter
from typing import Any

from trio_mirror.journal.database import encode
from trio_mirror.model import Outcome, Result, Stage

COLUMNS = {
    "name": str,
    "outcome": str,
    "stage": str,
    "error": str,
    "attempts": int,
    "etag": str,
    "bytes_in": int,
    "bytes_out": int,
    "digest_in": str,
    "digest": str,
    "lossless": bool,
    "time": float,
    "run": str,
}
"""The fields of a `Result` that a journal keeps, and their types. What a picture has none of is an empty text."""

_INSERT = f"INSERT INTO pictures ({', '.join(COLUMNS)}) VALUES "  # noqa: S608 (the columns are our own)
_PLACES = f"({', '.join('CAST(? AS TEXT)' if kind is str else '?' for kind in COLUMNS.values())})"
_CHANGES = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name != "name")
_REPLACE = f" ON CONFLICT (name) DO UPDATE SET {_CHANGES} "
_TOGETHER = 64  # rows; older SQLite takes 999 values at once

values_of = attrgetter(*(f"{it}.value" if it in ("outcome", "stage") else it for it in COLUMNS))
"""The values of a result, in the order of the columns."""


def remember(connection: sqlite3.Connection, rows: Iterable[Iterable[Any]], condition: str = "") -> int:
    """Remembers the values of results, each in place of what was remembered of its picture where the condition holds.

    Many go into one statement: after each, the thread that writes would wait for the GIL.

    Returns:
        How many they were.
    """
    rows, count = iter(rows), 0
    while some := list(islice(rows, _TOGETHER)):
        places = ", ".join([_PLACES] * len(some))
        statement = f"{_INSERT}{places}{_REPLACE}{condition}"
        count += connection.execute(statement, [*map(_bindable, chain.from_iterable(some))]).rowcount
    return count


def _bindable(value: Any) -> Any:
    """A value as SQLite takes it."""
    if value is None:
        return ""
    # ASCII needs no conversion, by SQLite neither.
    return encode(value) if isinstance(value, str) and not value.isascii() else value


def result_of(row: tuple[Any, ...]) -> Result:
    """The result that a row holds.

    Raises:
        TypeError, ValueError: `remember` did not write it: the file is damaged, where SQLite does not see it.
    """
    values: dict[str, Any] = {}
    for (name, kind), value in zip(COLUMNS.items(), row, strict=True):
        if not isinstance(value, int if kind is bool else kind):
            raise TypeError(f"column {name} holds a {type(value).__name__}")
        values[name] = (value or None) if kind is str else kind(value)
    values["outcome"], values["stage"] = Outcome(values["outcome"]), Stage(values["stage"])
    values["name"] = values["name"] or ""
    return Result(**values)
