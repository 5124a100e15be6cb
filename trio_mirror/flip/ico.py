"""Windows icons and cursors: each bitmap and its mask reversed row by row, each PNG mirrored (Microsoft)."""

from __future__ import annotations

import struct
from typing import NamedTuple

from trio_mirror.errors import FlipError
from trio_mirror.flip import png
from trio_mirror.flip.bmp import Bitmap, read_bitmap
from trio_mirror.flip.limits import check_count, check_size
from trio_mirror.flip.png.chunks import SIGNATURE
from trio_mirror.flip.positions import not_mirrored
from trio_mirror.flip.rows import reverse_rows
from trio_mirror.model import Flipped, Limits

_ICON, _CURSOR = b"\0\0\1\0", b"\0\0\2\0"
_DIRECTORY, _ENTRY = 6, 16
_BIT_FIELDS = 3
_SHARED_BY = 4  # how many times the file its images may take together


class _Place(NamedTuple):
    """Where an image stands in the file."""

    offset: int
    size: int


class _Image(NamedTuple):
    """A mirrored image."""

    width: int  # pixels
    data: bytes
    notes: tuple[str, ...] = ()


def matches(data: bytes) -> bool:
    """Whether the first bytes are those of an icon or a cursor with images in it."""
    count = int.from_bytes(data[4:6], "little")
    return data[:4] in {_ICON, _CURSOR} and count > 0 and len(data) >= _DIRECTORY + _ENTRY


def flip(data: bytes, *, limits: Limits, keep_credentials: bool = False) -> Flipped:
    """Mirrors every image of an icon or a cursor exactly, and a cursor's hot spot with it.

    Entries may share an image. Where they overlap otherwise, each gets bytes of its own.

    Raises:
        FlipError: damaged, over a limit, or with images of a kind that is not mirrored here.
    """
    (count,) = struct.unpack_from("<H", data, 4)
    check_count(count, limits)
    if len(data) < _DIRECTORY + count * _ENTRY:
        raise FlipError("the icon is damaged: it is cut short")
    entries = range(_DIRECTORY, _DIRECTORY + count * _ENTRY, _ENTRY)
    stated = [_Place(*reversed(struct.unpack_from("<II", data, entry + 8))) for entry in entries]
    places = sorted({place for place in stated if place.size})
    if not places or places[0].offset < entries.stop or sum(it.size for it in places) > _SHARED_BY * len(data):
        raise FlipError("the icon is damaged: an image of it is not where it should be")
    out, at = bytearray(data[: entries.stop]), entries.stop
    mirrored: dict[_Place, _Image] = {}
    moved: dict[_Place, int] = {}
    notes: list[str] = []
    for place in places:
        end = place.offset + place.size
        image = mirrored[place] = _mirror_image(data[place.offset : end], limits, keep_credentials=keep_credentials)
        out += data[at : place.offset]
        moved[place] = len(out)
        out += image.data
        at = max(at, end)
        notes += image.notes
    out += data[at:]
    for entry, place in zip(entries, stated, strict=True):
        if place.size:
            struct.pack_into("<II", out, entry + 8, len(mirrored[place].data), moved[place])
            if data[:4] == _CURSOR:
                (spot,) = struct.unpack_from("<H", data, entry + 4)
                if spot < mirrored[place].width:
                    struct.pack_into("<H", out, entry + 4, mirrored[place].width - 1 - spot)
                else:
                    notes += not_mirrored({"a hot spot outside of its image"})
    media_type = "image/vnd.microsoft.icon" if data[:4] == _ICON else "image/x-win-bitmap"
    if not all(place.size for place in stated):
        notes.append("an entry of the icon without an image stayed as it was")
    return Flipped(bytes(out), media_type, lossless=True, notes=tuple(dict.fromkeys(notes)))


def _mirror_image(image: bytes, limits: Limits, *, keep_credentials: bool) -> _Image:
    if image.startswith(SIGNATURE):
        (width,) = struct.unpack_from(">I", image.ljust(20, b"\0"), 16)
        flipped = png.flip(image, limits=limits, keep_credentials=keep_credentials)
        return _Image(width, flipped.data, flipped.notes)
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
    return _Image(bitmap.width, b"".join([*parts, image[end:]]))
