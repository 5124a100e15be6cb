"""TIFF: pixels mirrored at every depth and layout, and nothing else touched."""

from __future__ import annotations

import io
import math
import random
import struct
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageOps, ImageStat

import trio_mirror
from tests.flip.drawn_tiff import Drawn, Reader, Rows, Writer, pack, rows_of, segments, write
from tests.flip.steps import is_linear
from tests.helpers.pictures import draw, encode
from trio_mirror.errors import FlipError
from trio_mirror.flip.rows import reverse_rows
from trio_mirror.flip.tiff import flip
from trio_mirror.flip.tiff.codecs import thunderscan
from trio_mirror.flip.tiff.edit import Editor
from trio_mirror.flip.tiff.ifd import Structure
from trio_mirror.flip.tiff.predictor import Predictor
from trio_mirror.flip.tiff.space import Space, Span
from trio_mirror.model import Limits, Lossless

if TYPE_CHECKING:
    from collections.abc import Callable


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
            (3 * column + 2 * row + draw.randrange(4)) % 200
            for row in range(height)
            for column in range(width * length)
        )
    image = Image.frombytes(mode, size, raster)
    if mode == "P":
        image.putpalette(draw.randbytes(768))
    out = io.BytesIO()
    image.save(out, "TIFF", **options)
    return out.getvalue()


# Depth, samples, photometric interpretation and sample format of what Pillow can show.
READABLE = [
    (1, 1, 0, 1),
    (1, 1, 1, 1),
    (2, 1, 1, 1),
    (4, 1, 1, 1),
    (8, 1, 1, 1),
    (16, 1, 1, 1),
    (32, 1, 1, 3),
    (8, 3, 2, 1),
]


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
    data = write(image, order=order, big=big)
    once = flipped(data)
    assert rows_of(once, image) == [image.mirrored()]
    assert rows_of(flipped(once), image) == [image.rows]


@settings(deadline=None, max_examples=60)
@given(
    bits=st.integers(1, 64),
    samples=st.integers(1, 5),
    order=st.sampled_from("<>"),
    big=st.booleans(),
    seed=st.integers(0, 99),
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
    draw = random.Random(3)
    rows: Rows = [[(draw.choice((0, 0, 0, 7, draw.getrandbits(8))),) for _ in range(60)] for _ in range(64)]
    image = Drawn(rows=rows, compression=8, rows_per_strip=4, tags={270: (2, b"what it shows\0")})
    tail = draw.randbytes(40)
    data = write(image) + tail
    result = flipped(data)
    before, after = Reader(data).directories()[0], Reader(result).directories()[0]
    assert sum(after[279]) > sum(before[279]), "the case that this test is about did not arise"
    moving = {273, 279}
    assert {tag: before[tag] for tag in before.keys() - moving} == {tag: after[tag] for tag in after.keys() - moving}
    assert result.find(tail) == data.find(tail)
    assert b"what it shows\0" in result
    assert rows_of(result, image) == [image.mirrored()]


@pytest.mark.filterwarnings("ignore:Truncated File Read")
def test_what_pointed_beyond_the_end_does_so_still_when_the_file_has_grown() -> None:
    draw = random.Random(3)
    rows: Rows = [[(draw.choice((0, 0, 0, 7, draw.getrandbits(8))),) for _ in range(60)] for _ in range(64)]
    text = b"what it shows\0"
    data = write(Drawn(rows=rows, compression=8, rows_per_strip=4, tags={270: (2, text)}))
    entry = struct.pack("<HHI", 270, 2, len(text))
    assert data.count(entry) == 1
    at = data.index(entry) + len(entry)
    assert struct.unpack_from("<I", data, at) == (data.index(text),)
    result = flipped(data[:at] + struct.pack("<I", len(data) + 1) + data[at + 4 :])
    assert len(result) > len(data) + 1 + len(text), "the case that this test is about did not arise"
    assert struct.unpack_from("<I", result, at)[0] >= len(result)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("count", [1, 3])
def test_values_that_outgrow_their_type_get_a_larger_one(count: int, *, big: bool) -> None:
    image = Drawn(rows=noise(8, 2 * count, 8, 1), rows_per_strip=2)
    writer = Writer(big=big)
    writer.add(image, short_counts=True)
    data = bytes(writer.data)
    [page] = Structure(data).images(1)
    out = bytearray(data)
    Editor([page], [], out).store(page.entries[279], [70_000] * count)
    before, after = Reader(data).directories()[0], Reader(bytes(out)).directories()[0]
    assert after == before | {279: (70_000,) * count}


def test_a_classic_file_does_not_point_beyond_four_gigabytes() -> None:
    data = write(Drawn(rows=noise(8, 2, 8, 1)))
    [page] = Structure(data).images(1)
    with pytest.raises(FlipError, match="too large for a classic TIFF"):
        Editor([page], [], bytearray(data)).store(page.entries[273], [1 << 32])


def test_strips_that_pages_share_are_mirrored_once() -> None:
    image = Drawn(rows=noise(8, 8, 8, 1))
    writer = Writer()
    first = writer.add(image)
    tags, _ = Reader(bytes(writer.data)).directory(first)
    names = {256: "I", 257: "I", 258: "H", 259: "H", 262: "H", 273: "I", 277: "H", 278: "I", 279: "I"}
    writer.directory({tag: (4, struct.pack("<I", tags[tag][0])) for tag in names})
    result = flipped(bytes(writer.data))
    assert rows_of(result, image, image) == [image.mirrored(), image.mirrored()]


def test_pages_that_share_one_list_of_byte_counts_each_get_their_own() -> None:
    images = [Drawn(rows=noise(40, 20, bits, 1), rows_per_strip=10, compression=8) for bits in (2, 7)]
    data = bytearray(write(*images))
    pages = Structure(bytes(data)).images(2)
    first, second = (page.entries[279] for page in pages)
    longest = max(count for page in pages for count in page.numbers(279))
    struct.pack_into("<2I", data, first.start, longest, longest)
    struct.pack_into("<I", data, second.at + 8, first.start)
    assert rows_of(flipped(bytes(data)), *images) == [image.mirrored() for image in images]


def test_a_chain_of_pages_that_comes_back_ends_there() -> None:
    image = Drawn(rows=noise(6, 5, 8, 1))
    writer = Writer()
    at = writer.add(image)
    struct.pack_into("<I", writer.data, writer.link, at)
    data = bytes(writer.data)
    assert shown(flipped(data)).tobytes() == ImageOps.mirror(shown(data)).tobytes()


def decibels(one: Image.Image, other: Image.Image) -> float:
    squares = ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).sum2
    mean = sum(squares) / (3 * one.width * one.height)
    return 10 * math.log10(255**2 / mean) if mean else math.inf


