"""The flip with Pillow: decode, mirror, encode."""

from __future__ import annotations

import io

from PIL import Image, ImageSequence


def flip(picture: bytes, **options: object) -> bytes:
    image = Image.open(io.BytesIO(picture))
    options |= {"quality": 85} if image.format == "JPEG" else {}
    if getattr(image, "is_animated", False):
        first, *others = (frame.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for frame in ImageSequence.Iterator(image))
        options |= {"save_all": True, "append_images": others}
    else:
        first = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    out = io.BytesIO()
    first.save(out, image.format, **options)
    return out.getvalue()
