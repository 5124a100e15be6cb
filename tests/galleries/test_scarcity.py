"""Where a system lends few threads and descriptors: less is done at once, and no picture fails for it."""

from __future__ import annotations

import errno
import os
import platform
import resource
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from tests.helpers import processes
from tests.helpers.memory_gallery import MemoryGallery
from tests.helpers.pictures import is_mirrored, png
from trio_mirror import Flipped, mirror, open_mirror
from trio_mirror.errors import MemoryLimitError
from trio_mirror.galleries import scarcity
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


async def test_descriptors_are_left_for_what_is_not_a_connection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, autojump_clock: trio.testing.MockClock
) -> None:
    scarcity.say_once.cache_clear()
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 64))
    gallery = MemoryGallery(f"{number}.png" for number in range(100))
    gallery.fetch_seconds = 100

    async with open_mirror(gallery, concurrency=50) as results, trio.open_nursery() as nursery:
        nursery.start_soon(anext, results)
        await trio.sleep(50)
        assert results.in_flight == 16
        nursery.cancel_scope.cancel()
    assert "the system gives us no more open files (ulimit -n)" in caplog.text


class SlowGallery(BaseHTTPRequestHandler):
    """A gallery whose pictures take so long that many are asked for at once."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        is_list = self.path == "/"
        if not is_list:
            time.sleep(0.05)
        body = "".join(f"{number}.png\n" for number in range(100)).encode() if is_list else png()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain" if is_list else "image/png")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.mark.slow
def test_no_more_connections_are_made_than_there_are_descriptors(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), SlowGallery) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        command = processes.module("trio_mirror", url, "--to", tmp_path, "--concurrency", "128")
        limited = ["/bin/sh", "-c", 'ulimit -n 48; exec "$@"', "sh", *command]
        ended = subprocess.run(limited, capture_output=True, text=True, check=False, env=processes.ENVIRONMENT)
        server.shutdown()

    assert ended.returncode == 0, ended.stderr
    assert len(list(tmp_path.iterdir())) == 100


async def test_where_memory_is_short_flips_run_in_processes_and_that_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def flip(*_: object, **__: object) -> Flipped:
        raise MemoryLimitError("there is not enough memory to mirror it")

    scarcity.say_once.cache_clear()
    monkeypatch.setattr("trio_mirror.pipeline.transformer.flip", flip)
    apart = Flipped(b"mirrored", "image/png", lossless=True)
    monkeypatch.setattr("trio_mirror.pipeline.transformer.flip_apart", lambda *_: apart)
    report = await mirror(MemoryGallery(f"{number}.png" for number in range(3)), MemoryGallery())

    assert report.mirrored == 3
    assert caplog.text.count("the system gives us no more memory (ulimit -v)") == 1


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