def is_rounding_away(one: Image.Image, other: Image.Image) -> bool:
    """Whether two pictures are of the same coefficients: the inverse transform rounds mirrored ones not quite alike."""
    extrema = ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).extrema
    return max(most for _, most in extrema) <= 1


@pytest.mark.parametrize("mode", ["L", "RGB", "YCbCr", "CMYK"])
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("size", [(64, 48), (51, 37)])
def test_jpeg_strips_are_encoded_again_closely(mode: str, orientation: int, size: tuple[int, int]) -> None:
    data = drawn_by_pillow(mode, size, compression="jpeg", quality=90, tiffinfo={278: 16, 274: orientation})
    result = flip(data, limits=Limits(), lossless=Lossless.NEVER)
    assert not result.lossless
    assert decibels(shown(result.data), ImageOps.mirror(shown(data))) >= 40
    assert Reader(result.data).directories()[0][347] == Reader(data).directories()[0][347]


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_jpeg_strips_whose_blocks_fill_them_keep_every_pixel(mode: str, orientation: int) -> None:
    data = drawn_by_pillow(mode, (64, 48), compression="jpeg", quality=90, tiffinfo={278: 16, 274: orientation})
    result = flip(data, limits=Limits())
    assert result.lossless
    assert is_rounding_away(shown(result.data), ImageOps.mirror(shown(data)))
    assert Reader(result.data).directories()[0][347] == Reader(data).directories()[0][347]


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(("size", "orientation"), [((51, 48), 1), ((64, 44), 6), ((64, 37), 6)])
def test_jpeg_strips_with_something_past_the_edge_are_encoded_again(size: tuple[int, int], orientation: int) -> None:
    data = drawn_by_pillow("L", size, compression="jpeg", quality=90, tiffinfo={278: 16, 274: orientation})
    result = flip(data, limits=Limits())
    assert not result.lossless
    assert decibels(shown(result.data), ImageOps.mirror(shown(data))) >= 40
    with pytest.raises(FlipError, match="cannot be mirrored exactly"):
        trio_mirror.flip(data, lossless=Lossless.ALWAYS)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("pointing", [0, 1, None])
