"""What a run does when things go wrong, in virtual time."""

from __future__ import annotations

import base64
import hashlib
import sqlite3
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio
import trio.testing
import xxhash

from tests.helpers.memory_gallery import MemoryGallery
from tests.helpers.pictures import png
from tests.helpers.server import Server
from trio_mirror import JournalError, Outcome, Picture, Report, StorageError, UnknownUploadError, mirror, open_mirror
from trio_mirror.galleries.folder import FolderGallery
from trio_mirror.journal import Journal, read_journal
from trio_mirror.pipeline.recorder import JournalMemory

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

BASE = "http://gallery.example/images/"


pytestmark = pytest.mark.usefixtures("instant_flip")


class Script:
    """Answers each path with its responses in turn; the last one again and again."""

    def __init__(self, names: str, **answers: list[httpx.Response | type[Exception]]) -> None:
        self.names = names
        self.answers: dict[str, list[Any]] = {"POST": [httpx.Response(200)], **answers}
        self.times: list[tuple[float, str]] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        if request.method == "GET" and str(request.url) == BASE:
            return httpx.Response(200, text=self.names)
        key = "POST" if request.method == "POST" else request.url.path.removeprefix("/images/").partition(".")[0]
        self.times.append((trio.current_time(), key))
        queue = self.answers.get(key) or [httpx.Response(200, content=png())]
        answer = queue.pop(0) if len(queue) > 1 else queue[0]
        if isinstance(answer, httpx.Response):
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        raise answer("scripted")

    def times_of(self, key: str) -> list[float]:
        return [time for time, of in self.times if of == key]


@pytest.mark.parametrize(
    "trouble",
    [*map(httpx.Response, [408, 425, 429, 500, 502, 503, 504]), httpx.ConnectError, httpx.ReadError],
    ids=str,
)
async def test_what_may_pass_is_tried_again(autojump_clock: trio.testing.MockClock, trouble: Any) -> None:
    script = Script("a.png\n", a=[trouble, trouble, httpx.Response(200, content=png())])
    server = Server(script)

    async with open_mirror(BASE, transport=server) as results:
        [result] = [result async for result in results]

    assert result.outcome is Outcome.MIRRORED
    assert (result.attempts, result.retries) == (4, 2)
    assert results.report.retries == 2


@pytest.mark.parametrize("status", [400, 404, 410, 501])
async def test_what_will_not_pass_is_not_tried_again(autojump_clock: trio.testing.MockClock, status: int) -> None:
    script = Script("a.png\n", a=[httpx.Response(status)])
    server = Server(script)

    report = await mirror(BASE, transport=server)

    assert len(script.times_of("a")) == 1
    assert (report.failed, report.transient) == (1, 0)


async def test_attempts_end_and_the_last_reason_is_told(autojump_clock: trio.testing.MockClock) -> None:
    script = Script("a.png\n", a=[httpx.Response(500), httpx.Response(502, text="bad gateway")])
    server = Server(script)

    report = await mirror(BASE, retries=3, transport=server)

    assert len(script.times_of("a")) == 4
    assert (report.failed, report.transient) == (1, 1)
    assert "502 Bad Gateway: bad gateway" in str(report.failures[0].error)
    assert report.failures[0].attempts == 4


async def test_a_retry_after_is_waited_for_by_all(autojump_clock: trio.testing.MockClock) -> None:
    busy = httpx.Response(429, headers={"Retry-After": "60"})
    names = "".join(f"{letter}.png\n" for letter in "abcdefgh")
    script = Script(names, a=[busy, httpx.Response(200, content=png())])
    server = Server(script)

    report = await mirror(BASE, concurrency=1, transport=server)

    assert report.mirrored == 8
    first, *others = [time for time, key in script.times if key != "POST"]
    assert min(others) >= first + 60


