"""Where a camera focused, as its MakerNote states it: mirrored in place, or named in a note.

The layouts are those of ExifTool's tables (MakerNotes.pm, and the module of each maker).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from trio_mirror.flip.exif import end_of_directory, read_values

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio_mirror.flip.positions import Mirror

_SHORT, _RATIONAL, _UNDEFINED = 3, 5, 7
_START = 18


def mirrored_focus(block: bytes, make: bytes, note: slice, mirror: Mirror) -> tuple[bytes, set[str]]:
    """Mirrors what a MakerNote in a TIFF structure states.

    Args:
        block: the structure.
        make: the camera's maker, as EXIF names it.
        note: where the MakerNote stands.
        mirror: the raster.

    Returns:
        As many bytes, and the name of what stays as it was.
    """
    start = block[note][:_START]
    maker = next((it for it in _MAKERS if (start if it.directory else make).startswith(it.begins)), None)
    if maker is None:
        return block, set()
    base = 0 if maker.base is None else note.start + maker.base
    directory = note.start + maker.directory
    # A note keeps its own byte order, which is the one by which it has fewer entries.
    order = min("<>", key=lambda it: end_of_directory(block, it, directory))
    values = list(read_values(block, order, directory, base))
    place = next((it for tag, kind, it in values if (tag, kind) == (maker.tag, maker.kind)), None)
    if place is None:
        return block, set()
    end = end_of_directory(block, order, directory) + 4
    try:
        # Where an editor moved the note and left its offsets, they lead to other bytes.
        if not all(it.stop - it.start <= 4 or end <= it.start < it.stop <= note.stop for _, _, it in values):
            raise ValueError("its offsets are not true")  # noqa: TRY301 (the same as what the rules raise)
        new = maker.rule(block[place], order, mirror)
    except (struct.error, ValueError):
        return block, {f"focus points in the MakerNote of {maker.name}"}
    return b"".join([block[: place.start], new, block[place.stop :]]), set()


def _pixel(values: bytes, order: str, mirror: Mirror) -> bytes:
    """Its x and y."""
    return _moved(values, order, int(mirror.rows), mirror.length)


def _pixel_of_size(values: bytes, order: str, mirror: Mirror) -> bytes:
    """Width, height, x and y."""
    size = struct.unpack_from(f"{order}2H", values)
    return values[:4] + _moved(values[4:], order, int(mirror.rows), size[mirror.rows])


def _moved(values: bytes, order: str, axis: int, length: int) -> bytes:
    place = list(struct.unpack(f"{order}2H", values))
    place[axis] = length - place[axis]
    if place[axis] < 0:
        raise ValueError("it lies outside of the picture")
    return struct.pack(f"{order}2H", *place)


def _shares(values: bytes, order: str, mirror: Mirror) -> bytes:
    """Fractions of the sides, over 1 where there is no point."""
    terms = list(struct.unpack(f"{order}4I", values))
    over, under = 2 * mirror.rows, 2 * mirror.rows + 1
    if terms[over] <= terms[under]:
        terms[over] = terms[under] - terms[over]
    return struct.pack(f"{order}4I", *terms)


def _from_middle(values: bytes, order: str, mirror: Mirror) -> bytes:
    """Eight numbers, the third how many areas there are; their widths, heights, x and y from the middle; more."""
    numbers = list(struct.unpack(f"{order}{len(values) // 2}h", values))
    first = 8 + numbers[2] * (2 + mirror.rows)
    if not 0 <= numbers[2] <= len(numbers) - first:
        raise ValueError("its areas are too many")
    for at in range(first, first + numbers[2]):
        numbers[at] = max(-numbers[at], -0x7FFF)
    return struct.pack(f"{order}{len(numbers)}h", *numbers)


def _unknown(*_: object) -> bytes:
    raise ValueError("its layout differs from camera to camera")


class _Maker(NamedTuple):
    name: str
    begins: bytes
    """How its notes begin, or where the directory does at once, its name in EXIF."""
    directory: int
    """Offset in the note."""
    base: int | None
    """From where in the note offsets count; None: from the start of the TIFF structure."""
    tag: int
    kind: int
    rule: Callable[[bytes, str, Mirror], bytes]


_MAKERS = [
    _Maker("Canon", b"Canon", 0, None, 0x26, _SHORT, _from_middle),
    _Maker("Fujifilm", b"FUJIFILM", 12, 0, 0x1023, _SHORT, _pixel),
    _Maker("Nikon", b"Nikon\0\2", 18, 10, 0xB7, _UNDEFINED, _unknown),
    _Maker("Panasonic", b"Panasonic\0", 12, None, 0x4D, _RATIONAL, _shares),
    _Maker("Sony", b"SONY ", 12, None, 0x2027, _SHORT, _pixel_of_size),
]