def test_an_old_style_jpeg_that_is_one_stream_is_encoded_again_closely(subsampling: int, pointing: int | None) -> None:
    data = old_style_jpeg(subsampling, pointing)
    result = flip(data, limits=Limits(), lossless=Lossless.NEVER)
    assert not result.lossless
    assert decibels(shown(result.data), ImageOps.mirror(shown(data))) >= 40


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("pointing", [0, 1, None])
def test_an_old_style_jpeg_whose_blocks_fill_it_keeps_every_pixel(pointing: int | None) -> None:
    data = old_style_jpeg(0, pointing)
    result = flip(data, limits=Limits())
    assert result.lossless
    assert is_rounding_away(shown(result.data), ImageOps.mirror(shown(data)))


def test_an_old_style_jpeg_whose_strip_has_no_whole_length_is_refused() -> None:
    # Found by fuzzing: the length was to be written into a field of fractions.
    data = bytearray(old_style_jpeg(0, 1))
    struct.pack_into("<HIH", data, data.index(struct.pack("<HHI", 279, 4, 1)) + 2, 5, 1, 8)
    with pytest.raises(FlipError, match="not hold whole numbers"):
        flipped(bytes(data))


def old_style_jpeg(subsampling: int, pointing: int | None) -> bytes:
    """A file whose strip, if any, begins with its JPEG stream (0) or at its scan (1)."""
    picture = shown(drawn_by_pillow("RGB", (64, 48)))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=92, subsampling=subsampling)
    stream = out.getvalue()
    writer = Writer()
    writer.data += stream
    start, factors = 8, ((1, 1), (2, 1), (2, 2))[subsampling]
    tags = {
        256: (4, struct.pack("<I", 64)),
        257: (4, struct.pack("<I", 48)),
        258: (3, struct.pack("<3H", 8, 8, 8)),
        259: (3, struct.pack("<H", 6)),
        262: (3, struct.pack("<H", 6)),
        277: (3, struct.pack("<H", 3)),
        278: (4, struct.pack("<I", 48)),
        513: (4, struct.pack("<I", start)),
        514: (4, struct.pack("<I", len(stream))),
        530: (3, struct.pack("<2H", *factors)),
    }
    if pointing is not None:
        behind = stream.index(b"\xff\xda") * pointing
        tags |= {
            273: (4, struct.pack("<I", start + behind)),
            279: (4, struct.pack("<I", len(stream) - behind)),
        }
    writer.directory(tags)
    return bytes(writer.data)


def with_strips(image: Drawn, strips: list[bytes]) -> bytes:
    """A file whose strips or tiles are given, whatever the drawing's pixels are."""
    writer = Writer()
    writer.add(replace(image, compression=1, predictor=image.predictor))
    tags = Reader(bytes(writer.data)).directories()[0] | {259: (image.compression,)}
    writer.link = 4
    offsets = []
    for strip in strips:
        writer.data += bytes(len(writer.data) % 2)
        offsets.append(len(writer.data))
        writer.data += strip
    where, length = (324, 325) if image.tile else (273, 279)
    tags |= {where: tuple(offsets), length: tuple(map(len, strips))}
    kinds = {tag: (4, struct.pack(f"<{len(values)}I", *values)) for tag, values in tags.items()}
    kinds[258] = (3, struct.pack(f"<{image.samples}H", *tags[258]))
    writer.directory(kinds)
    return bytes(writer.data)


def strip_of(picture: Image.Image, compression: str) -> bytes:
    """The data of a picture as Pillow stores it in a TIFF of one strip."""
    out = io.BytesIO()
    picture.save(out, "TIFF", compression=compression, tiffinfo={278: picture.height})
    tags = Reader(out.getvalue()).directories()[0]
    return out.getvalue()[tags[273][0] :][: tags[279][0]]


@pytest.mark.parametrize("compression", [(5, "tiff_lzw"), (34925, "lzma"), (50000, "zstd")])
@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize("orientation", [1, 7])
def test_tiles_are_put_together_before_they_are_mirrored(
    compression: tuple[int, str], predictor: int, orientation: int
) -> None:
    number, name = compression
    image = Drawn(
        rows=noise(45, 21, 8, 3),
        tile=(32, 16),
        photometric=2,
        predictor=predictor,
        orientation=orientation,
    )
    tiles = [strip_of(Image.frombytes("L", (96, 16), raw), name) for raw in segments(image, "<")]
    data = with_strips(replace(image, compression=number), tiles)
    assert shown(data).tobytes() != shown(flipped(data)).tobytes()
    assert shown(flipped(data)).tobytes() == ImageOps.mirror(shown(data)).tobytes()


