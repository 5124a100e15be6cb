"""Real processes and real sockets on loopback: whatever goes wrong, every picture is accounted for."""

from __future__ import annotations

import base64
import json
import os
import random
import signal
import ssl
import subprocess
from collections import Counter
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from tests.helpers import processes
from tests.helpers.certificates import self_signed
from tests.helpers.faults import FETCH_FAULTS, UPLOAD_FAULTS, Fault, Plan
from tests.helpers.faulty_server import FaultyGallery, faulty_process, names_of, picture, serve
from tests.helpers.pictures import is_mirrored
from trio_mirror import open_mirror
from trio_mirror.journal import read_journal
from trio_mirror.model import Outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator
    from pathlib import Path

    from trio_mirror.model import Result

# Attempts are cut off early, and there are many of them: a loaded machine is slow, and shall not fail a test.
QUICK = ("--json", "--timeout", "1", "--retries", "9", "--deadline", "250")


@pytest.fixture(autouse=True)
async def _in_time() -> AsyncIterator[None]:
    """Ends a test that hangs."""
    with trio.fail_after(300):
        yield


def always(fault: Fault) -> Plan:
    """Every upload goes wrong, however often it is tried."""
    return Plan(share=1, upload=[fault], times=1_000_000)


def entries_of(journal: Path) -> dict[str, Result]:
    with read_journal(journal) as opened:
        return {entry.name: entry for entry in opened.results()}


def names_with(entries: dict[str, Result], outcome: Outcome) -> set[str]:
    return {name for name, entry in entries.items() if entry.outcome is outcome}


def report_of(ended: processes.Ended) -> dict[str, Any]:
    """The report, of which each name has one result."""
    assert "Traceback" not in ended.err, ended.err
    report: dict[str, Any] = json.loads(ended.out)
    outcomes = ("mirrored", "skipped", "failed", "unknown")
    assert sum(report[outcome] for outcome in outcomes) == report["listed"]
    return report


def assert_stored(gallery: FaultyGallery, names: Iterable[str]) -> None:
    """That a gallery has the mirror images of some pictures, and nothing else."""
    assert gallery.stored.keys() == set(names)
    for name, stored in gallery.stored.items():
        assert is_mirrored(picture(name), stored.data), name


