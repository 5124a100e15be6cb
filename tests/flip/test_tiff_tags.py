"""What a TIFF says of places in its images is true of the mirrored images, or a note names it."""

from __future__ import annotations

import io
import re
import struct
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageOps

from tests.flip import jpegs
from tests.flip.drawn_tiff import RATIONAL, Drawn, Reader, Writer, rows_of, write
from tests.flip.jpegs import photoshop_resource
from tests.flip.xmp_packets import packet, structure
from trio_mirror import flip

if TYPE_CHECKING:
    from trio_mirror.model import Flipped

WIDTH, HEIGHT = 64, 48
PAGE = Drawn(rows=[[(x + y,) for x in range(WIDTH)] for y in range(HEIGHT)])
X, Y = 0, 1


def with_tags(tags: dict[int, tuple[int, bytes]], orientation: int | None = None) -> Drawn:
    return replace(PAGE, tags=tags, orientation=orientation)


def flipped(tags: dict[int, tuple[int, bytes]], orientation: int | None = None, *, order: str = "<") -> Flipped:
    return flip(write(with_tags(tags, orientation), order=order))


def shown(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")


def value(data: bytes, tag: int) -> bytes:
    return bytes(Reader(data).directories()[0][tag])


# --- the reduced images of SubIFDs


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("own", [None, 1, 8])
def test_a_reduced_image_without_an_orientation_is_mirrored_like_its_page(own: int | None, *, big: bool) -> None:
    level = Drawn(rows=[[(1,), (2,), (3,)], [(4,), (5,), (6,)]], orientation=own)
    page = replace(PAGE, orientation=6, below=(level,))
    result = flip(write(page, big=big))
    reader = Reader(result.data)
    [tags] = reader.directories()
    upright = level.rows[::-1] if own != 1 else [row[::-1] for row in level.rows]
    assert reader.rows(reader.directory(tags[330][0])[0], level) == upright
    assert any("states no orientation" in note for note in result.notes) == (own is None)


# --- cloud-optimized GeoTIFF

GHOST = (
    "LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\n"
    "BLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n "
)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("big", [False, True])
def test_a_cloud_optimized_file_is_marked_as_edited(order: str, *, big: bool) -> None:
    writer = Writer(order, big=big)
    writer.data += f"GDAL_STRUCTURAL_METADATA_SIZE={len(GHOST):06} bytes\n{GHOST}".encode()
    writer.add(PAGE)
    result = flip(bytes(writer.data))
    assert result.data[: len(writer.data)].count(b"KNOWN_INCOMPATIBLE_EDITION=YES\n") == 1
    assert b"EDITION=NO" not in result.data
    assert "cloud-optimized" in result.notes[0]
    assert flip(result.data).data == writer.data.replace(b"EDITION=NO\n ", b"EDITION=YES\n")


# --- the page that an image was cut from


def rational(number: Fraction, order: str = "<") -> tuple[int, bytes]:
    return RATIONAL, struct.pack(f"{order}2I", number.numerator, number.denominator)


@settings(deadline=None, max_examples=100)
@given(
    left=st.integers(0, 100),
    margin=st.integers(0, 100),
    dots=st.fractions(1, 3000, max_denominator=100),
    orientation=st.sampled_from([None, 2, 6]),
    order=st.sampled_from("<>"),
)
def test_an_image_keeps_its_distance_from_the_edge_of_its_page(
    left: int, margin: int, dots: Fraction, orientation: int | None, order: str
) -> None:
    axis = Y if orientation == 6 else X
    full = left + (WIDTH, HEIGHT)[axis] + margin
    tags = {
        282 + axis: rational(dots, order),
        286 + axis: rational(left / dots, order),
        33300 + axis: (4, struct.pack(f"{order}I", full)),
    }
    once = flipped(tags, orientation, order=order)
    assert Reader(once.data).directories()[0][286 + axis] == (margin / dots,)
    assert not once.notes
    assert Reader(flip(once.data).data).directories()[0][286 + axis] == (left / dots,)


def test_a_place_on_a_page_of_unknown_size_is_named() -> None:
    inches = {282: rational(Fraction(72)), 286: rational(Fraction(1, 8))}
    assert "page of unknown size" in flipped(inches).notes[0]
    assert not flipped({**inches, 286: rational(Fraction(0))}).notes
    assert "unusual form" in flipped({**inches, 286: (12, struct.pack("<d", 0.125))}).notes[0]
    assert not flipped({**inches, 286: (12, bytes(8))}).notes
    assert "not on its page" in flipped({**inches, 33300: (4, struct.pack("<I", WIDTH + 2))}).notes[0]


# --- ImageJ's regions


def roi(kind: int, box: tuple[int, int, int, int], tail: bytes = b"", **fields: int | tuple[float, ...]) -> bytes:
    """A region with its box: top, left, bottom, right."""
    number, floats = fields.get("number", 0), fields.get("floats", (0.0,) * 4)
    assert isinstance(floats, tuple)
    head = b"Iout" + struct.pack(">HBx4hH4f", 228, kind, *box, number, *floats)
    head += struct.pack(">HiiiHH", 1, fields.get("shape", 0), 0, 0, fields.get("subtype", 0), fields.get("options", 0))
    return head.ljust(64, b"\0") + tail


def imagej(*rois: bytes, order: str = "<") -> dict[int, tuple[int, bytes]]:
    info = "name=test\n".encode("utf-16-be")
    counts = [4 + 2 * 8, len(info), *map(len, rois)]
    contents = struct.pack(f"{order}5I", 0x494A494A, 0x696E666F, 1, 0x6F766572, len(rois))
    return {
        50838: (4, struct.pack(f"{order}{len(counts)}I", *counts)),
        50839: (1, contents + info + b"".join(rois)),
    }


def regions(data: bytes) -> list[bytes]:
    return [b"Iout" + part for part in value(data, 50839).split(b"Iout")[1:]]


TRIANGLE = struct.pack(">6h", 0, 4, 9, 0, 7, 2)
KINDS = {
    "rectangle": (roi(1, (5, 7, 9, 18)), roi(1, (5, 46, 9, 57)), roi(1, (39, 7, 43, 18))),
    "half pixels": (
        roi(1, (5, 7, 10, 18), options=128, floats=(7.25, 5.5, 10.5, 4.0)),
        roi(1, (5, 46, 10, 57), options=128, floats=(64 - 17.75, 5.5, 10.5, 4.0)),
        roi(1, (38, 7, 43, 18), options=128, floats=(7.25, 48 - 9.5, 10.5, 4.0)),
    ),
    "polygon": (
        roi(0, (5, 7, 12, 16), TRIANGLE, number=3),
        roi(0, (5, 48, 12, 57), struct.pack(">6h", 9, 5, 0, 0, 7, 2), number=3),
        roi(0, (36, 7, 43, 16), struct.pack(">6h", 0, 4, 9, 7, 0, 5), number=3),
    ),
    "points": (
        roi(10, (5, 7, 6, 8), struct.pack(">2h", 0, 0), number=1),
        roi(10, (5, 56, 6, 57), struct.pack(">2h", 0, 0), number=1),
        roi(10, (42, 7, 43, 8), struct.pack(">2h", 0, 0), number=1),
    ),
    "line of half pixels": (
        roi(5, (5, 7, 6, 9), struct.pack(">4h4f", 0, 2, 0, 1, 7.5, 9.5, 5, 6), number=2, options=128),
        roi(5, (5, 54, 6, 56), struct.pack(">4h4f", 2, 0, 0, 1, 55.5, 53.5, 5, 6), number=2, options=128),
        roi(5, (41, 7, 42, 9), struct.pack(">4h4f", 0, 2, 1, 0, 7.5, 9.5, 42, 41), number=2, options=128),
    ),
    "arrow": (
        roi(3, (5, 7, 9, 18), subtype=2, floats=(7.0, 5.0, 18.0, 9.0)),
        roi(3, (5, 45, 9, 56), subtype=2, floats=(56.0, 5.0, 45.0, 9.0)),
        roi(3, (38, 7, 42, 18), subtype=2, floats=(7.0, 42.0, 18.0, 38.0)),
    ),
    "composite": (
        roi(1, (5, 7, 9, 18), struct.pack(">3f5f1f", 0, 7, 5, 2, 8, 6, 18, 9, 4), shape=9),
        roi(1, (5, 46, 9, 57), struct.pack(">3f5f1f", 0, 57, 5, 2, 56, 6, 46, 9, 4), shape=9),
        roi(1, (39, 7, 43, 18), struct.pack(">3f5f1f", 0, 7, 43, 2, 8, 42, 18, 39, 4), shape=9),
    ),
}


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", KINDS)
def test_the_regions_of_imagej_move_with_what_they_mark(kind: str, order: str) -> None:
    before, sideways, upended = KINDS[kind]
    tags = imagej(before, KINDS["rectangle"][0], order=order)
    once = flipped(tags, order=order)
    assert regions(once.data) == [sideways, KINDS["rectangle"][1]]
    assert regions(flipped(tags, 7, order=order).data)[0] == upended
    assert flip(once.data).data == write(with_tags(tags), order=order)
    assert not once.notes


def test_what_cannot_be_mirrored_of_imagej_s_regions_is_named() -> None:
    tags = imagej(roi(1, (5, 7, 9, 18), b"a picture", subtype=4))
    assert "picture among ImageJ's regions" in flipped(tags).notes[0]
    cut = {**tags, 50838: (4, struct.pack("<3I", 20, 20, 30))}
    result = flipped(cut)
    assert "cannot be read" in result.notes[0]
    assert value(result.data, 50839) == tags[50839][1]
    assert "cannot be read" in flipped({50839: tags[50839]}).notes[0]


# --- OME's regions


def ome(shapes: str, size: int = WIDTH) -> dict[int, tuple[int, bytes]]:
    text = (
        f'<?xml version="1.0"?><OME><Image><Pixels SizeX="{size}" SizeY="{HEIGHT}"/></Image><ROI>{shapes}</ROI></OME>\0'
    )
    return {270: (2, text.encode())}


@pytest.mark.parametrize(
    ("shape", "sideways", "upended"),
    [
        ('<Rectangle X="7" Y="5" Width="11" Height="4"/>', 'X="46" Y="5"', 'X="7" Y="39"'),
        ("<ROI:Rectangle Width='1.5' Height='4' X='7.25' Y='5'/>", "X='55.25' Y='5'", "X='7.25' Y='39'"),
        ('<Ellipse X="7" Y="5" RadiusX="3" RadiusY="2"/>', 'X="57" Y="5"', 'X="7" Y="43"'),
        ('<Line X1="1" Y1="2" X2="3" Y2="4"/>', 'X1="63" Y1="2" X2="61" Y2="4"', 'X1="1" Y1="46" X2="3" Y2="44"'),
        ('<Text X="7.5" Y="5" Transform="none"/>', 'X="56.5" Y="5"', 'X="7.5" Y="43"'),
        ('<Point TheZ="0" X="7.5" Y="5"/>', 'X="56.5" Y="5"', 'X="7.5" Y="43"'),
        ('<Polygon Points="1,2 3,4.5"/>', 'Points="63,2 61,4.5"', 'Points="1,46 3,43.5"'),
    ],
)
def test_the_shapes_of_ome_move_with_what_they_mark(shape: str, sideways: str, upended: str) -> None:
    once = flipped(ome(shape))
    assert sideways.encode() in value(once.data, 270)
    assert upended.encode() in value(flipped(ome(shape), 5).data, 270)
    assert value(flip(once.data).data, 270) == ome(shape)[270][1]
    assert not once.notes


@pytest.mark.parametrize(
    "tags",
    [
        ome('<Mask X="1" Y="2" Width="8" Height="8"><BinData>AA==</BinData></Mask>'),
        ome('<Point X="1" Y="2"><Transform A00="1" A10="0" A01="0" A11="1" A02="3" A12="4"/></Point>'),
        ome('<Point X="1" Y="2" Transform="[1 0 0 1 3 4]"/>'),
        ome('<Path Definition="M 1 2 L 3 4"/>'),
        ome('<Point X="1" Y="2"/>', size=640),
        ome('<Point X="1-" Y="2"/>'),
    ],
)
def test_shapes_of_ome_that_cannot_be_mirrored_are_named(tags: dict[int, tuple[int, bytes]]) -> None:
    assert "OME" in flipped(tags).notes[0]


# --- what stands in directories and packets of their own


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(("orientation", "moved"), [(None, (51, 10)), (8, (12, 37))])
def test_the_subject_in_the_exif_directory_of_any_page_moves(
    orientation: int | None, moved: tuple[int, int], order: str, *, big: bool
) -> None:
    writer = Writer(order, big=big)
    area, place = struct.pack(f"{order}4H", 12, 10, 11, 9), struct.pack(f"{order}2I", 12, 10)
    fields = {37396: (3, area), 41492: (4, place), 37500: (7, b"a maker's own notes")}
    exif = writer.directory(fields, chained=False)
    page = with_tags({34665: (4, struct.pack(f"{order}I", exif))}, orientation)
    writer.add(PAGE)
    writer.add(page)
    once = flip(bytes(writer.data)).data
    found, _ = Reader(once).directory(exif)
    assert (found[37396], found[41492]) == ((*moved, 11, 9), moved)
    assert flip(once).data == writer.data


def test_a_preview_in_a_maker_s_own_notes_is_mirrored_where_it_stands() -> None:
    small = jpegs.encoded(jpegs.drawn(32, 16))
    writer = Writer()
    exif = writer.directory({37500: (7, b"TEST\0" + small + b"and more")}, chained=False)
    writer.add(with_tags({34665: (4, struct.pack("<I", exif))}))
    once = flip(bytes(writer.data))
    note = bytes(Reader(once.data).directory(exif)[0][37500])
    assert (note[:5], note[5 + len(small) :]) == (b"TEST\0", b"and more")
    assert jpegs.decibels(shown(note[5 : 5 + len(small)]), ImageOps.mirror(shown(small))) > 40
    assert not once.notes


def test_a_subject_outside_of_the_image_stays_and_is_named() -> None:
    tags = {37396: (3, struct.pack("<2H", 640, 10))}
    result = flipped(tags)
    assert result.data == write(replace(with_tags(tags), rows=PAGE.mirrored()))
    assert "SubjectArea" in result.notes[0]


def test_a_value_that_pages_share_stays_for_the_page_that_it_is_not_true_of() -> None:
    subject = struct.pack("<4H", 12, 10, 11, 9)
    data = write(with_tags({37396: (3, subject)}), Drawn(rows=[[(1,)] * 4], tags={37396: (3, subject)}))
    first, second = (found.start() for found in re.finditer(re.escape(subject), data))
    link = data.rindex(struct.pack("<I", second))
    once = flip(data[:link] + struct.pack("<I", first) + data[link + 4 :])
    assert [page[37396] for page in Reader(once.data).directories()] == [(51, 10, 11, 9), (12, 10, 11, 9)]


def test_the_regions_of_an_xmp_packet_move() -> None:
    area = {"x": "0.25", "y": "0.5", "w": "0.1", "h": "0.1", "unit": "normalized"}
    xmp = packet(structure("http://ns.adobe.com/xmp/sType/Area#", "a", area))
    once = flipped({700: (1, xmp)})
    assert value(once.data, 700) == xmp.replace(b"0.25", b"0.75")
    assert flip(once.data).data == write(with_tags({700: (1, xmp)}))


@pytest.mark.usefixtures("library")
def test_the_guides_of_photoshop_move_and_its_thumbnail_is_mirrored() -> None:
    guides = photoshop_resource(1032, struct.pack(">IIIIIB", 1, 0, 0, 1, 18 * 32, 0))
    small = jpegs.encoded(jpegs.drawn(32, 16))
    thumbnail = photoshop_resource(1036, jpegs.photoshop_thumbnail(small, 32, 16))
    once = value(flipped({34377: (1, guides + thumbnail)}).data, 34377)
    assert once.startswith(guides.replace(struct.pack(">I", 18 * 32) + b"\0", struct.pack(">I", 46 * 32) + b"\0"))
    mirrored = once[once.index(b"\xff\xd8") :]
    difference = ImageChops.difference(shown(mirrored), ImageOps.mirror(shown(small)))
    assert max(difference.tobytes()) <= 2  # decoders round chroma by its place


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("big", [False, True])
def test_content_credentials_are_taken_out_unless_they_are_to_be_kept(order: str, *, big: bool) -> None:
    tags = {52545: (7, b"jumb: c2pa manifest"), 65000: (7, b"and what follows it")}
    data = write(with_tags(tags), PAGE, order=order, big=big)
    result = flip(data)
    assert b"c2pa" not in result.data
    assert result.notes == ("content credentials taken out: a C2PA manifest",)
    first, second = Reader(result.data).directories()
    assert 52545 not in first
    assert bytes(first[65000]) == tags[65000][1]
    assert Reader(result.data).rows(second, PAGE) == PAGE.mirrored()
    kept = flip(data, keep_credentials=True)
    assert value(kept.data, 52545) == tags[52545][1]
    assert "no longer hold" in kept.notes[0]


# --- the rest


@pytest.mark.parametrize(
    ("tag", "octets", "named"),
    [
        (343, bytes(12), "clipping path"),
        (0x4748, bytes(28), "Microsoft's panorama"),
        (32932, bytes(12), "annotations"),
        (33723, b"\x1c\2\xca\0\4JPEG", "preview in IPTC"),
        (37724, bytes(12), "layers"),
        (42112, b'<GDALMetadata><Item name="SAMP_OFF" domain="RPC">5</Item></GDALMetadata>', "GDAL"),
        (42112, b'<GDALMetadata><Item name="NITF_IGEOLO">5</Item></GDALMetadata>', "GDAL"),
    ],
)
def test_what_is_left_as_it_was_is_named(tag: int, octets: bytes, named: str) -> None:
    result = flipped({tag: (1, octets)})
    assert re.match(f"not mirrored: .*{named}", result.notes[0])
    assert value(result.data, tag) == octets


def test_what_describes_the_scene_stays_without_a_note() -> None:
    tags = {
        270: (2, b'<OME><Plane PositionX="7"/></OME>\0'),
        42112: (2, b'<GDALMetadata><Item name="AREA_OR_POINT">Area</Item></GDALMetadata>\0'),
        42113: (2, b"-9999\0"),
    }
    once = flipped(tags)
    assert once.data == write(replace(with_tags(tags), rows=PAGE.mirrored()))
    assert not once.notes
    assert rows_of(once.data, PAGE) == [PAGE.mirrored()]
