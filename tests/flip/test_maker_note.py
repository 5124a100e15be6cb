"""Where a camera focused is true of the mirrored picture, or a note names it; ExifTool reads the same."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PIL import ImageOps

from tests.flip import jpegs
from tests.flip.drawn_tiff import Drawn, Rows, Writer
from tests.flip.test_positions import refuse
from tests.flip.test_readers import needs, read_by_exiftool
from trio_mirror import flip
from trio_mirror.flip.jpeg.segments import Segment, parse
from trio_mirror.flip.positions import Mirror
from trio_mirror.flip.positions.exif import mirrored_fields

if TYPE_CHECKING:
    from pathlib import Path

SHORT, LONG, RATIONAL, ASCII, UNDEFINED = 3, 4, 5, 2, 7
ACROSS, DOWN = Mirror(64, 48), Mirror(64, 48, rows=True)
PAGE = Drawn(rows=[[(x + y,) for x in range(64)] for y in range(48)])


def directory(order: str, at: int, *entries: tuple[int, int, int, bytes], base: int = 0) -> bytes:
    """A directory at ``at`` with its values behind it, their offsets counted from ``base``."""
    behind, fields = b"", b""
    for tag, kind, count, values in entries:
        place = struct.pack(f"{order}I", at + 6 + 12 * len(entries) + len(behind) - base)
        fields += struct.pack(f"{order}HHI", tag, kind, count) + (values.ljust(4, b"\0") if len(values) <= 4 else place)
        behind += values + bytes(len(values) % 2) if len(values) > 4 else b""
    return struct.pack(f"{order}H", len(entries)) + fields + bytes(4) + behind


def block(make: str, note: tuple[int, int, bytes], *, order: str = "<", moved: int = 0, other: int = 9) -> bytes:
    """An EXIF block with a maker's note of this tag, type and values, and another value.

    ``moved``: by how many bytes its offsets are wrong; ``other``: how many bytes the other value claims to have.
    """
    tag, kind, values = note
    begins, from_note = {
        "Canon": (b"", False),
        "CASIO": (b"QVC\0\0\0", False),
        "FUJIFILM": (b"FUJIFILM\x0c\0\0\0", True),
        "Panasonic": (b"Panasonic\0\0\0", False),
        "SONY": (b"SONY DSC \0\0\0", False),
    }[make]
    name = make.encode() + b"\0\0\0\0\0"
    at = 8 + 30 + len(name) + len(name) % 2
    start = at + 18
    count = len(values) // {SHORT: 2, RATIONAL: 8}[kind]
    entries = sorted([(0x0009, ASCII, other, b"anything\0"), (tag, kind, count, values)])
    own = begins + directory(order, start + len(begins), *entries, base=(start if from_note else 0) + moved)
    ifd0 = directory(order, 8, (0x010F, ASCII, len(name), name), (0x8769, LONG, 1, struct.pack(f"{order}I", at)))
    exif = directory(order, at, (0x927C, UNDEFINED, len(own), own))
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8) + ifd0 + exif


def shorts(order: str, *numbers: int) -> bytes:
    return struct.pack(f"{order}{len(numbers)}h", *numbers)


def canon(order: str, x: tuple[int, ...], y: tuple[int, ...]) -> bytes:
    return shorts(order, 2 * 19, 2, 2, 2, 640, 480, 640, 480, 50, 60, 70, 80, *x, *y, 1, 1, 0)


def older_canon(order: str, x: tuple[int, ...], y: tuple[int, ...]) -> bytes:
    return shorts(order, len(x), len(x), 640, 480, 640, 480, 50, 60, *x, *y, 1)


def word(at: int, value: int) -> bytes:
    """A side as Canon's camera settings or shot information names it; the size comes first."""
    return shorts("<", 68, *[0] * (at - 1), value, *[0] * (33 - at))


