"""The same run over several processes: real ones."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio_parallel

from tests.cli.test_cli import cli
from tests.helpers import processes
from tests.helpers.faults import Fault, Plan
from tests.helpers.faulty_server import FaultyGallery, names_of, serve
from tests.helpers.memory_gallery import MemoryGallery
from tests.helpers.pictures import is_mirrored, png
from trio_mirror import Outcome, Picture, Settings, SettingsError, mirror, open_mirror, run
from trio_mirror.demo.server import serve_gallery
from trio_mirror.distributed.processes import mirror_slice as real_mirror_slice
from trio_mirror.distributed.slices import SliceRun
from trio_mirror.journal import read_journal
from trio_mirror.model import Result, Stage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from trio.testing import MockClock

    from trio_mirror.distributed.slices import Todo


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(120):
        (folder / f"{number:03}.png").write_bytes(png() if number % 10 else b"not a picture")
    return folder


def pretend(monkeypatch: pytest.MonkeyPatch, mirror_slice: Callable[[Todo], Awaitable[list[Result]]]) -> None:
    """Has slices mirrored by a pretended worker, for which no process is started."""

    async def run_sync(_: object, work: object, *arguments: Any, **__: object) -> object:
        if work is not real_mirror_slice:
            await trio.lowlevel.checkpoint()
            return None
        _job, todo = arguments
        return await mirror_slice(todo), None

    monkeypatch.setattr(trio_parallel.WorkerContext, "run_sync", run_sync)


def test_two_processes_do_what_one_does(photos: Path, tmp_path: Path) -> None:
    one = run(photos, tmp_path / "one")
    two = run(photos, tmp_path / "two", processes=2)

    assert (two.listed, two.mirrored, two.failed) == (120, 108, 12)
    assert (two.bytes_in, two.bytes_out, two.lossless) == (one.bytes_in, one.bytes_out, one.lossless)
    assert {it.name for it in two.failures} == {it.name for it in one.failures}
    assert all(is_mirrored(png(), path.read_bytes()) for path in (tmp_path / "two").iterdir())


async def test_there_is_one_journal_and_it_resumes(photos: Path, tmp_path: Path) -> None:
    journal = str(tmp_path / "run.journal")
    async with serve_gallery(photos, tmp_path / "stored") as url:
        first = await mirror(url, processes=2, journal=journal, limit=60)
        again = await mirror(url, processes=2, journal=journal)

    assert (first.mirrored, first.failed) == (54, 6)
    assert (again.skipped, again.mirrored, again.failed) == (54, 54, 12)
    with read_journal(Path(journal)) as rows:
        assert rows.summary().counts[Outcome.MIRRORED] == 108


@pytest.mark.parametrize(("seconds", "largest"), [(0.01, 400), (1.0, 64), (4.0, 30)])
async def test_a_slice_takes_half_a_second_or_eight_times_as_long_as_a_picture_or_half_a_drain(
    seconds: float,
    largest: int,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: MockClock,
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("".join(f"{number}.png\n" for number in range(1_000)))
    sizes: list[int] = []

    async def worker(todo: Todo) -> list[Result]:
        sizes.append(len(todo))
        await trio.sleep(seconds * len(todo) / 8)  # eight at once
        how: dict[str, Any] = {
            "outcome": Outcome.MIRRORED,
            "stage": Stage.UPLOAD,
            "began": {Stage.UPLOAD: 0.0},
            "seconds": {Stage.UPLOAD: seconds},
        }
        return [Result(name=name, **how) for name, _ in todo]

    pretend(monkeypatch, worker)
    report = await mirror(names, tmp_path / "out", base=str(photos), processes=2)

    assert (report.mirrored, sum(sizes)) == (1_000, 1_000)
    assert max(sizes) == largest


async def test_what_a_slice_gave_is_kept_when_the_block_is_left(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = 0

    async def worker(todo: Todo) -> list[Result]:
        nonlocal given
        given += len(todo)
        await trio.lowlevel.checkpoint()
        return [Result(name=name, outcome=Outcome.MIRRORED, stage=Stage.UPLOAD) for name, _ in todo]

    pretend(monkeypatch, worker)
    journal = tmp_path / "run.journal"
    async with open_mirror(photos, tmp_path / "out", processes=2, journal=str(journal)) as results:
        await anext(results)

    assert results.report.mirrored == given > 1
    with read_journal(journal) as rows:
        assert rows.summary().counts[Outcome.MIRRORED] == given


async def test_one_slice_after_the_other_keeps_to_the_rate(instant_flip: None, autojump_clock: MockClock) -> None:
    began = list[float]()

    class Timed(MemoryGallery):
        async def fetch(self, name: str, known_etag: str | None = None) -> Picture | None:
            began.append(trio.current_time())
            return await super().fetch(name, known_etag)

        async def store(self, picture: Picture) -> None:
            began.append(trio.current_time())
            await super().store(picture)

    gallery = Timed()
    for name in "abc":
        run = SliceRun(gallery, gallery, Settings(rate=0.5), [(f"{name}.png", None)])
        async with run.working():
            assert [result.outcome async for result in run] == [Outcome.MIRRORED]

    assert [later - earlier for earlier, later in pairwise(began)] == pytest.approx([2.0] * 5)


async def test_a_name_that_a_drain_keeps_from_its_slice_is_not_in_flight(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    async def worker(todo: Todo) -> list[Result]:
        await trio.sleep(1)
        return [Result(name=name, outcome=Outcome.MIRRORED, stage=Stage.UPLOAD) for name, _ in todo]

    pretend(monkeypatch, worker)
    async with open_mirror(photos, tmp_path / "out", processes=2) as results:
        async for _ in results:
            results.drain()

    assert results.report.listed == results.report.mirrored < 120
    assert results.in_flight == 0


async def test_of_a_process_that_dies_the_slice_is_unknown_and_the_run_goes_on(tmp_path: Path) -> None:
    gallery = FaultyGallery(names_of(100), Plan(seed=1, share=0.01, upload=(Fault.LOST,)))
    [lost] = [name for name in gallery.names if gallery.plan.fault("POST", name, 1)]

    async def kill_the_workers() -> None:
        # This upload has come and gets no answer, so that one of the two has something under way.
        while lost not in gallery.stored:  # noqa: ASYNC110 (what serves has no event for it)
            await trio.sleep(0.01)
        for worker in multiprocessing.active_children():
            worker.kill()

    async with serve(gallery) as url, open_mirror(url, processes=2) as results, trio.open_nursery() as nursery:
        nursery.start_soon(kill_the_workers)
        outcomes = {result.name: result.outcome async for result in results}

    assert outcomes[lost] is Outcome.UNKNOWN
    assert len(outcomes) == results.report.listed == 100
    assert results.report.mirrored > 0
    assert results.report.failed == 0


async def test_ctrl_c_while_the_processes_start_makes_nothing_unknown(photos: Path, tmp_path: Path) -> None:
    process = processes.start(photos, "--to", tmp_path / "out", "--processes", "2", "--json", own_group=True)
    with trio.fail_after(60):
        while len(list(_children(process.pid))) < 2:  # noqa: ASYNC110 (as above)
            await trio.sleep(0.001)
        # Long enough for Python to come up in them, and too short for their work to begin.
        await trio.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        ended = await processes.ended(process)

    report = json.loads(ended.out)
    assert (ended.code, report["unknown"]) == (130, 0)
    assert report["listed"] == report["mirrored"] + report["failed"] > 0


def _children(process: int) -> Iterator[str]:
    # Linux tells them by the thread that started them.
    for thread in Path(f"/proc/{process}/task").iterdir():
        with suppress(FileNotFoundError):
            yield from (thread / "children").read_text().split()


def test_a_script_that_its_processes_cannot_import_is_told_what_to_do(photos: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import trio_mirror\n"
        "try:\n"
        f"    trio_mirror.run({str(photos)!r}, {str(tmp_path / 'out')!r}, processes=2)\n"
        "except Exception as error:\n"
        "    raise SystemExit(f'{type(error).__name__}: {error}') from None\n"
    )
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=60, check=False, env=processes.ENVIRONMENT
    )

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    # Workers tell it, too, and their lines may run into each other.
    assert "SettingsError: --processes: a script must be a file" in done.stderr
    assert "ClusterError: --processes: a worker process cannot be started" in done.stderr
    assert "if __name__ == '__main__'" in done.stderr
    assert not list((tmp_path / "out").iterdir())


def test_too_few_descriptors_for_the_processes_end_the_run_with_one_line(photos: Path, tmp_path: Path) -> None:
    command = processes.module("trio_mirror", photos, "--to", tmp_path / "out", "--processes", "8")
    done = subprocess.run(
        ["sh", "-c", 'ulimit -n 32; exec "$0" "$@"', *command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=processes.ENVIRONMENT,
    )

    assert done.returncode == 5
    [told] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "Too many open files; lower --processes" in told


def test_a_daemonic_process_is_told_that_it_may_not_start_others(photos: Path, tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool, pytest.raises(SettingsError, match="daemonic"):
        pool.apply(run, (photos, tmp_path / "out"), {"processes": 2})


async def test_as_many_processes_work_as_are_asked_for_and_end_with_the_run() -> None:
    trio_parallel.current_default_worker_limiter().total_tokens = 1  # as on a machine of one core
    gallery = FaultyGallery(names_of(100), Plan(share=1, upload=(Fault.STALLED,)))
    async with serve(gallery) as url, open_mirror(url, processes=2, concurrency=2):
        with trio.fail_after(60):
            # Each has one picture in flight.
            while sum(method == "POST" for method, _ in gallery.attempts) < 2:  # noqa: ASYNC110 (as above)
                await trio.sleep(0.01)

    assert not multiprocessing.active_children()


async def test_processes_that_have_nothing_to_do_end_with_the_run(photos: Path, tmp_path: Path) -> None:
    await mirror(photos, tmp_path / "out", processes=2)

    assert not multiprocessing.active_children()


async def test_an_object_cannot_go_to_another_process() -> None:
    with pytest.raises(SettingsError, match="--processes"):
        await mirror(MemoryGallery(["a.png"]), processes=2)


def test_a_sheet_does_not_go_with_processes(photos: Path, tmp_path: Path) -> None:
    done = cli(photos, "--to", tmp_path / "out", "--processes", "2", "--sheet", tmp_path / "sheet.html")

    assert done.returncode == 2
    assert "--sheet" in done.stderr
    assert not (tmp_path / "sheet.html").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_signal_to_the_whole_group_drains_all(number: signal.Signals, code: int, tmp_path: Path) -> None:
    originals, mirrored = tmp_path / "images", tmp_path / "mirrored"
    originals.mkdir()
    for index in range(3_000):
        (originals / f"{index:04}.png").write_bytes(png())
    async with serve_gallery(originals, mirrored) as url:
        with trio.fail_after(60):
            # The first names of both processes: a signal before they have started would end them.
            first = ["0000.png", "0001.png"]
            ended = await processes.interrupted(
                url, "--json", "--processes", "2", stored=mirrored, names=first, number=number
            )

    assert ended.code == code
    report = json.loads(ended.out)
    assert 0 < report["mirrored"] == report["listed"] == len(list(mirrored.iterdir())) < 3_000
