"""What a MakerNote states of the raster, such as where the camera focused: mirrored in place, or named in a note.

The layouts are those of ExifTool's tables (MakerNotes.pm, and the module of each maker).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from trio_mirror.flip.exif import end_of_entries, read_values
from trio_mirror.flip.positions import Mirror

# How a stated value is called in notes.
_FOCUS, _FACES, _AREA = "focus points", "faces", "the area of the thumbnail"
_THUMBNAIL = (160, 120)  # pixels (DCF 2.0, section 3.3.4)


def mirrored_maker_note(note: bytes, make: bytes, at: int, mirror: Mirror) -> tuple[bytes, set[str]]:
    """Mirrors what a MakerNote states; returns as many bytes, and the names of what stays as it was.

    ``make`` is the camera's maker, as EXIF names it, ``at`` the offset of the note in its TIFF structure, in bytes.
    """
    maker = next((it for it in _MAKERS if (note if it.directory else make).startswith(it.begins)), None)
    if maker is None:
        return note, set()
    # A note keeps its own byte order, which is the one by which it has fewer entries.
    order = min("<>", key=lambda it: end_of_entries(note, it, maker.directory))
    base = -at if maker.base is None else maker.base
    # The first of a repeated tag counts, so that few values are read.
    values = {tag: place for tag, _, place in reversed([*read_values(note, order, maker.directory, base)])}
    stated = [
        (what, rule, values[tag]) for what, rules in maker.rules.items() for tag, rule in rules.items() if tag in values
    ]
    if not stated:
        return note, set()
    end = end_of_entries(note, order, maker.directory) + 4
    # Where an editor moved the note and left its offsets from elsewhere, all of them lead to other bytes.
    places = values.values() if maker.base is None else [place for *_, place in stated]
    are_true = all(it.stop - it.start <= 4 or end <= it.start < it.stop <= len(note) for it in places)
    mirrored, unmended = bytearray(note), set()
    for what, (code, rule), place in stated:
        layout = f"{order}{(place.stop - place.start) // struct.calcsize(code)}{code}"
        try:
            if not are_true:
                raise ValueError("its offsets are not true")  # noqa: TRY301 (the same as what the rules raise)
            numbers = rule([*struct.unpack_from(layout, mirrored, place.start)], mirror)
            mirrored[place.start : place.start + struct.calcsize(layout)] = struct.pack(layout, *numbers)
        except (struct.error, ValueError, IndexError):  # a place outside of the picture cannot be packed
            unmended.add(f"{what} in the MakerNote of {maker.name}")
    return bytes(mirrored), unmended


def _pixel(numbers: list[int], mirror: Mirror) -> list[int]:
    x, y = numbers
    return [x, mirror.length - y] if mirror.rows else [mirror.length - x, y]


def _pixel_of_size(numbers: list[int], mirror: Mirror) -> list[int]:
    width, height, x, y = numbers
    return [width, height, *((x, height - y) if mirror.rows else (width - x, y))]


def _shares(numbers: list[int], mirror: Mirror) -> list[int]:
    """Fractions of the sides, over 1 where there is no point."""
    x, width, y, height = numbers
    if mirror.rows:
        return [x, width, height - y if y <= height else y, height]
    return [width - x if x <= width else x, width, y, height]


def _from_middle(numbers: list[int], mirror: Mirror, *, number: int, before: int) -> list[int]:
    """Eight numbers, one of them how many areas there are; lists, two of them of x and y from the middle; more.

    ``number`` says which of the eight that is, ``before`` how many lists stand before that of x.
    """
    areas = numbers[number]
    first = 8 + areas * (before + mirror.rows)
    if not 0 <= areas <= len(numbers) - first:
        raise ValueError("its areas are too many")
    end = first + areas
    return [*numbers[:first], *(max(-place, -0x7FFF) for place in numbers[first:end]), *numbers[end:]]


def _sides(numbers: list[int], mirror: Mirror, *, at: int, others: Mapping[int, int]) -> list[int]:
    """One number that may name a side; ``others`` gives the opposite of each."""
    side = numbers[at]
    numbers[at] = side if mirror.rows else others.get(side, side)
    return numbers


def _unread(numbers: list[int], _: Mirror) -> list[int]:
    """Refuses values whose layout differs from camera to camera; all bits 0, or all 1, state nothing."""
    if not {0, 0xFF}.issuperset(numbers):
        raise ValueError("it is not read here")
    return numbers


def _counted(numbers: list[int], _: Mirror, *, at: int = 0) -> list[int]:
    """Refuses values whose layout is not read here, unless they say that there are none."""
    if numbers[at]:
        raise ValueError("it is not read here")
    return numbers


def _casio_faces(numbers: list[int], mirror: Mirror) -> list[int]:
    """The same, in either of two layouts."""
    return _counted(numbers, mirror, at=2 if numbers[:2] == [2, 1] else 0)


def _sanyo_faces(numbers: list[int], mirror: Mirror) -> list[int]:
    """The same, of a tag that was a distance before, as a fraction."""
    return numbers if len(numbers) == 2 else _counted(numbers, mirror)


def _area(numbers: list[int], mirror: Mirror) -> list[int]:
    """The first and the last column, and row, of a thumbnail that the picture fills; all zeros where it fills all."""
    left, right, top, bottom = numbers
    last = _THUMBNAIL[mirror.rows] - 1
    if not any(numbers):
        return numbers
    return [left, right, last - bottom, last - top] if mirror.rows else [last - right, last - left, top, bottom]


class _Rule(NamedTuple):
    code: str
    """Of struct, by which the values of a tag are numbers."""
    mirrored: Callable[[list[int], Mirror], list[int]]
    """Those numbers -> the numbers in the mirrored raster."""


class _Maker(NamedTuple):
    name: str
    begins: bytes | tuple[bytes, ...]
    """How its notes begin, or where the directory does at once, its name in EXIF."""
    directory: int
    """Offset in the note."""
    base: int | None
    """From where in the note offsets count; None: from the start of the TIFF structure."""
    rules: dict[str, dict[int, _Rule]]
    """What its tags state, and how each is mirrored."""


_CANON = {
    _FOCUS: {
        0x01: _Rule("H", partial(_sides, at=19, others={0x3002: 0x3004, 0x3004: 0x3002})),
        0x04: _Rule(
            "H", partial(_sides, at=14, others={0x3001: 0x3004, 0x3004: 0x3001, 0x3003: 0x3006, 0x3006: 0x3003})
        ),
        0x12: _Rule("h", partial(_from_middle, number=0, before=0)),
        **dict.fromkeys((0x26, 0x3C), _Rule("h", partial(_from_middle, number=2, before=2))),
    },
    _FACES: {0x24: _Rule("H", partial(_counted, at=2))},
    _AREA: {0x13: _Rule("H", _area)},
}
_CASIO = {_FOCUS: {0x2021: _Rule("H", _shares)}, _FACES: {0x2089: _Rule("B", _casio_faces)}}
_FUJIFILM = {_FOCUS: {0x1023: _Rule("H", _pixel)}, _FACES: {0x4100: _Rule("H", _counted)}}
_NIKON = {_FOCUS: dict.fromkeys((0x88, 0xB7), _Rule("B", _unread)), _FACES: {0x21: _Rule("H", partial(_counted, at=3))}}
_OLYMPUS = {_FOCUS: dict.fromkeys((0x2020, 0x2050), _Rule("B", _unread))}
_PANASONIC = {_FOCUS: {0x4D: _Rule("I", _shares)}, _FACES: dict.fromkeys((0x4E, 0x61), _Rule("H", _counted))}
_PENTAX = {
    _FOCUS: dict.fromkeys((0x0E, 0x0F, 0x21F, 0x231, 0x245), _Rule("B", _unread)),
    _FACES: {0x60: _Rule("H", _counted)},
}
_RICOH = {_FOCUS: dict.fromkeys((0x1201, 0x1202, 0x1203, 0x1204), _Rule("I", _counted))}
_SANYO = {_FACES: {0x0223: _Rule("I", _sanyo_faces)}}
_SONY = {
    _FOCUS: {
        0x2027: _Rule("H", _pixel_of_size),
        0x202A: _Rule("B", partial(_counted, at=1)),
        **dict.fromkeys((0x201D, 0x201E, 0x2020), _Rule("B", _unread)),
    }
}
_MAKERS = [
    _Maker("Canon", b"Canon", 0, None, _CANON),
    _Maker("Casio", (b"QVC\0", b"DCI\0"), 6, None, _CASIO),
    _Maker("Fujifilm", (b"FUJIFILM", b"GENERALE"), 12, 0, _FUJIFILM),
    _Maker("Leica", b"LEICA\0\0\0", 8, None, _PANASONIC),
    _Maker("Leica", b"LEICA CAMERA AG\0", 18, None, _PANASONIC),
    _Maker("Nikon", b"Nikon\0\2", 18, 10, _NIKON),
    _Maker("Olympus", (b"OLYMP\0", b"EPSON\0"), 8, None, _OLYMPUS),
    _Maker("Olympus", b"OLYMPUS\0", 12, 0, _OLYMPUS),
    _Maker("Olympus", b"OM SYSTEM\0", 16, 0, _OLYMPUS),
    _Maker("Panasonic", b"Panasonic\0", 12, None, _PANASONIC),
    _Maker("Pentax", b"AOC\0", 6, None, _PENTAX),
    _Maker("Pentax", b"PENTAX \0", 10, 0, _PENTAX),
    _Maker("Ricoh", (b"RICOH\0II", b"RICOH\0MM"), 8, 0, _PENTAX),
    _Maker("Ricoh", (b"RICOH", b"Ricoh"), 8, None, _RICOH),
    _Maker("Sanyo", b"SANYO\0", 8, None, _SANYO),
    _Maker("Sony", (b"SONY ", b"VHAB "), 12, None, _SONY),
]
