"""The same run over several processes: real ones."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio

from tests.cli.test_cli import cli
from tests.helpers import processes
from tests.helpers.faults import Fault, Plan
from tests.helpers.faulty_server import FaultyGallery, names_of, serve
from tests.helpers.memory_gallery import MemoryGallery
from tests.helpers.pictures import is_mirrored, png
from trio_mirror import Outcome, Picture, Result, Settings, SettingsError, mirror, open_mirror, run
from trio_mirror.demo.server import serve_gallery
from trio_mirror.distributed.dispatcher import Ended, Orders, Reported
from trio_mirror.distributed.frames import _LENGTH
from trio_mirror.distributed.job import Job, open_worker
from trio_mirror.distributed.processes import _MAIN, ProcessEngine
from trio_mirror.journal import read_journal

if TYPE_CHECKING:
    from trio.testing import MockClock


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(120):
        (folder / f"{number:03}.png").write_bytes(png() if number % 10 else b"not a picture")
    return folder


def test_two_processes_do_what_one_does(photos: Path, tmp_path: Path) -> None:
    one = run(photos, tmp_path / "one")
    two = run(photos, tmp_path / "two", processes=2)

    assert (two.listed, two.mirrored, two.failed) == (120, 108, 12)
    assert (two.bytes_in, two.bytes_out, two.lossless) == (one.bytes_in, one.bytes_out, one.lossless)
    assert {it.name for it in two.failures} == {it.name for it in one.failures}
    assert all(is_mirrored(png(), path.read_bytes()) for path in (tmp_path / "two").iterdir())


class _Redirecting(BaseHTTPRequestHandler):
    """A gallery whose list is redirected, for whoever has the credentials."""

    def do_GET(self) -> None:
        if self.headers["Authorization"] is None:
            self._respond(401)
        elif self.path == "/images/":
            self._respond(301, Location="/photos/2024/")
        elif self.path == "/photos/2024/":
            self._respond(200, b"<title>Index of</title><a href=a.png>a</a><a href=b.png>b</a>", **_HTML)
        else:
            self._respond(200 if self.path.startswith("/photos/2024/") else 404, png())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._respond(200 if self.path == "/photos/2024/" else 404)

    def _respond(self, status: int, body: bytes = b"", **fields: str) -> None:
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


_HTML = {"Content_Type": "text/html"}


def test_workers_find_the_pictures_of_a_list_that_was_redirected() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Redirecting) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            report = run(f"http://me:secret@127.0.0.1:{server.server_port}/images/", processes=2, no_journal=True)
        finally:
            server.shutdown()

    assert (report.listed, report.mirrored) == (2, 2)
    assert report.source == f"http://127.0.0.1:{server.server_port}/images/"


@pytest.mark.slow
async def test_there_is_one_journal_and_it_resumes(photos: Path, tmp_path: Path) -> None:
    journal = str(tmp_path / "run.journal")
    async with serve_gallery(photos, tmp_path / "stored") as url:
        first = await mirror(url, processes=2, journal=journal, limit=60)
        again = await mirror(url, processes=2, journal=journal)

    assert (first.mirrored, first.failed) == (54, 6)
    assert (again.skipped, again.mirrored, again.failed) == (54, 54, 12)
    with read_journal(Path(journal)) as rows:
        assert rows.summary().counts[Outcome.MIRRORED] == 108


@pytest.mark.slow
async def test_slow_pictures_hold_nobody_up(photos: Path, tmp_path: Path) -> None:
    """Seven of eight places of a worker are taken for ever, and all other pictures pass through the eighth."""
    gallery = FaultyGallery(names_of(200), Plan(seed=1, share=0.03, upload=(Fault.STALLED,)))
    stalled = {name for name in gallery.names if gallery.plan.fault("POST", name, 1)}
    assert 0 < len(stalled) < 8
    async with serve(gallery) as url, open_mirror(url, processes=2, concurrency=16, timeout=600) as results:
        done = set[str]()
        with trio.fail_after(300):
            while len(done) < 200 - len(stalled):
                done.add((await anext(results)).name)

    assert done == set(gallery.names) - stalled


class Forgetful:
    """A driver that knows nothing and forgets everything."""

    wait, intend = 0.0, None

    def find(self, name: str) -> None:
        return None

    async def write(self, results: list[Result]) -> None:
        await trio.lowlevel.checkpoint()


async def test_one_slice_after_the_other_keeps_to_the_rate(instant_flip: None, autojump_clock: MockClock) -> None:
    began = list[float]()

    class Timed(MemoryGallery):
        async def fetch(self, name: str, known_etag: str | None = None) -> Picture | None:
            began.append(trio.current_time())
            return await super().fetch(name, known_etag)

        async def store(self, picture: Picture) -> None:
            began.append(trio.current_time())
            await super().store(picture)

    gallery: Any = Timed()
    job = Job(gallery, gallery, Settings(rate=0.5), in_place=False, intents=False)
    for name in "abc":
        todo = MemoryGallery([f"{name}.png"])
        async with open_worker(job, todo.names, Forgetful()) as (run, _):
            assert [result.outcome async for result in run] == [Outcome.MIRRORED]

    assert [later - earlier for earlier, later in pairwise(began)] == pytest.approx([2.0] * 5)


@pytest.mark.slow
@pytest.mark.parametrize("retry_uploads", ["always", "never"])
async def test_a_process_that_dies_costs_nothing_but_what_it_sent_where_that_may_not_be_sent_again(
    retry_uploads: str,
) -> None:
    gallery = FaultyGallery(names_of(100), Plan(seed=1, share=0.01, upload=(Fault.LOST,)))
    [lost] = [name for name in gallery.names if gallery.plan.fault("POST", name, 1)]

    async def kill_the_workers() -> None:
        # This upload has come and gets no answer, so that one of the two has something under way.
        while lost not in gallery.stored:  # noqa: ASYNC110 (what serves has no event for it)
            await trio.sleep(0.01)
        for worker in processes.workers_of(os.getpid()):
            os.kill(worker, signal.SIGKILL)

    async with (
        serve(gallery) as url,
        open_mirror(url, processes=2, retry_uploads=retry_uploads) as results,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(kill_the_workers)
        outcomes = {result.name: result.outcome async for result in results}

    assert outcomes[lost] is (Outcome.MIRRORED if retry_uploads == "always" else Outcome.UNKNOWN)
    assert len(outcomes) == results.report.listed == 100
    assert results.report.mirrored > 0
    assert results.report.failed == 0


async def test_what_a_worker_tells_again_at_its_end_counts_once() -> None:
    engine = ProcessEngine(1, Job("a", "b", Settings(), in_place=False, intents=True))
    result = Result(name="a.png", outcome=Outcome.MIRRORED)
    [worker] = engine.slots
    worker.left[0] = {"a.png"}

    engine._take({0: [result]}, worker)
    engine._take({0: [result]}, worker)

    assert await engine.news(Orders(None)) == [Reported(0, [result]), Ended(0)]


async def test_what_a_worker_tells_is_confirmed_once_it_was_taken() -> None:
    """An upload leaves when its intent is confirmed, and must be remembered by then."""
    engine = ProcessEngine(2, Job("a", "b", Settings(), in_place=True, intents=True))
    first, second = engine.slots
    first.left[0], second.left[1] = {"a.png"}, {"b.png"}

    engine._take({0: [Result(name="a.png")]}, first)
    await engine.news(Orders(None))
    # While the intent of the first is written.
    engine._take({1: [Result(name="b.png")]}, second)
    await engine.news(Orders(None))
    confirmed = [[message for message in _sent(it) if message == ("confirmed",)] for it in (first, second)]

    assert confirmed == [[("confirmed",)], []]


def _sent(worker: Any) -> list[Any]:
    return [worker.to_send.receive_nowait() for _ in range(worker.to_send.statistics().current_buffer_used)]


async def test_ctrl_c_while_the_processes_start_makes_nothing_unknown(photos: Path, tmp_path: Path) -> None:
    process = processes.start(photos, "--to", tmp_path / "out", "--processes", "2", "--json", own_group=True)
    with trio.fail_after(300):
        while len(processes.workers_of(process.pid)) < 2:  # noqa: ASYNC110 (as above)
            await trio.sleep(0.001)
        # Long enough for Python to come up in them, and too short for their work to begin.
        await trio.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        ended = await processes.ended(process)

    report = json.loads(ended.out)
    assert (ended.code, report["unknown"]) == (130, 0)
    # What no worker had begun is left as if it had never been listed.
    assert report["listed"] == report["mirrored"] + report["failed"]
    assert report["mirrored"] == len(list((tmp_path / "out").iterdir()))


@pytest.mark.slow
def test_a_script_needs_no_guard_around_its_call(photos: Path, tmp_path: Path) -> None:
    call = f"report = trio_mirror.run({str(photos)!r}, {str(tmp_path / 'out')!r}, processes=2)"
    script = f"import trio_mirror\n{call}\nprint(report.mirrored, report.failed)"
    done = subprocess.run(
        [sys.executable, "-"],
        input=script,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=processes.ENVIRONMENT,
    )

    assert (done.stdout, done.stderr) == ("108 12\n", "")


def test_too_few_descriptors_for_the_processes_end_the_run_with_one_line(photos: Path, tmp_path: Path) -> None:
    command = processes.module("trio_mirror", photos, "--to", tmp_path / "out", "--processes", "16")
    done = subprocess.run(
        ["sh", "-c", 'ulimit -n 32; exec "$0" "$@"', *command],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=processes.ENVIRONMENT,
    )

    assert done.returncode == 5
    [told] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "Too many open files; lower --processes" in told


@pytest.mark.slow
def test_a_daemonic_process_may_have_workers_too(photos: Path, tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        report = pool.apply(run, (photos, tmp_path / "out"), {"processes": 2})

    assert (report.mirrored, report.failed) == (108, 12)


async def test_as_many_processes_work_as_are_asked_for_and_end_with_the_run() -> None:
    gallery = FaultyGallery(names_of(100), Plan(share=1, upload=(Fault.STALLED,)))
    async with serve(gallery) as url, open_mirror(url, processes=2, concurrency=2):
        with trio.fail_after(300):
            # Each has one picture in flight.
            while sum(method == "POST" for method, _ in gallery.attempts) < 2:  # noqa: ASYNC110 (as above)
                await trio.sleep(0.01)

    assert not processes.workers_of(os.getpid())


@pytest.mark.slow
async def test_processes_that_have_nothing_to_do_end_with_the_run(photos: Path, tmp_path: Path) -> None:
    await mirror(photos, tmp_path / "out", processes=2)

    assert not processes.workers_of(os.getpid())


def test_a_worker_starts_with_what_its_work_needs() -> None:
    """One whose driver is gone before it has a job."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {_MAIN}; print(*sys.modules, file=sys.stderr)"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=processes.ENVIRONMENT,
        check=True,
    )

    imported = {module.partition(".")[0] for module in done.stderr.split()}
    assert "trio" in imported
    assert not imported & {"typer", "rich", "pydantic", "pygments", "click", "sqlite3", "httpcore", "PIL", "ray"}


