"""When results are written to the journal, and what a run writes when it is cancelled at a bad moment."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING

import pytest
import trio
import trio.lowlevel

from trio_mirror.errors import JournalError, StorageError
from trio_mirror.journal import Journal, open_journal, read_journal
from trio_mirror.model import Outcome, Report, Result, Stage
from trio_mirror.pipeline.in_flight import InFlight
from trio_mirror.pipeline.item import Item
from trio_mirror.pipeline.recorder import JournalMemory, Memory, Recorder
from trio_mirror.pipeline.stop import Stop
from trio_mirror.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from trio.testing import MockClock


def mirrored(name: str) -> Item:
    return Item(Result(name=name, outcome=Outcome.MIRRORED, stage=Stage.UPLOAD), ended=True)


def intent(name: str) -> Result:
    return Result(name=name, stage=Stage.UPLOAD, digest_in="0" * 64, digest="1" * 64)


def journal_in(folder: Path) -> Journal:
    return open_journal(folder / "journal", source="a", target="b")


def recorder_of(memory: Memory) -> tuple[Recorder, Stop]:
    report, settings = Report(source="a", target="b"), Settings()
    stop = Stop(report, settings)
    return Recorder(report, settings, InFlight(16), stop, memory), stop


async def test_a_result_that_arrives_as_the_run_is_cancelled_is_kept(tmp_path: Path) -> None:
    with journal_in(tmp_path) as journal:
        recorder, _ = recorder_of(JournalMemory(journal))
        with trio.CancelScope() as scope:
            scope.cancel()
            recorder.cut_off(mirrored("a.png"))
            await recorder.flush_at_exit()

        assert list(journal.names([Outcome.MIRRORED])) == ["a.png"]


async def test_a_result_is_written_soon_though_no_other_follows(autojump_clock: MockClock) -> None:
    written = trio.Event()

    class Watched:
        wait, intend = 0.1, None

        def find(self, name: str) -> Result | None:
            raise NotImplementedError

        async def write(self, results: list[Result]) -> None:
            await trio.lowlevel.checkpoint()
            written.set()

    recorder, _ = recorder_of(Watched())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(recorder.keep)
        recorder.record(mirrored("a.png"))
        await written.wait()
        assert trio.current_time() == pytest.approx(0.1)
        nursery.cancel_scope.cancel()


async def test_results_that_wait_for_a_slow_disk_as_the_run_is_cancelled_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, disk_answers = trio.Event(), threading.Event()
    record, token = Journal.record, trio.lowlevel.current_trio_token()

    def record_slowly(self: Journal, results: Iterable[Result]) -> None:
        token.run_sync_soon(writing.set)
        disk_answers.wait()
        record(self, results)

    monkeypatch.setattr(Journal, "record", record_slowly)
    with journal_in(tmp_path) as journal:
        recorder, _ = recorder_of(JournalMemory(journal))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(recorder.keep)
            recorder.record(mirrored("a.png"))
            await writing.wait()
            recorder.record(mirrored("b.png"))
            recorder.record(mirrored("c.png"))
            nursery.cancel_scope.cancel()
            disk_answers.set()
        await recorder.flush()

        assert list(journal.names([Outcome.MIRRORED])) == ["a.png", "b.png", "c.png"]


async def test_an_intent_is_in_the_journal_before_its_upload_may_leave(tmp_path: Path) -> None:
    with journal_in(tmp_path) as journal:
        recorder, _ = recorder_of(JournalMemory(journal))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(recorder.keep)
            await recorder.intend(intent("a.png"))
            # A killed process leaves what the files hold now.
            shutil.copytree(tmp_path, tmp_path / "killed")
            with read_journal(tmp_path / "killed" / journal.path.name) as left:
                [row] = left.results()
            assert row.is_intent
            assert (row.digest_in, row.digest) == ("0" * 64, "1" * 64)
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("before", [None, StorageError("the target is full")])
async def test_a_journal_that_takes_no_intent_lets_no_upload_leave_and_ends_the_run(
    before: StorageError | None, autojump_clock: MockClock
) -> None:
    class Full:
        wait, intend = 0.1, None
        room = False
        rows: tuple[str, ...] = ()

        def find(self, name: str) -> Result | None:
            raise NotImplementedError

        async def write(self, results: list[Result]) -> None:
            await trio.lowlevel.checkpoint()
            if not self.room:
                raise JournalError("the disk is full")
            self.rows += tuple(result.name for result in results)

    memory = Full()
    recorder, stop = recorder_of(memory)
    if before is not None:
        stop.fail(before)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(recorder.keep)
        recorder.record(mirrored("a.png"))
        with pytest.raises(JournalError, match="the disk is full"):
            await recorder.intend(intent("b.png"))
        assert stop.draining.is_set()
        nursery.cancel_scope.cancel()

    # What could not be written is tried once more at the end.
    memory.room = True
    await recorder.flush()
    assert memory.rows == ("a.png", "b.png")


@pytest.mark.parametrize(("in_flight", "groups"), [(3, [2]), (2, [2]), (1, [1, 1])])
async def test_intents_are_written_together_while_more_pictures_are_on_their_way(
    autojump_clock: MockClock, in_flight: int, groups: list[int]
) -> None:
    written: list[tuple[float, int]] = []

    class Watched:
        wait, intend = 0.1, None

        def find(self, name: str) -> Result | None:
            raise NotImplementedError

        async def write(self, results: list[Result]) -> None:
            await trio.lowlevel.checkpoint()
            written.append((trio.current_time() - began, len(results)))

    report, settings = Report(source="a", target="b"), Settings()
    pictures = InFlight(16)
    for _ in range(in_flight):
        await pictures.take()
    recorder = Recorder(report, settings, pictures, Stop(report, settings), Watched())
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(recorder.keep)
        if in_flight > 1:
            nursery.start_soon(recorder.intend, intent("a.png"))
            await trio.sleep(0.001)
        else:
            await recorder.intend(intent("a.png"))
        await recorder.intend(intent("b.png"))
        nursery.cancel_scope.cancel()

    assert [count for _, count in written] == groups
    # Where all that are on their way wait, nothing else can come.
    assert written[-1][0] == pytest.approx(0.01 if in_flight == 3 else 0.001 * (in_flight - 1))
