"""The gallery that is a folder."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path

import pytest
import trio
import trio.testing
from hypothesis import given, settings

from tests.test_names import hostile_names
from trio_mirror.errors import (
    FetchError,
    ListError,
    MirrorError,
    NameRefusedError,
    SettingsError,
    UploadError,
)
from trio_mirror.galleries.folder import DirectoryGallery
from trio_mirror.model import Picture


def picture(name: str, data: bytes = b"data") -> Picture:
    return Picture(name=name, data=data, media_type="image/png")


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def names_of(gallery: DirectoryGallery) -> list[str]:
    async with gallery.names() as names:
        return [name async for name in names]


async def test_reads_that_a_dead_disk_keeps_take_no_threads_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk_answers = threading.Event()
    monkeypatch.setattr(DirectoryGallery, "_read", lambda *_: disk_answers.wait())
    gallery = DirectoryGallery(tmp_path)
    async with trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(gallery.fetch, f"{number}.png")
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()

    with trio.fail_after(60):
        await trio.to_thread.run_sync(disk_answers.set, abandon_on_cancel=True)


async def test_names_are_sorted_in_each_folder_and_hidden_ones_left_out(tmp_path: Path) -> None:
    for name in [
        "b.png",
        "a.png",
        "sub/z.png",
        "sub/deep/y.png",
        "sub/c.png",
        "t/x.png",
        ".hidden.png",
        ".git/x.png",
    ]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "loop").symlink_to(tmp_path)
    in_order = ["a.png", "b.png", "sub/c.png", "sub/z.png", "sub/deep/y.png", "t/x.png"]
    assert await names_of(DirectoryGallery(tmp_path)) == in_order


async def test_a_link_in_a_circle_is_listed_and_fails_alone(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "circle.png").symlink_to("circle.png")
    gallery = DirectoryGallery(tmp_path)

    assert await names_of(gallery) == ["a.png", "circle.png"]
    with pytest.raises(FetchError, match="symbolic links"):
        await gallery.fetch("circle.png")


async def test_a_link_to_the_folder_itself_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "self").symlink_to(".")

    with pytest.raises(FetchError, match=r"^it is not a regular file"):
        await DirectoryGallery(tmp_path).fetch("self")


async def test_the_list_of_a_missing_folder_is_a_list_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ListError, match="missing cannot be listed: No such file"):
        await names_of(DirectoryGallery(tmp_path / "missing"))


async def fetched(gallery: DirectoryGallery, name: str) -> Picture:
    found = await gallery.fetch(name)
    assert found is not None
    return found


async def test_a_picture_with_the_known_tag_is_not_read(tmp_path: Path) -> None:
    gallery = DirectoryGallery(tmp_path)
    await gallery.store(picture("a.png", b"first"))
    tag = (await fetched(gallery, "a.png")).etag
    assert await gallery.fetch("a.png", tag) is None
    await gallery.store(picture("a.png", b"second!"))
    assert (await fetched(gallery, "a.png")).data == b"second!"


async def test_what_is_stored_can_be_listed_and_fetched(tmp_path: Path) -> None:
    gallery = DirectoryGallery(tmp_path / "new" / "folder")
    await gallery.prepare()
    await gallery.store(picture("sub/deep/Grüße.webp", b"first"))
    first = await fetched(gallery, "sub/deep/Grüße.webp")
    await gallery.store(picture("sub/deep/Grüße.webp", b"second!"))
    second = await fetched(gallery, "sub/deep/Grüße.webp")
    assert await names_of(gallery) == ["sub/deep/Grüße.webp"]
    assert (first.data, second.data, second.media_type) == (b"first", b"second!", "image/webp")
    assert first.etag != second.etag


async def test_a_fetch_fails_with_the_reason(tmp_path: Path) -> None:
    gallery = DirectoryGallery(tmp_path, max_bytes=10)
    (tmp_path / "folder").mkdir()
    (tmp_path / "large.png").write_bytes(bytes(11))
    (tmp_path / "just.png").write_bytes(bytes(10))
    os.mkfifo(tmp_path / "pipe.png")
    for name, reason in [
        ("missing.png", "No such file"),
        ("folder", "Is a directory"),
        ("large.png", "^it is over the limit of 10 B"),
        ("pipe.png", "not a regular file"),
        ("just.png/below.png", "Not a directory"),
    ]:
        with pytest.raises(FetchError, match=reason):
            await gallery.fetch(name)
    assert len((await fetched(gallery, "just.png")).data) == 10


async def test_pictures_that_fail_alike_fail_with_the_same_words(tmp_path: Path) -> None:
    (tmp_path / "below").touch()
    gallery, reasons = DirectoryGallery(tmp_path), set()
    for name in ("below/a.png", "below/b.png"):
        with pytest.raises(FetchError) as unread:
            await gallery.fetch(name)
        with pytest.raises(UploadError) as unwritten:
            await gallery.store(picture(name, b""))
        reasons |= {str(unread.value), str(unwritten.value)}

    assert reasons == {"it cannot be read: Not a directory", "it cannot be written: Not a directory"}


async def test_the_limit_is_counted_while_reading() -> None:
    # The kernel gives its own files a size of 0, whatever they hold.
    with pytest.raises(FetchError, match=r"^it is over the limit of 10 B"):
        await DirectoryGallery("/proc/self", max_bytes=10).fetch("status")
    assert (await fetched(DirectoryGallery("/proc/self"), "status")).data.startswith(b"Name:")


async def test_the_limit_may_be_more_than_there_is_memory(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"data")
    assert (await fetched(DirectoryGallery(tmp_path, max_bytes=2**62), "a.png")).data == b"data"


@pytest.mark.parametrize("name", ["link.png", "out/secret.png", "up/../secret.png", "chain"])
async def test_no_symbolic_link_leads_out(tmp_path: Path, name: str) -> None:
    base, outside = tmp_path / "base", tmp_path / "base-outside"
    base.mkdir()
    outside.mkdir()
    (outside / "secret.png").write_bytes(b"secret")
    (base / "link.png").symlink_to(outside / "secret.png")
    (base / "out").symlink_to(outside)
    (base / "chain").symlink_to("link.png")
    with pytest.raises(NameRefusedError):
        await DirectoryGallery(base).fetch(name)


async def test_a_store_replaces_a_link_and_enters_no_folder_outside(tmp_path: Path) -> None:
    base, outside = tmp_path / "base", tmp_path / "outside"
    base.mkdir()
    outside.mkdir()
    (outside / "a.png").write_bytes(b"kept")
    (base / "a.png").symlink_to(outside / "a.png")
    (base / "out").symlink_to(outside)
    gallery = DirectoryGallery(base)
    await gallery.store(picture("a.png", b"new"))
    with pytest.raises(NameRefusedError, match="symbolic link"):
        await gallery.store(picture("out/b.png"))
    assert files_below(outside) == {"a.png": b"kept"}
    assert (await fetched(gallery, "a.png")).data == b"new"


async def test_a_link_to_a_place_inside_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "alias").symlink_to("real")
    (tmp_path / "a.png").symlink_to("real/a.png")
    base = tmp_path.with_name("alias of the base")
    base.symlink_to(tmp_path)
    gallery = DirectoryGallery(base)
    await gallery.store(picture("alias/a.png"))
    assert (await fetched(gallery, "a.png")).data == b"data"
    assert (tmp_path / "real" / "a.png").read_bytes() == b"data"


@given(hostile_names)
@settings(deadline=None)
def test_no_name_reads_or_writes_outside_the_base(name: str) -> None:
    async def try_both(base: Path) -> None:
        gallery = DirectoryGallery(base)
        for attempt in (gallery.fetch(name), gallery.store(picture(name, b"stored"))):
            try:
                fetched = await attempt
            except MirrorError:
                continue
            assert fetched is None or fetched.data == b"inside"

    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder, "outer", "base")
        base.mkdir(parents=True)
        (base / "a").write_bytes(b"inside")
        Path(folder, "outer", "a").write_bytes(b"outside")
        Path(folder, "a").write_bytes(b"outside")
        trio.run(try_both, base)
        outside = {path: data for path, data in files_below(Path(folder)).items() if "base" not in path}
        assert outside == {"a": b"outside", "outer/a": b"outside"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("folder", "Is a directory"),
        ("file/a.png", "Not a directory"),
        (f"{'a' * 300}.png", "File name too long"),
    ],
)
async def test_a_store_that_fails_says_why_and_leaves_nothing_behind(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"kept")
    with pytest.raises(UploadError, match=reason):
        await DirectoryGallery(tmp_path).store(picture(name))
    assert files_below(tmp_path) == {"file": b"kept"}


async def test_a_cancelled_store_leaves_all_of_the_picture_or_nothing(tmp_path: Path) -> None:
    gallery = DirectoryGallery(tmp_path)
    data = bytes(4_000_000)
    for delay in (0, 0.0005, 0.002, 0.01):
        with trio.move_on_after(delay):
            await gallery.store(picture("a.png", data))
        assert files_below(tmp_path) in ({}, {"a.png": data})


async def test_prepare_refuses_what_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="file is a file, not a folder"):
        await DirectoryGallery(tmp_path / "file").prepare()
    with pytest.raises(SettingsError, match="cannot be created: Not a directory"):
        await DirectoryGallery(tmp_path / "file" / "below").prepare()


def test_a_person_reads_the_path() -> None:
    gallery = DirectoryGallery("some/folder")
    assert str(gallery) == "some/folder"