FIVE = (-120, 7, 0, 3, 9)
FOCUS = [
    ("Canon", 0x26, canon("<", (-120, 7), (5, 30)), canon("<", (120, -7), (5, 30)), "<", ACROSS),
    ("Canon", 0x26, canon(">", (-120, 7), (5, 30)), canon(">", (-120, 7), (-5, -30)), ">", DOWN),
    ("Canon", 0x3C, canon("<", (-120, 7), (5, 30)), canon("<", (120, -7), (5, 30)), "<", ACROSS),
    (
        "Canon",
        0x12,
        older_canon("<", FIVE, (5, 30, 0, 0, 0)),
        older_canon("<", (120, -7, 0, -3, -9), (5, 30, 0, 0, 0)),
        "<",
        ACROSS,
    ),
    ("Canon", 0x12, older_canon(">", FIVE, (5, 30, 0, 0, 0)), older_canon(">", FIVE, (-5, -30, 0, 0, 0)), ">", DOWN),
    ("Canon", 0x01, word(19, 0x3002), word(19, 0x3004), "<", ACROSS),
    ("Canon", 0x01, word(19, 0x3002), word(19, 0x3002), "<", DOWN),
    ("Canon", 0x04, word(14, 0x3003), word(14, 0x3006), "<", ACROSS),
    ("CASIO", 0x2021, shorts(">", 100, 400, 50, 400), shorts(">", 300, 400, 50, 400), ">", ACROSS),
    ("CASIO", 0x2021, shorts(">", 100, 400, 50, 400), shorts(">", 100, 400, 350, 400), ">", DOWN),
    ("CASIO", 0x2021, shorts("<", -1, 400, -1, 400), None, "<", ACROSS),
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
    assert mirrored_fields(old, mirror, refuse) == (new, ())
    assert mirrored_fields(new, mirror, refuse) == (old, ())


@pytest.mark.parametrize(
    ("make", "tag", "values"),
    [
        ("FUJIFILM", 0x1023, shorts("<", 2000, 10)),
        ("SONY", 0x2027, shorts("<", 640, 480, 641, 50)),
        ("SONY", 0x2027, shorts("<", 640, 480, 100)),
        ("Canon", 0x26, shorts("<", 2, 2, 9, 9, 640, 480, 640, 480, 1, 2, 3)),
        ("Canon", 0x26, shorts("<", 2, 2)),
    ],
)
def test_a_focus_outside_of_the_picture_or_damaged_is_named(make: str, tag: int, values: bytes) -> None:
    data, notes = mirrored_fields(block(make, (tag, SHORT, values)), ACROSS, refuse)
    assert data == block(make, (tag, SHORT, values))
    assert notes == (f"not mirrored: focus points in the MakerNote of {make.capitalize()}",)


@pytest.mark.parametrize("moved", [-4, 4, 60])
def test_a_note_that_an_editor_moved_is_never_patched_in_the_wrong_place(moved: int) -> None:
    old = block("SONY", (0x2027, SHORT, shorts("<", 640, 480, 100, 50)), moved=moved)
    assert mirrored_fields(old, ACROSS, refuse) == (old, ("not mirrored: focus points in the MakerNote of Sony",))


EDGES = {  # left, right, top and bottom of the picture in its thumbnail of 160 by 120
    (20, 119, 0, 119): ((40, 139, 0, 119), (20, 119, 0, 119)),
    (0, 159, 9, 112): ((0, 159, 9, 112), (0, 159, 7, 110)),
    (0, 0, 0, 0): ((0, 0, 0, 0), (0, 0, 0, 0)),
}


@pytest.mark.parametrize("edges", EDGES)
def test_the_part_of_its_thumbnail_that_the_picture_fills_moves_and_back(edges: tuple[int, int, int, int]) -> None:
    old = block("Canon", (0x13, SHORT, shorts("<", *edges)))
    for mirror, moved in zip((ACROSS, DOWN), EDGES[edges], strict=True):
        new = block("Canon", (0x13, SHORT, shorts("<", *moved)))
        assert mirrored_fields(old, mirror, refuse) == (new, ())
        assert mirrored_fields(new, mirror, refuse) == (old, ())
    wrong = block("Canon", (0x13, SHORT, shorts("<", 0, 319, 0, 239)))
    assert mirrored_fields(wrong, ACROSS, refuse) == (
        wrong,
        ("not mirrored: the area of the thumbnail in the MakerNote of Canon",),
    )


def canon_page(
    x: tuple[int, ...] = (-120, 7),
    y: tuple[int, ...] = (5, 30),
    *,
    rows: Rows = PAGE.rows,
    order: str = "<",
    big: bool = False,
    orientation: int = 1,
    moved: int = 0,
    notes: int = 1,
) -> bytes:
    """A TIFF from a Canon, which focused in two areas; ``notes``: how many directories hold its note."""
    writer = Writer(order, big=big)
    values = canon(order, x, y)
    entries = (0x0009, ASCII, 9, b"anything\0"), (0x26, SHORT, len(values) // 2, values)
    note = directory(order, len(writer.data), *entries, base=moved)
    inside = writer.directory({37500: (UNDEFINED, note)}, chained=False)
    tags = {271: (ASCII, b"Canon\0"), 34665: (LONG, struct.pack(f"{order}I", inside))}
    writer.add(replace(PAGE, rows=rows, orientation=orientation, tags=tags))
    if notes > 1:
        again = len(writer.data)
        writer.data += writer.data[inside : inside + 18]
        writer.add(replace(PAGE, tags=tags | {34665: (LONG, struct.pack(f"{order}I", again))}))
    return bytes(writer.data)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(("orientation", "x", "y"), [(1, (120, -7), (5, 30)), (6, (-120, 7), (-5, -30))])
def test_the_place_of_the_focus_moves_in_a_tiff_and_back(
    orientation: int, x: tuple[int, ...], y: tuple[int, ...], order: str, *, big: bool
) -> None:
    data = canon_page(order=order, big=big, orientation=orientation)
    once = flip(data)
    rows = replace(PAGE, orientation=orientation).mirrored()
    assert once.data == canon_page(x, y, rows=rows, order=order, big=big, orientation=orientation)
    assert not once.notes
    assert flip(once.data).data == data


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (canon_page(moved=4), "focus points in the MakerNote of Canon"),
        (canon_page(notes=2), "a MakerNote that several directories share"),
    ],
)
def test_a_note_in_a_tiff_that_cannot_be_patched_in_its_place_is_named(data: bytes, named: str) -> None:
    result = flip(data)
    assert result.notes == (f"not mirrored: {named}",)
    assert canon("<", (-120, 7), (5, 30)) in result.data


