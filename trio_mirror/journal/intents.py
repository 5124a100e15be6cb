"""Intents: the pictures that are about to be stored, in a file that outlives the process.

The file is mapped into memory, so that an intent costs no call of the system and no wait, and is there all the same
after a ``kill -9``. It has segments of one size. Records are added to one segment until it is full; then the oldest is
begun anew, if the journal has the result of every intent in it, else another one. A power failure may take the last
intents, as it may take the last rows of the journal.
"""

from __future__ import annotations

import json
import mmap
import os
import sqlite3
import struct
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from errno import ENOSPC
from itertools import count
from operator import itemgetter
from pathlib import Path
from threading import Lock
from typing import Any
from zlib import crc32

from trio_mirror.errors import JournalError
from trio_mirror.journal.database import encode
from trio_mirror.journal.rows import remember, values_of
from trio_mirror.model import Result

# Bytes; the longest name and the longest entity tag fit into one.
_SEGMENT = 1 << 18
# What each segment begins with.
_MAGIC = b"TrMi\0\0\0\0"
# Before each record: its length in bytes, and its CRC-32, by which one that was cut off is known.
_HEADER = struct.Struct("<II")
_END = bytes(_HEADER.size)
_json_of = json.JSONEncoder(ensure_ascii=False).encode
_IS_NEWS = "WHERE (pictures.run, pictures.digest_in) <> (excluded.run, excluded.digest_in)"


class Intents:
    """The intents of one run, in a file that is begun anew. They may be added and confirmed in any thread.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o666)
        self._lock = Lock()
        self._segments: dict[str, int] = {}
        self._open: Counter[int] = Counter()
        self._numbers = count()
        # The oldest segment first, so that of two intents of one name the earlier is the first to go.
        self._order: deque[int] = deque()
        self._map: mmap.mmap
        self._grow()

    def add(self, intent: Result) -> None:
        """Keeps an intent.

        Raises:
            OSError: there is no room for another segment.
        """
        record = encode(_json_of([next(self._numbers), *values_of(intent)]))
        record = _HEADER.pack(len(record), crc32(record)) + record + _END
        with self._lock:
            if self._at + len(record) > _SEGMENT:
                self._next()
            segment = self._order[-1]
            start = segment * _SEGMENT + self._at
            self._map[start : start + len(record)] = record
            self._at += len(record) - len(_END)
            self._forget(intent.name)
            self._segments[intent.name] = segment
            self._open[segment] += 1

    def confirm(self, names: Iterable[str]) -> None:
        """Gives up the intents of pictures of which the journal has the result."""
        with self._lock:
            for name in names:
                self._forget(name)

    def close(self) -> None:
        """Closes the file, and removes it where nothing in it is needed any more."""
        self._map.close()
        os.close(self._file)
        if not self._segments:
            # Where it stays, the next run finds nothing in it that it does not know.
            with suppress(OSError):
                self._path.unlink()

    def _forget(self, name: str) -> None:
        if (segment := self._segments.pop(name, None)) is not None:
            self._open[segment] -= 1

    def _next(self) -> None:
        """Goes on to another segment."""
        if self._open[self._order[0]]:
            self._grow()
        else:
            self._order.rotate(-1)
            self._at = len(_MAGIC)

    def _grow(self) -> None:
        """Adds a segment. Its bytes are written, as a mapped hole would end the process where the disk is full."""
        segment = len(self._order)
        if os.pwrite(self._file, _MAGIC.ljust(_SEGMENT, b"\0"), segment * _SEGMENT) < _SEGMENT:
            raise OSError(ENOSPC, os.strerror(ENOSPC))
        self._map = mmap.mmap(self._file, (segment + 1) * _SEGMENT)
        self._order.append(segment)
        self._at = len(_MAGIC)


def intents_of(path: Path) -> Path:
    """The file of the intents of a journal."""
    return path.with_name(f"{path.name}-intents")


def recover(connection: sqlite3.Connection, path: Path) -> None:
    """Moves the intents of a run that was killed into its journal, but for those that have their result there.

    Raises:
        JournalError: the file is something else.
        sqlite3.DatabaseError, OSError: as of the journal.
    """
    if not path.exists():
        return
    data = path.read_bytes()
    if not data.startswith(_MAGIC[: len(data)]):
        raise JournalError(f"{path} is not of a journal; move it away, or choose another journal")
    latest = {name: (name, *more) for _, name, *more in sorted(_records(data), key=itemgetter(0))}
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        remember(connection, latest.values(), _IS_NEWS)
    path.unlink()


def _records(data: bytes) -> Iterator[list[Any]]:
    for segment in range(0, len(data), _SEGMENT):
        at = segment + len(_MAGIC)
        while at + _HEADER.size <= len(data):
            length, checksum = _HEADER.unpack_from(data, at)
            at += _HEADER.size + length
            record = data[at - length : at]
            if not length or crc32(record) != checksum:
                break
            yield json.loads(record)
