"""The sample pictures: every kind is there, and a mirror changes them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageChops, ImageOps, ImageSequence, ImageStat, features

from trio_mirror import flip
from trio_mirror.demo import scenes
from trio_mirror.demo.samples import draw_samples
from trio_mirror.flip.proof import open_by_extra
from trio_mirror.galleries.folder import FolderGallery

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WITHOUT_PILLOW = {".heic", ".jxl"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    draw_samples(folder)
    return folder


def opened(folder: Path) -> Iterator[tuple[str, Image.Image]]:
    """The pictures that Pillow reads."""
    for path in folder.rglob("*.*"):
        if path.suffix not in WITHOUT_PILLOW:
            with Image.open(path) as image:
                yield path.name, image


def difference(one: Image.Image, other: Image.Image) -> float:
    """The mean difference of two pictures as shown on white, in levels of 255."""
    white = Image.new("RGBA", one.size, "white")
    shown = [Image.alpha_composite(white, image.convert("RGBA")).convert("L") for image in (one, other)]
    return ImageStat.Stat(ImageChops.difference(*shown)).mean[0]


async def test_the_names_are_those_of_the_gallery(tmp_path: Path) -> None:
    drawn = draw_samples(tmp_path)
    async with FolderGallery(tmp_path).names() as names:
        assert sorted([name async for name in names]) == sorted(drawn)
    assert len(drawn) == (26 if features.check("avif") else 25)


def test_every_kind_of_picture_is_there(folder: Path) -> None:
    kinds = set()
    for _, image in opened(folder):
        kinds.add((image.format, image.mode, getattr(image, "n_frames", 1) > 1))
    assert kinds >= {
        ("JPEG", "RGB", False),
        ("JPEG", "L", False),
        ("PNG", "RGBA", False),
        ("PNG", "P", False),
        ("PNG", "1", False),
        ("PNG", "I;16", False),
        ("GIF", "P", True),
        ("WEBP", "RGB", False),
        ("WEBP", "RGBA", False),
        ("TIFF", "RGB", False),
        ("TIFF", "RGB", True),
        ("BMP", "RGB", False),
    }
    assert any(kind[0] == "WEBP" and kind[2] for kind in kinds)


def test_jpegs_are_baseline_and_progressive(folder: Path) -> None:
    with (
        Image.open(folder / "harbour.jpg") as baseline,
        Image.open(folder / "harbour-progressive.jpg") as other,
    ):
        assert "progressive" not in baseline.info
        assert "progressive" in other.info


def test_a_mirror_changes_every_frame_visibly(folder: Path) -> None:
    for name, image in opened(folder):
        for frame in ImageSequence.Iterator(image):
            shown = frame.point(lambda level: level / 257).convert("L") if frame.mode == "I;16" else frame
            assert difference(shown, ImageOps.mirror(shown.convert("RGBA"))) > 3, name


@pytest.mark.parametrize(
    ("name", "scene", "decoder"),
    [
        ("clock.heic", scenes.clock(1, 50).reduce(2), "pi_heif"),
        ("signpost.jxl", scenes.signpost("JPEG XL").reduce(2), "pylibjxl"),
    ],
)
def test_what_pillow_does_not_write_is_whole_and_shows_its_scene(
    name: str, scene: Image.Image, decoder: str, folder: Path
) -> None:
    data = (folder / name).read_bytes()
    once = flip(data)
    assert once.lossless
    assert flip(once.data).data == data
    pytest.importorskip(decoder, reason="the extra proof is not installed")
    assert not any("proof" in note for note in once.notes)
    before, after = (open_by_extra(it, scene.width) for it in (data, once.data))
    assert difference(before, scene) < 1
    assert after.tobytes() == ImageOps.mirror(before).tobytes()


def test_the_orientations_differ_as_stored_and_are_alike_as_shown(folder: Path) -> None:
    with Image.open(folder / "orientation" / "1.jpg") as first:
        upright = first.convert("RGB")
    for orientation in range(2, 9):
        with Image.open(folder / "orientation" / f"{orientation}.jpg") as image:
            assert image.getexif()[0x0112] == orientation
            stored, shown = image.convert("RGB"), ImageOps.exif_transpose(image)
        assert stored.size != upright.size or difference(stored, upright) > 10
        assert difference(shown, upright) < 1
