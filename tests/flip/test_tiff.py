"""TIFF: pixels mirrored at every depth and layout, and nothing else touched."""

from __future__ import annotations

import io
import random
import struct
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageOps, ImageStat

from tests.flip.drawn_tiff import Drawn, Reader, Rows, Writer, rows_of, write
from trio_mirror.errors import FlipError
from trio_mirror.flip.tiff import flip
from trio_mirror.flip.tiff_predictor import Predictor
from trio_mirror.flip.tiff_raster import reverse_rows
from trio_mirror.model import Flipped, Limits


def flipped(data: bytes) -> bytes:
    return flip(data, limits=Limits()).data


def shown(data: bytes, page: int = 0) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        image.seek(page)
        image.load()
        return image.copy()


def noise(width: int, height: int, bits: int, samples: int, seed: int = 1) -> Rows:
    draw = random.Random(seed)
    return [[tuple(draw.getrandbits(bits) for _ in range(samples)) for _ in range(width)] for _ in range(height)]


def drawn_by_pillow(mode: str, size: tuple[int, int], **options: object) -> bytes:
    """A TIFF of soft waves with a little noise."""
    draw = random.Random(7)
    width, height = size
    length = len(Image.new(mode, (1, 1)).tobytes())
    if mode == "1":
        raster = draw.randbytes((width + 7) // 8 * height)
    else:
        raster = bytes(
            (3 * column + 2 * row + draw.randrange(4)) % 200 for row in range(height) for column in range(width * length)
        )
    image = Image.frombytes(mode, size, raster)
    if mode == "P":
        image.putpalette(draw.randbytes(768))
    out = io.BytesIO()
    image.save(out, "TIFF", **options)
    return out.getvalue()


# Depth, samples, photometric interpretation and sample format of what Pillow can show.
READABLE = [(1, 1, 0, 1), (1, 1, 1, 1), (2, 1, 1, 1), (4, 1, 1, 1), (8, 1, 1, 1), (16, 1, 1, 1), (32, 1, 1, 3), (8, 3, 2, 1)]


@st.composite
def drawings(draw: st.DrawFn) -> Drawn:
    bits, samples, photometric, sample_format = draw(st.sampled_from(READABLE))
    compression = draw(st.sampled_from([1, 8, 32773]))
    predictors = [1]
    if compression == 8 and bits in {8, 16, 32}:
        predictors += [2, 3] if sample_format == 3 else [2]
    tile = draw(st.sampled_from([None, (16, 16), (32, 16)]))
    width, height = draw(st.integers(1, 37)), draw(st.integers(1, 37))
    return Drawn(
        rows=noise(width, height, bits, samples, draw(st.integers(0, 9))),
        bits=bits,
        compression=compression,
        predictor=draw(st.sampled_from(predictors)),
        planar=draw(st.sampled_from([1, 2])) if samples > 1 else 1,
        tile=tile,
        rows_per_strip=None if tile else draw(st.sampled_from([None, 1, 5, 99])),
        fill_order=draw(st.sampled_from([1, 2])) if bits < 16 else 1,
        orientation=draw(st.sampled_from([None, *range(1, 9)])),
        photometric=photometric,
        sample_format=sample_format,
    )


@settings(deadline=None, max_examples=120)
@given(image=drawings(), order=st.sampled_from("<>"), big=st.booleans())
def test_every_row_is_reversed_and_twice_gives_the_original(image: Drawn, order: str, big: bool) -> None:
    big = big and order == "<"  # Pillow does not know big-endian BigTIFF
    if order == ">" and (image.bits == 16 and image.photometric == 0):
        return
    data = write(image, order=order, big=big)
    once = flipped(data)
    assert rows_of(once, image) == [image.mirrored()]
    assert rows_of(flipped(once), image) == [image.rows]


@settings(deadline=None, max_examples=60)
@given(
    bits=st.integers(1, 64), samples=st.integers(1, 5), order=st.sampled_from("<>"), big=st.booleans(), seed=st.integers(0, 99)
)
def test_any_depth_is_mirrored_where_it_is_only_a_reduced_image(
    bits: int, samples: int, order: str, big: bool, seed: int
) -> None:
    draw = random.Random(seed)
    size = draw.randrange(1, 20), draw.randrange(1, 20)
    odd = Drawn(rows=noise(*size, bits, samples, seed), bits=bits, compression=draw.choice([1, 8]))
    page = Drawn(rows=noise(5, 4, 8, 1), below=(odd,))
    big = big and order == "<"
    reader = Reader(flipped(write(page, order=order, big=big)))
    (tags,) = reader.directories()
    assert reader.rows(tags, page) == page.mirrored()
    below, _ = reader.directory(tags[330][0])
    assert reader.rows(below, odd) == odd.mirrored()


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "LAB", "I;16", "I;16B", "I", "F"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "lzma", "zstd"])
def test_exact_compressions_keep_every_pixel(mode: str, compression: str | None) -> None:
    data = drawn_by_pillow(mode, (37, 29), compression=compression, tiffinfo={278: 8})
    result = flip(data, limits=Limits())
    assert result.lossless
    assert result.media_type == "image/tiff"
    before, after = shown(data), shown(result.data)
    assert after.mode == before.mode
    assert after.tobytes() == before.transpose(Image.Transpose.FLIP_LEFT_RIGHT).tobytes()
    assert Reader(result.data).directories()[0][259] == Reader(data).directories()[0][259]


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "lzma", "zstd"])
def test_differences_along_rows_are_undone_and_done_again(compression: str) -> None:
    data = drawn_by_pillow("RGB", (41, 13), compression=compression, tiffinfo={317: 2})
    assert shown(flipped(data)).tobytes() == ImageOps.mirror(shown(data)).tobytes()


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt"])
@pytest.mark.parametrize("options", [{}, {292: 1}, {292: 4}, {292: 5}])
def test_fax_pages_keep_their_code(compression: str, options: dict[int, int]) -> None:
    if options and compression != "group3":
        return
    data = drawn_by_pillow("1", (75, 31), compression=compression, tiffinfo={278: 10, **options})
    assert shown(flipped(data)).tobytes() == ImageOps.mirror(shown(data)).tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_the_page_is_mirrored_as_it_is_displayed(orientation: int, tile: tuple[int, int] | None) -> None:
    image = Drawn(rows=noise(21, 18, 8, 3), orientation=orientation, photometric=2, tile=tile, rows_per_strip=5)
    data = write(image)
    assert shown(flipped(data)).tobytes() == ImageOps.mirror(shown(data)).tobytes()
    assert Reader(flipped(data)).directories()[0][274] == (orientation,)


