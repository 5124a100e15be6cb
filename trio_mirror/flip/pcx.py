"""ZSoft PCX: the scan lines decoded, reversed plane by plane, and run-length coded again.

By the "ZSoft PCX File Format Technical Reference Manual" (1991).
"""

from __future__ import annotations

import struct

from PIL import Image

from trio_mirror.errors import FlipError
from trio_mirror.flip.limits import check_size
from trio_mirror.flip.packets import unpack
from trio_mirror.flip.positions import place_left
from trio_mirror.flip.rows import reverse_rows, row_bytes
from trio_mirror.model import Flipped, Limits

_HEADER = 128
_PALETTE = 769  # bytes: a mark and 256 colours


def matches(data: bytes) -> bool:
    """Whether the first bytes are those of a run-length coded PCX."""
    return (
        len(data) >= _HEADER
        and data[0] == 10
        and data[1] in {0, 2, 3, 4, 5}
        and data[2] == 1
        and data[3] in {1, 2, 4, 8}
    )


def flip(data: bytes, *, limits: Limits) -> Flipped:
    """Mirrors a PCX exactly; the palette behind its raster stays.

    Raises:
        FlipError: damaged or over a limit.
    """
    bits, (left, top, right, bottom) = data[3], struct.unpack_from("<HHHH", data, 4)
    planes, stride = data[65], struct.unpack_from("<H", data, 66)[0]
    width, height = right - left + 1, bottom - top + 1
    check_size(max(width, 0), max(height, 0), limits)
    if not 0 < planes <= 4 or stride < row_bytes(width, bits) or stride > 2 * row_bytes(width, bits) + 16:
        raise FlipError("the PCX is damaged: the length of its lines does not match its width")
    size = stride * planes * height
    tail = _PALETTE if data[-_PALETTE:].startswith(b"\x0c") else 0
    raster, used = unpack(data[_HEADER:], size, tail, "pcx", "L", size)
    mirrored = reverse_rows(raster, width, height * planes, bits, stride=stride)
    out = data[:_HEADER] + _pack(mirrored, stride) + data[_HEADER + used :]
    return Flipped(out, "image/x-pcx", lossless=True, notes=place_left(left))


def _pack(raster: bytes, stride: int) -> bytes:
    """Codes lines of so many bytes; where that is odd, each alone, since Pillow adds a byte to it then."""
    step, end = (stride, -1) if stride % 2 else (len(raster), None)
    bands = (raster[at : at + step] for at in range(0, len(raster), step))
    images = (Image.frombytes("L", (stride, len(band) // stride), band) for band in bands)
    return b"".join([image.tobytes("pcx", "L")[:end] for image in images])
