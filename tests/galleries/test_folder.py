"""The gallery that is a folder."""

from __future__ import annotations

import fcntl
import os
import struct
import sys
import tempfile
import threading
import unicodedata
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from hypothesis import given, settings

import trio_mirror
from tests.helpers.pictures import is_mirrored, png
from tests.test_names import hostile_names
from trio_mirror.errors import (
    FetchError,
    ListError,
    MirrorError,
    NameRefusedError,
    SettingsError,
    UploadError,
)
from trio_mirror.galleries.folder import FolderGallery
from trio_mirror.model import Picture

if TYPE_CHECKING:
    from collections.abc import Callable

# Of a temporary file.
TEMPORARY = ".trio-mirror-0123456789abcdef"


def picture(name: str, data: bytes = b"data", modified: float | None = None) -> Picture:
    return Picture(name=name, data=data, media_type="image/png", modified=modified)


def files_below(folder: Path) -> dict[str, bytes]:
    """The files in a folder. One that a thread renames or removes at this moment may be missing."""
    found = {}
    for path in filter(Path.is_file, folder.rglob("*")):
        with suppress(FileNotFoundError):
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


async def until(condition: Callable[[], bool]) -> None:
    """Waits for what a thread does that nobody waits for."""
    with trio.fail_after(300):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.01)


async def names_of(gallery: FolderGallery) -> list[str]:
    async with gallery.names() as names:
        return [name async for name in names]


async def test_a_folder_of_hidden_pictures_is_an_error_and_an_empty_one_is_not(tmp_path: Path) -> None:
    for name in (".DS_Store", ".gitkeep", TEMPORARY, "sub/.hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert await names_of(FolderGallery(tmp_path)) == []

    (tmp_path / "sub" / ".a.png").write_bytes(png())
    with pytest.raises(ListError, match=r"left out are hidden pictures \(1\)"):
        await names_of(FolderGallery(tmp_path))

    (tmp_path / "b.png").write_bytes(png())
    assert await names_of(FolderGallery(tmp_path)) == ["b.png"]


async def test_reads_that_a_dead_disk_keeps_take_no_threads_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk_answers = threading.Event()
    monkeypatch.setattr(FolderGallery, "_read", lambda *_: disk_answers.wait())
    gallery = FolderGallery(tmp_path)
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
    assert await names_of(FolderGallery(tmp_path)) == in_order


async def test_a_link_in_a_circle_is_listed_and_fails_alone(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "circle.png").symlink_to("circle.png")
    gallery = FolderGallery(tmp_path)

    assert await names_of(gallery) == ["a.png", "circle.png"]
    with pytest.raises(FetchError, match="symbolic links"):
        await gallery.fetch("circle.png")


async def test_a_link_to_the_folder_itself_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "self").symlink_to(".")

    with pytest.raises(FetchError, match=r"^it is not a regular file"):
        await FolderGallery(tmp_path).fetch("self")


async def test_the_list_of_a_missing_folder_is_a_list_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ListError, match="missing cannot be listed: No such file"):
        await names_of(FolderGallery(tmp_path / "missing"))


async def fetched(gallery: FolderGallery, name: str) -> Picture:
    found = await gallery.fetch(name)
    assert found is not None
    return found


async def test_a_picture_with_the_known_tag_is_not_read(tmp_path: Path) -> None:
    gallery = FolderGallery(tmp_path)
    await gallery.store(picture("a.png", b"first"))
    tag = (await fetched(gallery, "a.png")).etag
    assert await gallery.fetch("a.png", tag) is None
    await gallery.store(picture("a.png", b"second!"))
    assert (await fetched(gallery, "a.png")).data == b"second!"


async def test_what_is_stored_can_be_listed_and_fetched(tmp_path: Path) -> None:
    gallery = FolderGallery(tmp_path / "new" / "folder")
    await gallery.prepare()
    await gallery.store(picture("sub/deep/Grüße.webp", b"first"))
    first = await fetched(gallery, "sub/deep/Grüße.webp")
    await gallery.store(picture("sub/deep/Grüße.webp", b"second!"))
    second = await fetched(gallery, "sub/deep/Grüße.webp")
    assert await names_of(gallery) == ["sub/deep/Grüße.webp"]
    assert (first.data, second.data, second.media_type) == (b"first", b"second!", "image/webp")
    assert first.etag != second.etag


