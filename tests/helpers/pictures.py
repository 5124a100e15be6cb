"""Pictures for the tests, drawn here."""

from __future__ import annotations

import io

import pytest
from PIL import Image, __version__

PILLOW = int(__version__.partition(".")[0])
with_right_rle = pytest.mark.skipif(PILLOW < 13, reason="Pillow 12 decodes steps and odd runs of RLE wrongly")


def draw(width: int = 24, height: int = 16, mode: str = "RGB") -> Image.Image:
    """Draws a picture that is nowhere its own mirror image."""
    image = Image.new("RGB", (width, height))
    for x in range(width):
        for y in range(height):
            image.putpixel((x, y), (255 * x // width, 255 * y // height, (37 * x + 11 * y) % 256))
    return image.convert(mode)


def png(width: int = 24, height: int = 16) -> bytes:
    return encode(draw(width, height), "PNG")


def encode(image: Image.Image, image_format: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, image_format, **options)
    return out.getvalue()


def decode(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def is_mirrored(original: bytes, flipped: bytes) -> bool:
    """Whether one lossless picture is the other's mirror image, pixel by pixel."""
    wanted = decode(original).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return decode(flipped).tobytes() == wanted.tobytes()
