"""Writing a journal."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from trio_mirror.errors import JournalError
from trio_mirror.journal.database import (
    check_galleries,
    connect,
    create_tables,
    explained,
    galleries_of,
    is_empty,
    real_path,
)
from trio_mirror.journal.intents import Intents, intents_of, recover
from trio_mirror.journal.lock import hold_lock
from trio_mirror.journal.reader import JournalReader
from trio_mirror.journal.rows import COLUMNS, remember, values_of
from trio_mirror.model import Result

# What follows the time and "mirrored" only decides ties, so that the order of merging makes no difference.
_RANK = ("time", "outcome = 'mirrored'", *(name for name in COLUMNS if name not in ("name", "time")))
_IS_NEWER = "WHERE " + " > ".join(
    f"({', '.join(f'{table}.{it}' for it in _RANK)})" for table in ("excluded", "pictures")
)


@dataclass(eq=False)
class Journal(JournalReader):
    """A journal that this run alone writes. `record` may run in one thread while another reads.

    What was recorded is still there after the process is killed, as the rows are in the system's hands by
    then. A power failure may take the last of them, and leaves the file whole: that is SQLite's
    ``synchronous=NORMAL``, which spares an fsync at every commit.
    """

    _writing: sqlite3.Connection
    _intents: Intents
    _file: os.stat_result
    is_new: bool  # whether it remembered nothing as it was opened
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def close(self) -> None:
        """Closes the file, when what is being written has been. To close it again does nothing."""
        with self._turn:
            super().close()

    def remove(self) -> None:
        """Removes the files of the journal and closes it: there is nothing left to remember.

        Raises:
            JournalError: one of them cannot be removed.
        """
        # While the lock is held, so that no other run has begun to use them.
        with explained(self.path):
            for file in journal_files(self.path):
                file.unlink(missing_ok=True)
        self.close()

    def intend(self, intent: Result) -> None:
        """Remembers a picture that is about to be stored, until `record` takes its result; waits for nothing.

        Raises:
            JournalError: the disk is full, or fails.
        """
        try:
            self._intents.add(intent)
        except OSError:
            # Entered on failure only: around each intent it would cost a fifth of what the intent does.
            with explained(self.path):
                raise

    def record(self, results: Iterable[Result]) -> None:
        """Remembers the results of some pictures, all or none. Each replaces what was remembered of its picture.

        Raises:
            JournalError: the disk is full, or fails, or the file is no longer in its place. The journal is as it was
                before, and can be tried again.
        """
        results = list(results)
        self._write(results)
        self._intents.confirm(result.name for result in results)

    def absorb(self, results: Iterable[Result]) -> int:
        """Remembers those results that are newer than what is remembered of their pictures, all or none.

        Of two of the same time, one that is mirrored counts as the newer.

        Returns:
            How many they were.

        Raises:
            JournalError: as in `record`.
        """
        return self._write(results, _IS_NEWER)

    def _write(self, results: Iterable[Result], condition: str = "") -> int:
        # A run that gave up waiting for one write may begin another.
        with self._turn, explained(self.path), self._writing:
            self._check_place()
            self._writing.execute("BEGIN IMMEDIATE")
            return remember(self._writing, map(values_of, results), condition)

    def _check_place(self) -> None:
        # SQLite goes on writing a file to which no name leads any more.
        if not (self.path.exists() and os.path.samestat(self.path.stat(), self._file)):
            raise JournalError(f"the journal {self.path} was moved, removed or replaced during the run")


def journal_files(path: Path) -> list[Path]:
    """All files that a journal consists of, at one time or another."""
    real = os.path.realpath(path)
    return [path, *(Path(f"{real}{suffix}") for suffix in ("", "-wal", "-shm", "-journal", "-lock", "-intents"))]


def open_journal(path: Path, *, source: str, target: str) -> Journal:
    """Opens the journal of a run, or begins one.

    Args:
        path: the file. A lock file, ``-lock``, comes beside it; ``-intents``, and SQLite's ``-wal`` and ``-shm``, while
            it is open.
        source: where the pictures come from, without credentials.
        target: where they go, likewise.

    Raises:
        JournalError: the file is not a journal, or belongs to other galleries, or has another format; it is damaged, in
            use by another run, or cannot be written.
    """
    with explained(path), ExitStack() as opened:
        path = real_path(path)
        # A first look, so that no lock is put beside a stranger's file.
        connect(path, create=True).close()
        opened.enter_context(hold_lock(path))
        writing = opened.enter_context(closing(connect(path)))
        if is_empty(writing):
            create_tables(writing, source, target)
        check_galleries(path, galleries_of(writing, path), (source, target))
        recover(writing, intents_of(path))
        writing.execute("PRAGMA journal_mode = WAL")
        writing.execute("PRAGMA synchronous = NORMAL")
        _check_writable(writing)
        # A connection of its own, so that the event loop can read while a thread writes.
        reading = opened.enter_context(closing(connect(path)))
        intents = Intents(intents_of(path))
        opened.callback(intents.close)
        [(remembers,)] = reading.execute("SELECT EXISTS (SELECT * FROM pictures)")
        file = path.stat()
        return Journal(path, source, target, reading, opened.pop_all(), writing, intents, file, is_new=not remembers)


def _check_writable(connection: sqlite3.Connection) -> None:
    # What cannot be written is to be heard of now, and not after the first pictures. To begin a transaction
    # does not tell: in WAL mode it only needs the -shm file.
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE meta SET source = source")
    connection.execute("ROLLBACK")