async def test_a_fetch_fails_with_the_reason(tmp_path: Path) -> None:
    gallery = FolderGallery(tmp_path, max_bytes=10)
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
    gallery, reasons = FolderGallery(tmp_path), set()
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
        await FolderGallery("/proc/self", max_bytes=10).fetch("status")
    assert (await fetched(FolderGallery("/proc/self"), "status")).data.startswith(b"Name:")


async def test_the_limit_may_be_more_than_there_is_memory(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"data")
    assert (await fetched(FolderGallery(tmp_path, max_bytes=2**62), "a.png")).data == b"data"


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
        await FolderGallery(base).fetch(name)


async def test_a_store_replaces_a_link_and_enters_no_folder_outside(tmp_path: Path) -> None:
    base, outside = tmp_path / "base", tmp_path / "outside"
    base.mkdir()
    outside.mkdir()
    (outside / "a.png").write_bytes(b"kept")
    (base / "a.png").symlink_to(outside / "a.png")
    (base / "out").symlink_to(outside)
    gallery = FolderGallery(base)
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
    gallery = FolderGallery(base)
    await gallery.store(picture("alias/a.png"))
    assert (await fetched(gallery, "a.png")).data == b"data"
    assert (tmp_path / "real" / "a.png").read_bytes() == b"data"


@given(hostile_names)
@settings(deadline=None)
def test_no_name_reads_or_writes_outside_the_base(name: str) -> None:
    async def try_both(base: Path) -> None:
        gallery = FolderGallery(base)
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
        await FolderGallery(tmp_path).store(picture(name))
    assert files_below(tmp_path) == {"file": b"kept"}


async def test_a_cancelled_store_leaves_all_of_the_picture_or_nothing(tmp_path: Path) -> None:
    gallery = FolderGallery(tmp_path)
    data = bytes(4_000_000)
    for delay in (0, 0.0005, 0.002, 0.01):
        with trio.move_on_after(delay):
            await gallery.store(picture("a.png", data))
        shown = {name: data for name, data in files_below(tmp_path).items() if not name.startswith(".")}
        assert shown in ({}, {"a.png": data})
    await until(lambda: files_below(tmp_path) in ({}, {"a.png": data}))


async def test_a_write_on_a_dead_disk_does_not_hold_whoever_gives_it_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk_answers, replace = threading.Event(), os.replace

    def replace_later(*args: Any, **places: Any) -> None:
        disk_answers.wait(60)
        replace(*args, **places)

    monkeypatch.setattr(os, "replace", replace_later)
    with trio.fail_after(30), trio.move_on_after(0.05):
        await FolderGallery(tmp_path).store(picture("a.png"))
    assert not disk_answers.is_set()
    assert not (tmp_path / "a.png").exists()

    disk_answers.set()
    await until(lambda: files_below(tmp_path) == {"a.png": b"data"})


async def test_prepare_refuses_what_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="file is a file, not a folder"):
        await FolderGallery(tmp_path / "file").prepare()
    with pytest.raises(SettingsError, match="cannot be created: Not a directory"):
        await FolderGallery(tmp_path / "file" / "below").prepare()


def test_a_person_reads_the_path() -> None:
    gallery = FolderGallery("some/folder")
    assert str(gallery) == "some/folder"


