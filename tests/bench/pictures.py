"""The pictures of the benchmark, drawn here: the same bytes' worth of detail every time.

Detail is what a codec's time goes with, so a smooth gradient or white noise would measure something else than
photographs. These have noise on all scales, each finer one weaker, as photographs have.
"""

from __future__ import annotations

import io
from random import Random
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from collections.abc import Iterator

_COARSEST = 4  # cells of noise across the picture
_PLAIN, _GRAINY = 0.68, 0.8


def draw(width: int, height: int, seed: int, fineness: float = _PLAIN) -> Image.Image:
    """Draws a picture with detail on all scales, and a shape that shows which way round it is.

    Args:
        width: in pixels.
        height: in pixels.
        seed: another one makes another picture.
        fineness: how strong the noise of one scale is, by that of the scale twice as coarse.
    """
    random = Random(seed)
    cells, strength = _COARSEST, 1.0
    picture = _noise(random, "RGB", (width, height), cells)
    while cells < width // 2:
        cells, strength = 2 * cells, fineness * strength
        # Photographs have little fine detail in their colours.
        picture = Image.blend(picture, _noise(random, "L", (width, height), cells).convert("RGB"), strength / 2)
    triangle = [(width // 8, height // 4), (width // 3, height // 2), (width // 8, height // 2)]
    ImageDraw.Draw(picture).polygon(triangle, random.choice(("#c8452d", "#2d6fc8", "#e8c33a")))
    return picture


def _noise(random: Random, mode: str, size: tuple[int, int], columns: int) -> Image.Image:
    """Noise with so many cells across."""
    rows = columns * size[1] // size[0]
    samples = random.randbytes(len(mode) * columns * rows)
    return Image.frombytes(mode, (columns, rows), samples).resize(size, Image.Resampling.BICUBIC)


def small_jpegs() -> Iterator[tuple[str, bytes]]:
    """640×480 JPEGs of about 45 KB, each with the suffix of its name."""
    for seed in range(8):
        yield "jpg", _encode(draw(640, 480, seed), "JPEG", quality=85)


def photos() -> Iterator[tuple[str, bytes]]:
    """JPEGs of 12 megapixels and about 1.9 MB."""
    for seed in range(3):
        yield "jpg", _encode(draw(4000, 3000, seed, _GRAINY), "JPEG", quality=85)


def mixed_formats() -> Iterator[tuple[str, bytes]]:
    """640×480 pictures, as many of each format."""
    picture = draw(640, 480, 0)
    yield "jpg", _encode(picture, "JPEG", quality=85)
    yield "png", _encode(picture, "PNG")
    yield "gif", _encode(picture, "GIF")
    yield "webp", _encode(picture, "WEBP", quality=80)
    yield "tif", _encode(picture, "TIFF", compression="tiff_lzw")
    yield "bmp", _encode(picture, "BMP")


def tiny_jpeg() -> Iterator[tuple[str, bytes]]:
    """One JPEG of 16×16 pixels, for galleries where only the number of names matters."""
    yield "jpg", _encode(draw(16, 16, 0), "JPEG")


def _encode(picture: Image.Image, image_format: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, image_format, **options)
    return out.getvalue()
