"""The flip with Pillow: decode, mirror, encode."""

from __future__ import annotations

import io

from PIL import Image


def flip(picture: bytes) -> bytes:
    image = Image.open(io.BytesIO(picture))
    mirrored = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    out = io.BytesIO()
    mirrored.save(out, image.format, **({"quality": 85} if image.format == "JPEG" else {}))
    return out.getvalue()
