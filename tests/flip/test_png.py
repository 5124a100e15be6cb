from __future__ import annotations

import io
import random
import struct
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps, PngImagePlugin

from tests.flip.jpegs import decibels, decoded, drawn, encoded, exif_block
from tests.flip.slow_png import KINDS, SIGNATURE, Kind, Pixels, chunk, chunks_of, draw, encode, header, read
from trio_mirror.errors import FlipError
from trio_mirror.flip import deflate, png
from trio_mirror.model import Limits

RGB = Kind(2, 8, interlaced=False)


@st.composite
def rasters(draw_from: st.DrawFn) -> tuple[Pixels, Kind, random.Random]:
    colour, depth = draw_from(st.sampled_from(KINDS))
    kind = Kind(colour, depth, draw_from(st.booleans()))
    width, height = draw_from(st.integers(1, 19)), draw_from(st.integers(1, 19))
    source = random.Random(draw_from(st.integers(0, 1 << 32)))
    # Few values beside many: flat pictures make filters tie, noisy ones make them wrap around.
    values = [source.getrandbits(kind.bits) for _ in range(source.choice([1, 2, 5, 500]))]
    return [[source.choice(values) for _ in range(width)] for _ in range(height)], kind, source


def flip(data: bytes) -> bytes:
    return png.flip(data, limits=Limits()).data


def reversed_rows(pixels: Pixels) -> Pixels:
    return [row[::-1] for row in pixels]


def gradient(width: int, height: int) -> Pixels:
    return [[x << 16 | y << 8 | (x * y & 255) for x in range(width)] for y in range(height)]


def shown(data: bytes) -> list[Image.Image]:
    """Every frame as a viewer shows it."""
    image = Image.open(io.BytesIO(data))
    frames = []
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        frames.append(ImageOps.exif_transpose(image).convert("RGBA"))
    return frames


def assert_mirrored(original: bytes, mirrored: bytes) -> None:
    before, after = shown(original), shown(mirrored)
    assert [ImageOps.mirror(frame).tobytes() for frame in before] == [frame.tobytes() for frame in after]


def with_chunks(data: bytes, *extra: bytes) -> bytes:
    """The same PNG with chunks behind its header."""
    return data[:33] + b"".join(extra) + data[33:]


def picture_of_scanlines(*scanlines: bytes, height: int = 1) -> bytes:
    """An RGB picture one pixel wide."""
    raster = zlib.compress(b"".join(scanlines))
    return b"".join([SIGNATURE, header(1, height, RGB), chunk(b"IDAT", raster), chunk(b"IEND", b"")])


@settings(deadline=None, max_examples=150)
@given(rasters())
def test_every_pixel_of_every_kind_changes_sides(raster: tuple[Pixels, Kind, random.Random]) -> None:
    pixels, kind, source = raster
    original = draw(pixels, kind, lambda: source.randrange(5))
    mirrored = flip(original)
    assert read(mirrored) == reversed_rows(pixels)
    assert chunks_of(mirrored)[0] == chunks_of(original)[0]


@settings(deadline=None, max_examples=75)
@given(rasters())
def test_mirrored_twice_the_raster_is_the_original_byte_for_byte(
    raster: tuple[Pixels, Kind, random.Random],
) -> None:
    pixels, kind, source = raster
    original = draw(pixels, kind, lambda: source.randrange(5))
    twice = flip(flip(original))
    scanlines = [
        zlib.decompress(b"".join(body for name, body in chunks_of(data) if name == b"IDAT"))
        for data in (original, twice)
    ]
    assert scanlines[0] == scanlines[1]