def jpeg_tiles(size: tuple[int, int], subsampling: int, orientation: int, picture: Image.Image | None = None) -> bytes:
    """A TIFF of JPEG in tiles of 32 by 32 pixels, three side by side, two one below the other."""
    picture = picture or shown(drawn_by_pillow("RGB", (96, 64)))
    tiles = []
    for top in (0, 32):
        for left in (0, 32, 64):
            out = io.BytesIO()
            tile = picture.crop((left, top, left + 32, top + 32))
            tile.save(out, "JPEG", quality=90, subsampling=subsampling)
            tiles.append(out.getvalue())
    factors = (2, 2) if subsampling else (1, 1)
    image = Drawn(
        rows=[[(0, 0, 0)] * size[0]] * size[1],
        tile=(32, 32),
        compression=7,
        photometric=6,
        orientation=orientation,
        tags={530: (3, struct.pack("<2H", *factors))},
    )
    return with_strips(image, tiles)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(("size", "orientation"), [((96, 64), 1), ((96, 51), 1), ((96, 64), 7), ((75, 64), 7)])
def test_whole_jpeg_tiles_change_places_and_keep_every_pixel(size: tuple[int, int], orientation: int) -> None:
    data = jpeg_tiles(size, 0, orientation)
    result = flip(data, limits=Limits())
    assert result.lossless
    assert is_rounding_away(shown(result.data), ImageOps.mirror(shown(data)))


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("orientation", [1, 7])
def test_whole_tiles_of_subsampled_jpeg_are_the_same_after_two_flips(orientation: int) -> None:
    data = jpeg_tiles((96, 64), 2, orientation)
    once = flip(data, limits=Limits())
    twice = flip(once.data, limits=Limits())
    assert once.lossless
    assert shown(twice.data).tobytes() == shown(data).tobytes()
    assert decibels(shown(once.data), ImageOps.mirror(shown(data))) >= 40
    assert Reader(once.data).directories()[0][530] == (2, 2)


@pytest.mark.parametrize("orientation", [1, 7])
@pytest.mark.parametrize("subsampling", [0, 2])
@pytest.mark.parametrize("size", [(75, 51), (21, 19)])
def test_jpeg_tiles_are_put_together_before_they_are_mirrored(
    size: tuple[int, int], subsampling: int, orientation: int
) -> None:
    data = jpeg_tiles(size, subsampling, orientation)
    result = flipped(data)
    assert decibels(shown(result), ImageOps.mirror(shown(data))) >= 40
    # An odd number of pixels does not share chroma two by two the other way round.
    assert Reader(result).directories()[0][530] == (1, 1)
    # Some readers tell the colours from it, and not from the tags.
    assert result.count(b"JFIF\0") == 6


def test_noise_in_subsampled_jpeg_tiles_is_kept_closely() -> None:
    noisy = Image.frombytes("RGB", (96, 64), random.Random(1).randbytes(3 * 96 * 64))
    data = jpeg_tiles((70, 48), 2, 1, noisy)
    assert decibels(shown(flipped(data)), ImageOps.mirror(shown(data))) >= 40


def test_what_is_long_in_the_first_jpeg_strip_does_not_come_again_in_every_other() -> None:
    strips = [encode(draw(16, 16), "JPEG") for _ in range(3)]
    comment = b"\xff\xe1" + struct.pack(">H", 2 + 5_000) + bytes(5_000)
    strips[0] = strips[0][:2] + comment + strips[0][2:]
    image = Drawn(rows=[[(0, 0, 0)] * 16] * 48, rows_per_strip=16, compression=7, photometric=6)
    data = with_strips(image, strips)
    assert len(flipped(data)) < len(data) + 1_000


def test_jpeg_data_that_is_sampled_by_nothing_is_refused() -> None:
    # Found by fuzzing: a width was divided by the sampling factor.
    out = io.BytesIO()
    shown(drawn_by_pillow("RGB", (32, 16))).save(out, "JPEG", subsampling=2)
    stream = out.getvalue().replace(b"\1\x22\0\2\x11\1\3\x11\1", b"\1\0\0\2\x11\1\3\x11\1")
    assert stream != out.getvalue()
    image = Drawn(rows=[[(0, 0, 0)] * 32] * 16, compression=7, photometric=6, tags={530: (3, struct.pack("<2H", 2, 2))})
    with pytest.raises(FlipError, match="subsampled in a way"):
        flipped(with_strips(image, [stream]))


def test_jpeg_data_without_components_is_refused() -> None:
    # Found by fuzzing: the frame header ended before them.
    out = io.BytesIO()
    shown(drawn_by_pillow("L", (32, 16))).save(out, "JPEG")
    stream = out.getvalue().replace(b"\xff\xc0\0\x0b\x08\0\x10\0\x20\1\1\x11\0", b"\xff\xc0\0\x08\x08\0\x10\0\x20\1")
    assert stream != out.getvalue()
    image = Drawn(rows=[[(0,)] * 32] * 16, compression=7)
    with pytest.raises(FlipError, match="nothing of their components"):
        flipped(with_strips(image, [stream]))


