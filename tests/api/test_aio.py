from __future__ import annotations

import asyncio
import re
import textwrap
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio

import trio_mirror
from tests.helpers.memory_gallery import MemoryGallery
from tests.helpers.pictures import png
from trio_mirror import GalleryError, Outcome, SettingsError

if TYPE_CHECKING:
    from pathlib import Path

NAMES = [f"{number:02}.png" for number in range(40)]


def test_a_gallery_is_mirrored_under_asyncio() -> None:
    source, target = MemoryGallery(NAMES), MemoryGallery()
    report = asyncio.run(trio_mirror.aio.mirror(source, target, concurrency=4))
    assert report.mirrored == len(NAMES)
    assert sorted(target.stored) == NAMES


def test_two_runs_go_on_side_by_side_and_asyncio_with_them() -> None:
    async def main() -> list[int]:
        ticking = asyncio.create_task(asyncio.sleep(0.001))
        runs = (trio_mirror.aio.mirror(MemoryGallery(NAMES), MemoryGallery()) for _ in range(2))
        reports = await asyncio.gather(*runs)
        assert ticking.done()
        return [report.mirrored for report in reports]

    assert asyncio.run(main()) == [len(NAMES)] * 2


def test_results_come_one_by_one_and_the_run_waits_for_whoever_takes_them() -> None:
    target = MemoryGallery()

    async def main() -> None:
        async with trio_mirror.aio.open_mirror(MemoryGallery(NAMES), target, concurrency=2) as results:
            first = await anext(results)
            assert first.outcome is Outcome.MIRRORED
            await asyncio.sleep(0.2)
            assert len(target.stored) < len(NAMES) / 2
            names = {first.name} | {result.name async for result in results}
            assert sorted(names) == NAMES
            assert results.report.mirrored == len(NAMES)

    asyncio.run(main())


def test_leaving_early_ends_the_run_and_its_thread() -> None:
    target = MemoryGallery()

    async def main() -> None:
        with pytest.raises(KeyError):  # noqa: PT012
            async with trio_mirror.aio.open_mirror(MemoryGallery(NAMES), target, concurrency=1) as results:
                await anext(results)
                raise KeyError

    asyncio.run(main())
    assert len(target.stored) < len(NAMES)
    for thread in threading.enumerate():
        if thread.name == "trio-mirror":
            thread.join(10)
            assert not thread.is_alive()


def test_a_cancelled_task_cancels_its_run() -> None:
    source = MemoryGallery(NAMES)
    source.fetch_seconds = 3_600

    async def main() -> None:
        task = asyncio.create_task(trio_mirror.aio.mirror(source, MemoryGallery()))
        while not source.fetched:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_a_result_whose_iteration_was_cancelled_is_not_lost() -> None:
    source = MemoryGallery(NAMES[:3])
    source.fetch_seconds = 0.05

    async def main() -> None:
        names: list[str] = []
        async with trio_mirror.aio.open_mirror(source, MemoryGallery(), concurrency=1) as results:
            while len(names) < 3:
                try:
                    names.append((await asyncio.wait_for(anext(results), 0.02)).name)
                except TimeoutError:
                    continue
        assert names == NAMES[:3]

    asyncio.run(main())


def test_drain_ends_the_iteration() -> None:
    async def main() -> None:
        async with trio_mirror.aio.open_mirror(MemoryGallery(NAMES), MemoryGallery(), concurrency=2) as results:
            await anext(results)
            results.drain()
            async for _ in results:
                pass
            assert results.report.stopped_by == "drain"

    asyncio.run(main())


def test_errors_of_the_run_come_out_as_they_are() -> None:
    broken = MemoryGallery(NAMES)
    broken.broken_list = True
    with pytest.raises(GalleryError, match="the list broke off"):
        asyncio.run(trio_mirror.aio.mirror(broken, MemoryGallery(), retries=0))
    with pytest.raises(SettingsError, match="concurrency"):
        asyncio.run(trio_mirror.aio.mirror(MemoryGallery(), concurrency=0))


def test_the_recipe_for_a_web_application_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fastapi")
    [recipe] = re.findall(r"::\n\n((?:    .*\n|\n)+)", trio_mirror.aio.__doc__ or "")
    names: dict[str, Any] = {}
    exec(textwrap.dedent(recipe), names)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(png())
    monkeypatch.chdir(tmp_path)

    async def ask(gallery: str) -> httpx.Response:
        transport = httpx.ASGITransport(names["app"])
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            return await client.post("/mirror", params={"gallery": gallery})

    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        answer = asyncio.run(ask(f"http://127.0.0.1:{server.server_port}/images/"))
        server.shutdown()

    assert answer.raise_for_status().json()["mirrored"] == 1
    assert (tmp_path / "mirrored" / "a.png").read_bytes() == trio_mirror.flip(png()).data
    for folder in ("images", str(tmp_path / "images"), f"file://{tmp_path}/images"):
        assert asyncio.run(ask(folder)).status_code == 422, "a folder of the server is not for everybody"


def test_under_asyncio_the_calls_for_trio_say_what_to_use() -> None:
    async def open_one() -> None:
        async with trio_mirror.open_mirror(MemoryGallery()):
            pass

    async def run_one() -> None:
        trio_mirror.run(MemoryGallery())

    for call in (lambda: trio_mirror.mirror(MemoryGallery()), open_one):
        with pytest.raises(RuntimeError, match=r"under asyncio use trio_mirror\.aio"):
            asyncio.run(call())
    with pytest.raises(RuntimeError, match=r"await trio_mirror\.aio\.mirror"):
        asyncio.run(run_one())
    with pytest.raises(RuntimeError, match=r"await trio_mirror\.mirror"):
        trio.run(run_one)