async def test_a_body_cut_short_is_fetched_again(autojump_clock: trio.testing.MockClock) -> None:
    fetches = 0

    async def cut_short() -> AsyncIterator[bytes]:
        yield png()[:40]
        raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")

    async def handle(request: httpx.Request) -> httpx.Response:
        nonlocal fetches
        if request.method == "POST":
            return httpx.Response(200)
        if str(request.url) == BASE:
            return httpx.Response(200, text="a.png")
        fetches += 1
        return httpx.Response(200, content=cut_short() if fetches == 1 else png())

    server = Server(handle)
    report = await mirror(BASE, transport=server)

    assert (report.mirrored, fetches) == (1, 2)


@pytest.mark.parametrize("field", ["Content-Digest", "Repr-Digest"])
async def test_a_body_that_is_not_what_its_digest_says_is_fetched_again(
    autojump_clock: trio.testing.MockClock, field: str
) -> None:
    digest = base64.b64encode(hashlib.sha256(png()).digest()).decode()
    headers = {field: f"sha-256=:{digest}:"}
    damaged = httpx.Response(200, content=png()[:-1] + b"x", headers=headers)
    script = Script("a.png\n", a=[damaged, httpx.Response(200, content=png(), headers=headers)])
    server = Server(script)

    report = await mirror(BASE, transport=server)

    assert (report.mirrored, len(script.times_of("a"))) == (1, 2)


async def test_every_attempt_of_an_upload_has_the_same_key(autojump_clock: trio.testing.MockClock) -> None:
    script = Script("a.png\nb.png\n", POST=[httpx.Response(500), httpx.Response(503), httpx.Response(200)])
    server = Server(script)

    await mirror(BASE, concurrency=1, transport=server)

    keys = [request.headers["Idempotency-Key"] for request in server.requests if request.method == "POST"]
    assert keys[0] == keys[1] == keys[2] != keys[3]
    assert keys[0].startswith('"')


class LosesAnswers(MemoryGallery):
    """Stores, and loses as many answers as it is told."""

    def __init__(self, names: list[str], losses: int) -> None:
        super().__init__(names)
        self.losses = losses
        self.uploads = 0

    async def store(self, picture: Picture) -> None:
        self.uploads += 1
        await super().store(picture)
        if self.uploads <= self.losses:
            raise UnknownUploadError("it was sent, and no answer came", transient=True)


async def test_an_upload_without_an_answer_is_sent_again(autojump_clock: trio.testing.MockClock) -> None:
    gallery = LosesAnswers(["a.png"], losses=2)

    report = await mirror(gallery)

    assert (report.mirrored, report.unknown, gallery.uploads) == (1, 0, 3)


async def test_an_upload_without_an_answer_is_unknown_where_it_may_not_be_sent_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    gallery = LosesAnswers(["a.png"], losses=1)

    report = await mirror(gallery, retry_uploads="never")

    assert (report.unknown, gallery.uploads) == (1, 1)


async def test_a_target_that_loses_every_answer_is_slowed_down_where_nothing_may_be_sent_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    source, target = MemoryGallery([f"{number}.png" for number in range(100)]), LosesAnswers([], losses=100)

    async with open_mirror(source, target, retry_uploads="never") as results:
        async for _ in results:
            pass

    assert results.report.unknown == 100
    assert results.in_flight_limit == 1


async def test_what_may_have_been_stored_stays_unknown_when_a_later_attempt_is_refused(
    autojump_clock: trio.testing.MockClock,
) -> None:
    posts = 0

    async def handle(request: httpx.Request) -> httpx.Response:
        nonlocal posts
        if request.method == "GET":
            return httpx.Response(200, text="a.png") if str(request.url) == BASE else httpx.Response(200, content=png())
        posts += 1
        if posts == 1:
            await trio.sleep_forever()
        return httpx.Response(409, text="it is there already")

    server = Server(handle)
    report = await mirror(BASE, timeout=5, transport=server)

    assert (report.unknown, report.failed, posts) == (1, 0, 2)


async def test_a_picture_has_a_deadline_over_all_its_attempts(autojump_clock: trio.testing.MockClock) -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        if str(request.url) == BASE:
            return httpx.Response(200, text="a.png")
        await trio.sleep_forever()
        raise AssertionError

    server = Server(handle)
    report = await mirror(BASE, timeout=30, picture_timeout=100, retries=50, transport=server)

    assert trio.current_time() == pytest.approx(100)
    assert "--picture-timeout" in str(report.failures[0].error)
    assert report.transient == 1