@settings(deadline=None, max_examples=75)
@given(rasters(), st.sampled_from([5, 6, 7, 8]))
def test_a_picture_that_lies_on_its_side_is_mirrored_as_displayed(
    raster: tuple[Pixels, Kind, random.Random], orientation: int
) -> None:
    pixels, kind, source = raster
    exif = Image.Exif()
    exif[0x0112] = orientation
    original = draw(pixels, kind, lambda: source.randrange(5))
    original = with_chunks(original, chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")))
    mirrored = flip(original)
    assert read(mirrored) == pixels[::-1]
    assert_mirrored(original, mirrored)


def test_the_thumbnail_in_the_exif_chunk_is_mirrored() -> None:
    thumbnail = encoded(drawn(32, 16))
    block = exif_block(thumbnail=thumbnail)
    original = with_chunks(draw(gradient(8, 8), RGB, lambda: 0), chunk(b"eXIf", block))

    [mirrored] = [body for name, body in chunks_of(flip(original)) if name == b"eXIf"]

    at = mirrored.rindex(b"\xff\xd8\xff")
    assert len(mirrored) == len(block)
    assert decibels(decoded(mirrored[at:]), ImageOps.mirror(decoded(thumbnail))) > 30


@settings(deadline=None, max_examples=200)
@given(rasters(), st.data())
def test_a_damaged_file_is_a_picture_or_a_flip_error(
    raster: tuple[Pixels, Kind, random.Random], data: st.DataObject
) -> None:
    pixels, kind, source = raster
    damaged = bytearray(draw(pixels, kind, lambda: source.randrange(5)))
    at = data.draw(st.integers(8, len(damaged) - 1))
    if data.draw(st.booleans()):
        del damaged[at:]
    else:
        damaged[at] ^= data.draw(st.integers(1, 255))
    try:
        mirrored = flip(bytes(damaged))
    except FlipError:
        return
    Image.open(io.BytesIO(mirrored)).load()


def test_a_large_picture_is_mirrored_across_the_bands_it_is_worked_on_in() -> None:
    noise = Image.effect_noise((701, 1501), 30)
    picture = Image.merge("RGB", (noise, noise.rotate(90, expand=False), noise.rotate(180)))
    picture.putalpha(noise)
    stream = io.BytesIO()
    picture.save(stream, "PNG")  # with every filter type
    mirrored = flip(stream.getvalue())
    assert Image.open(io.BytesIO(mirrored)).tobytes() == ImageOps.mirror(picture).tobytes()


def test_the_size_stays_near_the_original_s() -> None:
    picture = Image.merge("RGB", [Image.radial_gradient("L"), Image.linear_gradient("L"), Image.new("L", (256, 256))])
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    assert len(flip(stream.getvalue())) < 1.1 * len(stream.getvalue())


def test_with_the_extra_zlib_ng_packs_the_raster_as_small_and_always_alike() -> None:
    zlib_ng = pytest.importorskip("zlib_ng.zlib_ng")
    assert deflate.fastest is zlib_ng
    out = io.BytesIO()
    drawn(300, 200).save(out, "PNG")
    data = out.getvalue()
    assert flip(data) == flip(data)
    assert len(flip(data)) < 1.05 * len(data)
    assert_mirrored(data, flip(data))


def test_colour_under_full_transparency_is_kept() -> None:
    pixels = [[0x11223300, 0x445566FF, 0x77889900]]
    assert read(flip(draw(pixels, Kind(6, 8, interlaced=False)))) == reversed_rows(pixels)


def test_all_other_chunks_and_what_follows_the_end_stay_in_place() -> None:
    before = [
        chunk(b"gAMA", struct.pack(">I", 45455)),
        chunk(b"iCCP", b"profile\0\0" + zlib.compress(b"not a real profile")),
        chunk(b"pHYs", struct.pack(">IIB", 3000, 2000, 1)),
        chunk(b"prVt", b"\0\xff private"),
    ]
    after = [
        chunk(b"tEXt", b"Comment\0late"),
        chunk(b"tIME", bytes([7, 234, 1, 2, 3, 4, 5])),
        chunk(b"IEND", b""),
    ]
    raster = zlib.compress(encode(gradient(9, 5), RGB, lambda: 4))
    idats = [chunk(b"IDAT", raster[:7]), chunk(b"IDAT", raster[7:])]
    original = b"".join([SIGNATURE, header(9, 5, RGB), *before, *idats, *after, b"trailing bytes"])
    mirrored = flip(original)
    start, end = b"".join([SIGNATURE, header(9, 5, RGB), *before]), b"".join([*after, b"trailing bytes"])
    assert mirrored.startswith(start)
    assert mirrored.endswith(end)
    assert [kind for kind, _ in chunks_of(mirrored)] == [kind for kind, _ in chunks_of(original)]
    assert read(mirrored) == reversed_rows(gradient(9, 5))


def test_what_it_says_of_itself() -> None:
    flipped = png.flip(draw(gradient(3, 2), RGB), limits=Limits())
    assert (flipped.media_type, flipped.lossless, flipped.notes) == ("image/png", True, ())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("key", ["xmp", "raw profile"])
def test_orientation_is_found_where_pillow_finds_it(key: str, orientation: int) -> None:
    texts = PngImagePlugin.PngInfo()
    if key == "xmp":
        texts.add_itxt("XML:com.adobe.xmp", f'<rdf:Description tiff:Orientation="{orientation}"/>')
    else:
        exif = Image.Exif()
        exif[0x0112] = orientation
        texts.add_text("Raw profile type exif", f"\nexif\n{len(exif.tobytes()):8}\n{exif.tobytes().hex()}\n", zip=True)
    stream = io.BytesIO()
    Image.effect_noise((7, 4), 90).save(stream, "PNG", pnginfo=texts)
    assert_mirrored(stream.getvalue(), flip(stream.getvalue()))


def test_text_that_is_merely_called_exif_is_kept_and_not_read() -> None:
    text = chunk(b"zTXt", b"exif\0\0" + zlib.compress(b"no EXIF"))
    mirrored = flip(with_chunks(draw(gradient(6, 6), RGB), text))
    assert mirrored == with_chunks(flip(draw(gradient(6, 6), RGB)), text)


# --- animations


def animation(*, sideways: bool = False, default_image: bool = False) -> bytes:
    """Three frames of noise; the second and third lie inside the first."""
    exif = Image.Exif()
    if sideways:
        exif[0x0112] = 6
    body = exif.tobytes().removeprefix(b"Exif\0\0") if sideways else b""
    places = [(12, 10, 0, 0), (5, 4, 1, 2), (3, 7, 8, 3)]
    source = random.Random(1)
    kind = Kind(6, 8, interlaced=False)
    parts = [SIGNATURE, header(12, 10, kind), chunk(b"acTL", struct.pack(">II", 3, 2))]
    parts += [chunk(b"eXIf", body)] if sideways else []
    sequence = 0
    if default_image:
        parts.append(chunk(b"IDAT", zlib.compress(encode(noise(12, 10, source), kind, lambda: 1))))
    for number, (width, height, x, y) in enumerate(places):
        parts.append(control(sequence, width, height, x, y, 1 + number, number % 3, number % 2))
        sequence += 1
        raster = zlib.compress(encode(noise(width, height, source), kind, lambda: source.randrange(5)))
        if number == 0 and not default_image:
            parts.append(chunk(b"IDAT", raster))
            continue
        for piece in (raster[:20], raster[20:]):
            parts.append(chunk(b"fdAT", struct.pack(">I", sequence) + piece))
            sequence += 1
    return b"".join([*parts, chunk(b"IEND", b"")])


def control(
    sequence: int, width: int, height: int, x: int, y: int, delay: int = 1, disposal: int = 0, blend: int = 0
) -> bytes:
    body = struct.pack(">5IHHBB", sequence, width, height, x, y, delay, 10, disposal, blend)
    return chunk(b"fcTL", body)


def without_last_raster(data: bytes) -> bytes:
    """Cut behind the last frame's control, whose sequence number is 4."""
    return data[: data.rindex(b"fcTL") + 4 + 26 + 4]


def noise(width: int, height: int, source: random.Random) -> Pixels:
    return [[source.getrandbits(32) for _ in range(width)] for _ in range(height)]


@pytest.mark.parametrize("sideways", [False, True])
@pytest.mark.parametrize("default_image", [False, True])
def test_every_frame_of_an_animation_is_mirrored_in_its_place(*, sideways: bool, default_image: bool) -> None:
    original = animation(sideways=sideways, default_image=default_image)
    assert_mirrored(original, flip(original))


def test_only_places_and_rasters_of_an_animation_change() -> None:
    original, mirrored = chunks_of(animation()), chunks_of(flip(animation()))
    assert [kind for kind, _ in original] == [kind for kind, _ in mirrored]
    for (kind, before), (_, after) in zip(original, mirrored, strict=True):
        if kind == b"fcTL":
            width, _, x, y = struct.unpack_from(">4I", before, 4)
            assert after == before[:12] + struct.pack(">II", 12 - x - width, y) + before[20:]
        elif kind == b"fdAT":
            assert after[:4] == before[:4]  # the sequence still runs
        elif kind != b"IDAT":
            assert after == before


def test_chunks_of_an_animation_without_its_control_stay_as_they_are() -> None:
    still = animation().replace(chunk(b"acTL", struct.pack(">II", 3, 2)), b"")
    kept = [(kind, body) for kind, body in chunks_of(still) if kind != b"IDAT"]
    assert [(kind, body) for kind, body in chunks_of(flip(still)) if kind != b"IDAT"] == kept


def replaced(data: bytes, kind: bytes, number: int, old: bytes, new: bytes) -> bytes:
    """The same PNG with bytes of its ``number``-th chunk of a kind replaced, and the CRC put right."""
    seen = -1
    parts = [SIGNATURE]
    for name, body in chunks_of(data):
        seen += name == kind
        changed = body.replace(old, new, 1) if name == kind and seen == number else body
        parts.append(chunk(name, changed))
    return b"".join(parts)


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (animation()[: animation().rindex(b"fcTL") - 4], "2 of 3 frames"),
        (animation(default_image=True)[: animation(default_image=True).rindex(b"fcTL") - 4], "2 of 3 frames"),
        (without_last_raster(animation()) + control(5, 3, 7, 8, 3), "a frame has no raster"),
        (replaced(animation(), b"fcTL", 1, struct.pack(">I", 1), struct.pack(">I", 7)), "out of sequence"),
        (replaced(animation(), b"fdAT", 0, struct.pack(">I", 2), struct.pack(">I", 3)), "out of sequence"),
        (
            replaced(animation(), b"fcTL", 1, struct.pack(">I", 5), struct.pack(">I", 50)),
            "beyond the picture",
        ),
        (replaced(animation(), b"fcTL", 1, struct.pack(">I", 5), struct.pack(">I", 0)), "nothing to mirror"),
        (replaced(animation(), b"fdAT", 3, animation()[-40:-16], b"\xff" * 24), "raster"),
    ],
)
def test_a_damaged_animation_fails_as_a_whole(damaged: bytes, reason: str) -> None:
    with pytest.raises(FlipError, match=reason):
        flip(damaged)