@pytest.mark.parametrize("concurrency", [1, 16])
@pytest.mark.parametrize("target", [None, "same", "alias"])
async def test_a_folder_in_place_mirrors_each_file_once_and_keeps_its_links(
    tmp_path: Path, target: str | None, concurrency: int
) -> None:
    folder, original = tmp_path / "folder", png()
    for name in ("a.png", "sub/b.png", "sub/c.png", ".hidden/d.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(original)
    (folder / "cover.png").symlink_to("sub/b.png")
    (folder / "first to hidden.png").symlink_to(".hidden/d.png")
    (folder / "second to hidden.png").symlink_to(".hidden/d.png")
    (folder / "z.png").hardlink_to(folder / "a.png")
    (folder / "sub" / "y.png").hardlink_to(folder / "a.png")
    (tmp_path / "alias").symlink_to("folder")

    places = {None: None, "same": folder, "alias": tmp_path / "alias"}
    report = await trio_mirror.mirror(folder, places[target], concurrency=concurrency, in_place=True)

    assert (report.listed, report.mirrored) == (4, 4)
    assert all(is_mirrored(original, data) for data in files_below(folder).values())
    assert (folder / "cover.png").readlink() == Path("sub/b.png")
    assert (folder / "second to hidden.png").readlink() == Path(".hidden/d.png")
    assert (folder / "a.png").samefile(folder / "z.png")
    assert (folder / "a.png").samefile(folder / "sub" / "y.png")


LINKED = ["sub/b.png", "cover.png", "alias/b.png", "a.png", "sub/y.png", "z.png", "1 to hidden.png", "2 to hidden.png"]


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """A folder of three files, which have eight names."""
    folder = tmp_path / "folder"
    for name in ("a.png", "sub/b.png", ".hidden/d.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png())
    (folder / "cover.png").symlink_to("sub/b.png")
    (folder / "alias").symlink_to("sub")
    (folder / "z.png").hardlink_to(folder / "a.png")
    (folder / "sub" / "y.png").hardlink_to(folder / "a.png")
    (folder / "1 to hidden.png").symlink_to(".hidden/d.png")
    (folder / "2 to hidden.png").symlink_to(".hidden/d.png")
    return folder


@pytest.mark.parametrize("choices", [{}, {"no_journal": True}, {"processes": 2}])
@pytest.mark.parametrize("in_order", [LINKED, LINKED[::-1]])
async def test_a_list_that_names_a_file_and_its_links_mirrors_it_once(
    linked: Path, tmp_path: Path, in_order: list[str], choices: dict[str, Any]
) -> None:
    (tmp_path / "names.txt").write_text("\n".join(in_order))

    report = await trio_mirror.mirror(tmp_path / "names.txt", base=linked, in_place=True, **choices)

    assert (report.listed, report.mirrored) == (3, 3)
    assert all(is_mirrored(png(), data) for data in files_below(linked).values())
    assert (linked / "cover.png").is_symlink()
    assert (linked / "a.png").samefile(linked / "z.png")


async def test_an_interrupted_list_goes_on_under_the_other_names_of_its_files(linked: Path, tmp_path: Path) -> None:
    journal, names = tmp_path / "run.journal", tmp_path / "names.txt"
    for name in LINKED[:-1]:
        names.write_text(name)
        await trio_mirror.mirror(names, base=linked, journal=journal)
        assert is_mirrored(png(), (linked / name).read_bytes())


async def test_names_of_a_list_that_lead_nowhere_fail_as_they_are(linked: Path, tmp_path: Path) -> None:
    (linked / "out.png").symlink_to(tmp_path / "names.txt")
    (linked / "self").symlink_to(".")
    (linked / "circle.png").symlink_to("circle.png")
    names = ["../a.png", "out.png", "self", "circle.png", "missing.png", "a%2Fb.png"]
    (tmp_path / "names.txt").write_text("\n".join(names))

    async with trio_mirror.open_mirror(tmp_path / "names.txt", base=linked, in_place=True) as results:
        assert sorted([it.name async for it in results if it.error]) == sorted(names)


async def test_another_target_gets_a_picture_for_each_name(tmp_path: Path) -> None:
    folder, target, original = tmp_path / "folder", tmp_path / "target", png()
    folder.mkdir()
    target.mkdir()
    (folder / "a.png").write_bytes(original)
    (folder / "b.png").symlink_to("a.png")
    (folder / "c.png").hardlink_to(folder / "a.png")
    # Of the target, no name may lead to the picture of another.
    (target / "a.png").symlink_to("b.png")

    report = await trio_mirror.mirror(folder, target, in_place=True)

    assert report.mirrored == 3
    assert sorted(files_below(target)) == ["a.png", "b.png", "c.png"]
    assert not any(path.is_symlink() for path in target.iterdir())
    assert (folder / "a.png").read_bytes() == original


async def test_a_hard_link_that_is_not_listed_keeps_the_original(tmp_path: Path) -> None:
    folder, backup = tmp_path / "folder", tmp_path / "backup"
    folder.mkdir()
    backup.mkdir()
    (folder / "a.png").write_bytes(png())
    (backup / "a.png").hardlink_to(folder / "a.png")

    assert (await trio_mirror.mirror(folder, in_place=True)).mirrored == 1
    assert (backup / "a.png").read_bytes() == png()
    assert is_mirrored(png(), (folder / "a.png").read_bytes())


async def test_a_name_that_is_another_file_by_now_is_not_linked_again(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"old")
    (tmp_path / "b.png").hardlink_to(tmp_path / "a.png")
    gallery = FolderGallery(tmp_path, in_place=True)
    assert await names_of(gallery) == ["a.png"]
    (tmp_path / "b.png").unlink()
    (tmp_path / "b.png").write_bytes(b"another's")
    (tmp_path / "c.png").hardlink_to(tmp_path / "a.png")

    await gallery.store(picture("a.png", b"new"))
    assert files_below(tmp_path) == {"a.png": b"new", "b.png": b"another's", "c.png": b"old"}


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o4755])
async def test_a_replaced_file_keeps_its_mode_owner_and_times(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"old")
    if os.getuid() == 0:
        os.chown(file, 1234, 1235)
    file.chmod(mode)
    os.utime(file, (1e9, 1.1e9))
    before = file.stat()

    await FolderGallery(tmp_path).store(picture("a.png", b"new", modified=1.2e9))
    after = file.stat()
    assert file.read_bytes() == b"new"
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_mtime_ns == before.st_mtime_ns


