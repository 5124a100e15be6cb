"""What no name of a list leads to in a folder: the run's own files, and hidden ones."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.cli.test_cli import cli
from tests.galleries.test_folder import fetched, files_below, picture
from tests.helpers.pictures import png
from trio_mirror import NameRefusedError, Outcome, mirror, open_mirror
from trio_mirror.galleries.folder import FolderGallery

if TYPE_CHECKING:
    from pathlib import Path

SIDES = ("", "-wal", "-shm", "-journal", "-lock")
OWN = [*(f"run.journal{it}" for it in SIDES), "events", "sheet.html", "log", "trio-mirror.toml", "names.txt"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures under the names of a run's own files, and a list of them all."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "SHEET.html", *OWN):
        (folder / name).write_bytes(png())
    return folder


@pytest.mark.parametrize("processes", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_the_files_of_a_run_are_never_replaced(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: str
) -> None:
    target = tmp_path / "target"
    target.mkdir()
    monkeypatch.chdir(target)
    (target / "names.txt").write_text("\n".join(["a.png", *OWN, "SHEET.html", "log/below.png", ""]))
    files = ["--journal", "run.journal", "--events", "events", "--log-file", "log"]
    # A sheet is made in one process only.
    files += ["--sheet", "sheet.html"] if processes == "1" else []

    for _ in range(2):
        done = cli("names.txt", "--base", folder, "--to", ".", "--json", "--processes", processes, *files)

        assert done.returncode == 3, done.stderr
        own = [it for it in OWN if it != "sheet.html"] if processes == "2" else [*OWN, "SHEET.html"]
        pictures = {it.name for it in target.iterdir() if it.is_file() and it.read_bytes().startswith(b"\x89PNG")}
        assert pictures == {"a.png"} | ({"sheet.html", "SHEET.html"} if processes == "2" else set())
        events = map(json.loads, (target / "events").read_text().splitlines())
        errors = {it["name"]: it["error"] for it in events if "name" in it}
        assert {name for name, error in errors.items() if error == "it is a file of this run"} >= set(own)
    assert (target / "names.txt").read_text().startswith("a.png\n")
    assert not (target / "trio-mirror.toml").exists()


async def test_the_journal_and_the_list_of_a_library_are_never_pictures_by_any_link(tmp_path: Path) -> None:
    folder, state = tmp_path / "folder", tmp_path / "folder" / "state"
    state.mkdir(parents=True)
    (folder / "a.png").write_bytes(png())
    (folder / "alias").symlink_to("state")
    (folder / "link.png").symlink_to("state/run.journal-lock")
    (tmp_path / "run.journal").symlink_to("folder/state/run.journal")
    names = ["a.png", "link.png", "alias/run.journal", "state/run.journal-wal", "names.txt"]
    (folder / "names.txt").write_text("\n".join(names))

    async with open_mirror(folder / "names.txt", base=folder, journal=tmp_path / "run.journal") as results:
        outcomes = {it.name: (it.outcome, it.error) async for it in results}

    assert outcomes.pop("a.png") == (Outcome.MIRRORED, None)
    assert set(outcomes.values()) == {(Outcome.FAILED, "it is a file of this run")}


async def test_an_automatic_journal_is_never_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Where the folder's parent takes no files.
    monkeypatch.setattr("os.access", lambda path, *_, **__: path != tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "folder" / "state"))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.png").write_bytes(png())

    async with open_mirror(tmp_path / "folder", in_place=True) as results:
        errors = {it.name: it.error async for it in results}

    assert errors.pop("a.png") is None
    assert errors
    assert set(errors.values()) == {"it is a file of this run"}


async def test_a_folder_below_the_name_of_an_own_file_is_refused(tmp_path: Path) -> None:
    gallery = FolderGallery(tmp_path, own_files=[tmp_path / "sheet.html"])

    with pytest.raises(NameRefusedError, match="it is a file of this run"):
        await gallery.store(picture("sheet.html/a.png"))
    await gallery.store(picture("sheet.html.png"))
    assert list(files_below(tmp_path)) == ["sheet.html.png"]


async def test_a_picture_that_is_its_own_mirror_image_is_not_stored_because_it_was_meant_to_be(tmp_path: Path) -> None:
    source, target, data = tmp_path / "source", tmp_path / "target", BytesIO()
    (target / "a.png").mkdir(parents=True)
    source.mkdir()
    Image.new("RGB", (8, 8)).save(data, "PNG")
    (source / "a.png").write_bytes(data.getvalue())

    refused = await mirror(source, target, journal=tmp_path / "run.journal")
    again = await mirror(source, target, journal=tmp_path / "run.journal")

    assert (refused.failed, again.failed) == (1, 1)


@pytest.mark.parametrize(
    "name", [".bashrc", ".ssh/authorized_keys", "sub/.hidden/a.png", ".trio-mirror-0123456789abcdef"]
)
async def test_hidden_names_are_neither_read_nor_written(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(b"kept")
    for gallery in (FolderGallery(tmp_path), FolderGallery(tmp_path, in_place=True)):
        with pytest.raises(NameRefusedError, match="hidden"):
            await gallery.fetch(name)
        with pytest.raises(NameRefusedError, match="hidden"):
            await gallery.store(picture(name))
    assert (tmp_path / name).read_bytes() == b"kept"


async def test_dots_elsewhere_hide_nothing(tmp_path: Path) -> None:
    gallery = FolderGallery(tmp_path)
    await gallery.store(picture("a..b./c.d.png"))
    assert (await fetched(gallery, "a..b./c.d.png")).data == b"data"
