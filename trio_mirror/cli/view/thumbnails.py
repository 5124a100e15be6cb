"""Small pictures for the contact sheet."""

from __future__ import annotations

import io

from PIL import Image, ImageOps, UnidentifiedImageError

from trio_mirror.errors import FlipError
from trio_mirror.flip.pillow import map_pillow_errors
from trio_mirror.flip.proof import open_by_extra

MEDIA_TYPE = "image/webp"

# Pixels: of a thumbnail's longer side, and of the largest picture that is decoded only for a thumbnail.
_SIDE = 200
_MAX_PIXELS = 40_000_000
# The other modes hold what cannot be averaged: indices, single bits, premultiplied or wide samples.
_SCALED_AS_THEY_ARE = {"L", "RGB", "RGBA", "CMYK", "YCbCr"}
# Of these qualities the first one that gives at most so many bytes; only noise needs another than the first.
_QUALITIES = (60, 30, 5)
_BYTES = 12_000


def thumbnail(data: bytes) -> bytes | None:
    """Draws an encoded picture small, as it is displayed, in WebP; None if that cannot be done, or not cheaply."""
    try:
        with map_pillow_errors("the picture"), _opened(data) as image:
            # A JPEG may be decoded at an eighth, a quarter or half of its size, which is quick whatever that is.
            image.draft(None, _fitting(image.size))
            if image.width * image.height > _MAX_PIXELS:
                return None
            small = image if image.mode in _SCALED_AS_THEY_ARE else _plain(image)
            small.thumbnail((_SIDE, _SIDE), Image.Resampling.BILINEAR, reducing_gap=1.5)
            ImageOps.exif_transpose(small, in_place=True)
            small = _plain(small)
            encoded = (_encoded(small, quality) for quality in _QUALITIES)
            return next((it for it in encoded if len(it) <= _BYTES), None)
    except FlipError:
        return None


def _opened(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        return open_by_extra(data, _MAX_PIXELS, _SIDE)


def _fitting(size: tuple[int, int]) -> tuple[int, int]:
    """The size of the thumbnail of a picture of a size, both in pixels."""
    scale = min(1.0, _SIDE / max(size))
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