async def test_a_group_that_cannot_be_kept_is_not_replaced_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    file = tmp_path / "a.png"
    file.write_bytes(b"old")
    file.chmod(0o4664)
    monkeypatch.setattr(os, "chown", refuse)
    await FolderGallery(tmp_path).store(picture("a.png", b"new"))
    assert file.stat().st_mode & 0o7777 == 0o604


@pytest.mark.skipif(sys.platform != "linux", reason="Python has extended attributes on Linux only")
async def test_a_replaced_file_keeps_its_extended_attributes(tmp_path: Path) -> None:
    def acl(*entries: tuple[int, int, int]) -> bytes:
        return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)

    no_one = 0xFFFFFFFF
    file, plain = tmp_path / "a.png", tmp_path / "b.png"
    file.write_bytes(b"old")
    plain.write_bytes(b"old")
    plain.chmod(0o660)
    # Of linux/posix_acl.h: the user, a named user, the group, the mask and the others.
    granted = acl((1, 6, no_one), (2, 4, 1234), (4, 0, no_one), (16, 4, no_one), (32, 0, no_one))
    try:
        os.setxattr(file, "user.caption", b"A house")
        os.setxattr(file, "system.posix_acl_access", granted)
        os.setxattr(tmp_path, "system.posix_acl_default", granted)
    except OSError:
        pytest.skip("the file system has no ACLs")

    gallery = FolderGallery(tmp_path)
    await gallery.store(picture("a.png", b"new"))
    await gallery.store(picture("b.png", b"new"))
    assert os.getxattr(file, "user.caption") == b"A house"
    assert os.getxattr(file, "system.posix_acl_access") == granted
    assert os.listxattr(plain) == []
    assert plain.stat().st_mode & 0o777 == 0o660