def test_every_page_and_every_reduced_image_is_mirrored() -> None:
    small = Drawn(rows=noise(4, 3, 8, 1), compression=8)
    pages = [Drawn(rows=noise(9, 7, 8, 1, seed), below=(small, small)) for seed in range(3)]
    reader = Reader(flipped(write(*pages)))
    for page, tags in zip(pages, reader.directories(), strict=True):
        assert reader.rows(tags, page) == page.mirrored()
        for at in tags[330]:
            assert reader.rows(reader.directory(at)[0], small) == small.mirrored()


def test_all_bytes_but_the_pixels_stay_in_place() -> None:
    rows = noise(10, 6, 8, 1)
    exif = b"MakerNote with offsets of its own"
    image = Drawn(rows=rows, rows_per_strip=2, tags={37500: (7, exif), 282: (5, struct.pack("<II", 72, 1))})
    data = write(image) + b"and a tail"
    raster = bytes(sample for row in rows for (sample,) in row)
    mirrored = bytes(sample for row in rows for (sample,) in row[::-1])
    assert flipped(data) == data.replace(raster, mirrored)


def test_compressed_strips_that_grow_go_to_the_end_and_nothing_else_moves() -> None:
    # Rows that count up compress far better than their mirror images, whose differences are random.
    draw = random.Random(3)
    image = Drawn(rows=noise(64, 64, 8, 1), compression=8, rows_per_strip=16, tags={270: (2, b"what it shows\0")})
    data = write(image) + draw.randbytes(40)
    result = flipped(data)
    before, after = Reader(data).directories()[0], Reader(result).directories()[0]
    moving = {273, 279}
    assert {tag: before[tag] for tag in before.keys() - moving} == {tag: after[tag] for tag in after.keys() - moving}
    assert data[-40:] in result
    assert rows_of(result, image) == [image.mirrored()]


def test_byte_counts_that_outgrow_their_type_get_a_larger_one() -> None:
    # A ramp packs into one run of differences; reversed it still does, but an incompressible strip cannot.
    rows = noise(300, 230, 8, 1)
    image = Drawn(rows=rows, compression=32773)
    writer = Writer()
    packed = Drawn(rows=rows[:100], compression=32773)
    writer.add(packed, short_counts=True)
    data = bytes(writer.data)
    assert rows_of(flipped(data), packed) == [packed.mirrored()]
    assert image.mirrored() != image.rows


def test_strips_that_pages_share_are_mirrored_once() -> None:
    image = Drawn(rows=noise(8, 8, 8, 1))
    writer = Writer()
    first = writer.add(image)
    tags, _ = Reader(bytes(writer.data)).directory(first)
    names = {256: "I", 257: "I", 258: "H", 259: "H", 262: "H", 273: "I", 277: "H", 278: "I", 279: "I"}
    writer.directory({tag: (4, struct.pack("<I", tags[tag][0])) for tag in names})
    result = flipped(bytes(writer.data))
    assert rows_of(result, image, image) == [image.mirrored(), image.mirrored()]


def test_a_chain_of_pages_that_comes_back_ends_there() -> None:
    image = Drawn(rows=noise(6, 5, 8, 1))
    writer = Writer()
    at = writer.add(image)
    struct.pack_into("<I", writer.data, writer.link, at)
    data = bytes(writer.data)
    assert shown(flipped(data)).tobytes() == ImageOps.mirror(shown(data)).tobytes()
