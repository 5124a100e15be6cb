from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from PIL import Image

from tests.flip.test_jpeg_pictures import jumbf, turned
from tests.helpers.memory_gallery import MemoryGallery
from tests.helpers.pictures import is_mirrored, png
from tests.helpers.turns import Turns
from trio_mirror import FlipError, ListError, Outcome, Picture, SettingsError, Stage, mirror, open_mirror, run
from trio_mirror.model import Flipped
from trio_mirror.pipeline.nurseries import open_nursery_beside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from functools import partial
    from pathlib import Path


async def test_every_picture_is_stored_mirrored_under_its_name() -> None:
    gallery = MemoryGallery(["a.png", "sub/b.png", "c d.png"])

    report = await mirror(gallery)

    assert (report.listed, report.mirrored, report.failed) == (3, 3, 0)
    assert report.lossless == 3
    assert sorted(gallery.stored) == ["a.png", "c d.png", "sub/b.png"]
    assert all(is_mirrored(gallery.data, picture.data) for picture in gallery.stored.values())
    assert report.bytes_in == 3 * len(gallery.data)
    assert report.bytes_out == sum(len(picture.data) for picture in gallery.stored.values())


async def test_a_target_of_its_own_gets_the_pictures_and_the_source_none() -> None:
    source, target = MemoryGallery(["a.png"]), MemoryGallery()

    await mirror(source, target)

    assert not source.stored
    assert list(target.stored) == ["a.png"]


@pytest.mark.parametrize("keep", [False, True])
async def test_content_credentials_stay_only_where_they_are_to_be_kept(*, keep: bool) -> None:
    gallery = MemoryGallery(["a.jpg"], data=turned(1, *jumbf(b"c2pa", 1)))

    report = await mirror(gallery, keep_credentials=keep)

    assert (b"c2pa" in gallery.stored["a.jpg"].data) is keep
    [(note, noted)] = report.notes.items()
    assert note == f"content credentials {'kept, though they no longer hold' if keep else 'taken out'}"
    assert noted.names == ["a.jpg"]


async def test_names_that_are_passed_over_leave_others_their_turn() -> None:
    turns = Turns()
    names_by_turn: Counter[int] = Counter()

    def names() -> Iterator[str]:
        for number in range(20_000):
            names_by_turn[turns.taken] += 1
            yield f"{number}.png"

    async with trio.open_nursery() as nursery:
        nursery.start_soon(turns.take)
        with pytest.raises(ListError):
            await mirror(MemoryGallery(names()), exclude=("*.png",))
        nursery.cancel_scope.cancel()

    assert max(names_by_turn.values()) <= 1_000


async def test_an_empty_list_is_a_run_with_nothing_in_it() -> None:
    report = await mirror(MemoryGallery())

    assert (report.listed, report.finished) == (0, 0)


@pytest.mark.parametrize("filters", [{"include": ["*.jpg"]}, {"exclude": ["*.png"]}])
async def test_filters_that_match_no_name_of_a_list_are_an_error(filters: dict[str, Any]) -> None:
    with pytest.raises(ListError, match=r"none of the list's names \(3\) match --include and --exclude"):
        await mirror(MemoryGallery(["a.png", "b.png", "c.png"]), **filters)

    assert (await mirror(MemoryGallery(), **filters)).listed == 0


async def test_a_shard_or_a_limit_that_leaves_no_name_is_nothing_to_do() -> None:
    names = ["a.png", "b.jpg"]
    taken = [(await mirror(MemoryGallery(names), include=["*.jpg"], shard=f"{k}/2")).listed for k in (1, 2)]

    assert sorted(taken) == [0, 1]
    assert (await mirror(MemoryGallery(names), include=["*.jpg"], limit=1)).listed == 1


