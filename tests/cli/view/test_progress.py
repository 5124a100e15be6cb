from __future__ import annotations

import re
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from rich.cells import cell_len

from tests.cli.view.fake_run import FakeRun, failed, mirrored
from tests.helpers.memory_gallery import MemoryGallery
from trio_mirror import ListError, Outcome, Result, Stage
from trio_mirror.api.opening import open_run
from trio_mirror.cli.view.progress import Progress
from trio_mirror.pipeline.attempts import Attempts
from trio_mirror.pipeline.item import Item
from trio_mirror.pipeline.throttle import Throttle
from trio_mirror.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator


HOSTILE = ["[red]x", "\x1b[2J\x1b[31mgone", "a\nb\rc", "evil\u202egnp.exe", "日本語" * 50, "x" * 500]


@asynccontextmanager
async def names(count: int, error: bool = False) -> AsyncIterator[AsyncGenerator[str, None]]:
    async def each() -> AsyncGenerator[str, None]:
        for number in range(count):
            yield str(number)
        if error:
            raise ListError("it breaks off")

    generator = each()
    yield generator
    await generator.aclose()


def text(progress: Progress, width: int = 80) -> str:
    return "\n".join(line.plain for line in progress.lines(width))


async def test_what_is_done_how_fast_and_how_many_bytes_a_second(autojump_clock: trio.testing.MockClock) -> None:
    run = FakeRun()
    progress = Progress(run.as_run())
    autojump_clock.jump(2)
    run.report.listed = 3_000
    run.report.mirrored = 2_000
    run.report.bytes_in, run.report.bytes_out = 5 * 1024**2, 3 * 1024
    progress.tick()

    done, figures = text(progress).splitlines()

    assert done == "2,000 of 3,000 listed"
    assert figures == "1,000.0/s · 2.5 MiB/s in · 1.5 KiB/s out · 16 in flight · 2.0 s"
    assert "1,000.0/s, 2.5 MiB/s in, 1.5 KiB/s out, 5.0 MiB in, 3.0 KiB out" in progress.plain()
    autojump_clock.jump(30)
    progress.tick()
    autojump_clock.jump(15)
    progress.tick()
    assert text(progress).splitlines()[1].startswith("0.0/s · 0 B/s in"), "of the last 15 seconds"


async def test_a_counted_list_gives_one_bar_and_the_time_left(autojump_clock: trio.testing.MockClock) -> None:
    run = FakeRun()
    progress = Progress(run.as_run())
    await progress.count(partial(names, 100))
    autojump_clock.jump(5)
    run.report.listed = 66
    for _ in range(25):
        run.report.add(mirrored())
    progress.tick()

    bar, state = text(progress).splitlines()

    assert bar.startswith("25 of 100 ━")
    assert bar.endswith("─ 25%")
    assert 3 * bar.count("━") == pytest.approx(bar.count("─"), abs=3)
    assert state.endswith("5.0 s · 15.0 s left")
    assert progress.plain().startswith("25 of 100 are done, ")
    assert progress.plain().endswith("5.0 s, 15.0 s left")


async def test_a_list_is_waited_for_and_counted_once_it_is_there(autojump_clock: trio.testing.MockClock) -> None:
    run = FakeRun(list_attempt=(1, 5))
    progress = Progress(run.as_run())
    assert text(progress).splitlines()[0] == "waiting for the list"
    run.list_attempt = 2, 5
    assert text(progress).splitlines()[0] == "waiting for the list (attempt 2 of 5)"
    assert progress.plain().startswith("waiting for the list (attempt 2 of 5), ")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(progress.count, partial(names, 100))
        await trio.sleep(60)
        assert progress.total is None
        run.list_attempt = None
        progress.add(mirrored())
    assert progress.total == 100


async def test_pictures_that_take_long_have_a_line_with_their_stage(autojump_clock: trio.testing.MockClock) -> None:
    run = FakeRun()
    for number, began in enumerate((0, 1, 2, 3, 58)):
        item = Item(Result(name=f"{number}\x1b.png", stage=Stage.UPLOAD))
        run.at_work[item] = trio.current_time() + began
    progress = Progress(run.as_run())
    autojump_clock.jump(60)

    wanted = ["upload for 1 min 00 s: 0\\x1b.png", "upload for 59.0 s: 1\\x1b.png", "upload for 58.0 s: 2\\x1b.png"]
    assert text(progress).splitlines()[2:] == wanted
    assert progress.plain().endswith(", ".join(wanted))
    for item in list(run.at_work)[:4]:
        del run.at_work[item]
    assert "upload for" not in text(progress) + progress.plain()


@pytest.mark.parametrize(("rate", "waits"), [(0.02, "--rate"), (None, "the server to recover")])
async def test_a_picture_that_waits_for_its_turn_says_so(
    rate: float | None, waits: str, autojump_clock: trio.testing.MockClock
) -> None:
    throttle = Throttle(None, rate=rate, retry_after_max=300)
    await throttle.admit()
    throttle.overloaded(trio.current_time(), "503", 50)
    item = Item(Result(name="a.png", stage=Stage.FETCH, began={Stage.FETCH: 0.0}))
    progress = Progress(FakeRun(at_work={item: trio.current_time()}).as_run())

    async with trio.open_nursery() as nursery:
        attempts = Attempts(retries=0, retry_after_max=300)
        nursery.start_soon(partial(attempts.make, throttle, trio.sleep, 20, item=item))
        await trio.sleep(40)
        assert text(progress).splitlines()[-1] == f"fetch for 40.0 s, waits for {waits}: a.png"
        await trio.sleep(20)
        assert text(progress).splitlines()[-1] == "fetch for 1 min 00 s: a.png"


