from __future__ import annotations

import dataclasses
import io
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from tests.flip.slow_gif import Frame, Indices, blocks, draw, draw_frame, encode, extension, parse
from trio_mirror.errors import FlipError
from trio_mirror.flip import gif
from trio_mirror.model import Limits

CANVAS = (24, 20)


@st.composite
def drawn_frames(draw_from: st.DrawFn) -> Frame:
    """A frame anywhere on the canvas."""
    width, height = draw_from(st.integers(1, CANVAS[0])), draw_from(st.integers(1, CANVAS[1]))
    bits = draw_from(st.integers(2, 8))
    transparent = draw_from(st.none() | st.integers(0, (1 << bits) - 1))
    return Frame(
        indices_of(width, height, bits, draw_from(st.integers(0, 1 << 32))),
        left=draw_from(st.integers(0, CANVAS[0] - width)),
        top=draw_from(st.integers(0, CANVAS[1] - height)),
        bits=bits,
        interlaced=draw_from(st.booleans()),
        control=(draw_from(st.integers(0, 3)), draw_from(st.integers(0, 500)), transparent),
        palette=draw_from(st.sampled_from([b"", bytes(range(256)) * 3])),
    )


def indices_of(width: int, height: int, bits: int = 8, seed: int = 0) -> Indices:
    source = random.Random(seed)
    return [[source.getrandbits(bits) for _ in range(width)] for _ in range(height)]


def flip(data: bytes) -> bytes:
    return gif.flip(data, limits=Limits()).data


def mirrored_frame(frame: Frame, width: int = CANVAS[0]) -> Frame:
    """What a parsed frame is to become."""
    rows = [row[::-1] for row in frame.indices]
    return dataclasses.replace(frame, indices=rows, left=width - frame.left - len(rows[0]))


def shown(data: bytes) -> list[Image.Image]:
    image = Image.open(io.BytesIO(data))
    frames = []
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        frames.append(image.convert("RGBA"))
    return frames


def assert_mirrored(original: bytes, mirrored: bytes) -> None:
    before, after = shown(original), shown(mirrored)
    assert [frame.size for frame in before] == [frame.size for frame in after]
    assert [ImageOps.mirror(frame).tobytes() for frame in before] == [frame.tobytes() for frame in after]


@settings(deadline=None, max_examples=100)
@given(st.lists(drawn_frames(), min_size=1, max_size=4))
def test_indices_and_places_are_mirrored_and_nothing_else_changes(frames: list[Frame]) -> None:
    original = draw(*CANVAS, *frames) + b"trailing bytes"
    mirrored = flip(original)
    before, after = parse(original), parse(mirrored)
    assert after.frames == [mirrored_frame(frame) for frame in before.frames]
    assert after.rest == before.rest


@settings(deadline=None, max_examples=50)
@given(st.lists(drawn_frames(), min_size=1, max_size=3))
def test_mirrored_twice_the_frames_are_the_original_s(frames: list[Frame]) -> None:
    original = draw(*CANVAS, *frames)
    assert parse(flip(flip(original))) == parse(original)


@settings(deadline=None, max_examples=100)
@given(st.lists(drawn_frames(), min_size=1, max_size=4))
def test_an_animation_is_mirrored_as_displayed(frames: list[Frame]) -> None:
    whole = Frame(indices_of(*CANVAS), control=(1, 10, None))
    original = draw(*CANVAS, whole, *frames)
    assert_mirrored(original, flip(original))


@settings(deadline=None, max_examples=100)
@given(st.lists(drawn_frames(), min_size=1, max_size=2), st.data())
def test_a_damaged_file_is_a_picture_or_a_flip_error(frames: list[Frame], data: st.DataObject) -> None:
    damaged = bytearray(draw(*CANVAS, *frames, palette=bytes(768)))
    # Most of the file is colour table, where no damage shows.
    at = data.draw(st.integers(6, 13) | st.integers(13 + 768, len(damaged) - 1))
    if data.draw(st.booleans()):
        del damaged[at:]
    else:
        damaged[at] ^= data.draw(st.integers(1, 255))
    limits = Limits(frame_pixels=10_000_000)
    try:
        mirrored = gif.flip(bytes(damaged), limits=limits).data
    except FlipError:
        return
    Image.open(io.BytesIO(mirrored)).load()


def test_a_photo_stays_near_its_size() -> None:
    stream = io.BytesIO()
    Image.radial_gradient("L").resize((400, 300)).save(stream, "GIF")
    mirrored = flip(stream.getvalue())
    assert len(mirrored) < 1.1 * len(stream.getvalue())
    assert_mirrored(stream.getvalue(), mirrored)


def test_what_it_says_of_itself() -> None:
    flipped = gif.flip(draw(*CANVAS, Frame(indices_of(*CANVAS))), limits=Limits())
    assert (flipped.media_type, flipped.lossless, flipped.notes) == ("image/gif", True, ())


@pytest.mark.parametrize("transparent", [None, 7, 200])
def test_a_first_frame_beyond_the_canvas_is_mirrored_on_the_wider_one(transparent: int | None) -> None:
    frame = Frame(indices_of(16, 16, bits=4), left=16, top=14, bits=4, control=(0, 0, transparent))
    original = draw(*CANVAS, frame)
    assert shown(original)[0].size == (32, 30)
    assert_mirrored(original, flip(original))