def test_the_first_of_a_repeated_tag_counts() -> None:
    def noted(x: int) -> bytes:
        fields = ((0x1023, SHORT, 2, shorts("<", place, 10)) for place in (x, 20))
        return jpegs.exif_block(maker_note=b"FUJIFILM\x0c\0\0\0" + directory("<", 12, *fields))

    assert mirrored_fields(noted(20), ACROSS, refuse) == (noted(44), ())


def test_a_value_that_ends_behind_its_note_keeps_no_other_from_being_read() -> None:
    def noted(x: int) -> bytes:
        return block("FUJIFILM", (0x1023, SHORT, shorts("<", x, 10)), other=200)

    assert mirrored_fields(noted(20), ACROSS, refuse) == (noted(44), ())


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("make", ["Canon", "FUJIFILM", "Panasonic", "SONY", "OLYMPUS"])
def test_a_camera_whose_note_was_taken_out_leaves_nothing_to_mirror(make: str, order: str) -> None:
    name = make.encode() + b"\0\0\0\0\0"
    data = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    data += directory(order, 8, (0x010F, ASCII, len(name), name))
    assert mirrored_fields(data, ACROSS, refuse) == (data, ())


def test_focus_points_of_nikon_are_named() -> None:
    note = b"Nikon\0\2\x10\0\0" + b"MM\0*\0\0\0\x08" + directory(">", 8, (0xB7, UNDEFINED, 30, b"0100" + bytes(26)))
    data = jpegs.exif_block(maker_note=note)
    assert mirrored_fields(data, ACROSS, refuse) == (data, ("not mirrored: focus points in the MakerNote of Nikon",))