async def test_failures_stay_with_their_picture() -> None:
    gallery = MemoryGallery(["a.png", "missing.png", "../../etc/passwd", "b.png"])

    async with open_mirror(gallery) as results:
        ended = {result.name: result async for result in results}

    assert ended["a.png"].outcome is ended["b.png"].outcome is Outcome.MIRRORED
    assert (ended["missing.png"].outcome, ended["missing.png"].stage) == (Outcome.FAILED, Stage.FETCH)
    assert ended["missing.png"].error == "it is missing"
    assert (ended["../../etc/passwd"].outcome, ended["../../etc/passwd"].stage) == (Outcome.FAILED, Stage.LIST)
    assert "../../etc/passwd" not in gallery.fetched


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><title>not found</title>", "HTML"),
        (png()[:60], "PNG"),
        (b"just some words", "not a picture"),
    ],
)
async def test_what_is_no_picture_fails_at_the_flip_in_words(data: bytes, reason: str) -> None:
    report = await mirror(MemoryGallery(["a.png"], data=data))

    [failure] = report.failures
    assert failure.stage is Stage.FLIP
    assert reason in str(failure.error)


async def test_no_more_pictures_are_alive_than_the_concurrency(
    autojump_clock: trio.testing.MockClock, instant_flip: None
) -> None:
    gallery = MemoryGallery(f"{number}.png" for number in range(100))
    gallery.store_seconds = 10_000

    async with open_mirror(gallery, concurrency=16, picture_timeout=20_000) as results, trio.open_nursery() as nursery:
        nursery.start_soon(anext, results)
        await trio.sleep(9_000)
        assert len(gallery.fetched) == 16
        assert results.in_flight == 16
        nursery.cancel_scope.cancel()


async def test_the_wait_for_a_place_is_no_part_of_a_pictures_time(
    autojump_clock: trio.testing.MockClock, instant_flip: None
) -> None:
    gallery = MemoryGallery(f"{number}.png" for number in range(3))
    gallery.store_seconds = 400

    report = await mirror(gallery, concurrency=1, picture_timeout=600)

    assert report.mirrored == 3


async def test_a_picture_is_replaced_as_soon_as_its_result_is_out(
    autojump_clock: trio.testing.MockClock, instant_flip: None
) -> None:
    gallery = MemoryGallery(f"{number}.png" for number in range(8))
    gallery.fetch_seconds = gallery.store_seconds = 1.0

    report = await mirror(gallery, concurrency=4)

    assert report.seconds == pytest.approx(4.0)


async def test_the_list_is_taken_no_faster_than_pictures_end(
    autojump_clock: trio.testing.MockClock, instant_flip: None
) -> None:
    taken = 0

    def endless() -> object:
        nonlocal taken
        while True:
            taken += 1
            yield f"{taken}.png"

    gallery = MemoryGallery(endless())  # type: ignore[arg-type]
    gallery.store_seconds = 1.0
    async with open_mirror(gallery, concurrency=3) as results:
        for _ in range(10):
            await anext(results)
    # The results out, those in flight, and one name that waits for its token.
    assert taken <= 10 + 3 + 1


async def test_the_same_number_of_names_as_the_limit_is_taken() -> None:
    gallery = MemoryGallery(["a.png", "b.txt", "c.png", "d.png"])

    report = await mirror(gallery, include=["*.png"], exclude=["a*"], limit=1)

    assert list(gallery.stored) == ["c.png"]
    assert report.listed == 1


async def test_a_list_that_breaks_off_is_raised_after_the_results_of_what_it_gave() -> None:
    gallery = MemoryGallery(["a.png", "b.png"])
    gallery.broken_list = True

    async with open_mirror(gallery) as results:
        names = {(await anext(results)).name, (await anext(results)).name}
        with pytest.raises(ListError, match="broke off"):
            await anext(results)

    assert names == {"a.png", "b.png"}


async def test_leaving_early_cancels_what_is_in_flight(
    autojump_clock: trio.testing.MockClock, instant_flip: None
) -> None:
    gallery = MemoryGallery([f"{number}.png" for number in range(50)])
    gallery.store_seconds = 5.0

    async with open_mirror(gallery, concurrency=10) as results:
        await anext(results)
    left_at = trio.current_time()

    assert left_at == pytest.approx(5.0)
    await trio.sleep(100)
    assert len(gallery.stored) <= 10


@pytest.mark.parametrize("error", [LookupError("my own"), KeyboardInterrupt("my own"), SystemExit("my own")])
async def test_an_error_of_the_block_comes_out_as_it_is(error: BaseException) -> None:
    with pytest.raises(type(error), match="my own"):
        async with open_mirror(MemoryGallery(["a.png"])):
            raise error