async def test_a_picture_cut_off_during_its_upload_is_unknown(autojump_clock: trio.testing.MockClock) -> None:
    gallery = MemoryGallery(["a.png"])
    gallery.store_seconds = 1_000

    report = await mirror(gallery, picture_timeout=100)

    assert report.unknown == 1


async def test_the_run_has_a_deadline_after_which_it_drains(autojump_clock: trio.testing.MockClock) -> None:
    gallery = MemoryGallery([f"{number}.png" for number in range(1_000)])
    gallery.store_seconds = 10

    report = await mirror(gallery, concurrency=4, deadline=25, drain=30)

    assert report.stopped_by == "deadline"
    assert report.mirrored == report.listed == 12
    assert trio.current_time() == pytest.approx(30)


async def test_a_deadline_that_cuts_off_what_is_in_flight_after_the_list_is_told(
    autojump_clock: trio.testing.MockClock,
) -> None:
    gallery = MemoryGallery(["a.png"])
    gallery.fetch_seconds = 1_000

    report = await mirror(gallery, picture_timeout=2_000, deadline=25, drain=30)

    assert (report.listed, report.finished, report.stopped_by) == (1, 0, "deadline")


async def test_a_journal_that_cannot_take_what_was_cut_off_ends_the_run_with_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    def fail(*_: object) -> None:
        raise JournalError("the disk is full")

    # The clock takes a thread that runs for idleness.
    autojump_clock.autojump_threshold = 0.5
    gallery = MemoryGallery(["a.png"])
    gallery.store_seconds = 10_000
    monkeypatch.setattr(Journal, "record", fail)

    with pytest.raises(JournalError, match="the disk is full"):
        await mirror(gallery, picture_timeout=20_000, deadline=25, drain=30, journal=str(tmp_path / "run.journal"))


async def test_a_picture_is_unknown_whose_upload_was_cut_off_with_tasks_of_its_own(
    autojump_clock: trio.testing.MockClock,
) -> None:
    class Gallery(MemoryGallery):
        async def store(self, picture: Picture) -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(super().store, picture)

    gallery = Gallery(["a.png"])
    gallery.store_seconds = 1_000

    report = await mirror(gallery, picture_timeout=2_000, deadline=25, drain=30)

    assert report.unknown == 1


async def test_a_drip_ends_long_before_its_timeout(autojump_clock: trio.testing.MockClock) -> None:
    async def drip() -> AsyncGenerator[bytes, None]:
        while True:
            await trio.sleep(1)
            yield b"x" * 100

    async def handle(request: httpx.Request) -> httpx.Response:
        if str(request.url) == BASE:
            return httpx.Response(200, text="a.png")
        return httpx.Response(200, content=drops)

    server = Server(handle)
    async with aclosing(drip()) as drops:
        report = await mirror(BASE, timeout=3_600, min_rate=1_000, retries=0, transport=server)

    assert trio.current_time() == pytest.approx(30)
    assert "--min-rate" in str(report.failures[0].error)


@pytest.mark.parametrize(
    ("headers", "limit"),
    [
        ([("X-Number", str(number)) for number in range(200)], "201 headers, more than 100"),
        ([("X-Long", "x" * 100_000)], "over the limit of 64.0 KiB"),
    ],
)
async def test_headers_have_limits(headers: list[tuple[str, str]], limit: str) -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        if str(request.url) == BASE:
            return httpx.Response(200, text="a.png")
        return httpx.Response(200, content=png(), headers=headers)

    server = Server(handle)
    report = await mirror(BASE, transport=server)

    assert limit in str(report.failures[0].error)


async def test_the_rate_holds_over_all_requests(autojump_clock: trio.testing.MockClock) -> None:
    script = Script("".join(f"{number}.png\n" for number in range(50)))
    server = Server(script)

    await mirror(BASE, rate=10.0, transport=server)

    times = [time for time, _ in script.times]
    assert len(times) == 100
    assert all(later - earlier >= 0.1 - 1e-9 for earlier, later in pairwise(times))


