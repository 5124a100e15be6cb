from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest
import trio

from trio_mirror import SettingsError
from trio_mirror.cli.view.lines import LineWriter

if TYPE_CHECKING:
    from pathlib import Path


async def test_lines_are_written_in_their_order_from_any_thread(tmp_path: Path) -> None:
    writer = LineWriter("--events", str(tmp_path / "file"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.keep, pytest.fail)
        for number in range(100):
            writer.write(str(number))
        await trio.to_thread.run_sync(writer.write, "from a thread")
        nursery.cancel_scope.cancel()
    writer.write("last")
    await writer.end()

    assert writer.error is None
    assert (tmp_path / "file").read_text().splitlines() == [*map(str, range(100)), "from a thread", "last"]


async def test_what_is_there_is_kept_only_where_asked(tmp_path: Path) -> None:
    for append, wanted in ((False, "new\n"), (True, "new\nnew\n")):
        writer = LineWriter("--log-file", str(tmp_path / "file"), append=append)
        writer.write("new")
        await writer.end()
        assert (tmp_path / "file").read_text() == wanted


async def test_a_full_disk_is_told_once_and_nothing_is_kept_for_it() -> None:
    writer, told = LineWriter("--events", "/dev/full"), trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.keep, told.set)
        writer.write("line")
        with trio.fail_after(300):
            await told.wait()
        writer.write("thrown away")
        await writer.end()

    assert writer.error is not None
    assert str(writer.error) == "--events: /dev/full cannot be written: No space left on device"


def test_a_file_that_cannot_be_opened_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"--events: {tmp_path}"):
        LineWriter("--events", str(tmp_path))


async def test_a_reader_that_sleeps_holds_up_the_run_only_when_very_many_lines_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reading = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    writer = LineWriter("--events", str(tmp_path / "pipe"))
    line = "x" * 99
    for _ in range(9_999):
        writer.write(line)
    with trio.fail_after(300):
        await writer.room()
    writer.write(line)

    # A pipe holds less than a megabyte of it, so that the thread is stuck until somebody reads.
    with trio.move_on_after(0.05) as waiting:
        await writer.room()
    assert waiting.cancelled_caught

    received: list[int] = []
    reader = threading.Thread(target=lambda: received.append(_read_all(reading)))
    reader.start()
    writer.write("the last one")
    await writer.end()
    reader.join()
    assert received == [10_000 * 100 + len("the last one\n")]


def _read_all(reading: int) -> int:
    os.set_blocking(reading, True)
    count = 0
    while part := os.read(reading, 65_536):
        count += len(part)
    return count
