"""When results are written to the journal, and what a run owes it when it is cancelled at a bad moment."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import trio

from trio_mirror.journal import Journal, open_journal
from trio_mirror.model import Outcome, Result, Stage
from trio_mirror.pipeline.recorder import Keeper

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from trio.testing import MockClock

    from trio_mirror.errors import JournalError
    from trio_mirror.journal import Entry


def mirrored(name: str) -> Result:
    return Result(name=name, outcome=Outcome.MIRRORED, stage=Stage.UPLOAD)


def no_error(error: JournalError) -> None:
    raise error


def journal_in(folder: Path) -> Journal:
    return open_journal(folder / "journal", source="a", target="b")


async def test_a_result_that_arrives_as_the_run_is_cancelled_is_kept(tmp_path: Path) -> None:
    with journal_in(tmp_path) as journal:
        keeper = Keeper(journal, no_error)
        with trio.CancelScope() as scope:
            scope.cancel()
            await keeper.add(mirrored("a.png"))
        await keeper.settle()

        assert scope.cancelled_caught
        assert list(journal.names([Outcome.MIRRORED])) == ["a.png"]


async def test_a_result_is_written_soon_though_no_other_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    written = trio.Event()
    monkeypatch.setattr(Journal, "record", lambda *_: trio.from_thread.run_sync(written.set))
    with journal_in(tmp_path) as journal:
        keeper = Keeper(journal, no_error)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keeper.keep)
            await keeper.add(mirrored("a.png"))
            await written.wait()
            assert trio.current_time() == pytest.approx(0.1)
            nursery.cancel_scope.cancel()


async def test_results_that_wait_for_a_slow_disk_as_the_run_is_cancelled_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, disk_answers = trio.Event(), threading.Event()
    record = Journal.record

    def record_slowly(self: Journal, entries: Iterable[Entry]) -> None:
        trio.from_thread.run_sync(writing.set)
        disk_answers.wait()
        record(self, entries)

    monkeypatch.setattr(Journal, "record", record_slowly)
    with journal_in(tmp_path) as journal:
        keeper = Keeper(journal, no_error)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keeper.keep)
            await keeper.add(mirrored("a.png"))
            await writing.wait()
            await keeper.add(mirrored("b.png"))
            await keeper.add(mirrored("c.png"))
            nursery.cancel_scope.cancel()
            disk_answers.set()
        await keeper.settle()

        assert list(journal.names([Outcome.MIRRORED])) == ["a.png", "b.png", "c.png"]
