"""Where a camera focused is true of the mirrored picture, or a note names it; ExifTool reads the same."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from tests.flip import jpegs
from tests.flip.test_readers import needs, read_by_exiftool
from trio_mirror import flip
from trio_mirror.flip.positions import Mirror
from trio_mirror.flip.positions.exif import mirrored_fields

if TYPE_CHECKING:
    from pathlib import Path

SHORT, LONG, RATIONAL, ASCII, UNDEFINED = 3, 4, 5, 2, 7
ACROSS, DOWN = Mirror(64, 48), Mirror(64, 48, rows=True)


def directory(order: str, at: int, *entries: tuple[int, int, int, bytes], base: int = 0) -> bytes:
    """A directory at ``at`` with its values behind it, their offsets counted from ``base``."""
    behind, fields = b"", b""
    for tag, kind, count, values in entries:
        place = struct.pack(f"{order}I", at + 6 + 12 * len(entries) + len(behind) - base)
        fields += struct.pack(f"{order}HHI", tag, kind, count) + (values.ljust(4, b"\0") if len(values) <= 4 else place)
        behind += values + bytes(len(values) % 2) if len(values) > 4 else b""
    return struct.pack(f"{order}H", len(entries)) + fields + bytes(4) + behind


def block(make: str, note: tuple[int, int, bytes], *, order: str = "<", moved: int = 0) -> bytes:
    """An EXIF block with a maker's note; ``moved``: by how many bytes its offsets are wrong."""
    tag, kind, values = note
    begins, from_note = {
        "Canon": (b"", False),
        "FUJIFILM": (b"FUJIFILM\x0c\0\0\0", True),
        "Panasonic": (b"Panasonic\0\0\0", False),
        "SONY": (b"SONY DSC \0\0\0", False),
    }[make]
    name = make.encode() + b"\0\0\0\0\0"
    at = 8 + 30 + len(name) + len(name) % 2
    start = at + 18
    count = len(values) // {SHORT: 2, RATIONAL: 8}[kind]
    entries = (0x0001, ASCII, 9, b"anything\0"), (tag, kind, count, values)
    own = begins + directory(order, start + len(begins), *entries, base=(start if from_note else 0) + moved)
    ifd0 = directory(order, 8, (0x010F, ASCII, len(name), name), (0x8769, LONG, 1, struct.pack(f"{order}I", at)))
    exif = directory(order, at, (0x927C, UNDEFINED, len(own), own))
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8) + ifd0 + exif


def shorts(order: str, *numbers: int) -> bytes:
    return struct.pack(f"{order}{len(numbers)}h", *numbers)


def canon(order: str, x: tuple[int, ...], y: tuple[int, ...]) -> bytes:
    return shorts(order, 2 * 19, 2, 2, 2, 640, 480, 640, 480, 50, 60, 70, 80, *x, *y, 1, 1, 0)


FOCUS = [
    ("Canon", 0x26, canon("<", (-120, 7), (5, 30)), canon("<", (120, -7), (5, 30)), "<", ACROSS),
    ("Canon", 0x26, canon(">", (-120, 7), (5, 30)), canon(">", (-120, 7), (-5, -30)), ">", DOWN),
    ("FUJIFILM", 0x1023, shorts("<", 20, 10), shorts("<", 44, 10), "<", ACROSS),
    ("FUJIFILM", 0x1023, shorts("<", 20, 10), shorts("<", 20, 38), "<", DOWN),
    ("SONY", 0x2027, shorts(">", 640, 480, 100, 50), shorts(">", 640, 480, 540, 50), ">", ACROSS),
    ("SONY", 0x2027, shorts("<", 640, 480, 100, 50), shorts("<", 640, 480, 100, 430), "<", DOWN),
    ("Panasonic", 0x4D, struct.pack("<4I", 1, 4, 3, 8), struct.pack("<4I", 3, 4, 3, 8), "<", ACROSS),
    ("Panasonic", 0x4D, struct.pack("<4I", 1, 4, 3, 8), struct.pack("<4I", 1, 4, 5, 8), "<", DOWN),
    ("Panasonic", 0x4D, struct.pack("<4I", 1 << 24, 1, 1 << 24, 1), None, "<", ACROSS),
]


