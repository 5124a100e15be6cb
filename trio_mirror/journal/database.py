"""The SQLite file below a journal: its form, how it is recognised, and what its errors mean to people."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from operator import methodcaller
from pathlib import Path

from trio_mirror.errors import JournalError
from trio_mirror.model import Outcome, Stage

FORMAT = 3
"""The version of the form below, kept in SQLite's ``user_version``."""

_MARK = int.from_bytes(b"TrMj", "big")
"""Our ``application_id`` (https://www.sqlite.org/pragma.html#pragma_application_id)."""
_SMALLEST_PAGE = 512
"""Bytes; no SQLite file that holds anything is smaller (https://www.sqlite.org/fileformat.html, 1.3.2)."""

_CACHE = 256
"""KiB of pages that each connection keeps to itself; the system caches the file as well, and shares that."""


def _one_of(column: str, words: Iterable[str]) -> str:
    # SQLite builds the list of an IN anew for each row.
    return " OR ".join(f"{column} = '{word}'" for word in words)


_SCHEMA = (
    f"PRAGMA application_id = {_MARK}",
    f"PRAGMA user_version = {FORMAT}",
    "CREATE TABLE meta (source TEXT NOT NULL, target TEXT NOT NULL)",
    # What a picture has none of (an error, an ETag, a digest) is '' and not NULL, so that rows compare as a whole.
    f"""CREATE TABLE pictures (
        name TEXT NOT NULL PRIMARY KEY,
        outcome TEXT NOT NULL CHECK ({_one_of("outcome", Outcome)}),
        stage TEXT NOT NULL CHECK ({_one_of("stage", Stage)}),
        error TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        etag TEXT NOT NULL,
        bytes_in INTEGER NOT NULL,
        bytes_out INTEGER NOT NULL,
        time REAL NOT NULL,
        digest_in TEXT NOT NULL,
        digest TEXT NOT NULL,
        lossless INTEGER NOT NULL,
        run TEXT NOT NULL
    ) WITHOUT ROWID""",
    # Most pictures are mirrored, so that the index, which serves the retry of the others, stays small.
    "CREATE INDEX not_mirrored ON pictures (name) WHERE outcome <> 'mirrored'",
    """CREATE VIEW results AS
    SELECT source, target, name, outcome, stage, error, attempts, etag, bytes_in, bytes_out, digest_in, digest,
        lossless, strftime('%Y-%m-%dT%H:%M:%fZ', time, 'unixepoch') AS time
    FROM pictures, meta""",
)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Maps what SQLite and the system say of the journal at ``path`` to a JournalError that says what to do."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise  # SQLite does not raise it, the module does: the mistake is ours, not the file's.
    except sqlite3.DatabaseError as error:
        raise JournalError(_explanation(path, error)) from error
    except UnicodeDecodeError as error:
        # SQLite's message quotes what it could not read, and the module cannot read that either.
        raise damaged(path, "its tables are unreadable") from error
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be used: {error.strerror}") from error


def damaged(path: Path, detail: object) -> JournalError:
    """The error of a journal whose content is broken."""
    return JournalError(
        f"the journal {path} is damaged ({detail}); move it away to begin a new one, "
        "or save what can still be read by SQLite's .recover"
    )


def real_path(path: Path) -> Path:
    """The one path of a journal, whichever symbolic links lead to it: its lock is beside it.

    Raises:
        JournalError: something is there, and it is no file.
        OSError: a folder on the way may not be searched.
    """
    real = Path(os.path.realpath(path))
    if real.is_dir():
        raise JournalError(f"{path} is a folder, and a journal is a file; name a file in it")
    if real.exists() and not real.is_file():
        raise JournalError(f"{path} is no ordinary file, and a journal is; choose another file")
    return real