def files_of(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def assert_files(folder: Path, names: Iterable[str]) -> None:
    """That a folder has the mirror images of some pictures, and nothing else, hidden or not."""
    assert files_of(folder) == set(names)
    for path in folder.iterdir():
        assert is_mirrored(picture(path.name), path.read_bytes()), path


def originals_in(folder: Path, count: int) -> Path:
    folder.mkdir()
    for name in names_of(count):
        (folder / name).write_bytes(picture(name))
    return folder


# What goes wrong with single requests


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
async def test_every_name_has_one_result_and_every_stored_picture_is_a_mirror_image(tmp_path: Path, seed: int) -> None:
    plan = Plan(seed=seed, share=0.35, fetch=FETCH_FAULTS, upload=UPLOAD_FAULTS)
    names, outside = names_of(45), ["../../etc/passwd", "http://localhost:1/x.png"]
    elsewhere, journal = FaultyGallery(), tmp_path / "journal"
    async with serve(elsewhere) as there:
        gallery = FaultyGallery([*names, *outside, "", *names], plan, elsewhere=there)
        async with serve(gallery) as url:
            ended = await processes.run(url, *QUICK, "--max-bytes", "1MiB", "--journal", journal)

    report, entries = report_of(ended), entries_of(journal)
    doomed = {name for name in names if plan.fails_for_good(name)}
    assert 0 < len(doomed) < 25
    # An upload whose connection is reset after the answer to an earlier fetch may have arrived, for all that is known.
    unknown = names_with(entries, Outcome.UNKNOWN)
    assert unknown <= {name for name in names if plan.fault("POST", name, 1) is Fault.ELSEWHERE}
    assert ended.code == (8 if unknown else 3)
    assert report["stopped_by"] is None
    assert report["listed"] == len(entries) == len(names) + len(outside)
    assert names_with(entries, Outcome.FAILED) | unknown == doomed | set(outside)
    assert names_with(entries, Outcome.MIRRORED) == set(names) - doomed
    assert_stored(gallery, set(names) - doomed)
    # However often a picture was uploaded, a server can tell that it was the same.
    assert all(len(set(stored.keys)) == 1 for stored in gallery.stored.values())
    assert any(len(stored.times) > 1 for stored in gallery.stored.values())
    assert elsewhere.connections == 0


@pytest.mark.slow
async def test_an_upload_that_drips_is_cut_off_and_never_called_unknown(tmp_path: Path) -> None:
    """The server cannot have a picture of which it was not sent the end."""
    folder = tmp_path / "images"
    folder.mkdir()
    noise = random.Random(1).randbytes(600_000)
    (folder / "large.ppm").write_bytes(b"P6 500 400 255\n" + noise)
    gallery = FaultyGallery(plan=always(Fault.DRIPPED))
    async with serve(gallery, buffer=4_096) as url:
        ended = await processes.run(folder, "--to", url, "--json", "--timeout", "1", "--retries", "1")

    report = report_of(ended)
    assert (ended.code, report["failed"], report["unknown"]) == (4, 1, 0)
    assert "--timeout" in report["failures"][0]["error"]
    assert not gallery.stored


@pytest.mark.slow
async def test_an_endless_list_ends_with_the_deadline() -> None:
    gallery = FaultyGallery(f"{number}.png" for number in count())
    async with serve(gallery) as url:
        ended = await processes.run(url, "--json", "--deadline", "6", "--rate", "100/s")

    report = report_of(ended)
    assert (ended.code, report["stopped_by"]) == (7, "deadline")
    assert report["failed"] == 0
    assert_stored(gallery, gallery.stored)
    assert report["mirrored"] == len(gallery.stored) > 0


@pytest.mark.parametrize("bomb", [Fault.BOMB, Fault.NESTED_BOMB])
async def test_a_small_body_that_decodes_to_a_gigabyte_fails_in_little_memory(bomb: Fault) -> None:
    gallery = FaultyGallery(names_of(4), Plan(share=1, fetch=[bomb]))
    async with serve(gallery) as url:
        code, report, peak_bytes = await processes.measured(url, "--json", "--max-bytes", "1MiB")

    assert report["failed"] == 4
    assert code == 3
    assert peak_bytes < 200 * 1024**2


@pytest.mark.slow
async def test_a_storm_of_429_pauses_all_requests() -> None:
    names = names_of(60)
    plan = Plan(share=0.05, fetch=[Fault.STORM])
    gallery = FaultyGallery(names, plan)
    async with serve(gallery) as url:
        ended = await processes.run(url, *QUICK)

    storms = sum(plan.fault("GET", name, 1) is not None for name in names)
    assert ended.code == 0
    assert_stored(gallery, names)
    # Those in flight when a storm begins run into it, and no others.
    assert 0 < storms <= gallery.answers[429] <= 16 * storms


# A server that goes away


@pytest.mark.slow
async def test_a_server_that_restarts_is_waited_for() -> None:
    names = names_of(150)
    gallery = FaultyGallery(names, delay=0.02)
    async with trio.open_nursery() as nursery:
        ends: list[processes.Ended] = []

        async def mirror(url: str) -> None:
            ends.append(await processes.run(url, *QUICK))

        async with serve(gallery) as url:
            nursery.start_soon(mirror, url)
            while len(gallery.stored) < 30:  # noqa: ASYNC110 (another process makes them)
                await trio.sleep(0.01)
        assert len(gallery.stored) < 150
        await trio.sleep(1)
        async with serve(gallery, port=int(url.split(":")[2].partition("/")[0])):
            while not ends:  # noqa: ASYNC110 (as above)
                await trio.sleep(0.05)

    assert ends[0].code == 0, ends[0].err
    assert_stored(gallery, names)


@pytest.mark.slow
async def test_a_server_that_stays_away_ends_the_run_at_max_failures() -> None:
    gallery = FaultyGallery(names_of(500), delay=0.02)
    async with serve(gallery) as url:
        process = processes.start(url, "--json", "--retries", "1", "--max-failures", "5")
        while not gallery.stored:  # noqa: ASYNC110 (another process makes them)
            await trio.sleep(0.01)
    ended = await processes.ended(process)

    report = report_of(ended)
    assert (ended.code, report["stopped_by"]) == (7, "max_failures")
    assert report["failed"] + report["unknown"] >= 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "options"),
    [
        (Fault.RESET_BEFORE, ()),
        (Fault.RESET_BEFORE, ("--retries", "0")),
        (Fault.UNAVAILABLE, ("--retries", "0", "--no-adaptive")),
    ],
)
async def test_a_server_that_only_fails_is_not_hammered(tmp_path: Path, fault: Fault, options: tuple[str, ...]) -> None:
    folder = originals_in(tmp_path / "images", 1_500)
    gallery = FaultyGallery(plan=always(fault))
    async with serve(gallery) as url:
        limits = ("--deadline", "2", "--drain", "1")
        ended = await processes.run(folder, "--to", url, "--json", *limits, *options)

    assert ended.code == 7, ended.err
    assert sum(gallery.attempts.values()) < 150
    assert not gallery.stored


