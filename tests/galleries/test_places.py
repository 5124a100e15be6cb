"""What may be written as a source or a target, and the words for what may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.pictures import png
from trio_mirror import SettingsError, mirror


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a [1].png").write_bytes(png())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names_in(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]


@pytest.mark.parametrize(
    ("place", "meant"),
    [
        ("localhost:8000", "http://localhost:8000"),
        ("127.0.0.1:8000/images/", "http://127.0.0.1:8000/images/"),
        ("localhost/images", "http://localhost/images"),
        ("http:/host/images/", "http://host/images/"),
        ("HTTPS:host", "https://host"),
    ],
)
async def test_a_url_that_lacks_a_part_is_no_folder(folder: Path, place: str, meant: str) -> None:
    said = f"{place} is neither a URL nor an existing folder; write {meant} or ./{place}"
    for source, target in ((place, None), ("photos", place)):
        with pytest.raises(SettingsError) as refused:
            await mirror(source, target)
        assert str(refused.value) == said
    assert names_in(folder) == ["photos"]


async def test_a_folder_may_have_a_name_like_a_host(folder: Path) -> None:
    (folder / "host:80").mkdir()

    assert (await mirror("photos", "host:80")).mirrored == 1
    assert (await mirror("photos", "./other:80")).mirrored == 1


@pytest.mark.parametrize("of", [str, Path])
async def test_a_tilde_is_the_home_folder(folder: Path, monkeypatch: pytest.MonkeyPatch, of: type) -> None:
    monkeypatch.setenv("HOME", str(folder / "home"))
    (folder / "home").mkdir()
    (folder / "photos").rename(folder / "home/photos")
    (folder / "home/names.txt").write_text("a [1].png\n")

    for source, choices in (("photos", {}), ("names.txt", {"base": "~/photos"}), ("photos/a [1].png", {})):
        assert (await mirror(of(f"~/{source}"), of("~/out"), **choices)).mirrored == 1  # type: ignore[arg-type]
    assert (await mirror([of("~/photos/a [1].png")], of("~/one"))).mirrored == 1
    assert names_in(folder) == ["home"]
    assert sorted(names_in(folder / "home")) == ["names.txt", "one", "out", "photos"]


async def test_an_empty_text_is_not_the_working_directory(folder: Path) -> None:
    for source, target in (("", None), ("photos", "")):
        with pytest.raises(SettingsError, match="is empty: expected a URL"):
            await mirror(source, target)
    assert names_in(folder) == ["photos"]


async def test_a_picture_is_no_list_of_names(folder: Path) -> None:
    report = await mirror("photos/a [1].png", "out")

    assert (report.source, report.mirrored) == ("photos/a [1].png", 1)
    assert names_in(folder / "out") == ["a [1].png"]


async def test_a_port_that_there_is_not_is_named() -> None:
    with pytest.raises(SettingsError, match=r"http://.hidden.@host:80000/: port 80000 is above 65535"):
        await mirror("http://me:pw@host:80000/", "out")


async def test_of_a_url_with_a_fragment_the_part_that_is_a_gallery_is_named() -> None:
    with pytest.raises(SettingsError) as refused:
        await mirror("http://me:pw@host/a b/?key=secret#top", "out")

    assert str(refused.value) == (
        "the URL of a gallery has no fragment; write http://(hidden)@host/a%20b/?(hidden) alone"
    )