UNREAD = [
    (b"Nikon\0\2\x10\0\0MM\0*\0\0\0\x08", ">", 8, (0x88, UNDEFINED, 4, b"\0\3\0\x08"), "focus points", "Nikon"),
    (b"OLYMPUS\0II\3\0", "<", 12, (0x2020, 13, 1, b"\x90\1\0\0"), "focus points", "Olympus"),
    (b"EPSON\0\1\0", "<", 8, (0x2020, 13, 1, b"\x90\1\0\0"), "focus points", "Olympus"),
    (b"OM SYSTEM\0\0\0II\4\0", "<", 16, (0x2050, 13, 1, b"\x90\1\0\0"), "focus points", "Olympus"),
    (b"PENTAX \0MM", ">", 10, (0x0E, SHORT, 1, shorts(">", 3)), "focus points", "Pentax"),
    (b"PENTAX \0II", "<", 10, (0x60, UNDEFINED, 4, b"\1\0\x30\x30"), "faces", "Pentax"),
    (b"AOC\0MM", ">", 6, (0x0F, SHORT, 1, shorts(">", 5)), "focus points", "Pentax"),
    (b"RICOH\0II", "<", 8, (0x0E, SHORT, 1, shorts("<", 3)), "focus points", "Ricoh"),
    (b"Panasonic\0\0\0", "<", 12, (0x4E, SHORT, 1, shorts("<", 2)), "faces", "Panasonic"),
    (b"FUJIFILM\x0c\0\0\0", "<", 12, (0x4100, SHORT, 1, shorts("<", 1)), "faces", "Fujifilm"),
    (b"SONY DSC \0\0\0", "<", 12, (0x201E, 1, 1, b"\4"), "focus points", "Sony"),
    (b"SONY DSC \0\0\0", "<", 12, (0x202A, 1, 4, b"\1\2\x80\2"), "focus points", "Sony"),
    (b"VHAB     \0\0\0", "<", 12, (0x202A, 1, 4, b"\1\2\x80\2"), "focus points", "Sony"),
    (b"QVC\0\0\0", ">", 6, (0x2089, 7, 4, b"\1\2\x80\1"), "faces", "Casio"),
    (b"DCI\0\0\0", ">", 6, (0x2089, 7, 4, b"\2\1\1\0"), "faces", "Casio"),
    (b"RICOH\0MM", ">", 8, (0x0E, SHORT, 1, shorts(">", 3)), "focus points", "Ricoh"),
    *((b"RICOH\0\0\0", ">", 8, (it, LONG, 1, b"\0\0\2\x80"), "focus points", "Ricoh") for it in range(0x1201, 0x1205)),
    (b"Ricoh\0\0\0", ">", 8, (0x1203, LONG, 1, b"\0\0\2\x80"), "focus points", "Ricoh"),
    (b"SANYO\0\1\0", "<", 8, (0x0223, LONG, 1, struct.pack("<I", 2)), "faces", "Sanyo"),
    (b"LEICA\0\0\0", "<", 8, (0x4E, SHORT, 1, shorts("<", 2)), "faces", "Leica"),
    (b"LEICA CAMERA AG\0\0\0", "<", 18, (0x4E, SHORT, 1, shorts("<", 2)), "faces", "Leica"),
]


@pytest.mark.parametrize(("begins", "order", "at", "entry", "what", "maker"), UNREAD)
def test_what_is_not_read_is_named_where_it_says_anything(
    begins: bytes, order: str, at: int, entry: tuple[int, int, int, bytes], what: str, maker: str
) -> None:
    def notes(values: bytes) -> tuple[str, ...]:
        note = begins + directory(order, at, (*entry[:3], values))
        data = jpegs.exif_block(maker_note=note)
        unchanged, said = mirrored_fields(data, ACROSS, refuse)
        assert unchanged == data
        return said

    assert notes(entry[3]) == (f"not mirrored: {what} in the MakerNote of {maker}",)
    assert notes(bytes(len(entry[3]))) == ()


