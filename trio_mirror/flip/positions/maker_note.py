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

# Values of a tag and their byte order -> the values in the mirrored raster.
Rule = Callable[[bytes, str, Mirror], bytes]

# How a stated value is called in notes.
_FOCUS, _FACES, _AREA = "focus points", "faces", "the area of the thumbnail"
_THUMBNAIL = (160, 120)  # pixels (DCF 2.0, section 3.3.4)


def mirrored_maker_note(note: bytes, make: bytes, at: int, mirror: Mirror) -> tuple[bytes, set[str]]:
    """Mirrors what a MakerNote states.

    Args:
        note: its bytes.
        make: the camera's maker, as EXIF names it.
        at: the offset of the note in its TIFF structure, in bytes.
        mirror: the raster.

    Returns:
        As many bytes, and the names of what stays as it was.
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
    unmended = set()
    for what, rule, place in stated:
        try:
            if not are_true:
                raise ValueError("its offsets are not true")  # noqa: TRY301 (the same as what the rules raise)
            note = b"".join([note[: place.start], rule(note[place], order, mirror), note[place.stop :]])
        except (struct.error, ValueError, IndexError):
            unmended.add(f"{what} in the MakerNote of {maker.name}")
    return note, unmended


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


def _from_middle(values: bytes, order: str, mirror: Mirror, *, number: int, before: int) -> bytes:
    """Eight numbers, one of them how many areas there are; lists, two of them of x and y from the middle; more.

    Args:
        values: the numbers.
        order: their byte order.
        mirror: the raster.
        number: which of the eight says how many areas there are.
        before: how many lists stand before that of x.

    Returns:
        The numbers.
    """
    numbers = list(struct.unpack(f"{order}{len(values) // 2}h", values))
    areas = numbers[number]
    first = 8 + areas * (before + mirror.rows)
    if not 0 <= areas <= len(numbers) - first:
        raise ValueError("its areas are too many")
    for at in range(first, first + areas):
        numbers[at] = max(-numbers[at], -0x7FFF)
    return struct.pack(f"{order}{len(numbers)}h", *numbers)


def _sides(values: bytes, order: str, mirror: Mirror, *, at: int, others: Mapping[int, int]) -> bytes:
    """One word that may name a side; ``others`` gives the opposite of each."""
    old = values[2 * at : 2 * at + 2]
    (word,) = struct.unpack(f"{order}H", old)
    new = old if mirror.rows else struct.pack(f"{order}H", others.get(word, word))
    return values[: 2 * at] + new + values[2 * at + 2 :]


def _unread(values: bytes, *_: object) -> bytes:
    """Refuses values whose layout differs from camera to camera; all bits 0, or all 1, state nothing."""
    if values.strip(b"\0\xff"):
        raise ValueError("it is not read here")
    return values


def _counted(values: bytes, order: str, _: Mirror, *, at: int = 0) -> bytes:
    """Refuses values whose layout is not read here, unless they say that there are none."""
    if struct.unpack_from(f"{order}H", values, 2 * at)[0]:
        raise ValueError("it is not read here")
    return values


def _area(values: bytes, order: str, mirror: Mirror) -> bytes:
    """The first and the last column, and row, of a thumbnail that the picture fills; all zeros where it fills all."""
    edges = list(struct.unpack(f"{order}4H", values))
    if any(edges):
        at, last = 2 * mirror.rows, _THUMBNAIL[mirror.rows] - 1
        edges[at : at + 2] = last - edges[at + 1], last - edges[at]
    return struct.pack(f"{order}4H", *edges)


class _Maker(NamedTuple):
    name: str
    begins: bytes
    """How its notes begin, or where the directory does at once, its name in EXIF."""
    directory: int
    """Offset in the note."""
    base: int | None
    """From where in the note offsets count; None: from the start of the TIFF structure."""
    rules: dict[str, dict[int, Rule]]
    """What its tags state, and how each is mirrored."""


def _all(rule: Rule, *tags: int) -> dict[int, Rule]:
    return dict.fromkeys(tags, rule)


_OLYMPUS = {_FOCUS: _all(_unread, 0x2020, 0x2050)}
_PENTAX = {_FOCUS: _all(_unread, 0x0E, 0x0F, 0x21F, 0x231, 0x245), _FACES: _all(_counted, 0x60)}
_MAKERS = [
    _Maker(
        "Canon",
        b"Canon",
        0,
        None,
        {
            _FOCUS: {
                0x01: partial(_sides, at=19, others={0x3002: 0x3004, 0x3004: 0x3002}),
                0x04: partial(_sides, at=14, others={0x3001: 0x3004, 0x3004: 0x3001, 0x3003: 0x3006, 0x3006: 0x3003}),
                0x12: partial(_from_middle, number=0, before=0),
                **_all(partial(_from_middle, number=2, before=2), 0x26, 0x3C),
            },
            _FACES: {0x24: partial(_counted, at=2)},
            _AREA: {0x13: _area},
        },
    ),
    _Maker("Fujifilm", b"FUJIFILM", 12, 0, {_FOCUS: {0x1023: _pixel}, _FACES: {0x4100: _counted}}),
    _Maker("Nikon", b"Nikon\0\2", 18, 10, {_FOCUS: _all(_unread, 0x88, 0xB7), _FACES: {0x21: partial(_counted, at=3)}}),
    _Maker("Olympus", b"OLYMP\0", 8, None, _OLYMPUS),
    _Maker("Olympus", b"OLYMPUS\0", 12, 0, _OLYMPUS),
    _Maker("Olympus", b"OM SYSTEM\0", 16, 0, _OLYMPUS),
    _Maker("Panasonic", b"Panasonic\0", 12, None, {_FOCUS: {0x4D: _shares}, _FACES: _all(_counted, 0x4E, 0x61)}),
    _Maker("Pentax", b"AOC\0", 6, None, _PENTAX),
    _Maker("Pentax", b"PENTAX \0", 10, 0, _PENTAX),
    _Maker("Ricoh", b"RICOH\0", 8, 0, _PENTAX),
    _Maker("Sony", b"SONY ", 12, None, {_FOCUS: {0x2027: _pixel_of_size, **_all(_unread, 0x201D, 0x201E, 0x2020)}}),
]