async def test_overload_lowers_the_number_in_flight_and_success_raises_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    class Overloaded(MemoryGallery):
        async def store(self, picture: Picture) -> None:
            await trio.sleep(1)
            if picture.name < "0040":
                error = UnknownUploadError("the server answered 503", overload=True)
                raise error

    gallery = Overloaded([f"{number:04}.png" for number in range(200)])
    limits = []
    async with open_mirror(gallery, concurrency=16, retries=0) as results:
        async for _ in results:
            limits.append(results.in_flight_limit)
            if results.in_flight_limit < 16:
                assert results.slowed_by is not None

    assert min(limits) <= 8
    assert limits[-1] > min(limits)


async def test_not_adaptive_leaves_the_number_in_flight(autojump_clock: trio.testing.MockClock) -> None:
    class Overloaded(MemoryGallery):
        async def store(self, picture: Picture) -> None:
            raise UnknownUploadError("the server answered 503", overload=True)

    async with open_mirror(Overloaded(["a.png", "b.png"]), adaptive=False, retries=0) as results:
        assert [results.in_flight_limit async for _ in results] == [16, 16]


@pytest.mark.parametrize("option", ["max_failures", "max_bytes_total"])
async def test_limits_of_the_run_drain_it(autojump_clock: trio.testing.MockClock, option: str) -> None:
    gallery = MemoryGallery(
        [f"missing{number}.png" if option == "max_failures" else f"{number}.png" for number in range(500)]
    )
    choice: dict[str, Any] = {"max_failures": 5} if option == "max_failures" else {"max_bytes_total": 5 * len(png())}

    report = await mirror(gallery, concurrency=2, **choice)

    assert report.stopped_by == option
    assert 5 <= report.finished == report.listed <= 8


async def test_a_full_disk_ends_the_run_after_what_is_in_flight() -> None:
    class Full(MemoryGallery):
        async def store(self, picture: Picture) -> None:
            raise StorageError("the disk is full")

    async with open_mirror(Full([f"{number}.png" for number in range(100)]), concurrency=2) as results:
        with pytest.raises(StorageError):
            [result async for result in results]

    assert 1 <= results.report.failed == results.report.listed <= 5