def test_a_later_frame_that_widens_the_canvas_is_mirrored_where_it_hides_the_earlier_ones() -> None:
    frames = [Frame(indices_of(*CANVAS)), Frame(indices_of(40, 30), control=(1, 5, None))]
    original = draw(*CANVAS, *frames, Frame(indices_of(5, 5), left=2, control=(1, 5, None)))
    assert [frame.size for frame in shown(original)] == [(24, 20), (40, 30), (40, 30)]
    assert_mirrored(original, flip(original))


def test_a_frame_without_a_control_of_its_own_has_no_transparent_index() -> None:
    earlier = Frame(indices_of(*CANVAS), control=(1, 5, 3))
    original = draw(*CANVAS, earlier, Frame([[3] * 40] * 30))
    assert_mirrored(original, flip(original))


@pytest.mark.parametrize(
    "wider",
    [
        Frame(indices_of(40, 10), control=(1, 5, None)),
        Frame(indices_of(39, 30), left=1, control=(1, 5, None)),
        Frame(indices_of(40, 30), control=(1, 5, indices_of(40, 30)[3][3])),
    ],
)
def test_a_later_frame_that_widens_the_canvas_beside_earlier_ones_is_refused(wider: Frame) -> None:
    with pytest.raises(FlipError, match="widens its canvas"):
        flip(draw(*CANVAS, Frame(indices_of(*CANVAS)), wider))


def test_a_canvas_beyond_what_a_gif_can_hold_is_refused() -> None:
    with pytest.raises(FlipError, match=r"65,537"):
        flip(draw(*CANVAS, Frame(indices_of(2, 2), left=0xFFFF)))


def test_a_code_size_below_what_is_allowed_is_raised() -> None:
    original = draw(4, 2, Frame([[0, 1, 1, 0], [1, 0, 0, 0]], bits=1))
    assert_mirrored(original, flip(original))
    assert [frame.bits for frame in parse(flip(original)).frames] == [2]


def test_bytes_between_blocks_are_kept() -> None:
    frame = Frame(indices_of(*CANVAS))
    original = draw(*CANVAS, frame)[:-1] + b"\0\0junk" + draw_frame(frame) + b";"
    mirrored = flip(original)
    assert b"\0\0junk" in mirrored
    assert_mirrored(original, mirrored)


def test_a_missing_trailer_is_not_missed() -> None:
    original = draw(*CANVAS, Frame(indices_of(*CANVAS)))[:-1]
    assert flip(original) + b";" == flip(original + b";")


def short_of_pixels(frame: Frame) -> bytes:
    """The frame, but that its LZW data ends before its last pixel."""
    whole = draw_frame(frame)
    start = whole.index(b",") + 11
    indices = [index for row in frame.indices for index in row]
    return whole[:start] + blocks(encode(indices[:-1], frame.bits))


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (draw(*CANVAS)[:12], "header"),
        (draw(*CANVAS), "no picture"),
        (draw(*CANVAS, Frame(indices_of(*CANVAS)))[:-40], "not enough"),
        (draw(*CANVAS)[:-1] + short_of_pixels(Frame(indices_of(*CANVAS))) + b";", "not enough"),
        (draw(*CANVAS, *[Frame(indices_of(*CANVAS))] * 2)[:-300], "not enough"),
        (draw(*CANVAS)[:-1] + b",\0\0", "frame's header"),
        (draw(*CANVAS)[:-1] + b"!", "extension"),
        (draw(*CANVAS)[:-1] + b"!\xf9\4\1", "graphic control"),
        (draw(*CANVAS)[:-1] + extension(0xF9, b"\1\0"), "graphic control"),
        (draw(*CANVAS)[:-1] + extension(0xFF) + draw_frame(Frame([[1]])), "extension is empty"),
        (draw(*CANVAS)[:-1] + b"," + bytes([0, 0, 0, 0, 9, 0, 9, 0, 0x87]) + bytes(99), "colour table"),
        (
            draw(*CANVAS)[:-1] + b"," + bytes([0, 0, 0, 0, 0, 0, 9, 0, 0]) + b"\2\2\x44\1\0;",
            "nothing to mirror",
        ),
        (draw(*CANVAS)[:-1] + b"," + bytes([0, 0, 0, 0, 9, 0, 9, 0, 0]) + b"\2\0;", "not enough"),
        (draw(*CANVAS)[:-1] + b"," + bytes([0, 0, 0, 0, 9, 0, 9, 0, 0]) + b"\x0d\2\x44\1\0;", "frame"),
    ],
)
def test_a_damaged_gif_is_refused_in_words(damaged: bytes, reason: str) -> None:
    with pytest.raises(FlipError, match=reason):
        flip(damaged)


@pytest.mark.parametrize(
    ("limits", "option"),
    [
        (Limits(frame_pixels=24 * 20 - 1), "--max-frame-pixels"),
        (Limits(total_pixels=24 * 20 + 24), "--max-total-pixels"),
        (Limits(frames=1), "--max-frames"),
    ],
)
def test_limits_are_named(limits: Limits, option: str) -> None:
    animation = draw(*CANVAS, Frame(indices_of(*CANVAS)), Frame(indices_of(5, 5)))
    with pytest.raises(FlipError, match=option):
        gif.flip(animation, limits=limits)
    within = Limits(frame_pixels=24 * 20, total_pixels=24 * 20 + 25, frames=2)
    assert_mirrored(animation, gif.flip(animation, limits=within).data)


def test_limits_hold_for_the_canvas_before_anything_is_decoded() -> None:
    damaged = draw(60_000, 60_000)[:-1] + b"," + bytes([0, 0, 0, 0, 9, 0, 9, 0, 0]) + b"\2\0;"
    with pytest.raises(FlipError, match="--max-frame-pixels"):
        flip(damaged)
