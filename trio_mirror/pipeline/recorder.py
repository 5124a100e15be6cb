"""What keeps the journal during a run: results in groups, off the event loop, none owed at the end."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from trio_mirror.errors import JournalError
from trio_mirror.journal import Entry
from trio_mirror.model import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio_mirror.journal import Journal

# Seconds that a result waits at most for others, to be written with them; and how many at most are written at once.
_WAIT = 0.1
_GROUP = 1_000


class Keeper:
    """Writes the results of a run to its journal.

    Args:
        journal: the journal; None keeps nothing.
        on_error: told when the journal cannot be written.
    """

    def __init__(self, journal: Journal | None, on_error: Callable[[JournalError], None]) -> None:
        self._journal = journal
        self._on_error = on_error
        self._entry_in, self._entry_out = trio.open_memory_channel[Entry](_GROUP)
        self._owed: list[Entry] = []

    async def add(self, result: Result) -> None:
        """Takes a result to be written within 0.2 s; waits while the disk is behind by a whole group."""
        if self._is_kept(result):
            entry = _entry_of(result)
            try:
                await self._entry_in.send(entry)
            except trio.Cancelled:
                self._owed.append(entry)
                raise

    def owe(self, result: Result) -> None:
        """Takes the result of a cancelled task, which cannot wait, to be written by `settle`."""
        if self._is_kept(result):
            self._owed.append(_entry_of(result))

    def end(self) -> None:
        """Says that no more results come, so that `keep` ends."""
        self._entry_in.close()

    async def keep(self) -> None:
        """Writes what comes, until `end`."""
        async for entry in self._entry_out:
            group = [entry]
            try:
                with trio.move_on_after(_WAIT), suppress(trio.EndOfChannel):
                    while len(group) < _GROUP:
                        group.append(await self._entry_out.receive())
                await self._write(group)
            except trio.Cancelled:
                self._owed += group
                raise

    async def settle(self) -> None:
        """Writes what cancelled tasks owe. It is little, and a disk answers: no cancellation keeps it from that."""
        # Closed here and not by `keep`: what a cancelled `keep` left in the channel would be lost.
        with self._entry_in, self._entry_out, suppress(trio.WouldBlock, trio.EndOfChannel):
            while True:
                self._owed.append(self._entry_out.receive_nowait())
        with trio.CancelScope(shield=True):
            await self._write(self._owed)

    def _is_kept(self, result: Result) -> bool:
        # For what is skipped, the journal already has the row that says why.
        return self._journal is not None and result.outcome is not Outcome.SKIPPED

    async def _write(self, entries: list[Entry]) -> None:
        if self._journal is None or not entries:
            return
        try:
            # In a thread, since it waits for the disk; not abandoned, since what is done is to be remembered.
            await trio.to_thread.run_sync(self._journal.record, entries)
        except JournalError as error:
            self._on_error(error)


def _entry_of(result: Result) -> Entry:
    return Entry(
        name=result.name,
        outcome=result.outcome,
        stage=result.stage,
        error=result.error,
        attempts=result.attempts,
        etag=result.etag,
        bytes_in=result.bytes_in,
        bytes_out=result.bytes_out,
        sha256=result.sha256,
        time=time.time(),
    )