@pytest.mark.slow
async def test_a_port_where_nobody_listens_is_not_hammered(tmp_path: Path) -> None:
    folder = originals_in(tmp_path / "images", 1_500)
    async with serve(FaultyGallery()) as url:
        pass
    limits = ("--deadline", "6", "--drain", "1", "--retries", "0")
    ended = await processes.run(folder, "--to", url, "--json", *limits)

    assert ended.code == 7
    assert 0 < json.loads(ended.out)["failed"] < 200


# A run that is killed or stopped


@pytest.mark.slow
async def test_killed_at_twenty_moments_and_started_again(tmp_path: Path) -> None:
    names, journal = names_of(1_000), tmp_path / "journal"
    gallery = FaultyGallery(names, delay=0.015)
    moments = random.Random(28)
    forgotten: Counter[str] = Counter()
    remembered = set[str]()
    async with serve(gallery) as url:
        arguments = (url, "--json", "--journal", journal, "--concurrency", "4")
        for number in range(20):
            process = processes.start(*arguments)
            before, wanted = gallery.connections, len(gallery.stored) + moments.randrange(30)
            while gallery.connections == before or len(gallery.stored) < wanted:  # noqa: ASYNC110 (as above)
                await trio.sleep(0.005)
            # Some live until the journal has written, however slow the machine is.
            while number % 5 == 4 and len(names_with(entries_of(journal), Outcome.MIRRORED)) < len(remembered) + 30:  # noqa: ASYNC110 (as above)
                await trio.sleep(0.05)
            await trio.sleep(moments.uniform(0, 0.03))
            process.kill()
            await processes.ended(process)
            # What was on its way still arrives.
            await trio.testing.wait_all_tasks_blocked()
            while gallery.open_connections:  # noqa: ASYNC110 (as above)
                await trio.sleep(0.01)
            remembered = names_with(entries_of(journal), Outcome.MIRRORED)
            assert remembered <= gallery.stored.keys()
            forgotten.update(gallery.stored.keys() - remembered)
        assert 0 < len(gallery.stored) / 2 < len(remembered) < len(names)
        ended = await processes.run(*arguments)

    assert ended.code == 0
    assert report_of(ended)["skipped"] > 0
    assert names_with(entries_of(journal), Outcome.MIRRORED) == set(names)
    assert_stored(gallery, names)
    # What the journal remembers is never sent again.
    assert all(len(stored.times) - 1 <= forgotten[name] for name, stored in gallery.stored.items())


SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


