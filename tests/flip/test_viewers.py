"""What other programs show of pictures that were mirrored by a property: the mirror image of what they showed."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageOps

from tests.flip import test_avif, test_heif, test_jxl, test_svg
from trio_mirror import flip

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

pytestmark = pytest.mark.slow


def written_by(command: Sequence[str | Path], picture: Path) -> Image.Image:
    if not shutil.which(command[0]):
        pytest.skip(f"this machine has no {command[0]}")
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    with Image.open(picture) as image:
        return image.convert("RGB")


def by_libheif(path: Path) -> Image.Image:
    return written_by(["heif-convert", path, path.with_suffix(".png")], path.with_suffix(".png"))


def by_libjxl(path: Path) -> Image.Image:
    return written_by(["djxl", path, path.with_suffix(".png")], path.with_suffix(".png"))


def by_ffmpeg(path: Path) -> Image.Image:
    png = path.with_suffix(".png")
    return written_by(["ffmpeg", "-loglevel", "error", "-i", path, png], png)


def by_chromium(path: Path) -> Image.Image:
    page, shot = path.with_suffix(".html"), path.with_suffix(".png")
    page.write_text(f'<style>body {{ margin: 0 }} img {{ display: block }}</style><img src="{path.name}">')
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=100,100"]
    return written_by(["chromium", *options, f"--screenshot={shot}", page.as_uri()], shot)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_heic_in_libheif(orientation: int, tmp_path: Path) -> None:
    before, after = tmp_path / "before.heic", tmp_path / "after.heic"
    before.write_bytes(test_heif.heic(orientation=orientation))
    after.write_bytes(flip(before.read_bytes()).data)
    assert by_libheif(after).tobytes() == ImageOps.mirror(by_libheif(before)).tobytes()


@pytest.mark.parametrize("orientation", [1, 4, 6, 7])
def test_an_avif_in_chromium(orientation: int, tmp_path: Path) -> None:
    size = (64, 48) if orientation < 5 else (48, 64)
    before, after = tmp_path / "before.avif", tmp_path / "after.avif"
    before.write_bytes(test_avif.encoded(64, 48, orientation=orientation))
    after.write_bytes(flip(before.read_bytes()).data)
    shown, mirrored = (by_chromium(path).crop((0, 0, *size)) for path in (before, after))
    assert mirrored.tobytes() == ImageOps.mirror(shown).tobytes()


def test_an_svg_in_chromium(tmp_path: Path) -> None:
    drawn = '<path d="M2 0h8v4h-4v20h-4z" fill="#d33"/><rect x="12" y="6" width="3" height="7" fill="#36c"/>'
    before, after = tmp_path / "before.svg", tmp_path / "after.svg"
    before.write_bytes(test_svg.drawing(drawn, 'viewBox="2 0 20 24" width="40" height="48"'))
    after.write_bytes(flip(before.read_bytes()).data)
    shown, mirrored = (by_chromium(path).crop((0, 0, 40, 48)) for path in (before, after))
    assert len(shown.getcolors() or ()) == 3
    assert mirrored.tobytes() == ImageOps.mirror(shown).tobytes()


@pytest.mark.parametrize("viewer", [by_libjxl, by_ffmpeg, by_chromium])
def test_a_jpeg_xl(viewer: Callable[[Path], Image.Image], tmp_path: Path) -> None:
    before, after = tmp_path / "before.jxl", tmp_path / "after.jxl"
    before.write_bytes(test_jxl.encoded())
    after.write_bytes(flip(before.read_bytes()).data)
    shown, mirrored = (viewer(path).crop((0, 0, 40, 24)) for path in (before, after))
    if viewer is by_chromium and shown.tobytes() != test_jxl.shown(before.read_bytes()).tobytes():
        pytest.skip("this Chromium shows no JPEG XL")
    assert mirrored.tobytes() == ImageOps.mirror(shown).tobytes()