async def test_every_counted_result_is_given_by_the_iteration_or_late(
    autojump_clock: trio.testing.MockClock, instant_flip: None
) -> None:
    gallery = MemoryGallery([f"{number}.png" for number in range(100)])
    gallery.store_seconds = 5

    async with open_mirror(gallery, concurrency=10) as results:
        given = [await anext(results) for _ in range(10)]
        await trio.sleep(2)

    assert [it.outcome for it in results.late] == [Outcome.UNKNOWN] * 10
    assert len(given) + len(results.late) == results.report.finished == 20


async def test_a_name_that_was_refused_as_the_block_was_left_is_listed() -> None:
    async with open_mirror(MemoryGallery(["../a.png", "../b.png"])) as results:
        await anext(results)
        await trio.testing.wait_all_tasks_blocked()

    assert [it.name for it in results.late] == ["../b.png"]
    assert results.report.listed == results.report.finished == 2


async def test_an_error_of_the_block_comes_alone_where_it_is_cancelled_from_outside() -> None:
    with trio.CancelScope() as scope, pytest.raises(ValueError, match="of the block"):  # noqa: PT012 (the scope is in it)
        async with open_nursery_beside() as nursery:
            nursery.start_soon(trio.sleep_forever)
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
            raise ValueError("of the block")


async def test_an_error_of_the_block_is_not_lost_where_a_task_fails_as_it_is_cancelled() -> None:
    async def fail_late() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise OSError("of the task")

    async def fail_beside() -> None:
        async with open_nursery_beside() as nursery:
            nursery.start_soon(fail_late)
            await trio.testing.wait_all_tasks_blocked()
            raise ValueError("of the block")

    with pytest.raises(BaseExceptionGroup) as caught:
        await fail_beside()

    assert caught.group_contains(ValueError, match="of the block")
    assert caught.group_contains(OSError, match="of the task")


async def test_a_name_that_is_no_text_ends_the_run_after_what_came_before() -> None:
    gallery = MemoryGallery(["a.png", b"b.png"])  # type: ignore[list-item]

    with pytest.raises(ListError, match=r"b'b\.png'"):
        await mirror(gallery)

    assert list(gallery.stored) == ["a.png"]


async def test_draining_ends_what_is_in_flight_and_takes_nothing_new(
    autojump_clock: trio.testing.MockClock, instant_flip: None
) -> None:
    gallery = MemoryGallery([f"{number}.png" for number in range(100)])
    gallery.store_seconds = 5.0

    async with open_mirror(gallery, concurrency=10) as results:
        async for _ in results:
            results.drain()

    assert results.report.listed == results.report.mirrored == len(gallery.stored)
    assert 10 <= len(gallery.stored) <= 21


async def test_a_drain_that_takes_too_long_cancels_and_says_what_is_unknown(
    autojump_clock: trio.testing.MockClock, instant_flip: None
) -> None:
    gallery = MemoryGallery([f"{number}.png" for number in range(100)])
    gallery.store_seconds = 1_000.0

    async with open_mirror(gallery, concurrency=10, drain=30.0) as results:
        await trio.sleep(1)
        results.drain()
        cut_off = [result.outcome async for result in results]

    assert trio.current_time() == pytest.approx(31.0)
    assert cut_off == [Outcome.UNKNOWN] * 10
    assert results.report.unknown == results.report.listed == 10


