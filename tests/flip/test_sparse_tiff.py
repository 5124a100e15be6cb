"""TIFFs that leave out strips or tiles: what is blank stays left out, and what was stored changes sides."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.flip.drawn_tiff import Drawn, Reader, Rows, Writer, segments, write
from trio_mirror import FlipError, flip

if TYPE_CHECKING:
    from typing import Any

NO_DATA = 42113


def sparse(image: Drawn, absent: set[int], order: str = "<", *, big: bool = False) -> bytes:
    """A file that leaves out these strips or tiles."""
    whole = write(image, order=order, big=big)
    tags = Reader(whole).directories()[0]
    stated = {}
    for tag in (324, 325) if image.tile else (273, 279):
        values = [0 if at in absent else value for at, value in enumerate(tags[tag])]
        stated[tag] = 4, struct.pack(f"{order}{len(values)}I", *values)
    return write(replace(image, tags={**image.tags, **stated}), order=order, big=big)


def rows_of(data: bytes, image: Drawn, blank: int = 0) -> tuple[Rows, set[int]]:
    """The pixels, and which strips or tiles are left out."""
    reader = Reader(data)
    tags: dict[int, tuple[Any, ...]] = reader.directories()[0]
    offsets, counts = (324, 325) if image.tile else (273, 279)
    absent = {at for at, start in enumerate(tags[offsets]) if not start}
    assert absent == {at for at, count in enumerate(tags[counts]) if not count}
    across, down = image.tile or (image.width, image.rows_per_strip or image.height)
    filler = replace(image, rows=[[(blank,) * image.samples] * across] * down, rows_per_strip=None, tile=None)
    [stored] = segments(filler, reader.order)
    reader.data = data + stored
    full = {
        **tags,
        offsets: tuple(start or len(data) for start in tags[offsets]),
        counts: tuple(count or len(stored) for count in tags[counts]),
    }
    return reader.rows(full, image), absent


@st.composite
def drawings(draw: st.DrawFn) -> tuple[Drawn, set[int]]:
    width, height = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    image = Drawn(
        rows=[[(1 + (7 * x + 3 * y) % 200,) for x in range(width)] for y in range(height)],
        compression=draw(st.sampled_from([1, 8, 32773])),
        tile=draw(st.sampled_from([None, (16, 16), (32, 16)])),
        rows_per_strip=draw(st.sampled_from([1, 5])),
        orientation=draw(st.sampled_from([None, 2, 6])),
    )
    pieces = len(segments(image, "<"))
    return image, draw(st.sets(st.integers(0, pieces - 1), max_size=pieces))


@settings(deadline=None, max_examples=100)
@given(drawn=drawings(), order=st.sampled_from("<>"), big=st.booleans())
def test_blank_parts_change_sides_and_back(drawn: tuple[Drawn, set[int]], order: str, *, big: bool) -> None:
    image, absent = drawn
    original = sparse(image, absent, order, big=big)
    before, _ = rows_of(original, image)
    once = flip(original).data
    after, still = rows_of(once, image)
    assert after == replace(image, rows=before).mirrored()
    if not image.tile and image.orientation != 6:
        assert still == absent
    again, _ = rows_of(flip(once).data, image)
    assert again == before


def test_a_file_that_leaves_all_out_stays_as_it_is() -> None:
    image = Drawn(rows=[[(5,)] * 20] * 20, compression=8, tile=(16, 16))
    data = sparse(image, {0, 1, 2, 3})
    assert flip(data).data == data


def test_whole_tiles_stay_left_out_where_they_then_lie() -> None:
    image = Drawn(rows=[[(1 + x,) for x in range(48)]] * 32, compression=8, tile=(16, 16))
    assert rows_of(flip(sparse(image, {0, 4})).data, image)[1] == {2, 4}


@pytest.mark.parametrize(
    ("bits", "sample_format", "text", "blank"),
    [(8, 1, b"7", 7), (16, 1, b"7.0", 7), (16, 2, b"-1", 0xFFFF), (32, 3, b"-9999", 0xC61C3C00), (8, 1, b"nan", 0)],
)
@pytest.mark.parametrize("order", "<>")
def test_what_gdal_names_as_no_data_fills_the_blank(
    bits: int, sample_format: int, text: bytes, blank: int, order: str
) -> None:
    image = Drawn(
        rows=[[(x + 20,) for x in range(20)]] * 5,
        bits=bits,
        sample_format=sample_format,
        tile=(16, 16),
        compression=8,
        tags={NO_DATA: (2, text + b"\0")},
    )
    data = sparse(image, {1}, order)
    after, absent = rows_of(flip(data).data, image)
    assert after == [[(blank,)] * 4 + [(35 - x,) for x in range(16)]] * 5
    assert absent == set()


@pytest.mark.usefixtures("library")
def test_absent_tiles_of_jpeg_are_left_out() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (32, 16), (200, 9, 9)).save(stream, "JPEG", subsampling=0)
    image = Drawn(rows=[[(0, 0, 0)] * 64] * 16, compression=7, photometric=6, tile=(32, 16))
    writer = Writer()
    start = len(writer.data)
    writer.data += stream.getvalue()
    offsets, counts = struct.pack("<2I", 0, start), struct.pack("<2I", 0, len(stream.getvalue()))
    tags = {324: (4, offsets), 325: (4, counts), 530: (3, struct.pack("<2H", 1, 1))}
    writer.add(replace(image, tags=tags))
    result = flip(bytes(writer.data))
    [after] = Reader(result.data).directories()
    assert (after[324][1], after[325][1]) == (0, 0)
    assert result.data[after[324][0] :][:2] == b"\xff\xd8"
    assert result.lossless


def test_a_small_file_that_claims_a_large_blank_picture_is_refused_where_it_would_be_held() -> None:
    size = (4, struct.pack("<I", 9_999))
    left_out = {273: (4, bytes(4)), 279: (4, bytes(4))}
    image = Drawn(rows=[[(1,)]], orientation=6, tags={256: size, 257: size, 278: size, **left_out})
    with pytest.raises(FlipError, match="more densely"):
        flip(write(image))
