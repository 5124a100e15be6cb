"""QOI: decoded and encoded by Pillow, the header kept (The Quite OK Image Format, specification 1.0)."""

from __future__ import annotations

import struct

from PIL import Image

from trio_mirror.errors import FlipError
from trio_mirror.flip.limits import check_size
from trio_mirror.flip.pillow import encode_image, map_pillow_errors, open_image
from trio_mirror.model import Flipped, Limits

_HEADER = 14
_END = b"\0\0\0\0\0\0\0\1"
# Pillow's QOI is written in Python, a pixel at a time: about 3 µs each.
_MOST_PIXELS = 1_000_000


def flip(data: bytes, *, limits: Limits) -> Flipped:
    """Mirrors a QOI exactly.

    Raises:
        FlipError: damaged, over a limit, or too large to be mirrored in reasonable time.
    """
    if len(data) < _HEADER:
        raise FlipError("the QOI is damaged: it ends inside its header")
    width, height, channels = struct.unpack_from(">IIB", data, 4)
    check_size(width, height, limits)
    if width * height > _MOST_PIXELS:
        raise FlipError(f"a QOI of more than {_MOST_PIXELS:,} pixels is not mirrored: it would take too long")
    if channels not in {3, 4}:
        raise FlipError(f"the QOI is damaged: it cannot have {channels} channels")
    end = data.rfind(_END)
    if end < 0:
        raise FlipError("the QOI is damaged: it has no end mark")
    with map_pillow_errors("the QOI"):
        image = open_image(data, "QOI", limits)
        mirrored = encode_image(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "QOI")
    return Flipped(data[:_HEADER] + mirrored[_HEADER:] + data[end + len(_END) :], "image/qoi", lossless=True)