@pytest.mark.parametrize(("make", "tag", "before", "after", "order", "mirror"), FOCUS)
def test_the_place_of_the_focus_moves_and_back(
    make: str, tag: int, before: bytes, after: bytes | None, order: str, mirror: Mirror
) -> None:
    kind = RATIONAL if make == "Panasonic" else SHORT
    old = block(make, (tag, kind, before), order=order)
    new = block(make, (tag, kind, after or before), order=order)
    assert mirrored_fields(old, mirror) == (new, ())
    assert mirrored_fields(new, mirror) == (old, ())


@pytest.mark.parametrize(
    ("make", "tag", "values"),
    [
        ("FUJIFILM", 0x1023, shorts("<", 2000, 10)),
        ("SONY", 0x2027, shorts("<", 640, 480, 641, 50)),
        ("SONY", 0x2027, shorts("<", 640, 480, 100)),
        ("Canon", 0x26, shorts("<", 2, 2, 9, 9, 640, 480, 640, 480, 1, 2, 3)),
    ],
)
def test_a_focus_outside_of_the_picture_or_damaged_is_named(make: str, tag: int, values: bytes) -> None:
    data, notes = mirrored_fields(block(make, (tag, SHORT, values)), ACROSS)
    assert data == block(make, (tag, SHORT, values))
    assert notes == (f"not mirrored: focus points in the MakerNote of {make.capitalize()}",)


@pytest.mark.parametrize("moved", [-4, 4, 60])
def test_a_note_that_an_editor_moved_is_never_patched_in_the_wrong_place(moved: int) -> None:
    old = block("SONY", (0x2027, SHORT, shorts("<", 640, 480, 100, 50)), moved=moved)
    assert mirrored_fields(old, ACROSS) == (old, ("not mirrored: focus points in the MakerNote of Sony",))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("make", ["Canon", "FUJIFILM", "Panasonic", "SONY", "OLYMPUS"])
def test_a_camera_whose_note_was_taken_out_leaves_nothing_to_mirror(make: str, order: str) -> None:
    name = make.encode() + b"\0\0\0\0\0"
    data = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    data += directory(order, 8, (0x010F, ASCII, len(name), name))
    assert mirrored_fields(data, ACROSS) == (data, ())


def test_focus_points_of_nikon_are_named() -> None:
    note = b"Nikon\0\2\x10\0\0" + b"MM\0*\0\0\0\x08" + directory(">", 8, (0xB7, UNDEFINED, 30, bytes(30)))
    data = jpegs.exif_block(maker_note=note)
    assert mirrored_fields(data, ACROSS) == (data, ("not mirrored: focus points in the MakerNote of Nikon",))


@needs("exiftool", "libimage-exiftool-perl")
@pytest.mark.parametrize(
    ("make", "tag", "kind", "values", "name", "wanted"),
    [
        ("Canon", 0x26, SHORT, canon("<", (-120, 7), (5, 30)), "AFAreaXPositions", "120 -7"),
        ("FUJIFILM", 0x1023, SHORT, shorts("<", 20, 10), "FocusPixel", "44 10"),
        ("SONY", 0x2027, SHORT, shorts("<", 640, 480, 100, 50), "FocusLocation", "640 480 540 50"),
        ("Panasonic", 0x4D, RATIONAL, struct.pack("<4I", 1, 4, 3, 8), "AFPointPosition", "0.75 0.375"),
    ],
)
def test_exiftool_reads_where_the_camera_focused(
    tmp_path: Path, make: str, tag: int, kind: int, values: bytes, name: str, wanted: str
) -> None:
    exif = jpegs.exif_segment(block(make, (tag, kind, values)))
    once = flip(jpegs.with_segments(jpegs.encoded(jpegs.drawn(64, 48)), exif))
    assert read_by_exiftool(tmp_path / "a.jpg", once.data, name) == {name: wanted}