def test_a_last_jpeg_strip_may_claim_more_rows_than_the_image_has() -> None:
    strips = []
    for height in (16, 16):
        out = io.BytesIO()
        shown(drawn_by_pillow("L", (48, height))).save(out, "JPEG", quality=90)
        strips.append(out.getvalue())
    image = Drawn(rows=[[(0,)] * 48] * 23, compression=7, rows_per_strip=16)
    data = with_strips(image, strips)
    assert decibels(shown(flipped(data)), ImageOps.mirror(shown(data))) >= 40


def test_a_large_strip_that_its_jpeg_does_not_fill_is_refused() -> None:
    out = io.BytesIO()
    shown(drawn_by_pillow("L", (48, 16))).save(out, "JPEG")
    data = bytearray(with_strips(Drawn(rows=[[(0,)] * 48] * 16, compression=7, rows_per_strip=16), [out.getvalue()]))
    stated = {256: 2_600, 257: 1_700, 278: 1_700}  # width, length, rows a strip
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        (tag,) = struct.unpack_from("<H", data, entry)
        if tag in stated:
            struct.pack_into("<HII", data, entry + 2, 4, 1, stated[tag])
    with pytest.raises(FlipError, match="stated as 2600 by 1700 pixels"):
        flipped(bytes(data))


