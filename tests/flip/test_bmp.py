"""BMP and DIB: rows reversed in place at every depth, run-length coded rasters, everything else kept."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from tests.helpers.pictures import with_right_rle
from trio_mirror.errors import FlipError
from trio_mirror.flip import bmp
from trio_mirror.flip.bmp.rle import mirror_rle
from trio_mirror.flip.rows import reverse_rows, row_bytes
from trio_mirror.model import Limits

LEFT_RIGHT = Image.Transpose.FLIP_LEFT_RIGHT


def flip(data: bytes) -> bytes:
    flipped = bmp.flip(data, limits=Limits())
    assert flipped.lossless
    assert flipped.media_type == "image/bmp"
    return flipped.data


def bitmap(
    width: int,
    height: int,
    bits: int,
    raster: bytes | None = None,
    *,
    header: int = 40,
    compression: int = 0,
    masks: tuple[int, ...] = (),
    gap: bytes = b"",
    tail: bytes = b"",
) -> bytes:
    """A BMP with a random palette and, by default, raster; rows go top down if the height is negative."""
    if raster is None:
        raster = random.Random(width).randbytes((width * bits + 31) // 32 * 4 * abs(height))
    palette = random.Random(bits).randbytes((3 if header == 12 else 4) << bits) if bits <= 8 else b""
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, compression, len(raster), 2835, 2835, 0, 0)
        info = (info + struct.pack(f"<{len(masks)}I", *masks)).ljust(header, b"\0")
    offset = 14 + len(info) + len(palette) + len(gap)
    size = offset + len(raster) + len(tail)
    return b"BM" + struct.pack("<IHHI", size, 0, 0, offset) + info + palette + gap + raster + tail


def decoded(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=["BMP", "DIB"])
    image.load()
    return image


def is_mirrored(before: bytes, after: bytes) -> bool:
    one, other = decoded(before), decoded(after)
    return one.mode == other.mode and one.transpose(LEFT_RIGHT).tobytes() == other.tobytes()


@settings(max_examples=100, deadline=None)
@given(
    width=st.integers(1, 40),
    height=st.integers(1, 9),
    bits=st.sampled_from([1, 4, 8, 16, 24, 32]),
    header=st.sampled_from([12, 40, 52, 56, 64, 108, 124]),
    is_top_down=st.booleans(),
    gap=st.binary(max_size=5),
    tail=st.binary(max_size=5),
)
def test_every_depth_header_and_row_order_is_mirrored_and_back(
    *, width: int, height: int, bits: int, header: int, is_top_down: bool, gap: bytes, tail: bytes
) -> None:
    height = -height if is_top_down and header != 12 else height
    data = bitmap(width, height, bits, header=header, gap=gap, tail=tail)
    once = flip(data)
    assert is_mirrored(data, once)
    assert len(once) == len(data)
    assert once.startswith(data[: struct.unpack_from("<I", data, 10)[0]])
    assert once.endswith(tail)
    assert flip(once) == data


def reversed_by_hand(raster: bytes, width: int, bits: int, stride: int) -> bytes:
    """The rows reversed a pixel at a time, for comparison."""
    size = row_bytes(width, bits)
    out = bytearray(raster)
    for start in range(0, len(raster), stride):
        row = int.from_bytes(raster[start : start + size])
        padding = size * 8 - width * bits
        pixels = [row >> padding + bits * at & (1 << bits) - 1 for at in range(width)]
        packed = sum(pixel << bits * (width - 1 - at) for at, pixel in enumerate(pixels)) << padding
        out[start : start + size] = (packed | row & (1 << padding) - 1).to_bytes(size)
    return bytes(out)


@settings(max_examples=100, deadline=None)
@given(
    width=st.integers(1, 40),
    height=st.integers(1, 6),
    bits=st.sampled_from([1, 2, 4, 8, 16, 24, 48, 64]),
    padding=st.integers(0, 3),
    data=st.data(),
)
def test_rows_of_any_depth_are_reversed_with_their_padding_left_alone(
    width: int, height: int, bits: int, padding: int, data: st.DataObject
) -> None:
    stride = row_bytes(width, bits) + padding
    raster = random.Random(data.draw(st.integers(0, 99))).randbytes(stride * height)
    wanted = reversed_by_hand(raster, width, bits, stride)
    assert reverse_rows(raster, width, height, bits, stride=stride) == wanted
    missing = data.draw(st.integers(0, padding))
    cut = len(raster) - missing
    assert reverse_rows(raster[:cut], width, height, bits, stride=stride) == wanted[:cut]


def test_bit_fields_are_mirrored() -> None:
    assert_mirrored_and_back(bitmap(9, 3, 16, compression=3, gap=struct.pack("<III", 0xF800, 0x7E0, 0x1F)))
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    assert_mirrored_and_back(bitmap(9, 3, 32, compression=3, header=124, masks=masks))


@pytest.mark.parametrize(
    ("width", "bits", "data"),
    [
        (9, 2, bitmap(9, 3, 2)),
        (9, 64, bitmap(9, 3, 64)),
        (9, 32, bitmap(9, 3, 32, compression=3, header=124, masks=(0x3FF, 0xFFC00, 0x3FF00000, 0))),
        (9, 16, bitmap(9, 3, 16, compression=3, gap=struct.pack("<3I", 0x7, 0x38, 0xFFC0))),
        (9, 32, bitmap(9, -3, 32, compression=6, gap=struct.pack("<4I", 0xFF, 0xFF00, 0xFF0000, 0xFF000000))),
        (9, 32, bitmap(9, 3, 32, compression=11)),
        (9, 4, b"BM" + struct.pack("<IHHIIIIHH", 118, 0, 0, 94, 16, 9, 3, 1, 4) + bytes(64) + bytes(range(24))),
    ],
)  # fmt: skip
def test_odd_shapes_that_pillow_does_not_read_are_mirrored(width: int, bits: int, data: bytes) -> None:
    start = struct.unpack_from("<I", data, 10)[0]
    stride = (width * bits + 31) // 32 * 4
    once = flip(data)
    assert once == data[:start] + reversed_by_hand(data[start:], width, bits, stride)[: len(data) - start]
    assert flip(once) == data


def test_the_raster_of_four_masks_begins_behind_them() -> None:
    data = bytearray(bitmap(9, 3, 32, compression=6, gap=bytes(16)))
    data[10:14] = bytes(4)
    assert flip(bytes(data))[14:] == flip(bitmap(9, 3, 32, compression=6, gap=bytes(16)))[14:]


def test_run_lengths_of_cmyk_are_mirrored() -> None:
    plain, cmyk = (bitmap(9, 3, 8, RLE8, compression=code) for code in (1, 12))
    assert flip(cmyk)[34:] == flip(plain)[34:]


def test_a_dib_is_mirrored_like_the_bmp_that_it_lacks_the_header_of() -> None:
    data = bitmap(9, 3, 4)
    assert flip(data[14:]) == flip(data)[14:]


@pytest.mark.parametrize("header", [12, 40, 52, 56, 64, 108, 124])
def test_bmp_and_dib_are_told_from_other_files(header: int) -> None:
    data = bitmap(9, 3, 4, header=header)
    assert bmp.matches(data)
    assert bmp.matches(data[14:])
    assert not bmp.matches(data[15:])
    assert not bmp.matches(data[14:28])


def test_a_missing_or_slipped_offset_of_the_raster_is_understood() -> None:
    data = bytearray(bitmap(9, 3, 4))
    for offset in (0, 54):
        struct.pack_into("<I", data, 10, offset)
        assert_mirrored_and_back(bytes(data))


def test_missing_padding_at_the_very_end_does_not_matter() -> None:
    data = bitmap(9, 3, 8)[:-3]
    assert_mirrored_and_back(data)


def assert_mirrored_and_back(data: bytes) -> None:
    once = flip(data)
    assert is_mirrored(data, once)
    assert flip(once) == data


# A stream of run-length codes for each depth, 9 pixels by 3 rows: runs, odd and even literals.
RLE8 = b"\5\1\0\4abcd\0\0\0\5ABCDE\0\4\7\0\0\0\3xyz\0\3\1\0\3opq\0\0\1"
RLE4 = b"\5\x12\0\4\x34\x56\0\0\0\5\x12\x34\x50\0\4\x78\0\0\0\3\x9a\xb0\0\6\xcd\xef\x12\0\0\1"


@pytest.mark.parametrize(("bits", "stream"), [(8, RLE8), pytest.param(4, RLE4, marks=with_right_rle)])
def test_a_run_length_coded_raster_is_mirrored_and_stays_one(bits: int, stream: bytes) -> None:
    data = bitmap(9, 3, bits, stream, compression=1 if bits == 8 else 2)
    once = flip(data)
    assert is_mirrored(data, once)
    assert decoded(once).info["compression"] == decoded(data).info["compression"]
    assert decoded(flip(once)).tobytes() == decoded(data).tobytes()


@with_right_rle
@settings(max_examples=60, deadline=None)
@given(st.sampled_from([4, 8]), st.integers(1, 600), st.integers(1, 3), st.integers(0, 99), st.data())
def test_any_run_length_coded_picture_is_mirrored(
    bits: int, width: int, height: int, seed: int, data: st.DataObject
) -> None:
    numbers = random.Random(seed)
    rows = []
    for _ in range(height):
        row = b""
        while len(row) < width:
            pair = bytes(numbers.randrange(1 << bits) for _ in range(2))
            row += pair * numbers.randint(1, data.draw(st.sampled_from([1, 5, 300])))
        rows.append(row[:width])
    # The plainest coding there is: each pixel a run of one.
    stream = b"".join(
        b"".join(bytes([1, pixel if bits == 8 else pixel << 4]) for pixel in row) + b"\0\0" for row in rows
    )
    mirrored, used = mirror_rle(stream + b"\0\1rest", width, height, bits)
    assert used == len(stream) + 2
    picture = decoded(bitmap(width, height, bits, mirrored, compression=1 if bits == 8 else 2))
    assert picture.tobytes() == b"".join(row[::-1] for row in reversed(rows))


def test_skipped_pixels_stay_skipped() -> None:
    # Two pixels, a step over three, one pixel, a row left out, a pixel that a step leads to.
    stream = b"\2\7\0\2\3\0\1\5\0\0\0\2\4\1\1\6\0\0\0\1"
    mirrored, _ = mirror_rle(stream, 9, 3, 8)
    assert mirrored == b"\0\2\3\0\1\5\0\2\3\0\2\7\0\0\0\2\4\1\1\6\0\0\0\1"
    assert mirror_rle(mirrored, 9, 3, 8)[0] == stream


@with_right_rle
def test_a_row_that_is_skipped_as_a_whole_is_shown_as_before() -> None:
    data = bitmap(9, 1, 8, b"\0\2\x08\0\0\0\0\1", compression=1)
    assert decoded(flip(data)).tobytes() == decoded(data).tobytes()


def test_what_counts_or_lies_behind_a_run_length_raster_is_put_right() -> None:
    profile = b"a colour profile"
    stream = b"\1\1" * 8 + b"\0\1"
    data = bytearray(bitmap(8, 1, 8, stream, header=124, compression=1, tail=profile))
    struct.pack_into("<4s", data, 14 + 56, b"DEBM")
    struct.pack_into("<II", data, 14 + 112, len(data) - len(profile) - 14, len(profile))
    once = flip(bytes(data))
    assert len(once) < len(data)
    assert struct.unpack_from("<I", once, 2) == (len(once),)
    start, length = struct.unpack_from("<II", once, 14 + 112)
    assert once[14 + start : 14 + start + length] == profile
    assert struct.unpack_from("<I", once, 34) == (len(once) - len(profile) - struct.unpack_from("<I", once, 10)[0],)


def test_a_size_of_the_raster_that_means_nothing_stays() -> None:
    data = bytearray(bitmap(9, 3, 8, RLE8, compression=1))
    struct.pack_into("<I", data, 34, 0xFFFFFFFF)
    assert struct.unpack_from("<I", flip(bytes(data)), 34) == (0xFFFFFFFF,)


def test_a_tiny_file_that_claims_a_huge_run_length_picture_is_refused_at_once() -> None:
    with pytest.raises(FlipError, match="before the last row"):
        flip(bitmap(1, 80_000_000, 8, b"\0\0\0\1", compression=1))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (bitmap(9, 3, 24)[:-5], "before the last row"),
        (bitmap(9, 3, 8, RLE8[:-4], compression=1), "cut short|before the last row"),
        (bitmap(9, 3, 8, RLE8[:13], compression=1), "cut short"),
        (bitmap(9, 3, 8, b"\0\1", compression=1), "before the last row"),
        (bitmap(9, 3, 4, RLE8, compression=1), "do not go with"),
        (bitmap(9, 3, 8)[:20], "cut short"),
        (bitmap(9, 0, 8), "nothing to mirror"),
        (bitmap(9, 3, 24).replace(b"\x36\0\0\0", b"\x10\0\0\0", 1), "inside its header"),
        (bitmap(9, 3, 24, compression=4), "a whole JPEG"),
        (bitmap(9, 3, 24, compression=5), "a whole PNG"),
        (bitmap(9, 3, 24, header=44), "cannot be read"),
        (bitmap(9, 3, 3), "cannot be read"),
        (bitmap(9, 3, 24, header=56, compression=3), "cannot be read"),
        (bitmap(9, 3, 1, header=64, compression=3), "cannot be read"),  # Huffman's code of OS/2
        (bitmap(9, 3, 24, header=64, compression=4), "cannot be read"),  # run lengths of whole pixels, of OS/2
    ],
)
def test_what_cannot_be_mirrored_is_refused_in_words(data: bytes, message: str) -> None:
    with pytest.raises(FlipError, match=message):
        flip(data)


@with_right_rle
def test_a_step_over_the_right_edge_goes_on_in_the_next_row_as_pillow_shows_it() -> None:
    # One pixel, a step of 9 in a row of 9, one more pixel; then the end of that row, and a last one.
    original = bitmap(9, 3, 8, b"\1\1\0\2\x09\0\1\2\0\0\3\4\0\0\0\1", compression=1)
    shown, mirrored = (Image.open(io.BytesIO(data)) for data in (original, flip(original)))
    assert ImageOps.mirror(shown).tobytes() == mirrored.tobytes()


def test_the_size_is_checked_from_the_header() -> None:
    with pytest.raises(FlipError, match="--max-frame-pixels"):
        bmp.flip(bitmap(9, 3, 24), limits=Limits(frame_pixels=26))


# Pillow warns of pictures from 90 million pixels on, and a warning is an error here.
BELOW_PILLOWS_OWN = Limits(frame_pixels=50_000_000)

SMALL = [
    bitmap(9, 3, 1),
    bitmap(9, -3, 24, header=124, tail=b"tail"),
    bitmap(9, 3, 8, RLE8, compression=1),
    bitmap(9, 3, 4, RLE4, compression=2, header=124),
    bitmap(9, 3, 16, compression=3, gap=struct.pack("<III", 0xF800, 0x7E0, 0x1F)),
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SMALL), st.data())
def test_any_changed_or_cut_byte_gives_a_picture_or_a_flip_error(whole: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(whole) - 1))
    value = data.draw(st.none() | st.integers(0, 255))
    damaged = whole[:at] if value is None else whole[:at] + bytes([value]) + whole[at + 1 :]
    try:
        mirrored = bmp.flip(damaged, limits=BELOW_PILLOWS_OWN).data
    except FlipError:
        return
    assert len(mirrored) >= len(damaged) // 2


def test_a_file_too_short_for_the_fields_of_its_header_is_refused() -> None:
    # A version 5 header that ends early, and a raster that is said to be inside what is left of it.
    header = bitmap(1, 1, 8, b"\1\1\0\1", header=124, compression=1)[:100]
    with pytest.raises(FlipError):
        flip(header[:10] + struct.pack("<I", 90) + header[14:90] + b"\1\1\0\1")


@pytest.mark.slow
def test_a_run_length_coded_raster_is_mirrored_a_row_at_a_time() -> None:
    row = b"\x01\x05\x01\x06\0\2\1\0" * 100 + b"\0\0"
    tracemalloc.start()
    try:
        mirrored, _ = mirror_rle(row * 500 + b"\0\1", 300, 500, 8)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert mirror_rle(mirrored, 300, 500, 8)[0].endswith(b"\0\0\0\1")
    assert peak < 6 * 500 * len(row)