async def test_a_new_file_has_the_time_of_its_source(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    (source / "a.png").write_bytes(png())
    os.utime(source / "a.png", (1e9, 1e9))

    await trio_mirror.mirror(source, target)
    assert (target / "a.png").stat().st_mtime == 1e9


async def test_times_are_not_kept_where_nobody_wants_them(tmp_path: Path) -> None:
    (tmp_path / "old.png").write_bytes(b"old")
    os.utime(tmp_path / "old.png", (1e9, 1e9))
    gallery = FolderGallery(tmp_path, keep_times=False)
    for name in ("old.png", "new.png"):
        await gallery.store(picture(name, modified=1e9))
        assert (tmp_path / name).stat().st_mtime > 1e9


_KILLED = """
import os, pathlib, signal, sys
from trio_mirror.galleries.folder.replacement import replace_file

os.replace = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
replace_file(os.open(sys.argv[1], os.O_RDONLY), "a.png", b"data")
"""


@pytest.mark.parametrize("in_place", [True, False])
async def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path: Path, *, in_place: bool) -> None:
    source = tmp_path / "source"
    target = source if in_place else tmp_path / "target"
    for folder in (source, target / "sub"):
        folder.mkdir(parents=True, exist_ok=True)
        await trio.run_process([sys.executable, "-c", _KILLED, str(folder)], check=False)
    left = [path.name for path in (target / "sub").iterdir()]
    assert len(left) == 1
    assert left[0].startswith(".trio-mirror-")
    (source / "b.png").write_bytes(png())

    await trio_mirror.mirror(source, target)
    assert [name for name in files_below(target) if ".trio-mirror" in name] == []


async def test_no_other_file_is_swept(tmp_path: Path) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (outside / TEMPORARY).touch()
    (folder / "link").symlink_to(outside)
    (folder / TEMPORARY.replace("0", "1")).symlink_to(outside / TEMPORARY)
    (folder / ".trio-mirror-journal").touch()
    with (folder / TEMPORARY).open("wb") as live:
        fcntl.flock(live, fcntl.LOCK_EX)
        await FolderGallery(folder).prepare()
        kept = files_below(folder)
    assert {TEMPORARY, ".trio-mirror-journal"} <= set(kept)
    assert (folder / TEMPORARY.replace("0", "1")).is_symlink()
    assert (outside / TEMPORARY).exists()

    await FolderGallery(folder).prepare()
    assert TEMPORARY not in files_below(folder)


async def test_a_write_is_not_swept_by_a_run_that_begins_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def replace_after_sweep(*args: Any, **places: Any) -> None:
        trio.from_thread.run(FolderGallery(tmp_path).prepare)
        replace(*args, **places)

    monkeypatch.setattr(os, "replace", replace_after_sweep)
    await FolderGallery(tmp_path).store(picture("a.png"))
    assert files_below(tmp_path) == {"a.png": b"data"}


@pytest.mark.parametrize(("first", "second"), [("a.png", "A.png"), ("\u00e9.png", "e\u0301.png")])
async def test_of_names_that_are_one_to_the_file_system_the_second_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, second: str
) -> None:
    def folded(call: Callable[..., Any]) -> Callable[..., Any]:
        def fold(place: Any) -> Any:
            if isinstance(place, int):
                return place
            folder, name = os.path.split(place)
            return os.path.join(folder, unicodedata.normalize("NFC", name).lower())  # noqa: PTH118

        def call_folded(*places: Any, **options: Any) -> Any:
            paths = 2 if call is replace else 1
            return call(*map(fold, places[:paths]), *places[paths:], **options)

        return call_folded

    replace = os.replace
    for name in ("open", "stat", "lstat", "unlink", "replace"):
        monkeypatch.setattr(os, name, folded(getattr(os, name)))

    gallery = FolderGallery(tmp_path)
    await gallery.store(picture(first, b"first"))
    with pytest.raises(UploadError, match=f"name for that of {first}, which was stored before"):
        await gallery.store(picture(second, b"second"))
    # The same name may be stored again, and so may what an earlier run has stored.
    await gallery.store(picture(first, b"again"))
    await FolderGallery(tmp_path).store(picture(second, b"later"))
    assert list(files_below(tmp_path).values()) == [b"later"]
