from __future__ import annotations

import io
import json
import logging
import re
from typing import TYPE_CHECKING

import pytest
import trio

from tests.helpers.memory_gallery import MemoryGallery
from trio_mirror.api.opening import open_run
from trio_mirror.cli.view.lines import LineWriter
from trio_mirror.cli.view.log import PROGRESS, RESULTS, log_to
from trio_mirror.cli.view.printer import Printer
from trio_mirror.cli.view.views import Views
from trio_mirror.settings import LogFormat, Options, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    loggers = [logging.getLogger("trio_mirror"), logging.getLogger("py.warnings")]
    before = [(logger, logger.handlers, logger.level, logger.propagate) for logger in loggers]
    yield
    logging.captureWarnings(capture=False)
    for logger, handlers, level, propagate in before:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


def say_all() -> None:
    for level in (logging.DEBUG, logging.INFO, PROGRESS, logging.WARNING, logging.ERROR):
        logging.getLogger("trio_mirror.some").log(level, "at %d", level)
    logging.getLogger(RESULTS).warning("\x1b[2J[red]x\nfailed")


@pytest.mark.parametrize(
    ("verbosity", "said"),
    [
        (-2, ["error"]),
        (-1, ["error"]),
        (0, ["progress", "warning", "error", "warning"]),
        (1, ["info", "progress", "warning", "error", "warning"]),
        (2, ["debug", "info", "progress", "warning", "error", "warning"]),
    ],
)
def test_the_verbosity_chooses_what_the_console_gets(verbosity: int, said: list[str]) -> None:
    stderr = io.StringIO()
    log_to(Printer(stderr), verbosity)

    say_all()

    assert [line.partition(":")[0] for line in stderr.getvalue().splitlines()] == said


@pytest.mark.parametrize(("verbosity", "shown"), [(0, False), (1, True)])
def test_failures_that_are_drawn_elsewhere_are_not_printed_as_well(verbosity: int, shown: bool) -> None:
    stderr = io.StringIO()
    log_to(Printer(stderr), verbosity, failures=False)

    say_all()

    assert ("[red]x" in stderr.getvalue()) is shown


async def test_the_file_gets_each_picture_however_quiet_the_console(tmp_path: Path) -> None:
    file = LineWriter("--log-file", str(tmp_path / "log"))
    log_to(Printer(io.StringIO()), -2, file=file)

    say_all()
    await file.end()

    lines = (tmp_path / "log").read_text().splitlines()
    assert [line.split()[1] for line in lines] == ["info:", "progress:", "warning:", "error:", "warning:"]
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", line) for line in lines)
    assert lines[-1].endswith(r"warning: \x1b[2J[red]x\nfailed")


async def test_as_json_each_line_is_an_object(tmp_path: Path) -> None:
    file, stderr = LineWriter("--log-file", str(tmp_path / "log")), io.StringIO()
    log_to(Printer(stderr), 0, log_format=LogFormat.JSON, file=file)

    say_all()
    await file.end()

    for text in ((tmp_path / "log").read_text(), stderr.getvalue()):
        last = json.loads(text.splitlines()[-1])
        assert set(last) == {"time", "level", "logger", "message"}
        assert (last["level"], last["message"]) == ("warning", "\x1b[2J[red]x\nfailed")


async def test_a_log_has_the_progress_every_ten_seconds_with_the_total(autojump_clock: object) -> None:
    written, gallery = io.StringIO(), MemoryGallery(f"{number}-missing.png" for number in range(30))
    gallery.fetch_seconds, gallery.listed = 2.4, list(gallery.listed)
    views = Views(Options(), 0, Printer(written))

    async with open_run(gallery, MemoryGallery(), Settings(concurrency=2)) as run, trio.open_nursery() as nursery:
        nursery.start_soon(views.watch, run)
        async for result in run:
            await views.add(result)
        nursery.cancel_scope.cancel()

    lines = [line for line in written.getvalue().splitlines() if line.startswith("progress: ")]
    assert [line.split(" are done")[0] for line in lines] == [f"progress: {it} of 30" for it in (8, 16, 24)]
    assert all("0.8/s, 0 B/s in, 0 B/s out" in line and " left" in line for line in lines[1:])