async def test_a_flip_that_hangs_fails_its_picture_and_holds_nobody(
    monkeypatch: pytest.MonkeyPatch, mock_clock: trio.testing.MockClock
) -> None:
    hanging, release = trio.Semaphore(0), threading.Event()

    def flip(data: bytes, **_: object) -> Flipped:
        if data == b"hang":
            trio.from_thread.run_sync(hanging.release)
            release.wait(60)
        return Flipped(data, "image/png", lossless=True)

    def flip_apart(call: partial[Flipped], _: float) -> Flipped:
        if call.args == (b"hang",):
            raise TimeoutError
        return call()

    class Mixed(MemoryGallery):
        async def fetch(self, name: str, known_etag: str | None = None) -> Picture:
            return Picture(name=name, data=b"hang" if "hang" in name else b"good", media_type="image/png")

    monkeypatch.setattr("trio_mirror.pipeline.transformer.flip", flip)
    monkeypatch.setattr("trio_mirror.pipeline.transformer.flip_apart", flip_apart)
    names = ["hang1.png", "hang2.png", "hang3.png", *(f"good{number}.png" for number in range(20))]
    try:
        async with open_mirror(Mixed(names), flip_threads=2, flip_timeout=60) as results:
            await hanging.acquire()
            await hanging.acquire()
            mock_clock.jump(61)
            # No third one hangs in this process, and all others go on.
            ended = [result async for result in results]
    finally:
        release.set()

    assert (results.report.mirrored, results.report.failed) == (20, 3)
    assert {result.stage for result in ended if result.error is not None} == {Stage.FLIP}
    assert all("--flip-timeout" in str(result.error) for result in ended if result.outcome is Outcome.FAILED)


async def test_a_flip_begins_when_a_thread_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def flip(data: bytes, **_: object) -> Flipped:
        time.sleep(0.1)
        raise FlipError("it has no pixels")

    monkeypatch.setattr("trio_mirror.pipeline.transformer.flip", flip)
    async with open_mirror(MemoryGallery([f"{number}.png" for number in range(5)]), flip_threads=1) as results:
        ended = [result async for result in results]

    flips = sorted((result.began[Stage.FLIP], result.seconds[Stage.FLIP]) for result in ended)
    # One after the other: waiting for the thread is no part of a flip.
    assert all(began + seconds <= later + 0.05 for (began, seconds), (later, _) in pairwise(flips))


async def test_a_fetch_begins_when_the_rate_admits_it(autojump_clock: trio.testing.MockClock) -> None:
    names = ["missing1.png", "missing2.png", "missing3.png"]
    async with open_mirror(MemoryGallery(names), rate=0.1) as results:
        ended = [result async for result in results]

    # The list was the first request. Waiting for its turn is no part of a fetch.
    assert [round(result.began[Stage.FETCH]) for result in ended] == [10, 20, 30]
    assert [result.seconds[Stage.FETCH] for result in ended] == [0, 0, 0]


async def test_the_event_loop_goes_on_while_pictures_are_flipped(monkeypatch: pytest.MonkeyPatch) -> None:
    flipping_in = set()

    def flip(data: bytes, **_: object) -> Flipped:
        flipping_in.add(threading.get_ident())
        time.sleep(0.01)  # lets the other threads begin
        return Flipped(data, "image/png", lossless=True)

    monkeypatch.setattr("trio_mirror.pipeline.transformer.flip", flip)
    await mirror(MemoryGallery([f"{number}.png" for number in range(12)]), flip_threads=3)

    assert threading.get_ident() not in flipping_in
    assert 1 <= len(flipping_in) <= 3


async def test_a_flip_error_becomes_a_failed_result(monkeypatch: pytest.MonkeyPatch) -> None:
    def flip(data: bytes, **_: object) -> Flipped:
        raise FlipError("it has no pixels")

    monkeypatch.setattr("trio_mirror.pipeline.transformer.flip", flip)
    report = await mirror(MemoryGallery(["a.png"]))

    assert [failure.error for failure in report.failures] == ["it has no pixels"]


