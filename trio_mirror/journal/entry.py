"""What a journal remembers of one picture, and how that stands in a row of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trio_mirror.journal.database import decode, encode
from trio_mirror.model import Outcome, Stage

_TYPES = (bytes, bytes, bytes, bytes, int, bytes, int, int, bytes, float)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What is remembered of one picture: its last result."""

    name: str
    outcome: Outcome
    stage: Stage
    """The last stage that it reached."""
    error: str | None = None
    """Why it failed or is unknown: a sentence."""
    attempts: int = 0
    """Requests made for it, over all stages and retries."""
    etag: str | None = None
    """The entity tag of the original as fetched, where its gallery gave one."""
    bytes_in: int = 0
    """Bytes of the picture as fetched."""
    bytes_out: int = 0
    """Bytes of the mirrored picture as stored."""
    sha256: str | None = None
    """The SHA-256 of what was uploaded, in hexadecimal."""
    time: float
    """When it ended, in seconds since 1970-01-01 UTC."""


def row_of(entry: Entry) -> tuple[bytes | str | int | float, ...]:
    """The values of an entry, in the order of the columns."""
    return (
        encode(entry.name),
        entry.outcome.value,
        entry.stage.value,
        encode(entry.error or ""),
        entry.attempts,
        encode(entry.etag or ""),
        entry.bytes_in,
        entry.bytes_out,
        entry.sha256 or "",
        entry.time,
    )


def entry_of(row: tuple[Any, ...]) -> Entry:
    """The entry that a row holds.

    Raises:
        TypeError, ValueError: no `row_of` gave it: the file is damaged, where SQLite does not see it.
    """
    for value, expected in zip(row, _TYPES, strict=True):
        if not isinstance(value, expected):
            raise TypeError(f"a {type(value).__name__} stands where a {expected.__name__} belongs")
    name, outcome, stage, error, attempts, etag, bytes_in, bytes_out, sha256, time = row
    return Entry(
        name=decode(name),
        outcome=Outcome(decode(outcome)),
        stage=Stage(decode(stage)),
        error=decode(error) or None,
        attempts=attempts,
        etag=decode(etag) or None,
        bytes_in=bytes_in,
        bytes_out=bytes_out,
        sha256=decode(sha256) or None,
        time=time,
    )