@pytest.mark.parametrize(("number", "code"), SIGNALS)
async def test_a_signal_drains_a_run_to_a_server(tmp_path: Path, number: signal.Signals, code: int) -> None:
    gallery, journal = FaultyGallery(names_of(1_000), delay=0.02), tmp_path / "journal"
    async with serve(gallery) as url:
        process = processes.start(url, "--json", "--journal", journal)
        while len(gallery.stored) < 20:  # noqa: ASYNC110 (another process makes them)
            await trio.sleep(0.01)
        process.send_signal(number)
        ended = await processes.ended(process)

    report = report_of(ended)
    assert ended.code == code
    assert 20 <= report["mirrored"] == report["listed"] < 1_000
    assert_stored(gallery, names_with(entries_of(journal), Outcome.MIRRORED))
    assert report["mirrored"] == len(gallery.stored)


@pytest.mark.parametrize(("number", "code"), SIGNALS)
async def test_a_signal_drains_a_run_to_a_folder(tmp_path: Path, number: signal.Signals, code: int) -> None:
    gallery, folder, journal = FaultyGallery(names_of(1_000), delay=0.02), tmp_path / "out", tmp_path / "journal"
    folder.mkdir()
    async with serve(gallery) as url:
        process = processes.start(url, "--to", folder, "--json", "--journal", journal)
        while not files_of(folder):  # noqa: ASYNC110 (another process makes them)
            await trio.sleep(0.01)
        process.send_signal(number)
        ended = await processes.ended(process)

    report = report_of(ended)
    assert ended.code == code
    assert 0 < report["mirrored"] == report["listed"] < 1_000
    assert_files(folder, names_with(entries_of(journal), Outcome.MIRRORED))
    assert report["mirrored"] == len(files_of(folder))


async def test_a_second_signal_stops_at_once_and_tells_what_is_unknown(tmp_path: Path) -> None:
    gallery, journal = FaultyGallery(names_of(100), always(Fault.STALLED)), tmp_path / "journal"
    async with serve(gallery) as url:
        process = processes.start(url, "--json", "--concurrency", "6", "--drain", "1h", "--journal", journal)
        while sum(method == "POST" for method, _ in gallery.attempts) < 6:  # noqa: ASYNC110 (as above)
            await trio.sleep(0.01)
        process.send_signal(signal.SIGINT)
        # Of two that come at once the system makes one.
        await processes.says(process, "stopping: 6 in flight")
        process.send_signal(signal.SIGINT)
        ended = await processes.ended(process)

    report = report_of(ended)
    assert ended.code == 130
    assert report["unknown"] == report["listed"] == 6
    assert len(names_with(entries_of(journal), Outcome.UNKNOWN)) == 6


async def test_a_drain_ends_when_its_time_is_over() -> None:
    gallery = FaultyGallery(names_of(100), always(Fault.STALLED))
    async with serve(gallery) as url:
        process = processes.start(url, "--json", "--concurrency", "6", "--drain", "0.5s")
        while not any(method == "POST" for method, _ in gallery.attempts):  # noqa: ASYNC110 (as above)
            await trio.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        ended = await processes.ended(process)

    assert ended.code == 143
    assert json.loads(ended.out)["unknown"] > 0


@pytest.mark.parametrize("way", ["left", pytest.param("drained", marks=pytest.mark.slow)])
async def test_a_run_that_is_stopped_leaves_no_thread_and_no_socket(tmp_path: Path, way: str) -> None:
    with faulty_process("--pictures", "300", "--share", "0.2", "--upload", "stalled,reset-inside,lost") as url:
        before = open_sockets()
        async with open_mirror(url, timeout=1, journal=str(tmp_path / "journal")) as results:
            async for _ in results:
                if results.report.finished == 20 and way == "left":
                    break
                if results.report.finished == 20:
                    results.drain()
        assert 20 <= results.report.finished < 300
        assert open_sockets() <= before
        await trio.testing.wait_all_threads_completed()


def open_sockets() -> set[str]:
    return {it for it in processes.open_files() if it.startswith("socket:")}