@pytest.mark.parametrize(
    "error",
    [ValueError("a digit"), RecursionError("too deep"), Image.DecompressionBombError("too large")],
)
async def test_whatever_a_picture_raises_that_picture_fails_and_it_is_said_once(
    error: Exception, instant_flip: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def flip(data: bytes, **_: object) -> Flipped:
        if data.startswith(b"bad"):
            raise error
        return Flipped(data[::-1], "image/png", lossless=True)

    class Mixed(MemoryGallery):
        async def fetch(self, name: str, known_etag: str | None = None) -> Picture | None:
            if name == "日本.png":
                name.encode("ascii")
            return Picture(name=name, data=name.encode(), media_type="image/png")

    monkeypatch.setattr("trio_mirror.pipeline.transformer.flip", flip)
    report = await mirror(Mixed(["bad1.png", "good.png", "bad2.png", "日本.png"]))

    assert (report.mirrored, report.failed, report.stopped_by) == (1, 3, None)
    assert {type(error).__name__ in str(it.error) for it in report.failures if "bad" in it.name} == {True}
    assert caplog.text.count("internal error, please report it") == 1
    assert "Traceback" not in caplog.text


async def test_a_flip_that_lacks_memory_is_made_in_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def lack(data: bytes, **_: object) -> Flipped:
        raise MemoryError

    monkeypatch.setattr(import_module("trio_mirror.flip.png"), "flip", lack)
    report = await mirror(MemoryGallery(["a.png"]))

    assert (report.mirrored, report.failed) == (1, 0)


async def test_a_picture_that_does_not_fit_into_memory_fails_with_a_sentence() -> None:
    class Large(MemoryGallery):
        async def fetch(self, name: str, known_etag: str | None = None) -> Picture:
            raise MemoryError

    report = await mirror(Large(["a.png"]))

    assert [it.error for it in report.failures] == ["there is not enough memory for it"]


async def test_a_gallery_that_bounds_its_own_waits_fails_its_picture(instant_flip: None) -> None:
    class Impatient(MemoryGallery):
        async def fetch(self, name: str, known_etag: str | None = None) -> Picture:
            with trio.fail_after(0):
                await trio.sleep_forever()

    report = await mirror(Impatient(["a.png"]))

    assert [failure.error for failure in report.failures] == ["its gallery gave up on it: it took too long"]


async def test_what_is_stored_while_a_run_is_cancelled_is_counted(instant_flip: None) -> None:
    class Steadfast(MemoryGallery):
        """Stores to the end, as a thread that writes a file does."""

        storing = 0

        async def store(self, picture: Picture) -> None:
            with trio.CancelScope(shield=True):
                self.storing += 1
                if self.storing == 4:
                    all_are_at_it.set()
                await (all_are_at_it if picture.name == "0.png" else left).wait()
                await super().store(picture)

    all_are_at_it, left = trio.Event(), trio.Event()
    gallery = Steadfast([f"{number}.png" for number in range(4)])
    async with open_mirror(gallery, concurrency=4) as results:
        await anext(results)
        left.set()

    assert results.report.mirrored == len(gallery.stored) == 4


async def test_a_wrong_choice_is_refused_before_anything_happens() -> None:
    gallery = MemoryGallery(["a.png"])

    with pytest.raises(SettingsError, match="--concurrency"):
        await mirror(gallery, concurrency=0)

    assert not gallery.fetched


async def test_only_the_first_failures_are_kept_whole(instant_flip: None) -> None:
    report = await mirror(MemoryGallery(f"../{number}" for number in range(1_500)))

    assert report.failed == 1_500
    assert len(report.failures) == 1_000


def test_run_needs_no_event_loop(tmp_path: Path) -> None:
    originals, mirrored = tmp_path / "originals", tmp_path / "mirrored"
    originals.mkdir()
    (originals / "a.png").write_bytes(png())

    report = run(originals, mirrored)

    assert report.mirrored == 1
    assert is_mirrored(png(), (mirrored / "a.png").read_bytes())


def test_ctrl_c_is_a_plain_keyboard_interrupt_to_a_script() -> None:
    class Impatient(MemoryGallery):
        async def fetch(self, name: str, known_etag: str | None = None) -> Picture | None:
            signal.raise_signal(signal.SIGINT)
            return await super().fetch(name, known_etag)

    # Whoever started the tests in the background may have them ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(Impatient(["a.png"]))
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_target_inside_its_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="inside"):
        run(tmp_path, tmp_path / "mirrored")


class _NoTarget:
    names, fetch = MemoryGallery.names, MemoryGallery.fetch


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("ftp://host/images/", "unknown scheme"),
        ("http://", "expected a host"),
        ("http://host/images/#page=2", "no fragment"),
        ("", "is empty"),
        ("a\0b", "invalid source|invalid target"),
        (b"folder", "neither a URL"),
        (None, "neither a URL"),
        (_NoTarget(), "no prepare and no store"),
        (MemoryGallery, "it is a class"),
    ],
)
def test_a_place_that_cannot_be_a_gallery_is_refused(place: Any, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        run(place)
    if place is not None:
        with pytest.raises(SettingsError, match=reason):
            run(MemoryGallery(), place)