def test_a_worker_whose_driver_is_killed_as_it_starts_ends_in_silence(photos: Path, tmp_path: Path) -> None:
    job = pickle.dumps(Job(str(photos), str(tmp_path / "mirrored"), Settings(), in_place=False, intents=False))
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-c", _MAIN],
            input=len(job).to_bytes(_LENGTH, "big") + job,
            stdout=writing,
            stderr=subprocess.PIPE,
            env=processes.ENVIRONMENT,
            check=False,
        )
    finally:
        os.close(writing)

    assert (done.returncode, done.stderr) == (0, b"")


async def test_an_object_cannot_go_to_another_process() -> None:
    with pytest.raises(SettingsError, match="--processes"):
        await mirror(MemoryGallery(["a.png"]), processes=2)


def test_a_sheet_does_not_go_with_processes(photos: Path, tmp_path: Path) -> None:
    done = cli(photos, "--to", tmp_path / "out", "--processes", "2", "--sheet", tmp_path / "sheet.html")

    assert done.returncode == 2
    assert "--sheet" in done.stderr
    assert not (tmp_path / "sheet.html").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_signal_to_the_whole_group_drains_all(number: signal.Signals, code: int, tmp_path: Path) -> None:
    originals, mirrored = tmp_path / "images", tmp_path / "mirrored"
    originals.mkdir()
    for index in range(3_000):
        (originals / f"{index:04}.png").write_bytes(png())
    async with serve_gallery(originals, mirrored) as url:
        with trio.fail_after(300):
            # The first names of both processes: a signal before they have started would end them.
            first = ["0000.png", "0001.png"]
            ended = await processes.interrupted(
                url, "--json", "--processes", "2", stored=mirrored, names=first, number=number
            )

    assert ended.code == code
    report = json.loads(ended.out)
    assert 0 < report["mirrored"] == report["listed"] == len(list(mirrored.iterdir())) < 3_000