@pytest.mark.parametrize(
    ("begins", "at", "entry"),
    [
        (b"QVC\0\0\0", 6, (0x2089, 7, 4, b"\2\1\0\0")),  # the other layout, without faces
        (b"SANYO\0\1\0", 8, (0x0223, RATIONAL, 1, struct.pack("<2I", 30, 10))),  # a distance
    ],
)
def test_what_says_nothing_of_faces_is_not_named(begins: bytes, at: int, entry: tuple[int, int, int, bytes]) -> None:
    start = jpegs.exif_block(maker_note=begins).index(begins)
    data = jpegs.exif_block(maker_note=begins + directory("<", start + at, entry))
    assert mirrored_fields(data, ACROSS, refuse) == (data, ())


def test_a_note_of_pentax_that_stands_by_itself_is_read_too() -> None:
    preview = jpegs.encoded(jpegs.drawn(48, 32))
    note = b"PENTAX \0MM" + directory(">", 10, (0x0E, SHORT, 1, shorts(">", 3))) + preview + b"and more"
    once = flip(jpegs.with_segments(jpegs.encoded(jpegs.drawn(64, 48)), Segment(0xE7, note)))
    (mirrored,) = (it.payload for it in parse(once.data).segments if it.marker == 0xE7)
    start = note.index(preview)
    assert (mirrored[:start], mirrored[start + len(preview) :]) == (note[:start], b"and more")
    wanted = ImageOps.mirror(jpegs.decoded(preview))
    assert jpegs.decibels(jpegs.decoded(mirrored[start : start + len(preview)]), wanted) > 36
    assert once.notes == ("not mirrored: focus points in the MakerNote of Pentax",)


@needs("exiftool", "libimage-exiftool-perl")
@pytest.mark.parametrize(
    ("make", "tag", "kind", "values", "name", "wanted"),
    [
        ("Canon", 0x26, SHORT, canon("<", (-120, 7), (5, 30)), "AFAreaXPositions", "120 -7"),
        ("Canon", 0x12, SHORT, older_canon("<", FIVE, (5, 30, 0, 0, 0)), "AFAreaXPositions", "120 -7 0 -3 -9"),
        ("Canon", 0x01, SHORT, word(19, 0x3002), "Canon:AFPoint", 0x3004),
        ("Canon", 0x04, SHORT, word(14, 0x3003), "Canon:AFPointsInFocus", 0x3006),
        ("Canon", 0x13, SHORT, shorts("<", 20, 119, 0, 119), "ThumbnailImageValidArea", "40 139 0 119"),
        ("CASIO", 0x2021, SHORT, shorts("<", 100, 400, 50, 400), "AFPointPosition", "300 400 50 400"),
        ("FUJIFILM", 0x1023, SHORT, shorts("<", 20, 10), "FocusPixel", "44 10"),
        ("SONY", 0x2027, SHORT, shorts("<", 640, 480, 100, 50), "FocusLocation", "640 480 540 50"),
        ("Panasonic", 0x4D, RATIONAL, struct.pack("<4I", 1, 4, 3, 8), "AFPointPosition", "0.75 0.375"),
    ],
)
def test_exiftool_reads_where_the_camera_focused(
    tmp_path: Path, make: str, tag: int, kind: int, values: bytes, name: str, wanted: str | int
) -> None:
    exif = jpegs.exif_segment(block(make, (tag, kind, values)))
    once = flip(jpegs.with_segments(jpegs.encoded(jpegs.drawn(64, 48)), exif))
    assert read_by_exiftool(tmp_path / "a.jpg", once.data, name) == {name.removeprefix("Canon:"): wanted}


@needs("exiftool", "libimage-exiftool-perl")
def test_exiftool_reads_where_the_camera_focused_in_a_tiff(tmp_path: Path) -> None:
    once = flip(canon_page())
    assert read_by_exiftool(tmp_path / "a.tif", once.data, "AFAreaXPositions") == {"AFAreaXPositions": "120 -7"}
