"""What lies beside pictures: skipped where a place lists all that it has, failed where it was named as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.cli.test_cli import cli
from tests.helpers.pictures import png
from tests.helpers.server import Server
from trio_mirror import Outcome, SettingsError, mirror, open_mirror
from trio_mirror.journal import read_journal

if TYPE_CHECKING:
    from pathlib import Path

BESIDE = {
    "IMG_1.xmp": b"<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?>",
    "Thumbs.db": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "clip.MOV": b"\0\0\0\x14ftypqt  \0\0\0\0qt  ",
    "notes.txt": b"buy film",
    "takeout.json": b"{}",
    # Known by their bytes alone.
    "README": b"These are photos.",
    "clip.part": b"\0\0\0\x14ftypqt  \0\0\0\0qt  ",
    "empty": b"",
}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, data in {**BESIDE, "a.png": png(), "no extension": png()}.items():
        (folder / name).write_bytes(data)
    return folder


async def outcomes(source: str | Path, target: Path, **choices: object) -> dict[str, Outcome]:
    async with open_mirror(source, target, **choices) as results:  # type: ignore[arg-type]
        return {result.name: result.outcome async for result in results}


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
async def test_what_lies_beside_pictures_in_a_folder_is_skipped(photos: Path, tmp_path: Path, processes: int) -> None:
    ended = await outcomes(photos, tmp_path / "out", processes=processes)

    mirrored = {"a.png", "no extension"}
    assert {name for name, outcome in ended.items() if outcome is Outcome.MIRRORED} == mirrored
    assert {name for name, outcome in ended.items() if outcome is Outcome.SKIPPED} == set(BESIDE)


def test_the_summary_has_one_line_of_them_and_the_exit_code_is_0(photos: Path, tmp_path: Path) -> None:
    done = cli(photos, "--to", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "8 skipped (8 not pictures)" in done.stdout
    assert "notes.txt" not in done.stdout + done.stderr

    strict = cli(photos, "--to", tmp_path / "out", "--strict")
    assert strict.returncode == 3
    assert "notes.txt: failed at flip: the body is text, not a picture" in strict.stderr


def test_the_log_says_why_each_was_skipped(photos: Path, tmp_path: Path) -> None:
    done = cli(photos, "--to", tmp_path / "out", "-v")

    assert "clip.MOV: skipped: it is not a picture, by its name" in done.stderr
    assert "README: skipped: the body is text, not a picture" in done.stderr


async def test_what_is_named_as_a_picture_and_is_something_else_fails(photos: Path, tmp_path: Path) -> None:
    mistaken = {
        "page.jpg": b"<html>Log in</html>",
        "bitmap.ppm": b"some words",
        "camera.orf": b"IIRO" + bytes(100),
    }
    for name, data in mistaken.items():
        (photos / name).write_bytes(data)

    ended = await outcomes(photos, tmp_path / "out")

    assert {name for name, outcome in ended.items() if outcome is Outcome.FAILED} == set(mistaken)


@pytest.mark.parametrize(("media_type", "outcome"), [("text/html", Outcome.SKIPPED), ("text/plain", Outcome.FAILED)])
async def test_an_index_has_what_lies_there_and_a_text_what_was_meant(
    tmp_path: Path, media_type: str, outcome: Outcome
) -> None:
    names = ["a.png", "README", "notes.txt"]
    links = "".join(f"<a href='{name}'>{name}</a>" for name in names)
    listing = links if media_type == "text/html" else "\n".join(names)

    async def respond(request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        if not name:
            return httpx.Response(200, text=listing, headers={"Content-Type": media_type})
        return httpx.Response(200, content=png() if name == "a.png" else b"some words")

    ended = await outcomes("http://host/images/", tmp_path / "out", transport=Server(respond))

    assert ended == {"a.png": Outcome.MIRRORED, "README": outcome, "notes.txt": outcome}


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
async def test_what_a_list_of_names_has_was_meant(photos: Path, tmp_path: Path, processes: int) -> None:
    (tmp_path / "names").write_text("a.png\nnotes.txt\n")

    report = await mirror(tmp_path / "names", tmp_path / "out", base=photos, processes=processes)

    assert (report.mirrored, report.failed, report.skipped) == (1, 1, 0)


async def test_a_transform_gets_whatever_there_is(photos: Path, tmp_path: Path) -> None:
    report = await mirror(photos, tmp_path / "out", transform=bytes.upper)

    assert report.mirrored == len(BESIDE) + 2
    assert (tmp_path / "out" / "notes.txt").read_bytes() == b"BUY FILM"


async def test_a_run_in_place_is_whole_without_them(photos: Path, tmp_path: Path) -> None:
    """The journal of a run that failed them is taken up by one that skips them."""
    await mirror(photos, in_place=True, strict=True)
    assert (tmp_path / ".photos.trio-mirror-journal").exists()

    report = await mirror(photos, in_place=True)

    assert (report.failed, report.not_pictures) == (0, len(BESIDE))
    assert not (tmp_path / ".photos.trio-mirror-journal").exists()


@pytest.mark.parametrize("part", [{"limit": 4}, {"include": ["a*"]}, {"exclude": ["B*"]}, {"shard": "1/2"}])
async def test_a_run_in_place_over_a_part_is_remembered_until_the_whole_is_mirrored(
    photos: Path, tmp_path: Path, part: dict[str, Any]
) -> None:
    first = await mirror(photos, in_place=True, **part)
    again = await mirror(photos, in_place=True, **part)
    rest = await mirror(photos, in_place=True)

    assert (first.mirrored + rest.mirrored, again.mirrored) == (2, 0)
    assert not (tmp_path / ".photos.trio-mirror-journal").exists()


async def test_another_journal_does_not_flip_back_what_an_automatic_one_remembers(photos: Path, tmp_path: Path) -> None:
    automatic = tmp_path / ".photos.trio-mirror-journal"
    await mirror(photos, in_place=True, limit=4)

    with pytest.raises(SettingsError, match="remembers what is mirrored here"):
        await mirror(photos, journal=tmp_path / "run.journal")
    assert (await mirror(photos, journal=automatic)).mirrored == 1


async def test_a_run_that_declines_the_journal_leaves_none_that_is_not_true_any_more(
    photos: Path, tmp_path: Path
) -> None:
    automatic = tmp_path / ".photos.trio-mirror-journal"
    await mirror(photos, in_place=True, limit=4)
    await mirror(photos, in_place=True, no_journal=True)

    assert not automatic.exists()
    assert (await mirror(photos, in_place=True)).mirrored == 2


async def test_an_automatic_journal_lies_at_one_place_wherever_the_run_is_started(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, *_, **__: path != tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for folder in (tmp_path, photos.parent / "elsewhere"):
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        report = await mirror(photos, in_place=True, limit=4)
    assert (report.mirrored, (tmp_path / "state").exists()) == (0, False)

    monkeypatch.setenv("HOME", "~")
    with pytest.raises(SettingsError, match="the home folder is unknown; name a file"):
        await mirror(photos, in_place=True)
    assert (await mirror(photos, journal="run.journal")).mirrored == 2


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
async def test_files_of_the_run_in_its_own_folder_are_skipped(photos: Path, tmp_path: Path, processes: int) -> None:
    report = await mirror(photos, tmp_path / "out", journal=photos / "run.journal", processes=processes)

    assert (report.mirrored, report.failed) == (2, 0)


async def test_a_journal_remembers_why(photos: Path, tmp_path: Path) -> None:
    await mirror(photos, tmp_path / "out", journal=tmp_path / "run.journal")

    with read_journal(tmp_path / "run.journal") as journal:
        assert {it.name for it in journal.results([Outcome.SKIPPED]) if it.error} == set(BESIDE)


async def test_patterns_ignore_case(photos: Path, tmp_path: Path) -> None:
    (photos / "IMG.PNG").write_bytes(png())

    ended = await outcomes(photos, tmp_path / "out", include=["*.png"], exclude=["A*"])

    assert ended == {"IMG.PNG": Outcome.MIRRORED}
