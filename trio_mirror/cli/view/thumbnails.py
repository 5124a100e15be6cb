"""Small pictures for the contact sheet, and how close a re-encoded one is to its original."""

from __future__ import annotations

import io
from math import isfinite
from typing import NamedTuple

from PIL import Image, ImageOps, UnidentifiedImageError

from trio_mirror.errors import FlipError
from trio_mirror.flip.closeness import closeness
from trio_mirror.flip.pillow import map_pillow_errors
from trio_mirror.flip.proof import open_by_extra

MEDIA_TYPE = "image/webp"


class Size(NamedTuple):
    """How large a picture of the sheet may be."""

    side: int  # pixels of its longer side
    most: int  # bytes


SMALL, LARGE = Size(200, 8_000), Size(900, 56_000)

# Pixels of the largest picture that is decoded only for a thumbnail.
_MAX_PIXELS = 40_000_000
# The other modes hold what cannot be averaged: indices, single bits, premultiplied or wide samples.
_SCALED_AS_THEY_ARE = {"L", "RGB", "RGBA", "CMYK", "YCbCr"}
# Of these qualities the first one that gives few enough bytes.
_QUALITIES = (60, 40, 20, 5, 0)


def thumbnail(data: bytes, size: Size = SMALL) -> bytes | None:
    """Draws an encoded picture small, as it is displayed, in WebP; None if that cannot be done, or not cheaply."""
    try:
        with map_pillow_errors("the picture"), _opened(data, size.side) as image:
            # A JPEG may be decoded at an eighth, a quarter or half of its size, which is quick whatever that is.
            image.draft(None, _fitting(image.size, size.side))
            if image.width * image.height > _MAX_PIXELS:
                return None
            small = image if image.mode in _SCALED_AS_THEY_ARE else _plain(image)
            small.thumbnail((size.side, size.side), Image.Resampling.BILINEAR, reducing_gap=1.5)
            ImageOps.exif_transpose(small, in_place=True)
            small = _plain(small)
            encoded = (_encoded(small, quality) for quality in _QUALITIES)
            return next((it for it in encoded if len(it) <= size.most), None)
    except FlipError:
        return None


def decibels(before: bytes, after: bytes) -> float | None:
    """How close a mirrored picture is to its original: peak signal to noise of what is displayed; None if unknown."""
    try:
        with map_pillow_errors("the picture"):
            one, other = (Image.open(io.BytesIO(it)) for it in (before, after))
            if one.size != other.size or one.width * one.height > _MAX_PIXELS:
                return None
            wanted, got = (ImageOps.exif_transpose(it).convert("RGB") for it in (one, other))
            close = closeness(ImageOps.mirror(wanted), got)
            return close if isfinite(close) else None
    except FlipError:
        return None


def _opened(data: bytes, side: int) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        return open_by_extra(data, side)


def _fitting(size: tuple[int, int], side: int) -> tuple[int, int]:
    """The size of the thumbnail of a picture of a size, both in pixels."""
    scale = min(1.0, side / max(size))
    return max(1, int(size[0] * scale)), max(1, int(size[1] * scale))


def _encoded(image: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, "WEBP", quality=quality, method=0)
    return out.getvalue()


def _plain(image: Image.Image) -> Image.Image:
    """The picture in a mode that WebP takes."""
    if image.mode.startswith("I"):
        # Sixteen bits a sample, of which the upper eight are shown.
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L").convert("RGB")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")
