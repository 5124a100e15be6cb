"""Windows icons and cursors: each bitmap and its mask reversed row by row, each PNG mirrored (Microsoft)."""

from __future__ import annotations

import struct

from trio_mirror.errors import FlipError
from trio_mirror.flip import png
from trio_mirror.flip.bmp import Bitmap, read_bitmap
from trio_mirror.flip.limits import check_count, check_size
from trio_mirror.flip.png.chunks import SIGNATURE
from trio_mirror.flip.rows import reverse_rows
from trio_mirror.model import Flipped, Limits

_ICON, _CURSOR = b"\0\0\1\0", b"\0\0\2\0"
_DIRECTORY, _ENTRY = 6, 16
_BIT_FIELDS = 3


def matches(data: bytes) -> bool:
    """Whether the first bytes are those of an icon or a cursor with images in it."""
    return len(data) >= _DIRECTORY + _ENTRY and data[:4] in {_ICON, _CURSOR} and data[4:6] != b"\0\0" and data[9] == 0


def flip(data: bytes, *, limits: Limits) -> Flipped:
    """Mirrors every image of an icon or a cursor exactly, and a cursor's hot spot with it.

    Raises:
        FlipError: damaged, over a limit, or with images of a kind that is not mirrored here.
    """
    (count,) = struct.unpack_from("<H", data, 4)
    check_count(count, limits)
    if len(data) < _DIRECTORY + count * _ENTRY:
        raise FlipError("the icon is damaged: it is cut short")
    directory = bytearray(data[: _DIRECTORY + count * _ENTRY])
    body: list[bytes] = []
    at, growth = len(directory), 0
    for entry in sorted(range(_DIRECTORY, len(directory), _ENTRY), key=lambda entry: _place(data, entry)):
        offset, size = _place(data, entry)
        if offset < at or offset + size > len(data):
            raise FlipError("the icon is damaged: an image of it is not where it should be")
        width, mirrored = _mirror_image(data[offset : offset + size], limits)
        body += [data[at:offset], mirrored]
        struct.pack_into("<II", directory, entry + 8, len(mirrored), offset + growth)
        if data[:4] == _CURSOR:
            (spot,) = struct.unpack_from("<H", data, entry + 4)
            struct.pack_into("<H", directory, entry + 4, max(width - 1 - spot, 0))
        at, growth = offset + size, growth + len(mirrored) - size
    media_type = "image/vnd.microsoft.icon" if data[:4] == _ICON else "image/x-win-bitmap"
    return Flipped(b"".join([bytes(directory), *body, data[at:]]), media_type, lossless=True)


def _place(data: bytes, entry: int) -> tuple[int, int]:
    """Where an image begins, and how many bytes it has."""
    size, offset = struct.unpack_from("<II", data, entry + 8)
    return offset, size


def _mirror_image(image: bytes, limits: Limits) -> tuple[int, bytes]:
    """The width of an image in pixels, and the image mirrored."""
    if image.startswith(SIGNATURE):
        (width,) = struct.unpack_from(">I", image.ljust(20, b"\0"), 16)
        return width, png.flip(image, limits=limits).data
    bitmap = read_bitmap(image, header=0)
    height = bitmap.height // 2  # the header counts the rows of the mask too
    check_size(bitmap.width, height, limits)
    if bitmap.compression not in {0, _BIT_FIELDS} or bitmap.bits not in {1, 4, 8, 16, 24, 32}:
        raise FlipError("the icon holds a bitmap of a kind that is not mirrored")
    mask = Bitmap(0, 0, bitmap.width, height, 1, 0, bitmap.raster + bitmap.stride * height)
    end = mask.raster + mask.stride * height
    if end > len(image) and not (bitmap.bits == 32 and mask.raster == len(image)):
        raise FlipError("the icon is damaged: an image of it ends before its last row")
    parts = [image[: bitmap.raster]]
    for part in (bitmap, mask):
        rows = image[part.raster : part.raster + part.stride * height]
        if rows:
            parts.append(reverse_rows(rows, part.width, height, part.bits, stride=part.stride))
    return bitmap.width, b"".join([*parts, image[end:]])
