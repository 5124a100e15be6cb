"""The stereo pair of a JPS is mirrored so that what was near is still near, or a note says that it is not."""

from __future__ import annotations

from itertools import chain

import pytest
from PIL import Image

from tests.flip.jpegs import decoded, drawn, encoded, with_segments
from trio_mirror import flip
from trio_mirror.flip.jpeg.jps import mirrored_descriptor
from trio_mirror.flip.jpeg.segments import Segment, parse
from trio_mirror.flip.positions import Mirror

WIDTH, HEIGHT = SIZE = 64, 48
APP3, APP4 = 0xE3, 0xE4
MONO, STEREO = 0, 1
INTERLEAVED, SIDE_BY_SIDE, OVER_UNDER, ANAGLYPH = 1, 2, 3, 4
LEFT_FIRST, HALF_WIDTH = 4, 2


def descriptor(flags: int, layout: int, media: int = STEREO) -> bytes:
    return b"_JPSJPS_\0\4\x07" + bytes((flags, layout, media)) + b"\0\5a pair"


def laid_out(layout: int, first: Image.Image, second: Image.Image) -> Image.Image:
    if layout == ANAGLYPH:
        return Image.merge("RGB", (first, second, second))
    if layout == INTERLEAVED:
        rows = ((view.crop((0, y, WIDTH, y + 1)).tobytes() for view in (first, second)) for y in range(HEIGHT))
        return Image.frombytes("L", (WIDTH, 2 * HEIGHT), b"".join(chain.from_iterable(rows)))
    picture = Image.new("L", (2 * WIDTH, HEIGHT) if layout == SIDE_BY_SIDE else (WIDTH, 2 * HEIGHT))
    picture.paste(first, (0, 0))
    picture.paste(second, (WIDTH, 0) if layout == SIDE_BY_SIDE else (0, HEIGHT))
    return picture


def views(layout: int, picture: Image.Image) -> list[Image.Image]:
    if layout == ANAGLYPH:
        return [picture.getchannel("R"), picture.getchannel("G")]
    if layout == INTERLEAVED:
        rows = [picture.crop((0, y, WIDTH, y + 1)).tobytes() for y in range(2 * HEIGHT)]
        return [Image.frombytes("L", SIZE, b"".join(rows[first::2])) for first in (0, 1)]
    second = (WIDTH, 0) if layout == SIDE_BY_SIDE else (0, HEIGHT)
    return [picture.crop((x, y, x + WIDTH, y + HEIGHT)) for x, y in ((0, 0), second)]


def seen(data: bytes) -> list[int]:
    """Where the left and the right eye see what the picture shows, in pixels from the left."""
    (payload,) = (it.payload for it in parse(data).segments if it.marker == APP3)
    flags, layout = payload[11:13]
    found = [
        (view.point(lambda value: 255 * (value > 127)).getbbox() or [-1])[0] for view in views(layout, decoded(data))
    ]
    return found if flags & LEFT_FIRST else found[::-1]


@pytest.mark.parametrize("layout", [INTERLEAVED, SIDE_BY_SIDE, OVER_UNDER, ANAGLYPH])
@pytest.mark.parametrize("flags", [0, LEFT_FIRST | HALF_WIDTH])
def test_what_is_near_in_the_pair_stays_near(layout: int, flags: int) -> None:
    # A left eye sees what is near further to the right than a right eye does.
    left, right = (Image.new("L", SIZE) for _ in range(2))
    left.paste(255, (40, 16, 48, 24))
    right.paste(255, (32, 16, 40, 24))
    order = (left, right) if flags & LEFT_FIRST else (right, left)
    pair = encoded(laid_out(layout, *order), quality=100, subsampling=0)
    before = with_segments(pair, Segment(APP3, descriptor(flags, layout)))
    assert seen(before) == [40, 32]
    once = flip(before)
    assert (seen(once.data), once.notes) == ([WIDTH - 40, WIDTH - 48], ())
    twice = flip(once.data).data
    assert seen(twice) == [40, 32]
    assert Segment(APP3, descriptor(flags, layout)) in parse(twice).segments


@pytest.mark.parametrize("layout", [INTERLEAVED, SIDE_BY_SIDE, OVER_UNDER, ANAGLYPH])
def test_views_side_by_side_keep_their_eyes_where_rows_are_reversed(layout: int) -> None:
    flags = LEFT_FIRST if layout in {INTERLEAVED, OVER_UNDER} else 0
    mirrored = mirrored_descriptor(descriptor(LEFT_FIRST, layout), Mirror(*SIZE, rows=True))
    assert mirrored == (descriptor(flags, layout), ())


@pytest.mark.parametrize(("eye", "other"), [(0, 0), (1, 2), (2, 1)])
def test_the_view_of_one_eye_becomes_that_of_the_other(eye: int, other: int) -> None:
    assert mirrored_descriptor(descriptor(0, eye, MONO), Mirror(*SIZE)) == (descriptor(0, other, MONO), ())


@pytest.mark.parametrize(
    ("segment", "named"),
    [
        (Segment(APP3, descriptor(LEFT_FIRST, 9)), "the order of stereo views in an unknown layout"),
        (Segment(APP3, descriptor(LEFT_FIRST, 2, 7)), "the order of stereo views in an unknown layout"),
        (Segment(APP3, b"_JPSJPS_\0\4"), "a damaged description of stereo views"),
        (Segment(APP3, b"Stim\0II*\0\x08\0\0\0"), "the description of stereo views (CIPA DC-006)"),
        (Segment(APP4, b"SCALADO\0SPMO"), "Scalado's index of the coded picture"),
    ],
)
def test_what_is_not_read_is_named_and_left_as_it_was(segment: Segment, named: str) -> None:
    flipped = flip(with_segments(encoded(drawn(*SIZE)), segment))
    assert segment in parse(flipped.data).segments
    assert flipped.notes == (f"not mirrored: {named}",)