async def test_a_list_that_cannot_be_counted_has_no_bars() -> None:
    progress = Progress(FakeRun().as_run())

    await progress.count(partial(names, 100, error=True))

    assert "━" not in text(progress)
    assert "of 100" not in text(progress)


async def test_the_bar_reaches_its_end_when_pictures_fail_or_are_skipped() -> None:
    run = FakeRun()
    progress = Progress(run.as_run())
    progress.total = 4
    for result in (
        mirrored(),
        failed("a", stage=Stage.FETCH),
        failed("b", stage=Stage.FLIP),
        failed("c", stage=Stage.LIST, outcome=Outcome.SKIPPED, error=None),
    ):
        progress.add(result)
        run.report.add(result)

    assert "─" not in text(progress)
    assert "4 of 4 ━" in text(progress)
    assert "100%" in text(progress)


async def test_a_lowered_limit_says_why() -> None:
    run = FakeRun(in_flight=5, in_flight_limit=4, slowed_by="the server answered 503")

    assert "5 in flight" in text(Progress(run.as_run()))
    assert "slowed to 4 in flight: the server answered 503" in text(Progress(run.as_run()))


async def test_a_drain_is_told() -> None:
    run = FakeRun()
    run.report.stopped_by = "signal"

    assert "stopping (signal)" in text(Progress(run.as_run()), 120)


async def test_only_the_last_three_failures_are_shown() -> None:
    progress = Progress(FakeRun().as_run())
    for number in range(9):
        progress.add(failed(f"{number}.png"))

    assert [line.split()[1] for line in text(progress).splitlines() if "✗" in line] == ["6.png", "7.png", "8.png"]


@pytest.mark.parametrize("width", [20, 40, 79, 199])
@pytest.mark.parametrize("name", HOSTILE)
async def test_no_line_is_broken_or_too_long(name: str, width: int) -> None:
    run = FakeRun(slowed_by=name)
    progress = Progress(run.as_run())
    progress.total = 1_000_000
    progress.add(failed(name, error=name))

    for line in progress.lines(width):
        assert cell_len(line.plain) <= width
        assert line.plain.isprintable()
    # What changes all the time is whole, however narrow the terminal.
    shown = text(progress, width).splitlines()
    assert [it for line in shown[1:-2] for it in line.split(" · ")][:3] == ["0.0/s", "0 B/s in", "0 B/s out"]


async def test_ascii_where_the_terminal_has_no_more() -> None:
    progress = Progress(FakeRun().as_run())
    progress.total = 10
    progress.add(failed("a.png"))

    for line in progress.lines(80, ascii_only=True):
        assert line.plain.isascii()


async def test_the_plain_line_tells_the_same() -> None:
    run = FakeRun(slowed_by="the server answered 503", in_flight_limit=4)
    run.report.listed = 20
    for result in (mirrored(), mirrored(), failed("a")):
        run.report.add(result)

    line = Progress(run.as_run()).plain()

    assert line.startswith("3 of 20 listed are done, 1 failed, ")
    assert "4.0 KiB in, 2.0 KiB out, 16 in flight" in line
    assert line.endswith("slowed to 4 in flight: the server answered 503")


async def test_a_run_says_which_attempt_at_its_list_it_makes_and_what_takes_long(
    autojump_clock: trio.testing.MockClock,
) -> None:
    gallery = MemoryGallery(["a.png"])
    gallery.fetch_seconds, opened = 20, gallery.names
    seen: list[list[str]] = []

    @asynccontextmanager
    async def failing() -> AsyncIterator[AsyncIterator[str]]:
        seen.append(text(progress).splitlines())
        if len(seen) < 3:
            raise ListError("not yet", transient=True)
        async with opened() as names:
            yield names

    gallery.names = failing  # type: ignore[method-assign]
    async with open_run(gallery, MemoryGallery(), Settings(adaptive=False)) as run, trio.open_nursery() as nursery:
        progress = Progress(run)

        @nursery.start_soon
        async def look() -> None:
            while not seen or "fetch" not in seen[-1][-1]:
                await trio.sleep(1)
                seen.append(text(progress).splitlines())

        # How it ends is up to the clock, which leaps while the flip's thread works.
        assert len([result async for result in run]) == 1

    lists = list(dict.fromkeys(lines[0] for lines in seen))
    waiting = ["waiting for the list", "waiting for the list (attempt 2 of 5)", "waiting for the list (attempt 3 of 5)"]
    assert lists == [*waiting, "0 of 1 listed"]
    assert re.fullmatch(r"fetch for [5-6]\.\d s: a\.png", seen[-1][-1])
    assert len(progress.lines(80)) == 2, "it is done"
