"""Names of files in a locale that cannot write them."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
import trio

from tests.cli.test_cli import command
from tests.helpers.pictures import png
from tests.helpers.warm import CLEAN
from trio_mirror.demo.server import serve_gallery

if TYPE_CHECKING:
    from pathlib import Path

# The C locale without the UTF-8 that Python would put in its place: it can write ASCII.
ASCII = CLEAN | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
NAMES = ["a.png", "sub/é.png", "日本.png"]


def files_below(folder: Path) -> list[str]:
    found = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return sorted(os.fsencode(path).decode() for path in found)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(png())
    return tmp_path / "photos"


@pytest.mark.parametrize("ways", ["folder → HTTP", "HTTP → folder", "folder → folder"])
async def test_a_name_that_the_locale_cannot_write_keeps_its_bytes(photos: Path, tmp_path: Path, ways: str) -> None:
    async with serve_gallery(photos, tmp_path / "out") as url:
        source, target = ways.split(" → ")
        words = command(
            url if source == "HTTP" else photos, "--to", url if target == "HTTP" else tmp_path / "out", "--json"
        )
        done = await trio.run_process(words, capture_stdout=True, capture_stderr=True, env=ASCII, check=False)

    assert json.loads(done.stdout)["mirrored"] == len(NAMES), done.stderr
    assert files_below(tmp_path / "out") == NAMES


async def test_in_place_each_file_keeps_its_name_and_its_links(photos: Path) -> None:
    (photos / "ü.png").hardlink_to(photos / "日本.png")
    (photos / "ö.png").symlink_to(photos / "日本.png")

    words = command(photos, "--in-place", "--no-journal", "--json")
    done = await trio.run_process(words, capture_stdout=True, capture_stderr=True, env=ASCII, check=False)

    assert json.loads(done.stdout)["mirrored"] == len(NAMES), done.stderr
    assert (photos / "ü.png").samefile(photos / "日本.png")
    assert (photos / "日本.png").read_bytes() != png()