# --- damage and limits


def test_a_picture_that_lacks_only_its_end_is_mirrored() -> None:
    whole = draw(gradient(6, 6), RGB)
    for cut in range(1, 13):
        assert flip(whole[:-cut]) == flip(whole)[:-cut]


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (SIGNATURE, "no raster"),
        (draw(gradient(6, 6), RGB)[:60], "raster"),
        (draw(gradient(6, 6), RGB).replace(b"IHDR", b"IHDr", 1), "checksum"),
        (with_chunks(draw(gradient(6, 6), RGB), chunk(b"gAMA", b"1234")[:-1] + b"?"), "gAMA"),
        (with_chunks(draw(gradient(6, 6), RGB), header(6, 6, RGB)), "header"),
        (draw([[0]], Kind(2, 4, interlaced=False)), "colour type 2 with 4 bits"),
        (picture_of_scanlines(bytes([5, 1, 2, 3])), "raster"),
        (with_chunks(draw(gradient(6, 6), RGB), chunk(b"pHYs", b"short")), "pHYs"),
    ],
)
def test_a_damaged_picture_is_refused_in_words(damaged: bytes, reason: str) -> None:
    with pytest.raises(FlipError, match=reason):
        flip(damaged)


def test_rows_that_are_missing_are_not_made_up() -> None:
    with pytest.raises(FlipError, match="rows are missing"):
        flip(picture_of_scanlines(bytes(4), height=2))


