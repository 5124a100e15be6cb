"""The pictures of the benchmark, drawn here: the same bytes' worth of detail every time.

Detail is what a codec's time goes with, so a smooth gradient or white noise would measure something else than
photographs. These have noise on all scales, each finer one weaker, as photographs have.
"""

from __future__ import annotations

import io
import re
import struct
from random import Random
from typing import TYPE_CHECKING, NamedTuple

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


def small_coded_otherwise() -> Iterator[tuple[str, bytes]]:
    """The same with Huffman tables fitted to each, as a third of real JPEGs have, and progressive, as an eighth is."""
    for seed in range(4):
        yield "jpg", _encode(draw(640, 480, seed), "JPEG", quality=85, optimize=True)
        yield "jpg", _encode(draw(640, 480, seed), "JPEG", quality=85, progressive=True)


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


class Coded(NamedTuple):
    """A picture in one format."""

    title: str
    data: bytes
    megapixels: float
    saving: dict[str, object]
    """What Pillow has to be asked to code it so."""


def every_format(side: int) -> Iterator[Coded]:
    """A square picture in each format, with sides of so many pixels, and animations of four smaller ones."""
    photo, desktop = draw(side, side, 0, _GRAINY), draw_screenshot(side)
    rows: tuple[tuple[str, Image.Image, str, dict[str, object]], ...] = (
        ("JPEG", photo, "JPEG", {"quality": 85}),
        ("JPEG, fitted tables", photo, "JPEG", {"quality": 85, "optimize": True}),
        ("JPEG, progressive", photo, "JPEG", {"quality": 85, "progressive": True}),
        ("PNG, photo", photo, "PNG", {}),
        ("PNG, screenshot", desktop, "PNG", {}),
        ("PNG, palette", desktop.quantize(), "PNG", {}),
        ("GIF", photo, "GIF", {}),
        ("WebP, lossy", photo, "WEBP", {}),
        ("WebP, lossless", desktop, "WEBP", {"lossless": True}),
        ("TIFF", photo, "TIFF", {}),
        ("TIFF, LZW", photo, "TIFF", {"compression": "tiff_lzw"}),
        ("TIFF, deflate", photo, "TIFF", {"compression": "tiff_adobe_deflate"}),
        ("BMP", photo, "BMP", {}),
        ("PPM", photo, "PPM", {}),
        ("TGA", photo, "TGA", {}),
        ("TGA, run-length, photo", photo, "TGA", {"compression": "tga_rle"}),
        ("TGA, run-length, screenshot", desktop, "TGA", {"compression": "tga_rle"}),
        ("PCX, photo", photo, "PCX", {}),
        ("PCX, screenshot", desktop, "PCX", {}),
        ("QOI", photo, "QOI", {}),
        ("AVIF", photo, "AVIF", {}),
    )
    for title, picture, image_format, saving in rows:
        yield Coded(title, _encode(picture, image_format, **saving), side * side / 1e6, saving)
    yield Coded("PPM, plain", _plain(photo), side * side / 1e6, {})
    yield Coded("BMP, run-length", _run_length(desktop.quantize()), side * side / 1e6, {})
    icon = _encode(photo.resize((256, 256)), "ICO", bitmap_format="bmp", sizes=[(256, 256)])
    yield Coded("ICO", icon, 0.065536, {"bitmap_format": "bmp", "sizes": [(256, 256)]})
    frames = [draw(side // 2, side // 2, seed, _GRAINY) for seed in range(4)]
    for title, image_format in (("GIF, animated", "GIF"), ("WebP, animated", "WEBP"), ("APNG", "PNG")):
        data = _encode(frames[0], image_format, save_all=True, append_images=frames[1:])
        yield Coded(title, data, 4 * (side // 2) ** 2 / 1e6, {})


def draw_screenshot(side: int) -> Image.Image:
    """Draws windows of plain colours with lines of text."""
    random = Random(side)
    picture = Image.new("RGB", (side, side), "#335577")
    canvas = ImageDraw.Draw(picture)
    for _ in range(6):
        left, top = random.randrange(side // 2), random.randrange(side // 2)
        canvas.rectangle((left, top, left + side // 2, top + side // 2), "#f8f8f8", "#222222")
        for line in range(top + 4, top + side // 2 - 14, 14):
            text = "".join(random.choices("abcdefghij    ", k=side // 14))
            canvas.text((left + 6, line), text, random.choice(("#111111", "#aa2200", "#0044aa")))
    return picture


def _plain(picture: Image.Image) -> bytes:
    """A PPM with its samples as text."""
    return b"P3 %d %d 255\n" % picture.size + " ".join(map(str, picture.tobytes())).encode()


def _run_length(picture: Image.Image) -> bytes:
    """A BMP of runs (BI_RLE8)."""
    data, width = _encode(picture, "BMP"), picture.width
    (start,) = struct.unpack_from("<I", data, 10)
    raster = picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM).tobytes()
    rows = (raster[at : at + width] for at in range(0, len(raster), width))
    runs = [re.sub(rb"(?s)(.)\1{0,254}", lambda run: bytes([len(run[0])]) + run[1], row) for row in rows]
    coded = b"\0\0".join(runs) + b"\0\1"
    return data[:30] + struct.pack("<II", 1, len(coded)) + data[38:start] + coded


def _encode(picture: Image.Image, image_format: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, image_format, **options)
    return out.getvalue()
