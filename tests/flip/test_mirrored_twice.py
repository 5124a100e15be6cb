"""Each place that a file states moves with its raster, and has its first value again once that is mirrored twice.

`test_positions` holds the same of each property of XMP, `test_georeference` of matrices and polynomials.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.flip import jpegs
from tests.flip.drawn_tiff import RATIONAL, write
from tests.flip.slow_png import chunk
from tests.flip.test_gif_extensions import plain_text, with_extensions
from tests.flip.test_maker_note import SHORT, block, canon, older_canon, shorts
from tests.flip.test_png_surroundings import nine_patch, picture
from tests.flip.test_positions import subject
from tests.flip.test_small_formats import icon, icon_image
from tests.flip.test_tiff_tags import PAGE, imagej, ome, roi
from trio_mirror import flip
from trio_mirror.flip.jpeg.segments import Segment

File = Callable[[bytes, int], bytes]
"""The bytes of a field and an orientation -> a file with both."""
GREY = jpegs.encoded(jpegs.drawn(64, 48, "L"))
CURSOR = icon(icon_image(8), kind=2)


def jpeg(segment: Callable[[bytes], Segment]) -> File:
    def file(field: bytes, orientation: int) -> bytes:
        turned = jpegs.exif_segment(jpegs.exif_block(orientation=orientation))
        return jpegs.with_segments(GREY, turned, segment(field))

    return file


def tiff(tags: Callable[[bytes], dict[int, tuple[int, bytes]]]) -> File:
    return lambda field, orientation: write(replace(PAGE, orientation=orientation, tags=tags(field)))


def png(*others: tuple[bytes, bytes]) -> File:
    """The field is a whole chunk; these stand before it."""
    return lambda field, orientation: picture(*others, (field[4:8], field[8:-4]), sideways=orientation == 6)


class Law(NamedTuple):
    """A field that states a place; x and its mirrored value add up to the same number, and so do those of y."""

    file: File
    field: Callable[[int, int], bytes]
    of_x: int
    of_y: int
    least: int = 0
    turns: bool = True
    """Whether the format states an orientation; without one, y never changes."""


exif = jpeg(jpegs.exif_segment)
photoshop = jpeg(lambda field: Segment(jpegs.APP13, b"Photoshop 3.0\0" + field))
ONE = 1 << 24


def path(x: int, y: int) -> bytes:
    return jpegs.photoshop_resource(2000, struct.pack(">HHH20x", 0, 1, 0) + struct.pack(">H6i", 1, *[y, x] * 3))


def guides(x: int, y: int) -> bytes:
    return jpegs.photoshop_resource(1032, struct.pack(">4IiBiB", 1, 576, 576, 2, x, 0, y, 1))


def slices(x: int, y: int) -> bytes:
    edges = zip((b"Top ", b"Left", b"Btom", b"Rght"), (y, x, y + 6, x + 10), strict=True)
    rectangle = b"".join(bytes(4) + name + b"long" + struct.pack(">i", edge) for name, edge in edges)
    return jpegs.photoshop_resource(1050, struct.pack(">I", 7) + rectangle)


def doubles(*numbers: float) -> bytes:
    return struct.pack(f"<{len(numbers)}d", *numbers)


def page(field: bytes) -> dict[int, tuple[int, bytes]]:
    """An image's place on a page of 100 by 90 pixels, of one to an inch."""
    inch = RATIONAL, struct.pack("<2I", 1, 1)
    place = {286: (RATIONAL, field[:8]), 287: (RATIONAL, field[8:])}
    return {282: inch, 283: inch, **place, 33300: (1, b"d"), 33301: (1, b"Z")}


