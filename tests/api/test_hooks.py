from __future__ import annotations

import threading

import pytest

from tests.helpers.memory_gallery import MemoryGallery
from trio_mirror import Outcome, Result, SettingsError, mirror, run


async def test_a_transform_takes_the_place_of_the_flip_in_a_worker_thread() -> None:
    target, threads = MemoryGallery(), set()

    def shout(data: bytes) -> bytes:
        threads.add(threading.current_thread())
        return data.upper()

    report = await mirror(MemoryGallery(["a.png", "b.png"], data=b"quiet"), target, transform=shout)

    assert report.mirrored == 2
    assert {picture.data for picture in target.stored.values()} == {b"QUIET"}
    assert threading.current_thread() not in threads


async def test_what_a_transform_raises_fails_its_picture_in_its_words() -> None:
    def only_a(data: bytes) -> bytes:
        raise ValueError("not this one")

    report = await mirror(MemoryGallery(["a.png"]), MemoryGallery(), transform=only_a)
    [failure] = report.failures
    assert failure.outcome is Outcome.FAILED
    assert failure.error == "the transform raised ValueError: not this one"


async def test_a_transform_does_not_go_with_workers_in_other_processes(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SettingsError, match="a transform runs in this process"):
        await mirror(tmp_path, tmp_path.with_name("to"), processes=2, transform=bytes.upper)


def test_each_result_is_handed_out_as_it_is_counted() -> None:
    results: list[Result] = []
    report = run(MemoryGallery(["a.png", "missing.png"]), MemoryGallery(), on_result=results.append)
    assert sorted((result.name, result.outcome) for result in results) == [
        ("a.png", Outcome.MIRRORED),
        ("missing.png", Outcome.FAILED),
    ]
    assert report.finished == len(results)
