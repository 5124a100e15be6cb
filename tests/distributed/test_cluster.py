"""The same run over a Ray cluster: a real one, on this machine."""

from __future__ import annotations

import importlib.util
import json
import math
import random
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from tests.cli.test_cli import cli, command
from tests.helpers import processes
from tests.helpers.memory_gallery import MemoryGallery
from tests.helpers.pictures import is_mirrored, png
from tests.helpers.simulated_cluster import AtOnce, driven
from tests.helpers.warm import CLEAN
from trio_mirror import ClusterError, JournalError, Outcome, Settings, SettingsError, mirror, open_mirror
from trio_mirror.demo.server import serve_gallery
from trio_mirror.distributed.dispatcher import Lost, Reported
from trio_mirror.distributed.ray_engine import _reach, _wait_for_change
from trio_mirror.journal import open_journal, read_journal
from trio_mirror.model import Result, Stage
from trio_mirror.pipeline.recorder import JournalMemory
from trio_mirror.pipeline.threads import WorkerThreads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio_mirror.distributed.dispatcher import Ended, Orders
    from trio_mirror.distributed.slices import NamedSlice

with_ray = pytest.mark.skipif(not importlib.util.find_spec("ray"), reason="pip install 'trio-mirror[cluster]'")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return draw_photos(tmp_path, 400)


def draw_photos(tmp_path: Path, count: int) -> Path:
    folder, good = tmp_path / "photos", png()
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:04}.png").write_bytes(good if number % 100 else b"not a picture")
    return folder


@contextmanager
def two_nodes() -> Iterator[Any]:
    """A cluster of two nodes with a core each; gives it and the second node."""
    from ray.cluster_utils import Cluster

    # So that a lost node is noticed within seconds.
    soon = {"health_check_period_ms": 500, "health_check_timeout_ms": 1_000, "health_check_failure_threshold": 3}
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": soon}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        yield cluster, cluster.add_node(num_cpus=1)
    finally:
        cluster.shutdown()


@pytest.mark.slow
@with_ray
async def test_a_node_that_is_lost_loses_no_picture(tmp_path: Path) -> None:
    photos = draw_photos(tmp_path, 2_000)
    journal, names = tmp_path / "run.journal", list[str]()
    with two_nodes() as (cluster, second):
        async with (
            serve_gallery(photos, tmp_path / "stored") as url,
            open_mirror(url, cluster=cluster.address, slice=100, journal=str(journal)) as results,
        ):
            async for result in results:
                names.append(result.name)
                if len(names) == 300:
                    cluster.remove_node(second, allow_graceful=False)
                if len(names) == 600:
                    cluster.add_node(num_cpus=1)

    report = results.report
    assert len(names) == len(set(names)) == report.listed == report.finished == 2_000
    assert (report.mirrored, report.failed) == (1_980, 20)
    stored = {path.name: path.read_bytes() for path in (tmp_path / "stored").iterdir()}
    assert len(stored) == 1_980
    assert all(is_mirrored(png(), data) for data in stored.values())
    with read_journal(journal) as rows:
        counts = rows.summary().counts
    assert (counts[Outcome.MIRRORED], counts[Outcome.FAILED]) == (1_980, 20)


@pytest.mark.slow
@with_ray
async def test_in_place_a_node_that_is_lost_flips_no_picture_back(photos: Path) -> None:
    names = list[str]()
    with two_nodes() as (cluster, second):
        async with open_mirror(photos, in_place=True, cluster=cluster.address, slice=50, no_journal=True) as results:
            async for result in results:
                names.append(result.name)
                if len(names) == 60:
                    cluster.remove_node(second, allow_graceful=False)
                    cluster.add_node(num_cpus=1)

    assert len(names) == len(set(names)) == results.report.listed == 400
    assert (results.report.mirrored, results.report.failed) == (396, 4)
    good = [photos / f"{number:04}.png" for number in range(400) if number % 100]
    assert all(is_mirrored(png(), path.read_bytes()) for path in good)