LAWS = {
    "EXIF SubjectArea": Law(exif, lambda x, y: subject("<", [x, y, 11, 7]), 63, 47),
    "EXIF SubjectLocation": Law(exif, lambda x, y: subject(">", [x, y], 0xA214)[:-4], 63, 47),
    "Canon's areas of focus": Law(
        exif, lambda x, y: block("Canon", (0x26, SHORT, canon("<", (x, -x), (y, -y)))), 0, 0, -9
    ),
    "an older Canon's areas of focus": Law(
        exif, lambda x, y: block("Canon", (0x12, SHORT, older_canon(">", (x, -x), (y, -y))), order=">"), 0, 0, -9
    ),
    "Fujifilm's focus": Law(exif, lambda x, y: block("FUJIFILM", (0x1023, SHORT, shorts("<", x, y))), 64, 48),
    "Panasonic's focus": Law(
        exif, lambda x, y: block("Panasonic", (0x4D, RATIONAL, struct.pack("<4I", x, 64, y, 64))), 64, 64
    ),
    "Sony's focus": Law(exif, lambda x, y: block("SONY", (0x2027, SHORT, shorts("<", 640, 480, x, y))), 640, 480),
    "the thumbnail of Canon": Law(
        exif, lambda x, y: block("Canon", (0x13, SHORT, shorts("<", x, x + 99, y, y + 79))), 60, 40
    ),
    "Photoshop's paths": Law(photoshop, path, ONE, ONE),
    "Photoshop's guides": Law(photoshop, guides, 64 * 32, 48 * 32),
    "Photoshop's slices": Law(photoshop, slices, 54, 42),
    "Photoshop's EXIF": Law(
        photoshop, lambda x, y: jpegs.photoshop_resource(1058, subject("<", [x, y, 11, 7])), 63, 47
    ),
    "GeoTIFF tie points": Law(
        tiff(lambda field: {33922: (12, field)}), lambda x, y: doubles(x, y, 0, 7, 8, 9, x, y, 5, 1, 2, 3), 64, 48
    ),
    "the offset of an RPC": Law(
        tiff(lambda field: {50844: (12, field)}), lambda x, y: doubles(1, 2, y, x, 5, *[0.0] * 87), 63, 47
    ),
    "XPosition": Law(tiff(page), lambda x, y: struct.pack("<4I", x, 1, y, 1), 36, 42),
    "SubjectArea of a TIFF": Law(
        tiff(lambda field: {37396: (SHORT, field)}), lambda x, y: struct.pack("<4H", x, y, 11, 7), 63, 47
    ),
    "ImageJ's regions": Law(tiff(imagej), lambda x, y: roi(1, (y, x, y + 4, x + 11)), 53, 44),
    "OME's regions": Law(
        tiff(lambda field: ome(field.decode())),
        lambda x, y: f'<Rectangle X="{x}" Y="{y}" Width="11" Height="4"/>'.encode(),
        53,
        44,
    ),
    "PNG oFFs": Law(
        png((b"vpAg", struct.pack(">2IB", 100, 80, 0))),
        lambda x, y: chunk(b"oFFs", struct.pack(">2iB", x, y, 0)),
        60,
        56,
        -9,
    ),
    "PNG caNv": Law(png(), lambda x, y: chunk(b"caNv", struct.pack(">2I2i", 100, 80, x, y)), 60, 56, -9),
    "PNG grAb": Law(png(), lambda x, y: chunk(b"grAb", struct.pack(">2i", x, y)), 40, 24, -9),
    "PNG npLb": Law(png(), lambda x, y: chunk(b"npLb", struct.pack(">4i", x, y, 20 - x, 9 - y)), 20, 9),
    "PNG npTc": Law(
        png(),
        lambda x, y: chunk(b"npTc", nine_patch([x, x + 10], [y, y + 6], (x, 30 - x, y, 18 - y), [])),
        30,
        18,
    ),
    "GIF plain text": Law(lambda field, _: with_extensions(field), lambda x, _: plain_text(x), 14, 0, turns=False),
    "the hot spot of a cursor": Law(
        lambda field, _: field + CURSOR[14:], lambda x, y: CURSOR[:10] + struct.pack("<2H", x, y), 8, 3, turns=False
    ),
}


@pytest.mark.parametrize("name", LAWS)
@settings(deadline=None, max_examples=20)
@given(st.data())
def test_a_place_moves_with_the_raster_and_is_where_it_was_once_mirrored_twice(name: str, data: st.DataObject) -> None:
    law = LAWS[name]
    turned = law.turns and data.draw(st.booleans())
    x, y = (data.draw(st.integers(law.least, whole - law.least)) for whole in (law.of_x, law.of_y))
    before = law.file(law.field(x, y), 6 if turned else 1)
    assert law.field(x, y) in before
    once = flip(before).data
    assert law.field(*((x, law.of_y - y) if turned else (law.of_x - x, y))) in once
    assert law.field(x, y) in flip(once).data
