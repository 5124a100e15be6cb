from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

from tests.cli.view.fake_run import FakeRun, failed, mirrored
from trio_mirror import ListError, Outcome, Stage
from trio_mirror.cli.view.progress import Progress

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    import trio.testing

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


async def test_each_stage_has_its_count_its_rate_and_its_bytes(autojump_clock: trio.testing.MockClock) -> None:
    run = FakeRun()
    progress = Progress(run.as_run())
    progress.tick()
    autojump_clock.jump(2)
    run.passed.update({Stage.FETCH: 3_000, Stage.FLIP: 200, Stage.UPLOAD: 100})
    run.report.bytes_in, run.report.bytes_out = 5 * 1024**2, 3 * 1024
    progress.tick()

    fetch, flip, upload, state = text(progress).splitlines()

    assert fetch.split() == ["fetch", "3,000", "1,500.0/s", "5.0", "MiB", "in"]
    assert flip.split() == ["flip", "200", "100.0/s"]
    assert upload.split() == ["upload", "100", "50.0/s", "3.0", "KiB", "out"]
    assert state == "16 of 16 in flight · 2.0 s"


async def test_a_counted_list_gives_bars_and_the_time_left(autojump_clock: trio.testing.MockClock) -> None:
    run = FakeRun()
    progress = Progress(run.as_run())
    progress.tick()
    await progress.count(partial(names, 100))
    autojump_clock.jump(5)
    run.report.listed = 66
    run.passed[Stage.FETCH] = 50
    for _ in range(25):
        run.report.add(mirrored())
    progress.tick()

    fetch, *_, state = text(progress).splitlines()

    assert "50 of 100" in fetch
    assert fetch.count("━") == pytest.approx(fetch.count("─"), abs=1)
    assert state.endswith("5.0 s · 15.0 s left")


async def test_a_list_that_cannot_be_counted_has_no_bars() -> None:
    progress = Progress(FakeRun().as_run())

    await progress.count(partial(names, 100, error=True))

    assert "━" not in text(progress)
    assert "of 100" not in text(progress)


async def test_bars_reach_their_end_when_pictures_fail_or_are_skipped() -> None:
    run = FakeRun()
    progress = Progress(run.as_run())
    progress.total = 4
    run.passed.update({Stage.FETCH: 2, Stage.FLIP: 1, Stage.UPLOAD: 1})
    for result in (
        mirrored(),
        failed("a", stage=Stage.FETCH),
        failed("b", stage=Stage.FLIP),
        failed("c", stage=Stage.LIST, outcome=Outcome.SKIPPED, error=None),
    ):
        progress.add(result)

    assert "─" not in text(progress)


async def test_a_lowered_limit_says_why() -> None:
    run = FakeRun(in_flight=5, in_flight_limit=4, slowed_by="the server answered 503")

    assert "5 of 4 in flight" in text(Progress(run.as_run()))
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


async def test_ascii_where_the_terminal_has_no_more() -> None:
    progress = Progress(FakeRun().as_run())
    progress.total = 10
    progress.add(failed("a.png"))

    for line in progress.lines(80, ascii_only=True)[:3]:
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