def test_a_large_interlaced_picture_that_holds_nothing_takes_no_memory() -> None:
    # Found by fuzzing: room for all that the header promised was made first.
    empty = [SIGNATURE, header(9_000, 9_000, Kind(6, 16, interlaced=True)), chunk(b"IDAT", zlib.compress(bytes(999)))]
    tracemalloc.start()
    try:
        with pytest.raises(FlipError, match="rows are missing"):
            flip(b"".join(empty))
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("limits", "option"),
    [
        (Limits(frame_pixels=119), "--max-frame-pixels"),
        (Limits(total_pixels=160), "--max-total-pixels"),
        (Limits(frames=2), "--max-frames"),
    ],
)
def test_limits_are_named(limits: Limits, option: str) -> None:
    with pytest.raises(FlipError, match=option):
        png.flip(animation(), limits=limits)
    within = Limits(frame_pixels=120, total_pixels=161, frames=3)
    assert_mirrored(animation(), png.flip(animation(), limits=within).data)


def test_limits_hold_before_anything_is_inflated() -> None:
    bomb = b"".join([SIGNATURE, header(50_000, 50_000, RGB), chunk(b"IDAT", b"junk"), chunk(b"IEND", b"")])
    with pytest.raises(FlipError, match="--max-frame-pixels"):
        flip(bomb)


def test_a_picture_with_a_side_that_no_viewer_opens_is_refused() -> None:
    gray = Kind(0, 1, interlaced=False)
    raster = zlib.compress(bytes(1 + 125_001))
    data = SIGNATURE + header(1_000_001, 1, gray) + chunk(b"IDAT", raster) + chunk(b"IEND", b"")
    with pytest.raises(FlipError, match="1,000,000 pixels"):
        flip(data)


def test_an_interlaced_picture_takes_little_more_memory_than_its_raster() -> None:
    rgba = Kind(6, 8, interlaced=True)
    side = 1024
    passes = sum(
        (1 + 4 * -((left - side) // right)) * -((top - side) // down)
        for left, top, right, down in (
            (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)
        )
    )  # fmt: skip
    data = SIGNATURE + header(side, side, rgba) + chunk(b"IDAT", zlib.compress(bytes(passes))) + chunk(b"IEND", b"")
    tracemalloc.start()
    try:
        flip(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12 * side * side


@pytest.mark.parametrize("interlaced", [False, True])
def test_a_raster_that_its_bytes_cannot_hold_is_refused_before_it_takes_memory(*, interlaced: bool) -> None:
    data = SIGNATURE + header(9_000, 9_000, Kind(6, 16, interlaced=interlaced))
    data += chunk(b"IDAT", zlib.compress(bytes(1_000_000))) + chunk(b"IEND", b"")
    tracemalloc.start()
    try:
        with pytest.raises(FlipError, match="rows are missing"):
            flip(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20
