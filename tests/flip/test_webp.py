"""WebP: stills and animations, lossy, lossless and with alpha, mirrored in their containers."""

from __future__ import annotations

import io
import math
import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageDraw

from trio_mirror.errors import FlipError
from trio_mirror.flip import webp
from trio_mirror.flip.webp import libwebp
from trio_mirror.flip.webp.coded_image import read_coded
from trio_mirror.flip.webp.riff import Chunk, Container, read_chunks, read_container
from trio_mirror.model import Flipped, Limits

LEFT_RIGHT = Image.Transpose.FLIP_LEFT_RIGHT
TOP_BOTTOM = Image.Transpose.FLIP_TOP_BOTTOM
DISPOSE, OVERWRITE = 1, 2


@pytest.fixture(params=["planes", "RGB"])
def route(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs a test once with libwebp and once as if there were none."""
    if request.param == "RGB":
        monkeypatch.setattr(libwebp, "library", lambda: None)
    elif not libwebp.library():
        pytest.skip("this machine has no libwebp apart from Pillow's built-in one")
    return str(request.param)


def flip(data: bytes) -> Flipped:
    return webp.flip(data, limits=Limits())


def noise(width: int, height: int, mode: str = "RGB", seed: int = 1) -> Image.Image:
    return Image.frombytes(mode, (width, height), random.Random(seed).randbytes(width * height * len(mode)))


def photo(width: int, height: int) -> Image.Image:
    """A smooth picture that is not its own mirror image."""
    image = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(image)
    for x in range(width):
        draw.line((x, 0, x, height), fill=(x * 255 // width, 128, 255 - x * 100 // width))
    draw.ellipse((2, 2, width // 3, height // 2), fill=(220, 30, 60))
    return image


def encoded(image: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, "WEBP", **options)
    return out.getvalue()


def decoded(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=["WEBP"])
    image.load()
    return image


def shown(data: bytes) -> list[Image.Image]:
    """The canvas of every frame; what is transparent has no colour."""
    image = Image.open(io.BytesIO(data), formats=["WEBP"])
    canvases = []
    for at in range(getattr(image, "n_frames", 1)):
        image.seek(at)
        canvas = image.convert("RGBA")
        canvases.append(
            Image.composite(canvas, Image.new("RGBA", canvas.size), canvas.getchannel("A").point(bool_mask))
        )
    return canvases


def bool_mask(value: int) -> int:
    return 255 if value else 0


def codes(data: bytes) -> list[bytes]:
    return [chunk.code for chunk in read_container(data).chunks]


def extended(width: int, height: int, flags: int) -> Chunk:
    return Chunk(b"VP8X", struct.pack("<I", flags) + size_field(width) + size_field(height))


def size_field(pixels: int) -> bytes:
    return (pixels - 1).to_bytes(3, "little")


def frame(left: int, top: int, image: Image.Image, flags: int, duration: int = 40, **options: object) -> Chunk:
    place = b"".join(number.to_bytes(3, "little") for number in (left // 2, top // 2))
    size = size_field(image.width) + size_field(image.height)
    coded = read_coded(read_container(encoded(image, **options)).chunks)
    chunks = b"".join(chunk.to_bytes() for chunk in coded.chunks())
    return Chunk(b"ANMF", place + size + duration.to_bytes(3, "little") + bytes([flags]) + chunks)


def animation(width: int, height: int, *frames: Chunk, flags: int = 0x12, more: tuple[Chunk, ...] = ()) -> bytes:
    loop = Chunk(b"ANIM", b"\x10\x20\x30\xff\x07\x00")
    return Container([extended(width, height, flags), loop, *frames, *more]).to_bytes()


def exif(orientation: int) -> bytes:
    return b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0x0112, 3, 1, orientation) + b"\0\0\0\0"


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 33), st.integers(1, 20), st.sampled_from(["RGB", "RGBA"]), st.integers(0, 99))
def test_a_lossless_picture_is_mirrored_pixel_by_pixel_and_back(width: int, height: int, mode: str, seed: int) -> None:
    image = noise(width, height, mode, seed)
    data = encoded(image, lossless=True, exact=True)
    once = flip(data)
    assert once.lossless
    assert codes(once.data) == [b"VP8L"]
    assert decoded(once.data).tobytes() == image.transpose(LEFT_RIGHT).tobytes()
    assert decoded(flip(once.data).data).tobytes() == image.tobytes()


def test_a_lossless_picture_keeps_the_colours_under_full_transparency() -> None:
    image = noise(9, 5, "RGBA")
    image.putalpha(0)
    mirrored = decoded(flip(encoded(image, lossless=True, exact=True)).data)
    assert mirrored.tobytes() == image.transpose(LEFT_RIGHT).tobytes()


def test_an_alpha_channel_without_transparency_stays() -> None:
    image = noise(9, 5, "RGBA")
    image.putpixel((0, 0), (1, 2, 3, 4))
    payload = bytearray(encoded(noise(9, 5), lossless=True)[20:])
    payload[4] |= 0x10
    data = Container([Chunk(b"VP8L", bytes(payload))]).to_bytes()
    assert decoded(data).mode == "RGBA"
    assert decoded(flip(data).data).mode == "RGBA"


def test_a_lossy_picture_stays_lossy_and_close(route: str) -> None:
    data = encoded(photo(120, 80), quality=60)
    flipped = flip(data)
    assert not flipped.lossless
    assert flipped.notes == ()
    assert codes(flipped.data) == [b"VP8 "]
    assert decibels(decoded(data).transpose(LEFT_RIGHT), decoded(flipped.data)) >= 40


def test_a_lossy_picture_that_cannot_stay_close_becomes_lossless_and_says_so(route: str) -> None:
    data = encoded(noise(31, 31), quality=80)
    flipped = flip(data)
    assert flipped.lossless
    assert "lossless now" in flipped.notes[0]
    assert decoded(flipped.data).tobytes() == decoded(data).transpose(LEFT_RIGHT).tobytes()


@pytest.mark.parametrize("orientation", [1, 6])
def test_colours_that_change_from_pixel_to_pixel_stay_lossy_where_libwebp_takes_planes(
    orientation: int, route: str
) -> None:
    data = encoded(noise(32, 32), quality=80, exif=exif(orientation))
    flipped = flip(data)
    assert flipped.lossless == (route == "RGB")
    method = LEFT_RIGHT if orientation == 1 else TOP_BOTTOM
    assert decibels(decoded(data).transpose(method), decoded(flipped.data)) >= 40


@pytest.mark.parametrize("size", [(49, 33), (33, 49)])
@pytest.mark.parametrize("orientation", [1, 6])
def test_colours_between_the_samples_of_an_odd_side_stay_lossy_too(
    size: tuple[int, int], orientation: int, route: str
) -> None:
    data = encoded(coloured(*size), quality=100, exif=exif(orientation))
    flipped = flip(data)
    assert flipped.lossless == (route == "RGB")
    method = LEFT_RIGHT if orientation == 1 else TOP_BOTTOM
    assert decibels(decoded(data).transpose(method), decoded(flipped.data)) >= 40


def coloured(width: int, height: int) -> Image.Image:
    """Loud colours that run into each other within four pixels."""
    small = noise(width // 4 + 2, height // 4 + 2)
    large = small.resize((small.width * 4, small.height * 4), Image.Resampling.BILINEAR)
    return large.crop((0, 0, width, height))


def test_the_alpha_of_a_lossy_picture_is_exact(route: str) -> None:
    image = photo(64, 40).convert("RGBA")
    image.putalpha(noise(64, 40, "L", 3))
    data = encoded(image, quality=70)
    flipped = flip(data).data
    assert codes(flipped) == [b"VP8X", b"ALPH", b"VP8 "]
    assert decoded(flipped).getchannel("A").tobytes() == image.getchannel("A").transpose(LEFT_RIGHT).tobytes()


def test_an_opaque_alpha_plane_stays(route: str) -> None:
    image = photo(16, 10)
    coded = read_container(encoded(image)).chunks
    opaque = Chunk(b"ALPH", b"\0" + b"\xff" * 160)
    data = Container([extended(16, 10, 0x10), opaque, *coded]).to_bytes()
    assert opaque in read_container(flip(data).data).chunks


def test_every_other_chunk_stays_in_its_place_byte_for_byte() -> None:
    coded = read_container(encoded(noise(8, 8), lossless=True)).chunks
    others = [extended(8, 8, 0x2C), Chunk(b"ICCP", b"profile"), Chunk(b"what", b"odd", b"\x55")]
    after = [Chunk(b"EXIF", exif(1)), Chunk(b"XMP ", b"<x/>"), Chunk(b"????", b"")]
    data = Container([*others, *coded, *after], b"trailing bytes").to_bytes()
    mirrored = read_container(flip(data).data)
    assert mirrored.chunks[:3] == others
    assert mirrored.chunks[4:] == after
    assert mirrored.trailer == b"trailing bytes"
    assert flip(data).data[4:8] == struct.pack("<I", len(flip(data).data) - 8 - len(b"trailing bytes"))


@pytest.mark.parametrize(
    ("orientation", "method"), [(1, LEFT_RIGHT), (4, LEFT_RIGHT), (5, TOP_BOTTOM), (8, TOP_BOTTOM)]
)
def test_a_turned_picture_is_mirrored_as_displayed(orientation: int, method: Image.Transpose) -> None:
    image = noise(12, 7)
    data = encoded(image, lossless=True, exif=exif(orientation))
    assert decoded(flip(data).data).tobytes() == image.transpose(method).tobytes()


def test_the_thumbnail_in_the_exif_block_is_mirrored() -> None:
    out = io.BytesIO()
    photo(32, 16).save(out, "JPEG", quality=95)
    thumbnail = out.getvalue()
    # A first directory of one entry, a second one that holds the thumbnail's place and length.
    block = exif(1)[:-4] + struct.pack("<I", 26) + struct.pack("<H", 2)
    block += struct.pack("<HHII", 0x0201, 4, 1, 56) + struct.pack("<HHII", 0x0202, 4, 1, len(thumbnail)) + bytes(4)
    coded = read_container(encoded(noise(32, 16), lossless=True)).chunks
    data = Container([extended(32, 16, 8), *coded, Chunk(b"EXIF", block + thumbnail)]).to_bytes()
    after = read_container(flip(data).data).chunks[-1].payload.removeprefix(b"Exif\0\0")
    start, length = struct.unpack_from("<I", after, 36)[0], struct.unpack_from("<I", after, 48)[0]
    small = Image.open(io.BytesIO(after[start : start + length]))
    wanted = Image.open(out).transpose(LEFT_RIGHT)
    assert decibels(wanted, small) > 35


def test_an_orientation_that_the_header_does_not_announce_is_ignored() -> None:
    image = noise(12, 7)
    coded = read_container(encoded(image, lossless=True)).chunks
    data = Container([extended(12, 7, 0), *coded, Chunk(b"EXIF", exif(6))]).to_bytes()
    assert decoded(flip(data).data).tobytes() == image.transpose(LEFT_RIGHT).tobytes()


# Each is left, width and flags of a frame on a canvas of 20 pixels; odd sums have no even mirrored place.
SEQUENCES = {
    "even places": [(0, 20, 0), (4, 6, 0), (10, 10, OVERWRITE)],
    "blended, odd places": [(0, 20, 0), (4, 7, 0), (2, 3, 0)],
    "overwriting, odd places": [(0, 20, 0), (4, 7, OVERWRITE), (0, 1, OVERWRITE)],
    "cleared, odd places": [(0, 20, 0), (4, 7, DISPOSE), (2, 3, DISPOSE | OVERWRITE), (6, 5, 0), (0, 20, 0)],
    "a first frame that leaves the canvas open": [(4, 7, 0), (2, 5, OVERWRITE), (10, 3, DISPOSE)],
}


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("sequence", SEQUENCES.values(), ids=SEQUENCES.keys())
def test_every_canvas_of_a_lossless_animation_is_mirrored_exactly(
    sequence: list[tuple[int, int, int]], mode: str
) -> None:
    data = lossless_animation(sequence, [hard_edged(noise(20, 5, mode, at)) for at in range(len(sequence))])
    flipped = flip(data)
    assert flipped.lossless
    assert shown(flipped.data) == [canvas.transpose(LEFT_RIGHT) for canvas in shown(data)]
    assert timings(flipped.data) == timings(data)
    assert shown(flip(flipped.data).data) == shown(data)


@pytest.mark.parametrize("name", ["even places", "blended, odd places", "overwriting, odd places"])
def test_half_transparent_frames_are_mirrored_exactly_too(name: str) -> None:
    data = lossless_animation(SEQUENCES[name], [noise(20, 5, "RGBA", at) for at in range(3)])
    assert shown(flip(data).data) == [canvas.transpose(LEFT_RIGHT) for canvas in shown(data)]


def test_half_transparent_pixels_that_would_have_to_be_drawn_twice_are_refused() -> None:
    sequence = SEQUENCES["cleared, odd places"]
    data = lossless_animation(sequence, [noise(20, 5, "RGBA", at) for at in range(len(sequence))])
    with pytest.raises(FlipError, match="cannot be mirrored exactly"):
        flip(data)


def lossless_animation(sequence: list[tuple[int, int, int]], images: list[Image.Image]) -> bytes:
    frames = [
        frame(left, 2 * at, image.crop((0, 0, width, 5)), flags, 10 * at, lossless=True, exact=True)
        for at, ((left, width, flags), image) in enumerate(zip(sequence, images, strict=True))
    ]
    return animation(20, 16, *frames)


def hard_edged(image: Image.Image) -> Image.Image:
    """The image with every pixel opaque or fully transparent."""
    if image.mode == "RGBA":
        image.putalpha(image.getchannel("A").point(lambda value: 255 if value > 99 else 0))
    return image


def test_a_turned_animation_with_odd_places_is_mirrored_as_displayed() -> None:
    frames = [
        frame(0, 0, noise(20, 15), 0, lossless=True),
        frame(4, 2, noise(7, 6), DISPOSE, lossless=True),
        frame(2, 4, noise(7, 4), 0, lossless=True),
    ]
    data = animation(20, 15, *frames, flags=0x1A, more=(Chunk(b"EXIF", exif(6)),))
    assert shown(flip(data).data) == [canvas.transpose(TOP_BOTTOM) for canvas in shown(data)]


def test_a_lossy_animation_stays_lossy_with_exact_timing(route: str) -> None:
    frames = [frame(0, 0, photo(40, 30), 0, 100), frame(4, 2, photo(21, 20), 0, 7, quality=90)]
    data = animation(40, 30, *frames, flags=2)
    flipped = flip(data)
    assert not flipped.lossless
    assert timings(flipped.data) == timings(data)
    for before, after in zip(shown(data), shown(flipped.data), strict=True):
        assert decibels(before.convert("RGB").transpose(LEFT_RIGHT), after.convert("RGB")) >= 39


def test_a_lossy_animation_stays_about_as_long() -> None:
    if not libwebp.library():
        pytest.skip("this machine has no libwebp apart from Pillow's built-in one")
    frames = [noise(12, 12, "L", seed).resize((192, 192), Image.Resampling.BICUBIC).convert("RGB") for seed in range(3)]
    data = encoded(frames[0], save_all=True, append_images=frames[1:])
    flipped = flip(data)
    assert not flipped.lossless
    assert len(flipped.data) <= 1.1 * len(data)


def test_the_loop_background_and_unknown_parts_of_an_animation_stay() -> None:
    inner = Chunk(b"what", b"inside a frame")
    with_more = frame(4, 0, noise(8, 8), 0, lossless=True)
    with_more = Chunk(b"ANMF", with_more.payload + inner.to_bytes())
    data = animation(20, 8, frame(0, 0, noise(20, 8), 0, lossless=True), with_more, more=(Chunk(b"XMP ", b"<x/>"),))
    mirrored = read_container(flip(data).data).chunks
    assert [chunk.code for chunk in mirrored] == [b"VP8X", b"ANIM", b"ANMF", b"ANMF", b"XMP "]
    assert mirrored[:2] == read_container(data).chunks[:2]
    assert read_chunks(mirrored[3].payload[16:])[-1] == inner


def test_limits_are_checked_from_the_headers() -> None:
    data = animation(20, 8, *[frame(0, 0, noise(20, 8), 0, lossless=True)] * 3)
    with pytest.raises(FlipError, match="--max-frames"):
        webp.flip(data, limits=Limits(frames=2))
    with pytest.raises(FlipError, match="--max-total-pixels"):
        webp.flip(data, limits=Limits(total_pixels=479))
    with pytest.raises(FlipError, match="--max-frame-pixels"):
        webp.flip(data, limits=Limits(frame_pixels=159))
    with pytest.raises(FlipError, match="--max-frame-pixels"):
        webp.flip(encoded(noise(20, 8), lossless=True), limits=Limits(frame_pixels=159))


def test_a_frame_that_grows_over_an_open_canvas_makes_the_file_one_with_alpha() -> None:
    data = animation(20, 8, frame(4, 0, noise(7, 8), 0, lossless=True), frame(0, 0, noise(20, 8), 0), flags=2)
    flipped = flip(data).data
    assert read_container(flipped).chunks[0].payload[0] == 0x12
    assert shown(flipped)[0].getpixel((8, 0)) == (0, 0, 0, 0)
    assert shown(flipped)[0].crop((9, 0, 16, 8)) == noise(7, 8).transpose(LEFT_RIGHT).convert("RGBA")


def test_a_frame_that_grows_over_an_opaque_canvas_leaves_the_file_opaque() -> None:
    data = animation(
        20,
        8,
        frame(0, 0, noise(20, 8), 0, lossless=True),
        frame(4, 0, noise(7, 8), 0, lossless=True),
        flags=2,
    )
    flipped = flip(data).data
    assert read_container(flipped).chunks[0] == read_container(data).chunks[0]
    assert shown(flipped) == [canvas.transpose(LEFT_RIGHT) for canvas in shown(data)]


def test_a_canvas_larger_than_any_frame_is_refused() -> None:
    data = animation(3_000_000, 8, frame(2, 0, noise(7, 8), DISPOSE, lossless=True))
    with pytest.raises(FlipError, match="larger than any frame"):
        flip(data)


@pytest.mark.parametrize(
    "data",
    [
        b"RIFF",
        b"RIFF\x04\0\0\0WEBP",
        b"RIFF\x0c\0\0\0WEBPVP8L\0\0\0\0",
        Container([extended(8, 8, 2), Chunk(b"ANIM", bytes(6)), Chunk(b"ANMF", bytes(15))]).to_bytes(),
        Container([extended(8, 8, 2), Chunk(b"ANIM", bytes(6)), Chunk(b"ANMF", bytes(16))]).to_bytes(),
        Container([Chunk(b"VP8X", b"")]).to_bytes(),
        animation(8, 8, frame(2, 0, noise(8, 8), 0, lossless=True), flags=0),  # beyond the canvas
        encoded(Image.new("RGB", (9, 9)))[:-4],
    ],
)
def test_a_damaged_file_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(FlipError, match="WebP"):
        flip(data)


# Pillow warns of pictures from 90 million pixels on, and a warning is an error here.
BELOW_PILLOWS_OWN = Limits(frame_pixels=50_000_000)

SMALL = [
    encoded(noise(7, 5), lossless=True, exif=exif(6), icc_profile=b"icc"),
    encoded(noise(7, 5, "RGBA"), quality=50, exif=exif(2), icc_profile=b"icc"),
    animation(9, 7, frame(0, 0, noise(9, 7), 0, lossless=True), frame(2, 2, noise(4, 3, "RGBA"), DISPOSE)),
]


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_any_changed_or_cut_byte_gives_a_picture_or_a_flip_error(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from(SMALL))
    at = data.draw(st.integers(0, len(whole) - 1))
    value = data.draw(st.none() | st.integers(0, 255))
    damaged = whole[:at] if value is None else whole[:at] + bytes([value]) + whole[at + 1 :]
    try:
        mirrored = webp.flip(damaged, limits=BELOW_PILLOWS_OWN).data
    except FlipError:
        return
    decoded(mirrored)


def decibels(one: Image.Image, other: Image.Image) -> float:
    histogram = ImageChops.difference(one, other).histogram()
    total = sum(count * (at % 256) ** 2 for at, count in enumerate(histogram))
    return 99.0 if total == 0 else -10 * math.log10(total / sum(histogram) / 255**2)


def timings(data: bytes) -> list[bytes]:
    return [chunk.payload[12:16] for chunk in read_container(data).chunks if chunk.code == b"ANMF"]


def test_a_large_lossless_picture_in_very_few_bytes_is_refused() -> None:
    data = bytearray(encoded(Image.new("RGB", (16, 16), "red"), lossless=True))
    (bits,) = struct.unpack_from("<I", data, 21)
    struct.pack_into("<I", data, 21, bits & ~0xFFFFFFF | 9_999 | 9_999 << 14)
    with pytest.raises(FlipError, match="packs 400,000,000 bytes"):
        flip(bytes(data))