# A disk that is full


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder with 256 KiB of room."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mounting, check=False, capture_output=True).returncode:
        pytest.skip("to mount a small disk takes the rights of root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def make_room(disk: Path, size: str = "64m") -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)


@pytest.mark.slow
async def test_a_folder_on_a_full_disk(small_disk: Path) -> None:
    names = names_of(150)
    async with serve(FaultyGallery(names)) as url:
        full = await processes.run(url, "--to", small_disk, "--json")
        mirrored = files_of(small_disk)
        assert_files(small_disk, mirrored)
        make_room(small_disk)
        again = await processes.run(url, "--to", small_disk, "--json")

    report = report_of(full)
    assert full.code == 10
    [line] = [line for line in full.err.splitlines() if line.startswith("error: ")]
    assert str(small_disk) in line
    assert "full" in line
    assert 0 < report["mirrored"] == len(mirrored) < 150
    assert again.code == 0
    assert_files(small_disk, names)


@pytest.mark.slow
async def test_a_journal_on_a_full_disk(small_disk: Path) -> None:
    names, journal = names_of(1_500), small_disk / "journal"
    # Its intents take 256 KiB. The rows of all names need more than what is left, in however many writes they come.
    make_room(small_disk, "512k")
    (small_disk / "ballast").write_bytes(bytes(100 * 1024))
    gallery = FaultyGallery(names)
    async with serve(gallery) as url:
        arguments = (url, "--json", "--journal", journal)
        full = await processes.run(*arguments)
        remembered = names_with(entries_of(journal), Outcome.MIRRORED)
        make_room(small_disk)
        again = await processes.run(*arguments)

    report = report_of(full)
    assert full.code == 10
    [line] = [line for line in full.err.splitlines() if line.startswith("error: ")]
    assert str(journal) in line
    assert "full" in line
    assert 0 < len(remembered) <= report["mirrored"] < 1_500
    assert again.code == 0
    assert report_of(again)["skipped"] == len(remembered)
    assert_stored(gallery, names)


# What the exit code says


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.RESET_AFTER])
async def test_an_upload_that_must_not_be_repeated_is_unknown(fault: Fault) -> None:
    names = names_of(8)
    gallery = FaultyGallery(names, always(fault))
    async with serve(gallery) as url:
        ended = await processes.run(url, "--json", "--timeout", "5", "--retry-uploads", "never")

    report = report_of(ended)
    assert (ended.code, report["unknown"], report["mirrored"]) == (8, 8, 0)
    assert all("may have it or not" in failure["error"] for failure in report["failures"])
    assert_stored(gallery, names)
    assert all(len(stored.times) == 1 for stored in gallery.stored.values())


@pytest.mark.parametrize(
    ("faults", "code"), [([Fault.UNAVAILABLE, Fault.TRUNCATED], 4), ([Fault.UNAVAILABLE, Fault.HTML], 3)]
)
async def test_the_exit_code_says_whether_running_again_may_help(faults: list[Fault], code: int) -> None:
    gallery = FaultyGallery(names_of(20), Plan(share=0.5, fetch=faults, times=1_000))
    async with serve(gallery) as url:
        ended = await processes.run(url, "--json", "--retries", "1", "--no-adaptive")

    assert ended.code == code
    assert report_of(ended)["failed"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--deadline", "6s"), "deadline"),
        (("--max-failures", "3", "--retries", "0"), "max_failures"),
        (("--max-bytes-total", "5KiB"), "max_bytes_total"),
    ],
)
async def test_a_limit_ends_the_run_with_a_whole_report(options: tuple[str, ...], reason: str) -> None:
    plan = Plan(share=0.3, fetch=[Fault.HTML]) if reason == "max_failures" else None
    gallery = FaultyGallery((f"{number}.png" for number in count()), plan, delay=0.03)
    async with serve(gallery) as url:
        ended = await processes.run(url, "--json", *options)

    report = report_of(ended)
    assert (ended.code, report["stopped_by"]) == (7, reason)
    assert 0 < report["mirrored"] == len(gallery.stored)