@pytest.mark.parametrize("width", [32, 33])
def test_thunderscan_keeps_every_pixel(width: int) -> None:
    rows: Rows = [[(4 * (column // 8) % 16 if column > 3 else column,) for column in range(width)] for _ in range(6)]
    codes = b"".join(bytes(0xC0 | value for (value,) in row) for row in rows)
    image = Drawn(rows=rows, bits=4, compression=32809)
    data = with_strips(image, [codes])
    result = flipped(data)
    assert shown(result).tobytes() == ImageOps.mirror(shown(data)).tobytes()
    (count,) = Reader(result).directories()[0][279]
    assert count < len(codes), "runs of equal pixels are not shortened"
    raster = random.Random(2).randbytes(16 * 9)
    codec = thunderscan(32)
    assert codec.decode(codec.encode(raster, 9), 9) == raster


@pytest.mark.parametrize("orientation", [1, 8])
@pytest.mark.parametrize("factors", [(1, 1), (2, 1), (2, 2), (4, 2)])
def test_chroma_shared_among_pixels_moves_with_them(factors: tuple[int, int], orientation: int) -> None:
    across, down = factors
    draw = random.Random(5)
    blocks = [[draw.randbytes(across * down + 2) for _ in range(4)] for _ in range(3)]
    image = Drawn(
        rows=[[(0, 0, 0)] * (4 * across)] * (3 * down),
        compression=8,
        photometric=6,
        orientation=orientation,
        tags={530: (3, struct.pack("<2H", *factors))},
    )
    data = with_strips(image, [zlib.compress(b"".join(map(b"".join, blocks)))])
    assert shown(flipped(data)).tobytes() == ImageOps.mirror(shown(data)).tobytes()


@settings(deadline=None, max_examples=60)
@given(
    width=st.integers(1, 40),
    samples=st.integers(1, 4),
    size=st.sampled_from([1, 2, 4, 8]),
    order=st.sampled_from(["little", "big"]),
    kind=st.sampled_from([2, 3]),
    seed=st.integers(0, 99),
)
def test_differences_of_any_width_add_up(
    width: int, samples: int, size: int, order: Literal["little", "big"], kind: int, seed: int
) -> None:
    rows = noise(width, 3, 8 * size, samples, seed)
    plain = Drawn(rows=rows, bits=8 * size)
    mark = "<" if order == "little" else ">"
    raster, differences = pack(rows, plain, mark), pack(rows, replace(plain, predictor=kind), mark)
    predictor = Predictor(kind, order, width, samples, size)
    assert predictor.redo(raster) == differences
    assert predictor.undo(differences) == raster


@given(bits=st.integers(1, 70), width=st.integers(1, 30), height=st.integers(1, 4), seed=st.integers(0, 99))
def test_reversing_rows_twice_changes_nothing(bits: int, width: int, height: int, seed: int) -> None:
    raster = b"".join(
        (random.Random(seed + row).getrandbits(width * bits) << -width * bits % 8).to_bytes((width * bits + 7) // 8)
        for row in range(height)
    )
    once = reverse_rows(raster, width, height, bits)
    assert reverse_rows(once, width, height, bits) == raster
    first = int.from_bytes(raster) >> 8 * len(raster) - bits
    stride = (width * bits + 7) // 8
    assert int.from_bytes(once[:stride]) >> -width * bits % 8 & (1 << bits) - 1 == first


SOUND = Drawn(rows=noise(12, 9, 8, 1), compression=8, rows_per_strip=4)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({259: (3, b"\x9c\x80")}, "compression 32924"),
        ({259: (3, b"\x06\0")}, "old-style JPEG"),
        ({262: (3, b"\x23\x80")}, "raw data"),
        ({32997: (4, b"\2\0\0\0")}, "volume"),
        ({32998: (4, b"\2\0\0\0")}, "volume"),
        ({257: (4, struct.pack("<I", 100))}, "fewer strips"),
        (  # found by fuzzing: a list of millions of strips was made before their offsets were counted
            {257: (4, struct.pack("<I", 8_000_000)), 278: (4, struct.pack("<I", 1)), 259: (3, b"\1\0")},
            "fewer strips",
        ),
        ({256: (4, struct.pack("<I", 0))}, "nothing to mirror"),
        ({278: (4, struct.pack("<I", 0))}, "no rows"),
        ({317: (3, b"\x07\0")}, "predictor 7"),
        ({279: (4, struct.pack("<3I", 30, 0, 30))}, "leaves out"),
        ({279: (4, struct.pack("<3I", 30, 30, 99999))}, "cut short"),
        ({273: (5, struct.pack("<2I", 8, 1))}, "where its image data is"),
        ({279: (5, struct.pack("<2I", 8, 1))}, "how long"),
        ({258: (3, b"\x0c\0"), 317: (3, b"\2\0")}, "predictor 2 at a depth"),
        ({277: (3, b"\0\0")}, "samples and their depths"),
    ],
)
def test_what_cannot_be_mirrored_is_refused_in_words(tags: dict[int, tuple[int, bytes]], message: str) -> None:
    page = Drawn(rows=noise(5, 4, 8, 1), below=(replace(SOUND, tags=tags),))
    writer = Writer()
    writer.add(page)
    with pytest.raises(FlipError, match=message):
        flipped(bytes(writer.data))


def test_one_strip_may_leave_its_length_out() -> None:
    image = replace(SOUND, rows_per_strip=None, tags={279: (5, struct.pack("<2I", 8, 1))})
    data = write(image) + b"tail"
    result = flipped(data)
    (start,) = Reader(result).directories()[0][273]
    assert zlib.decompress(result[start:]) == bytes(value for row in image.mirrored() for (value,) in row)
    assert result[: len(data)].endswith(b"tail")


def test_a_reduced_image_that_is_also_a_page_does_not_end_the_chain() -> None:
    pages = [Drawn(rows=noise(6, 5, 8, 1, seed)) for seed in range(3)]
    writer = Writer()
    third = writer.add(pages[2], chained=False)
    second = writer.add(pages[1], chained=False)
    link = len(writer.data) - 4
    writer.add(replace(pages[0], tags={330: (4, struct.pack("<I", second))}))
    struct.pack_into("<I", writer.data, writer.link, second)
    struct.pack_into("<I", writer.data, link, third)
    data = bytes(writer.data)
    assert rows_of(data, *pages) == [page.rows for page in pages]
    assert rows_of(flipped(data), *pages) == [page.mirrored() for page in pages]


def test_tiles_that_are_mostly_unused_are_over_the_limit() -> None:
    image = Drawn(rows=noise(1, 40, 8, 1), tile=(64, 16), compression=8)
    with pytest.raises(FlipError, match="--max-frame-pixels"):
        flip(write(image), limits=Limits(frame_pixels=320))


def test_a_private_directory_without_an_image_stays_as_it_is() -> None:
    writer = Writer()
    private = writer.directory({65000: (7, b"nothing to see")}, chained=False)
    page = Drawn(rows=noise(5, 4, 8, 1), tags={330: (4, struct.pack("<I", private))})
    writer.add(page)
    assert rows_of(flipped(bytes(writer.data)), page) == [page.mirrored()]


@pytest.mark.parametrize("size", [(7, 6), (8, 6)])
def test_shared_chroma_that_an_edge_cuts_is_refused(size: tuple[int, int]) -> None:
    image = Drawn(
        rows=[[(0, 0, 0)] * size[0]] * size[1],
        compression=8,
        photometric=6,
        rows_per_strip=3,
        tags={530: (3, struct.pack("<2H", 2, 2))},
    )
    with pytest.raises(FlipError, match="shares chroma among 2 by 2"):
        flipped(with_strips(image, [zlib.compress(bytes(100))] * 2))


def test_uncompressed_chroma_that_is_all_there_is_not_subsampled() -> None:
    image = Drawn(rows=noise(7, 5, 8, 3), photometric=6)
    assert rows_of(flipped(write(image)), image) == [image.mirrored()]


def test_a_page_that_pillow_cannot_show_is_refused() -> None:
    with pytest.raises(FlipError, match="Pillow cannot show"):
        flipped(write(Drawn(rows=noise(5, 4, 24, 3), bits=24)))


def test_a_transparency_mask_is_mirrored_with_its_page() -> None:
    page = Drawn(rows=noise(13, 9, 8, 3), photometric=2, compression=8)
    mask = Drawn(rows=noise(13, 9, 1, 1), bits=1, photometric=4, compression=8, tags={254: (4, struct.pack("<I", 4))})
    assert rows_of(flipped(write(page, mask)), page, mask) == [page.mirrored(), mask.mirrored()]


@pytest.mark.parametrize(
    ("limits", "option"),
    [
        (Limits(frame_pixels=100), "--max-frame-pixels"),
        (Limits(total_pixels=300), "--max-total-pixels"),
        (Limits(frames=2), "--max-frames"),
    ],
)
def test_limits_are_checked_from_the_headers(limits: Limits, option: str) -> None:
    data = write(*[replace(SOUND, compression=1, rows=noise(12, 9, 8, 1))] * 3)
    broken = data[:8] + bytes(4) + data[12:]
    assert flip(broken, limits=Limits())
    with pytest.raises(FlipError, match=option):
        flip(broken, limits=limits)


def test_an_image_of_fat_pixels_is_over_the_limit() -> None:
    page = Drawn(rows=noise(5, 4, 8, 1), below=(Drawn(rows=noise(10, 10, 64, 5), bits=64),))
    with pytest.raises(FlipError, match="--max-frame-pixels"):
        flip(write(page), limits=Limits(frame_pixels=150))


def test_a_big_endian_bigtiff_without_an_image_is_refused() -> None:
    header, software = struct.pack(">2s3HQ", b"MM", 43, 8, 0, 16), struct.pack(">HHQ8s", 305, 2, 1, b"")
    with pytest.raises(FlipError, match="holds no image"):
        flipped(header + struct.pack(">Q", 1) + software + bytes(8))


def test_a_stack_without_directories_for_its_pages_is_refused() -> None:
    page = Drawn(rows=noise(40, 30, 8, 1), tags={270: (2, b"ImageJ=1.54f\nimages=3\nslices=3\n\0")})
    data = write(page)
    [strip] = segments(page, "<")
    assert data.count(strip) == 1
    assert rows_of(flipped(data), page) == [page.mirrored()]
    assert rows_of(flipped(write(page, page, page)), page, page, page) == [page.mirrored()] * 3
    with pytest.raises(FlipError, match="ImageJ stack of 3 pages"):
        flipped(data + 2 * strip)
    planes = struct.pack("<6I", 1, 1, 1, 1, 1, 1)  # a RATIONAL for each
    with pytest.raises(FlipError, match="MetaMorph stack of 3 pages"):
        flipped(write(replace(page, tags={33629: (5, planes)})) + 2 * strip)


def test_what_photoshop_keeps_beside_the_pixels_is_told() -> None:
    thumbnail = b"8BIM\x04\x0c\0\0" + struct.pack(">I", 4) + b"JPEG"
    image = Drawn(
        rows=noise(5, 4, 8, 1),
        tags={34377: (7, thumbnail), 37724: (7, b"Adobe Photoshop Document Data Block")},
    )
    result = flip(write(image), limits=Limits())
    assert "thumbnail" in result.notes[0]
    assert "layers" in result.notes[1]
    assert thumbnail not in result.data  # it cannot be read, and would show something else


@pytest.mark.filterwarnings("ignore")  # Pillow warns of damaged tags before it gives up
@settings(deadline=None, max_examples=400)
@given(image=drawings(), order=st.sampled_from("<>"), data=st.data())
def test_any_byte_changed_or_cut_gives_a_picture_or_a_flip_error(image: Drawn, order: str, data: st.DataObject) -> None:
    original = write(image, order=order)
    position = data.draw(st.integers(0, len(original) - 1))
    if data.draw(st.booleans()):
        damaged = original[:position]
    else:
        damaged = original[:position] + bytes([data.draw(st.integers(0, 255))]) + original[position + 1 :]
    try:
        result = flip(damaged, limits=Limits())
    except FlipError:
        return
    assert result.data.startswith((b"II", b"MM"))


def test_the_cost_of_room_for_strips_grows_with_their_number_and_no_faster() -> None:
    def place(pieces: int) -> Callable[[], object]:
        slots = [Span(4 * at, 4 * at + 3) for at in range(pieces)]
        space = Space(bytearray(4 * pieces), [], slots)
        # The last strip has no room in any gap, and each of the others has it behind all that are full.
        return lambda: space.place(slots, [*[bytes(3)] * (pieces - 1), bytes(4)])

    assert is_linear(place, 500)


def test_strips_take_the_first_room_that_is_large_enough() -> None:
    out = bytearray(40)
    slots = [Span(8, 10), Span(12, 18), Span(20, 24), Span(30, 34)]
    space = Space(out, [], slots)
    pieces = [b"aaa", b"bb", b"cccc", b"ddddd"]
    assert space.place(slots, pieces) == [12, 8, 20, 40]
    assert bytes(out) == bytes(8) + b"bb" + bytes(2) + b"aaa" + bytes(5) + b"cccc" + bytes(16) + b"ddddd"


def test_pages_that_share_one_long_list_of_strips_are_refused() -> None:
    offsets, count = 8, 2_000
    pages = b""
    first = offsets + 4 * count
    for page in range(40):
        following = first + (page + 1) * 42 if page < 39 else 0
        entries = [(256, 4, 1, 1), (257, 4, 1, 1), (273, 4, count, offsets)]
        pages += struct.pack("<H", 3) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
        pages += struct.pack("<I", following)
    with pytest.raises(FlipError, match="share their bytes"):
        flipped(b"II*\0" + struct.pack("<I", first) + bytes(4 * count) + pages)


def test_pages_that_share_one_long_directory_of_exif_read_it_a_few_times() -> None:
    def read(pieces: int) -> Callable[[], object]:
        shared = struct.pack("<H", pieces) + struct.pack("<HHII", 1, 4, 1, 0) * pieces + bytes(4)
        page = struct.pack("<HHHII", 1, 34665, 4, 1, 8)
        first = 8 + len(shared)
        links = (first + 18 * number for number in range(1, pieces))
        pages = b"".join(page + struct.pack("<I", link) for link in (*links, 0))
        structure = Structure(b"II*\0" + struct.pack("<I", first) + shared + pages)
        return lambda: [image.private for image in structure.images(pieces)]

    assert is_linear(read, 200)


@pytest.mark.filterwarnings("ignore:Tag data larger than file")
def test_pages_that_share_one_long_description_are_refused() -> None:
    text = b"<OME>" + b'<Rectangle X="1" Width="1"/>' * 1_000
    pages, first = b"", 8 + len(text)
    for page in range(3):
        following = first + (page + 1) * 54 if page < 2 else 0
        entries = [(256, 4, 1, 1), (257, 4, 1, 1), (270, 2, len(text), 8), (273, 4, 1, 8)]
        pages += struct.pack("<H", 4) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
        pages += struct.pack("<I", following)
    with pytest.raises(FlipError, match="share their bytes"):
        flipped(b"II*\0" + struct.pack("<I", first) + text + pages)


def test_a_large_raster_in_very_few_bytes_is_refused() -> None:
    blank = bytes(12_000)  # refused before it is decoded; LZMA takes as many bytes for so many zeros
    entries = [(256, 4, 1, 8_000), (257, 4, 1, 10_000), (258, 3, 1, 8), (259, 3, 1, 34925), (262, 3, 1, 1)]
    entries += [(273, 4, 1, 8), (278, 4, 1, 10_000), (279, 4, 1, len(blank))]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    with pytest.raises(FlipError, match="packs 80,000,000 bytes"):
        flipped(b"II*\0" + struct.pack("<I", 8 + len(blank)) + blank + directory + bytes(4))


def test_strips_that_share_their_bytes_over_and_over_are_refused() -> None:
    data, strips = bytes(200_000), 1_000
    start = 8 + len(data)
    lists = struct.pack(f"<{strips}I", *[8] * strips) + struct.pack(f"<{strips}I", *[len(data)] * strips)
    entries = [(256, 4, 1, 1), (257, 4, 1, strips), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1)]
    entries += [(273, 4, strips, start), (278, 4, 1, 1), (279, 4, strips, start + 4 * strips)]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    with pytest.raises(FlipError, match="strips or tiles share their bytes"):
        flipped(b"II*\0" + struct.pack("<I", start + len(lists)) + data + lists + directory + bytes(4))