def ray_here(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command line with Ray on this machine."""
    return subprocess.run(
        command(*arguments, "--cluster", "local"),
        capture_output=True,
        text=True,
        env=CLEAN | environment,
        check=False,
        timeout=300,
    )


@pytest.mark.parametrize("size", [1, 2, 7, 2_000])
async def test_the_driver_gives_each_result_once_in_slices_of_any_size(
    autojump_clock: trio.testing.MockClock, size: int
) -> None:
    listed = [f"{number:02}.png" for number in range(100)]
    # So that all places are taken, and more names wait, before there is the first result.
    engine = AtOnce(pause=1.0)
    run = driven(engine, MemoryGallery([*listed, "../out.png", "07.png"]), Settings(slice=size))
    with trio.fail_after(3_600):
        async with run.working():
            names = [result.name async for result in run]

    assert sorted(names) == sorted([*listed, "../out.png", "07.png"])
    assert (run.report.listed, run.report.mirrored, run.report.failed, run.in_flight) == (102, 101, 1, 0)


async def test_at_the_deadline_the_workers_have_the_whole_drain_though_the_list_has_ended(
    autojump_clock: trio.testing.MockClock,
) -> None:
    class Slow(AtOnce):
        async def news(self, orders: Orders) -> list[Reported | Ended]:
            # Its pictures take as long as they may, and then it gives their results.
            await trio.sleep(31.0 if orders.draining else 1.0)
            return await super().news(orders) if orders.draining else []

    run = driven(Slow(), MemoryGallery(["a.png", "b.png"]), Settings(deadline=5.0, drain=30.0))
    async with run.working():
        names = [result.name async for result in run]

    assert sorted(names) == ["a.png", "b.png"]
    assert run.report.stopped_by == "deadline"


async def test_what_workers_told_is_kept_when_the_block_is_left(tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(400)]
    with open_journal(tmp_path / "run.journal", source="a", target="b") as journal:
        run = driven(AtOnce(), MemoryGallery(names), Settings(slice=400), JournalMemory(journal))
        async with run.working():
            await anext(run)

        assert run.report.mirrored == 400
        assert journal.summary().counts[Outcome.MIRRORED] == 400


async def test_of_a_slice_that_is_lost_for_good_what_was_sent_is_unknown_and_the_rest_failed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    class Losing(AtOnce):
        async def start(self, attempt: int, work: NamedSlice) -> None:
            sent = [Result(name="b.png", stage=Stage.UPLOAD)] if "b.png" in work.todo else []
            self.happened += [Reported(attempt, sent), Lost(attempt, "the node went away")]

    run = driven(Losing(), MemoryGallery(["a.png", "b.png"]), Settings())
    async with run.working():
        outcomes = {result.name: result.outcome async for result in run}

    assert outcomes == {"a.png": Outcome.FAILED, "b.png": Outcome.UNKNOWN}
    assert run.in_flight == 0


class Rows:
    """What is remembered, in memory."""

    wait, intend = 0.1, None

    def __init__(self, *rows: Result, room: float = math.inf) -> None:
        self.rows = {row.name: row for row in rows}
        self.room = room

    def find(self, name: str) -> Result | None:
        return self.rows.get(name)

    async def write(self, results: list[Result]) -> None:
        await trio.lowlevel.checkpoint()
        if len(results) >= self.room:
            raise JournalError("the disk is full")


async def test_what_an_earlier_run_may_have_stored_stays_unknown_though_its_slice_is_lost_for_good(
    autojump_clock: trio.testing.MockClock,
) -> None:
    class Losing(AtOnce):
        async def start(self, attempt: int, work: NamedSlice) -> None:
            self.happened += [Lost(attempt, "the node went away")]

    sent = Result(name="a.png", stage=Stage.UPLOAD, error="its worker died", digest_in="in", digest="out")
    run = driven(Losing(), MemoryGallery(["a.png"]), Settings(), Rows(sent))
    async with run.working():
        [result] = [result async for result in run]

    assert (result.outcome, result.digest_in, result.digest) == (Outcome.UNKNOWN, "in", "out")


async def test_a_journal_that_takes_no_intents_of_workers_ends_the_run_with_its_error_and_all_results(
    autojump_clock: trio.testing.MockClock,
) -> None:
    class Telling(AtOnce):
        async def start(self, attempt: int, work: NamedSlice) -> None:
            done = Result(name="a.png", stage=Stage.UPLOAD, outcome=Outcome.MIRRORED)
            self.happened += [Reported(attempt, [done, Result(name="b.png", stage=Stage.UPLOAD)])]

    run, results = driven(Telling(), MemoryGallery(["a.png", "b.png"]), Settings(), Rows(room=1)), list[Result]()
    async with run.working():
        with pytest.raises(JournalError, match="the disk is full"):  # noqa: PT012 (it is raised by the iteration)
            async for result in run:
                results.append(result)

    assert {it.name: it.outcome for it in results} == {"a.png": Outcome.MIRRORED, "b.png": Outcome.UNKNOWN}
    assert (run.report.listed, run.in_flight) == (2, 0)


async def test_a_slice_that_is_lost_as_the_run_is_cancelled_gives_back_what_is_left(
    autojump_clock: trio.testing.MockClock,
) -> None:
    class Losing(AtOnce):
        async def start(self, attempt: int, work: NamedSlice) -> None:
            # What is left of it is handed out again, and still on its way when the run is cancelled.
            if attempt == 0:
                self.happened += [
                    Reported(attempt, [Result(name="a.png", stage=Stage.UPLOAD)]),
                    Lost(attempt, "it went away"),
                ]

    run = driven(Losing(pause=1), MemoryGallery(["a.png", "b.png"]), Settings(retry_uploads="never"))
    async with run.working():
        # The result of the one that was sent waits to be taken.
        await trio.sleep(10)

    assert [it.name for it in run.late] == ["a.png"]
    assert run.in_flight == 0


@pytest.mark.slow
@with_ray
def test_ray_on_this_machine_mirrors_the_built_in_gallery_and_says_nothing() -> None:
    done = ray_here("--json", "--slice", "4")

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["mirrored"] == report["listed"] > 0
    assert "built-in gallery" in done.stderr
    assert "ray" not in done.stderr.lower().replace(str(report["source"]), "")


@pytest.mark.slow
@with_ray
def test_a_worker_that_lacks_a_package_is_told_of_once(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "lacking").mkdir()
    # What the driver has and the workers have not: Ray starts those with an interpreter's own path before all others.
    (tmp_path / "lacking/sitecustomize.py").write_text(
        "import os, sys\nif any('default_worker' in it for it in sys.orig_argv):\n    sys.modules['httpx'] = None\n"
    )
    done = ray_here(photos, "--to", tmp_path / "out", "--slice", "100", PYTHONPATH=str(tmp_path / "lacking"))

    assert done.returncode == 5
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert "httpx" in errors[0]
    assert "pip install 'trio-mirror[cluster]'" in errors[0]


@pytest.mark.slow
@with_ray
async def test_ctrl_c_drains_the_workers(photos: Path, tmp_path: Path) -> None:
    stored = tmp_path / "stored"
    async with serve_gallery(photos, stored) as url:
        with trio.fail_after(300):
            ended = await processes.interrupted(
                url, "--json", "--cluster", "local", "--slice", "300", "--rate", "20/s", stored=stored
            )

    assert ended.code == 130
    report = json.loads(ended.out)
    assert 0 < report["mirrored"] == len(list(stored.iterdir())) < 396
    assert report["listed"] == report["mirrored"] + report["failed"]


@pytest.mark.slow
@with_ray
async def test_a_second_ctrl_c_stops_at_once_and_leaves_no_process(photos: Path, tmp_path: Path) -> None:
    stored = tmp_path / "stored"
    async with serve_gallery(photos, stored) as url:
        process = await trio.lowlevel.open_process(
            command(url, "--cluster", "local", "--rate", "5/s"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=CLEAN | {"MARKED_BY": str(tmp_path)},
            start_new_session=True,
        )
        with trio.fail_after(300):
            while not any(stored.iterdir()):  # noqa: ASYNC110 (another process makes them)
                await trio.sleep(0.01)
        with trio.fail_after(100):
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGTERM)
            await process.wait()
            while processes_marked(str(tmp_path)):  # noqa: ASYNC110 (the system ends them)
                await trio.sleep(0.1)


def processes_marked(mark: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"MARKED_BY={mark}".encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


@pytest.mark.slow
@with_ray
async def test_ray_outlives_the_idle_threads_of_trio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Linux kills what Ray starts as the thread ends that started it. Idle threads end at once here, not after 10 s.
    monkeypatch.setattr("trio._core._thread_cache.IDLE_TIMEOUT", 0.001)
    photos = draw_photos(tmp_path, 400)
    with trio.fail_after(300):
        report = await mirror(photos, tmp_path / "out", cluster="local", slice=20)

    assert (report.mirrored, report.failed) == (396, 4)


@pytest.mark.slow
@with_ray
async def test_of_two_runs_at_once_the_second_is_refused_and_the_first_goes_on(photos: Path, tmp_path: Path) -> None:
    ended = list[str]()

    async def run(number: int) -> None:
        try:
            report = await mirror(photos, tmp_path / str(number), cluster="local")
            ended.append(f"mirrored {report.mirrored}")
        except SettingsError as error:
            ended.append(str(error))

    with trio.fail_after(300):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run, 1)
            nursery.start_soon(run, 2)

    assert ended == ["--cluster: this process uses Ray already; run trio-mirror in another", "mirrored 396"]


@with_ray
@pytest.mark.parametrize(("failures", "tries"), [(1, 2), (2, 2)])
async def test_ray_that_does_not_come_up_here_is_tried_once_more(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int, tries: int
) -> None:
    import ray

    calls = []

    def fail(*_: Any, **__: Any) -> None:
        calls.append(1)
        if len(calls) <= failures:
            # As Ray's own, when its node has not come up in 30 s.
            raise Exception("The current node timed out during startup. This could")  # noqa: TRY002
        raise KeyError("it went on")

    monkeypatch.setattr(ray, "init", fail)
    why = "The current node timed out during startup" if failures == tries else "'it went on'"
    with pytest.raises(ClusterError, match=f"local cannot be used: {why}$"):
        await mirror(photos, tmp_path / "out", cluster="local")

    assert len(calls) == tries


@pytest.mark.slow
@with_ray
async def test_ray_that_comes_up_too_late_is_ended(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    from trio_mirror.distributed.ray_engine import _changing

    start, started = ray.init, threading.Event()

    def start_late(*arguments: Any, **options: Any) -> None:
        time.sleep(1)
        start(*arguments, **options)
        started.set()

    monkeypatch.setattr(ray, "init", start_late)
    monkeypatch.setattr("trio_mirror.distributed.ray_engine._STARTING", 0.5)
    with pytest.raises(ClusterError, match="local cannot be reached"):
        await mirror(photos, tmp_path / "out", cluster="local")

    assert not started.is_set()
    # While it comes up and goes again, another one would be ended with it.
    with pytest.raises(SettingsError, match="uses Ray already"):
        await mirror(photos, tmp_path / "out", cluster="local")

    def wait_until_it_has_gone() -> None:
        assert started.wait(300)
        with _changing:
            assert not ray.is_initialized()

    await trio.to_thread.run_sync(wait_until_it_has_gone)


@pytest.mark.slow
@with_ray
async def test_a_run_that_is_cancelled_while_ray_comes_up_leaves_none(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    start, starting, started = ray.init, trio.Event(), threading.Event()
    token = trio.lowlevel.current_trio_token()

    def start_late(*arguments: Any, **options: Any) -> None:
        token.run_sync_soon(starting.set)
        time.sleep(0.5)
        start(*arguments, **options)
        started.set()

    monkeypatch.setattr(ray, "init", start_late)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(mirror, photos, tmp_path / "out", cluster="local"))
        await starting.wait()
        nursery.cancel_scope.cancel()

    # Where that takes very long, the run ends before.
    assert await trio.to_thread.run_sync(started.wait, 300)
    await trio.to_thread.run_sync(_wait_for_change)
    assert not ray.is_initialized()


@pytest.mark.slow
@with_ray
async def test_a_slice_that_starts_while_the_tasks_are_looked_at_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    from trio_mirror.distributed.ray_engine import RayEngine

    class Growing(dict[Any, int]):
        def __iter__(self) -> Iterator[Any]:
            known = list(super().__iter__())
            self[object()] = len(self)
            return iter(known)

    def wait(tasks: list[Any], *, num_returns: int, timeout: float) -> tuple[list[Any], list[Any]]:
        assert num_returns <= len(tasks)  # or Ray raises an error
        return [], tasks

    monkeypatch.setattr(ray, "wait", wait)
    engine = RayEngine()
    engine._tasks = Growing({object(): 0})

    assert not engine._look()


@pytest.mark.slow
@with_ray
async def test_credentials_are_no_arguments_of_a_task(photos: Path, tmp_path: Path, monkeypatch: Any) -> None:
    from trio_mirror.distributed import ray_engine

    sent = list[Any]()
    start = ray_engine.RayEngine._start

    def noted(self: Any, attempt: int, todo: list[Any]) -> None:
        sent.append((self._desk, attempt, todo))
        start(self, attempt, todo)

    monkeypatch.setattr(ray_engine.RayEngine, "_start", noted)
    report = await mirror(photos, tmp_path / "out", cluster="local", limit=20, auth=("me", "very-secret"))

    assert report.mirrored == 19
    assert sent
    assert "very-secret" not in str(sent)


@with_ray
async def test_a_cluster_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"127\.0\.0\.1:1 cannot be reached"):
        await mirror(tmp_path, tmp_path, cluster="ray://127.0.0.1:1")
    done = await trio.to_thread.run_sync(cli, tmp_path, "--to", tmp_path, "--cluster", "127.0.0.1:1")
    assert (done.returncode, "127.0.0.1:1" in done.stderr) == (5, True)


@with_ray
async def test_a_cluster_with_tokens_names_the_variables(tmp_path: Path) -> None:
    listener, *_ = await trio.open_tcp_listeners(0, host="127.0.0.1")
    address = f"127.0.0.1:{listener.socket.getsockname()[1]}"
    environment = {"RAY_AUTH_MODE": "token", "HOME": str(tmp_path)}
    here = partial(cli, tmp_path, "--to", tmp_path, "--cluster", address, **environment)
    async with listener:
        done = await trio.to_thread.run_sync(here)

    assert done.returncode == 5
    assert "RAY_AUTH_MODE=token and its token in RAY_AUTH_TOKEN" in done.stderr


async def test_a_cluster_that_listens_and_does_not_answer_may_want_a_token() -> None:
    def connect() -> None:
        raise trio.TooSlowError

    listener, *_ = await trio.open_tcp_listeners(0, host="127.0.0.1")
    address, lasting = f"ray://127.0.0.1:{listener.socket.getsockname()[1]}", WorkerThreads(1, 60)
    async with listener, lasting.working():
        with pytest.raises(ClusterError, match=r"cannot be reached within 30 s.*RAY_AUTH_MODE=token"):
            await _reach(address, connect, lasting)


@pytest.mark.slow
@with_ray
def test_ray_on_this_machine_leaves_no_token_behind(tmp_path: Path) -> None:
    photos = draw_photos(tmp_path, 4)
    (tmp_path / "home").mkdir()
    environment = dict.fromkeys(("HOME", "XDG_STATE_HOME"), str(tmp_path / "home"))

    assert ray_here(photos, "--to", tmp_path / "out", **environment).returncode == 3

    assert not (tmp_path / "home/.ray").exists()


def test_without_ray_the_way_to_get_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "lacking").mkdir()
    (tmp_path / "lacking/sitecustomize.py").write_text("import sys\nsys.modules['ray'] = None\n")
    done = ray_here(tmp_path, "--to", tmp_path, PYTHONPATH=str(tmp_path / "lacking"))

    assert done.returncode == 2
    assert "pip install 'trio-mirror[cluster]'" in done.stderr


async def test_an_object_cannot_go_to_a_cluster() -> None:
    with pytest.raises(SettingsError, match="--cluster"):
        await mirror(MemoryGallery(["a.png"]), cluster="local")


@pytest.mark.parametrize("cluster", ["nowhere", "http://host:1", "ray://host", "ray://user:secret@host:1", ""])
def test_an_address_that_is_none_is_refused(tmp_path: Path, cluster: str) -> None:
    done = cli(tmp_path, "--cluster", cluster)

    assert done.returncode == 2
    assert "--cluster" in done.stderr


def test_a_sheet_does_not_go_with_a_cluster(tmp_path: Path) -> None:
    done = cli(tmp_path, "--to", tmp_path, "--cluster", "local", "--sheet", tmp_path / "sheet.html")

    assert done.returncode == 2
    assert "--sheet" in done.stderr
    assert "--cluster" in done.stderr


@with_ray
@pytest.mark.parametrize("seed", range(20))
def test_what_a_worker_was_told_is_remembered_is_with_the_driver_however_desks_come_and_go(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    from trio_mirror.distributed import ray_worker
    from trio_mirror.distributed.ray_engine import _desk_class

    chance, desk_of, arrived = random.Random(seed), _desk_class(), set[str]()
    desk, taken = desk_of(), None

    def get(arguments: tuple[Any, ...]) -> Any:
        nonlocal desk, taken
        if chance.random() < 0.15:
            desk = desk_of()
        if chance.random() < 0.1:
            raise ray.exceptions.RayError("it is away")
        answer = desk.exchange(*arguments)
        if chance.random() < 0.1:
            raise ray.exceptions.RayError("its answer was lost")
        if chance.random() < 0.5:
            collection, given = desk.collect((None, False), taken)
            if chance.random() < 0.8:
                taken = collection
                arrived.update(result.name for *_, results in given for result in results)
        return answer

    async def work() -> None:
        actor = SimpleNamespace(exchange=SimpleNamespace(remote=lambda *arguments: arguments))
        worker = ray_worker._Desk(actor, 0, {})
        for number in range(20):
            await worker.write([Result(name=str(number), stage=Stage.UPLOAD)])
            assert str(number) in arrived

    monkeypatch.setattr(ray, "get", get)
    trio.run(work, clock=trio.testing.MockClock(autojump_threshold=0.001))
