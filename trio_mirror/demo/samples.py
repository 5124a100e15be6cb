"""The pictures of the built-in gallery: a little of every format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image, features

from trio_mirror.demo import scenes
from trio_mirror.demo.heic import write_heic
from trio_mirror.demo.jxl import write_jxl

SHOWN = "orientation/1.jpg"
"""The picture that shows best what mirroring does: it has letters."""
_ORIENTATION = 0x0112
_TICK = 250  # milliseconds
_FLIP = Image.Transpose
# How the upright picture is stored under each EXIF orientation: the inverse of what a viewer does to show it
# (Exif 2.32, section 4.6.4, tag Orientation).
_STORED = {
    2: _FLIP.FLIP_LEFT_RIGHT,
    3: _FLIP.ROTATE_180,
    4: _FLIP.FLIP_TOP_BOTTOM,
    5: _FLIP.TRANSPOSE,
    6: _FLIP.ROTATE_90,
    7: _FLIP.TRANSVERSE,
    8: _FLIP.ROTATE_270,
}


def draw_samples(folder: Path) -> list[str]:
    """Draws the sample pictures into an existing folder, some of them into a subfolder.

    The eight of ``orientation/`` are stored turned and mirrored in every way that EXIF knows, and look the
    same in a viewer that honours it. An AVIF is among the pictures if this Pillow can write one.

    Returns:
        The names, as a gallery of the folder has them, sorted as drawn.
    """
    (folder / "orientation").mkdir(exist_ok=True)
    return [*_jpegs(folder), *_pngs(folder), *_animations(folder), *_others(folder), *_orientations(folder)]


def _jpegs(folder: Path) -> Iterator[str]:
    harbour = scenes.harbour()
    yield _save(folder, "harbour.jpg", harbour, quality=88)
    yield _save(folder, "harbour-progressive.jpg", harbour, quality=88, progressive=True)
    yield _save(folder, "harbour-grey.jpg", harbour.convert("L"), quality=88)
    yield _save(folder, "Grüße aus dem Hafen.jpg", harbour, quality=92, subsampling="4:4:4")


def _pngs(folder: Path) -> Iterator[str]:
    yield _save(folder, "sticker.png", scenes.sticker())
    yield _save(folder, "clock-palette.png", scenes.clock(10, 9).quantize(64))
    yield _save(folder, "signpost-1-bit.png", scenes.signpost().convert("1"))
    levels = scenes.harbour().convert("L").convert("I").point(lambda level: level * 257)
    yield _save(folder, "harbour-16-bit.png", levels.convert("I;16"))


def _animations(folder: Path) -> Iterator[str]:
    first, *later = [scenes.clock(3, minute).reduce(2) for minute in range(0, 60, 5)]
    frames: dict[str, Any] = {"save_all": True, "append_images": later, "duration": _TICK, "loop": 0}
    yield _save(folder, "clock-ticking.gif", first, **frames)
    yield _save(folder, "clock-ticking.webp", first, quality=80, method=2, **frames)


def _others(folder: Path) -> Iterator[str]:
    harbour = scenes.harbour()
    yield _save(folder, "harbour.webp", harbour, quality=85)
    yield _save(folder, "sticker-lossless.webp", scenes.sticker(), lossless=True, method=2)
    yield _save(folder, "clock.tiff", scenes.clock(4, 35), compression="tiff_lzw", dpi=(144, 144))
    pages = [
        scenes.signpost("PAGE ONE", ("#2a9d8f", "#1b5e57")),
        scenes.signpost("PAGE TWO", ("#9d4edd", "#3c096c")),
        scenes.signpost("PAGE THREE", ("#bc6c25", "#603808")),
    ]
    yield _save(
        folder, "three-pages.tiff", pages[0], save_all=True, append_images=pages[1:], compression="tiff_deflate"
    )
    yield _save(folder, "clock.bmp", scenes.clock(7, 20, face="#e8f1f2"))
    if features.check("avif"):
        yield _save(folder, "harbour.avif", harbour, quality=80, speed=9)
    yield _write(folder, "clock.heic", write_heic(scenes.clock(1, 50).reduce(2)))
    yield _write(folder, "signpost.jxl", write_jxl(scenes.signpost("JPEG XL").reduce(2)))


def _orientations(folder: Path) -> Iterator[str]:
    upright = scenes.signpost()
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[_ORIENTATION] = orientation
        stored = upright.transpose(_STORED[orientation]) if orientation in _STORED else upright
        yield _save(folder, f"orientation/{orientation}.jpg", stored, quality=90, subsampling="4:4:4", exif=exif)


def _save(folder: Path, name: str, image: Image.Image, **options: Any) -> str:
    image.save(folder / name, **options)
    return name


def _write(folder: Path, name: str, data: bytes) -> str:
    (folder / name).write_bytes(data)
    return name
