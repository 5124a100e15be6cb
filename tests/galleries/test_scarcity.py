"""Where a system lends few threads and descriptors: less is done at once, and no picture fails for it."""

from __future__ import annotations

import errno
import os
import platform
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
import trio

from tests.helpers import processes
from tests.helpers.pictures import is_mirrored, png
from trio_mirror import mirror
from trio_mirror.galleries.in_thread import in_thread
from trio_mirror.pipeline.threads import WorkerThreads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number}.png").write_bytes(png())
    return folder


async def mirrored(folder: Path, flip_threads: int = 2) -> None:
    """Mirrors a folder, and makes sure that all of it is."""
    target = folder.with_name("mirrored")
    report = await mirror(folder, target, flip_threads=flip_threads)

    assert report.mirrored == 40
    assert all(is_mirrored(png(), path.read_bytes()) for path in target.iterdir())


def lend_few_threads(monkeypatch: pytest.MonkeyPatch, most: int, none_for: int = 0) -> None:
    """Starts few threads at once, and none the first few times."""
    begin = threading.Thread.start
    started: list[threading.Thread] = []
    refused: Iterator[int] = iter(range(none_for))

    def start(thread: threading.Thread) -> None:
        if next(refused, None) is not None or sum(it.is_alive() for it in started) >= most:
            raise RuntimeError("can't start new thread")
        begin(thread)
        started.append(thread)

    # What earlier tests have left idle would be lent to this one.
    monkeypatch.setattr("trio._core._thread_cache.THREAD_CACHE._idle_workers", {})
    monkeypatch.setattr(threading.Thread, "start", start)


@pytest.mark.parametrize("most", [4, 5, 9])
async def test_a_run_goes_on_in_the_threads_that_there_are(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    lend_few_threads(monkeypatch, most)
    with trio.fail_after(45):
        await mirrored(pictures, flip_threads=6)


async def test_where_no_thread_was_to_be_had_flips_leave_some_to_short_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    lend_few_threads(monkeypatch, most=2, none_for=6)
    threads = WorkerThreads(6, timeout=60)
    with trio.fail_after(45):
        async with threads.working():
            for _ in range(3):
                assert await threads.run(lambda: "flipped") == "flipped"
                assert await in_thread(lambda: "read") == "read"


async def test_a_file_is_opened_again_where_there_were_too_many(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = os.open
    refused: Iterator[int] = iter(range(10))

    def open_few(path: str, flags: int, *args: int, **more: int) -> int:
        if str(path).endswith(".png") and next(refused, None) is not None:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return opening(path, flags, *args, **more)

    monkeypatch.setattr(os, "open", open_few)
    await mirrored(pictures)


_IN_LITTLE = """
import re, resource, sys, trio_mirror
resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20))
report = trio_mirror.run(*sys.argv[1:], flip_threads=8)
print(report.mirrored, re.search(r"VmPeak:\\s+([0-9]+)", open("/proc/self/status").read())[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the heap of each thread is glibc's")
def test_where_addresses_are_few_threads_reserve_none(pictures: Path) -> None:
    command = [sys.executable, "-c", _IN_LITTLE, str(pictures), str(pictures.with_name("mirrored"))]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env=processes.ENVIRONMENT)
    mirrored, peak_kb = map(int, ended.stdout.split())

    assert mirrored == 40
    assert peak_kb < 450 << 10