def connect(path: Path, *, create: bool = False) -> sqlite3.Connection:
    """Opens an SQLite file and makes sure that it is a journal, or empty; what is not is left untouched.

    The connection commits each statement by itself, may be used by any thread (one at a time), and gives
    text that `encode` made: names may hold lone surrogates, which sqlite3 by itself would not pass.

    Raises:
        JournalError: it is not ours, or of another format.
        sqlite3.DatabaseError, OSError: see `explained`.
    """
    # Also where only reading is meant: of a WAL file, a read-only connection leaves -wal and -shm behind.
    how = "mode=rwc" if create else "mode=rw"
    if not (create or os.access(path.parent, os.W_OK, effective_ids=True) or Path(f"{path}-wal").exists()):
        # Where these cannot be put beside it, it can be read as one that nobody writes, and at rest nobody does.
        how = "immutable=1"
    connection = sqlite3.connect(f"{path.as_uri()}?{how}", uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.text_factory = methodcaller("decode", "utf-8", "surrogatepass")
        connection.execute(f"PRAGMA cache_size = -{_CACHE}")
        _check_mark(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether nothing was written into the file yet."""
    [(count,)] = connection.execute("SELECT count(*) FROM sqlite_master")
    return bool(count == 0)


def create_tables(connection: sqlite3.Connection, source: str, target: str) -> None:
    """Makes an empty file a journal, in one transaction."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA:
            connection.execute(statement)
        connection.execute(
            "INSERT INTO meta VALUES (CAST(? AS TEXT), CAST(? AS TEXT))", (encode(source), encode(target))
        )


def galleries_of(connection: sqlite3.Connection, path: Path) -> tuple[str, str]:
    """The source and the target of a journal.

    Raises:
        JournalError: it is damaged.
        sqlite3.DatabaseError, OSError: see `explained`.
    """
    match connection.execute("SELECT source, target FROM meta").fetchall():
        case [(str(source), str(target))]:
            return source, target
    raise damaged(path, "it does not say whose it is")


def check_galleries(path: Path, found: tuple[str, str], wanted: tuple[str, str]) -> None:
    """Makes sure that a journal is of the wanted source and target.

    Raises:
        JournalError: it is of others.
    """
    if found != wanted:
        raise JournalError(
            f"{path} is the journal of {' → '.join(found)}, and not of {' → '.join(wanted)}; choose another file"
        )


def encode(text: str) -> bytes:
    """Text for SQLite, for use as ``CAST(? AS TEXT)``: UTF-8, in which lone surrogates pass as they are."""
    return text.encode("utf-8", "surrogatepass")


def _check_mark(connection: sqlite3.Connection, path: Path) -> None:
    # SQLite takes a file of a single byte for an empty one, and would overwrite it.
    if 0 < path.stat().st_size < _SMALLEST_PAGE:
        raise JournalError(_not_sqlite(path))
    [(mark,)] = connection.execute("PRAGMA application_id")
    [(version,)] = connection.execute("PRAGMA user_version")
    if mark != _MARK and not is_empty(connection):
        raise JournalError(f"{path} is an SQLite file of something else, not a journal; choose another file")
    if mark == _MARK and version != FORMAT:
        age, hint = ("a newer", "update trio-mirror") if version > FORMAT else ("an older", "go on with that one")
        raise JournalError(
            f"the journal {path} was written by {age} trio-mirror (format {version}, this one knows {FORMAT}); "
            f"{hint}, or choose another file"
        )


def _explanation(path: Path, error: sqlite3.DatabaseError) -> str:
    match error.sqlite_errorcode & 0xFF:  # the primary code, https://www.sqlite.org/rescode.html
        case sqlite3.SQLITE_NOTADB:
            return _not_sqlite(path)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_ERROR:  # a table is missing, say
            return str(damaged(path, error))
        case sqlite3.SQLITE_FULL:
            return f"the disk is full; the journal {path} keeps what it has: make room, and run the same again"
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return f"the journal {path} cannot be written: no permission for it, or for the folder that it is in"
        case sqlite3.SQLITE_CANTOPEN:
            return f"the journal {path} cannot be opened: {_why_not_opened(path)}"
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return f"the journal {path} is locked by another program, such as an sqlite3 shell; end that first"
        case _:
            return f"the journal {path} cannot be used: {error}"


def _why_not_opened(path: Path) -> str:
    # os.path holds what may not be looked at for what is not there; pathlib raises.
    if not os.path.isdir(path.parent):  # noqa: PTH112
        return f"there is no folder {path.parent}"
    if os.access(path.parent, os.W_OK) and not os.path.exists(path):  # noqa: PTH110
        return "it does not exist"
    return "there is no permission for it, or for the folder that it is in"


def _not_sqlite(path: Path) -> str:
    return f"{path} is no SQLite file, so no journal; choose another file"