class TestJournal:
    @pytest.fixture
    def journal(self, tmp_path: Path) -> str:
        return str(tmp_path / "run.journal")

    async def test_the_same_command_again_does_only_what_is_left(self, journal: str) -> None:
        gallery = MemoryGallery(["a.png", "missing.png", "../bad", "b.png"])
        first = await mirror(gallery, journal=journal)
        gallery.fetched.clear()
        gallery.listed = ["a.png", "missing.png", "../bad", "b.png", "c.png"]

        second = await mirror(gallery, journal=journal)

        assert (first.mirrored, first.failed) == (2, 2)
        assert (second.skipped, second.mirrored, second.failed) == (2, 1, 2)
        assert set(gallery.fetched) == {"c.png", "missing.png"}

    async def test_repeats_are_skipped_wherever_they_come(self, journal: str) -> None:
        gallery = MemoryGallery([*(f"{number}.png" for number in range(50)), "0.png"])

        report = await mirror(gallery, journal=journal, concurrency=1)

        assert (report.listed, report.mirrored, report.skipped) == (50, 50, 0)
        assert len(gallery.stored) == 50

    @pytest.mark.parametrize("marks", [1, 1 << 20])
    async def test_a_repeat_is_known_by_its_row_as_well(
        self, journal: str, monkeypatch: pytest.MonkeyPatch, marks: int
    ) -> None:
        monkeypatch.setattr(JournalMemory, "wait", 0.0)
        monkeypatch.setattr("trio_mirror.pipeline.recorder._MARKS", marks)
        gallery = MemoryGallery([*(f"{number}.png" for number in range(50)), "0.png", "50.png"])

        report = await mirror(gallery, journal=journal, concurrency=1)

        assert (report.listed, report.mirrored) == (51, 51)

    async def test_a_row_tells_what_was_done(self, journal: str) -> None:
        gallery = MemoryGallery(["a.png", "missing.png"])
        await mirror(gallery, journal=journal)

        with read_journal(Path(journal)) as rows:
            mirrored, failed = rows.find("a.png"), rows.find("missing.png")
        assert mirrored is not None
        assert failed is not None
        assert mirrored.digest == xxhash.xxh3_128(gallery.stored["a.png"].data).hexdigest()
        assert (mirrored.bytes_in, mirrored.attempts) == (len(gallery.data), 2)
        assert (failed.outcome, failed.error) == (Outcome.FAILED, "it is missing")

    async def test_update_takes_what_has_changed_and_not_what_we_stored_ourselves(
        self, journal: str, tmp_path: Path
    ) -> None:
        folder = tmp_path / "photos"
        gallery = FolderGallery(folder)
        await gallery.prepare()
        for name in ("a.png", "b.png", "c.png"):
            await gallery.store(Picture(name=name, data=name.encode(), media_type="image/png"))
        elsewhere = tmp_path / "mirrored"
        await mirror(folder, elsewhere, journal=journal)
        (folder / "b.png").write_bytes(b"new")

        report = await mirror(folder, elsewhere, journal=journal, update=True)
        assert (report.mirrored, report.skipped) == (1, 2)
        assert (elsewhere / "b.png").read_bytes() == b"wen"

        in_place = journal + "-in-place"
        await mirror(folder, journal=in_place)
        again: Report = await mirror(folder, journal=in_place, update=True)
        assert (again.mirrored, again.skipped) == (0, 3)
        assert (folder / "b.png").read_bytes() == b"wen"

    async def test_update_takes_what_has_changed_since_a_run_whose_clock_was_ahead(
        self, journal: str, tmp_path: Path
    ) -> None:
        folder, elsewhere = tmp_path / "photos", tmp_path / "mirrored"
        folder.mkdir()
        (folder / "a.png").write_bytes(b"old")
        await mirror(folder, elsewhere, journal=journal)
        with sqlite3.connect(journal) as shell:
            shell.execute("UPDATE pictures SET time = time + 86400")
        shell.close()
        (folder / "a.png").write_bytes(b"new")

        report = await mirror(folder, elsewhere, journal=journal, update=True)

        assert (report.mirrored, report.skipped) == (1, 0)

    async def test_only_what_failed_is_taken_where_that_is_asked(self, journal: str) -> None:
        gallery = MemoryGallery(["a.png", "missing.png", "b.png"])
        await mirror(gallery, journal=journal)
        gallery.fetched.clear()
        gallery.listed = ["new.png"]

        report = await mirror(gallery, journal=journal, retry_failed=True)

        assert gallery.fetched == ["missing.png"]
        assert report.listed == 1

    async def test_another_source_is_refused(self, journal: str, tmp_path: Path) -> None:
        await mirror(MemoryGallery(["a.png"]), journal=journal)

        with pytest.raises(JournalError, match="is the journal of memory"):
            await mirror(tmp_path, journal=journal)

    async def test_a_cancelled_run_leaves_what_was_done_in_the_journal(
        self, journal: str, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def at_once(call: Callable[..., object], *args: object) -> object:
            await trio.lowlevel.checkpoint()
            return call(*args)

        # The clock would take a thread that waits for the disk for idleness.
        for user in ("api.opening", "pipeline.recorder"):
            monkeypatch.setattr(f"trio_mirror.{user}.in_thread", at_once)
        gallery = MemoryGallery([f"{number}.png" for number in range(100)])
        gallery.store_seconds = 5

        async with open_mirror(gallery, journal=journal, concurrency=10) as results:
            for _ in range(10):
                await anext(results)
            await trio.sleep(2)

        with read_journal(Path(journal)) as rows:
            counts = rows.summary().counts
        assert counts[Outcome.MIRRORED] == 10
        assert counts[Outcome.UNKNOWN] == 10