# Whom it trusts, and who gets to see what


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate with its key."""
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.mark.parametrize("role", ["source", "target"])
async def test_a_certificate_that_nobody_vouches_for_ends_the_run(
    tmp_path: Path, tls: ssl.SSLContext, role: str
) -> None:
    gallery = FaultyGallery(names_of(50))
    async with serve(gallery, tls=tls) as url:
        places = (url,) if role == "source" else (originals_in(tmp_path / "images", 50), "--to", url)
        ended = await processes.run(*places, "--json")

    assert ended.code == 6
    assert "Traceback" not in ended.err
    assert "TLS failed" in ended.err
    assert "--ca-file" in ended.err
    assert not gallery.attempts


@pytest.mark.parametrize("insecure", [False, True])
async def test_a_certificate_can_be_vouched_for_or_left_unchecked(
    certificate: Path, tls: ssl.SSLContext, *, insecure: bool
) -> None:
    names = names_of(20)
    gallery = FaultyGallery(names)
    async with serve(gallery, tls=tls) as url:
        ended = await processes.run(url, "--json", *(["--insecure"] if insecure else ["--ca-file", certificate]))

    assert ended.code == 0
    assert_stored(gallery, names)
    assert ended.err.count("--insecure") == insecure


async def test_a_connection_that_breaks_within_tls_is_tried_again(certificate: Path, tls: ssl.SSLContext) -> None:
    names = names_of(40)
    resets = (Fault.RESET_BEFORE, Fault.RESET_INSIDE, Fault.RESET_AFTER)
    gallery = FaultyGallery(names, Plan(share=0.5, fetch=[*resets, Fault.TRUNCATED], upload=resets))
    async with serve(gallery, tls=tls) as url:
        ended = await processes.run(url, *QUICK, "--ca-file", certificate)

    assert ended.code == 0
    assert report_of(ended)["retries"] > 0
    assert_stored(gallery, names)


async def test_a_connection_that_ends_within_the_handshake_is_tried_again(
    certificate: Path, tls: ssl.SSLContext
) -> None:
    class Hesitant(FaultyGallery):
        async def handle(self, stream: trio.abc.Stream) -> None:
            if self.hesitations:
                self.hesitations -= 1
                await stream.receive_some(65_536)
                return await stream.aclose()
            return await super().handle(trio.SSLStream(stream, tls, server_side=True))

        hesitations = 3

    names = names_of(20)
    gallery = Hesitant(names)
    async with serve(gallery) as url:
        ended = await processes.run(url.replace("http:", "https:"), *QUICK, "--ca-file", certificate)

    assert ended.code == 0, ended.err
    assert_stored(gallery, names)


async def test_credentials_reach_their_origin_and_no_other_place(tmp_path: Path) -> None:
    secrets = ["s3cret", "t0ken", base64.b64encode(b"user:s3cret").decode()]
    elsewhere, journal = FaultyGallery(), tmp_path / "journal"
    async with serve(elsewhere) as there:
        plan = Plan(share=0.5, fetch=[Fault.ELSEWHERE, Fault.HTML], upload=[Fault.ELSEWHERE])
        gallery = FaultyGallery(names_of(20), plan, elsewhere=there)
        async with serve(gallery) as url:
            private = url.replace("127.0.0.1", "user:s3cret@127.0.0.1")
            ended = await processes.run(private, "--json", "-vv", "--journal", journal, "--header", "X-Token: t0ken")

    assert report_of(ended)["failed"] > 0
    assert gallery.headers["authorization"] == f"Basic {secrets[2]}"
    assert gallery.headers["x-token"] == "t0ken"
    # Pictures are fetched from there, and none is sent there.
    assert elsewhere.headers
    assert not {"authorization", "x-token"} & set(elsewhere.headers)
    assert {method for method, _ in elsewhere.attempts} == {"GET"}
    kept = "".join((tmp_path / name).read_text("latin-1") for name in files_of(tmp_path))
    assert not [secret for secret in secrets if secret in ended.out + ended.err + kept]
