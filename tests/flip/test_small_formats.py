"""The formats of a module each, mirrored exactly: Netpbm, TGA, PCX, QOI, icons and cursors."""

from __future__ import annotations

import io
import random
import resource
import struct
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import trio_mirror
from tests.helpers.pictures import PILLOW
from trio_mirror.errors import FlipError
from trio_mirror.flip import sniff
from trio_mirror.model import Limits

LEFT_RIGHT = Image.Transpose.FLIP_LEFT_RIGHT


def flip(data: bytes) -> bytes:
    flipped = trio_mirror.flip(data, limits=Limits())
    assert flipped.lossless
    return flipped.data


def noise(width: int, height: int, mode: str) -> Image.Image:
    size = (width + 7) // 8 * height if mode == "1" else width * height * len(mode)
    return Image.frombytes(mode, (width, height), random.Random(width).randbytes(size))


def saved(image: Image.Image, image_format: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, image_format, **options)
    return out.getvalue()


def decoded(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=["PPM", "TGA", "PCX", "QOI", "ICO"])
    image.load()
    return image


# Format, mode, options, and whether twice mirrored is the original file: that is so without compression.
CODED = [
    ("PPM", "1", {}, True),
    ("PPM", "L", {}, True),
    ("PPM", "RGB", {}, True),
    ("TGA", "L", {}, True),
    ("TGA", "LA", {}, True),
    ("TGA", "RGB", {}, True),
    ("TGA", "RGBA", {}, True),
    ("TGA", "L", {"compression": "tga_rle"}, False),
    ("TGA", "RGB", {"compression": "tga_rle"}, False),
    ("TGA", "RGBA", {"compression": "tga_rle"}, False),
    ("PCX", "1", {}, False),
    ("PCX", "L", {}, False),
    # Pillow 12 writes odd rows of three planes too short.
    *([("PCX", "RGB", {}, False)] if PILLOW > 12 else []),
    ("QOI", "RGB", {}, False),
    ("QOI", "RGBA", {}, False),
]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(CODED), st.integers(1, 40), st.integers(1, 12), st.booleans())
def test_every_pixel_is_mirrored_and_back(
    case: tuple[str, str, dict[str, object], bool], width: int, height: int, has_runs: bool
) -> None:
    image_format, mode, options, is_unique = case
    image = noise(width, height, mode)
    if has_runs:
        image = image.resize((1, height)).resize((width, height))
    data = saved(image, image_format, **options)
    once = flip(data)
    assert decoded(once).mode == decoded(data).mode
    assert decoded(once).tobytes() == decoded(data).transpose(LEFT_RIGHT).tobytes()
    assert decoded(flip(once)).tobytes() == decoded(data).tobytes()
    if is_unique:
        assert flip(once) == data


def test_a_netpbm_header_with_comments_and_what_follows_the_raster_stay() -> None:
    assert flip(b"P5 # grey\n# two by two\n2 2\n255\nabcdtail") == b"P5 # grey\n# two by two\n2 2\n255\nbadctail"


def test_samples_of_two_bytes_stay_whole() -> None:
    assert flip(b"P6 2 1 65535\nABCDEFabcdef") == b"P6 2 1 65535\nabcdefABCDEF"
    assert flip(b"P5 2 1 256\nABab") == b"P5 2 1 256\nabAB"


def test_the_padding_bits_of_a_bitmap_stay() -> None:
    assert flip(b"P4 3 2\n" + bytes([0b10010101, 0b11001010])) == b"P4 3 2\n" + bytes([0b00110101, 0b01101010])


def test_every_image_of_a_netpbm_file_is_mirrored() -> None:
    assert flip(b"P5 2 1 9\nabP5 3 1 9\nabc") == b"P5 2 1 9\nbaP5 3 1 9\ncba"


def test_plain_samples_change_places_and_keep_the_lines() -> None:
    assert flip(b"P2\n3 2\n99\n1 22 3 # 7 8\n4\t5\n6\n") == b"P2\n3 2\n99\n3 22 1 # 7 8\n6\t5\n4\n"
    assert flip(b"P3 2 1 9  1 2 3  4 5 6") == b"P3 2 1 9  4 5 6  1 2 3"
    assert flip(b"P1 3 2\n110\n# 01\n1 00") == b"P1 3 2\n011\n# 01\n0 01"


def test_floats_and_pam_are_mirrored() -> None:
    assert flip(b"PF 2 1 -1.0\nAAAABBBBCCCCaaaabbbbcccc") == b"PF 2 1 -1.0\naaaabbbbccccAAAABBBBCCCC"
    head = b"P7\nWIDTH 2\nHEIGHT 1\n# a note\nDEPTH 2\nMAXVAL 255\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\n"
    assert flip(head + b"abcd") == head + b"cdab"


def test_a_tga_keeps_its_identification_palette_and_footer() -> None:
    image = noise(5, 3, "L")
    image.putpalette(bytes(range(256)) * 3)
    data = saved(image, "TGA", id_section=b"by hand")
    once = flip(data)
    assert once[: 18 + 7 + 768] == data[: 18 + 7 + 768]
    assert once[-26:] == data[-26:]
    assert decoded(once).tobytes() == image.transpose(LEFT_RIGHT).tobytes()


def test_the_postage_stamp_of_a_tga_is_mirrored_too() -> None:
    header = struct.pack("<BBBHHBHHHHBB", 0, 0, 3, 0, 0, 0, 0, 0, 3, 1, 8, 0)
    stamp = b"\x02\x02" + b"1234"
    extension = bytearray(495)
    struct.pack_into("<I", extension, 486, 21)
    footer = struct.pack("<II", 27, 0) + b"TRUEVISION-XFILE.\0"
    data = header + b"abc" + stamp + bytes(extension) + footer
    assert flip(data) == data.replace(b"abc", b"cba").replace(b"1234", b"2143")


@pytest.mark.parametrize(("image_format", "places"), [("TGA", [8]), ("PCX", [4, 8])])
def test_a_place_on_a_page_of_unknown_size_is_named(image_format: str, places: list[int]) -> None:
    data = bytearray(saved(noise(5, 3, "L"), image_format))
    assert trio_mirror.flip(data).notes == ()
    for at in places:
        struct.pack_into("<H", data, at, struct.unpack_from("<H", data, at)[0] + 7)
    [note] = trio_mirror.flip(bytes(data)).notes
    assert note == "not mirrored: the place of the picture on a page of unknown size"


def test_a_run_length_tga_with_tables_of_offsets_is_refused() -> None:
    data = bytearray(saved(noise(5, 3, "L"), "TGA", compression="tga_rle"))
    struct.pack_into("<I", data, len(data) - 26, 30)
    with pytest.raises(FlipError, match="extension area"):
        flip(bytes(data))


def test_a_pcx_keeps_the_palette_behind_its_raster() -> None:
    image = noise(7, 3, "L")
    image.putpalette(random.Random(1).randbytes(768))
    data = saved(image, "PCX")
    once = flip(data)
    assert once[:128] == data[:128]
    assert once[-769:] == data[-769:]
    assert decoded(once).convert("RGB").tobytes() == image.convert("RGB").transpose(LEFT_RIGHT).tobytes()


RUN_LENGTH = [
    saved(noise(9, 3, mode), image_format, compression="tga_rle")
    for image_format, mode in (("TGA", "L"), ("TGA", "RGBA"), ("PCX", "L"), ("PCX", "RGB"))
]


@pytest.mark.parametrize("data", RUN_LENGTH, ids=["TGA L", "TGA RGBA", "PCX L", "PCX RGB"])
@pytest.mark.parametrize("tail", [b"\0", b"\xc1", b"\x0c" + bytes(768), bytes(8) + b"TRUEVISION-XFILE.\0", bytes(2000)])
def test_what_follows_run_length_packets_stays(data: bytes, tail: bytes) -> None:
    assert flip(data + tail) == flip(data) + tail


def tga_of_packets(packets: bytes) -> bytes:
    """A TGA of 2 by 2 grey pixels."""
    return struct.pack("<BBBHHBHHHHBB", 0, 0, 11, 0, 0, 0, 0, 0, 2, 2, 8, 0) + packets


def test_a_packet_of_a_tga_may_reach_into_the_next_row_and_beyond_the_last() -> None:
    mirrored = tga_of_packets(b"\x01ba\x01dc")
    assert flip(tga_of_packets(b"\x03abcd")) == mirrored
    assert flip(tga_of_packets(b"\x00a\x04bcdef")) == mirrored


def pcx_of_lines(width: int, height: int, stride: int, lines: bytes) -> bytes:
    head = struct.pack("<BBBBHHHH", 10, 5, 1, 8, 0, 0, width - 1, height - 1).ljust(65, b"\0")
    return (head + struct.pack("<BH", 1, stride)).ljust(128, b"\0") + lines


def test_lines_of_a_pcx_may_have_an_odd_length() -> None:
    assert flip(pcx_of_lines(3, 2, 3, b"abc\xc3d")) == pcx_of_lines(3, 2, 3, b"cba\xc3d")
    assert flip(pcx_of_lines(2, 2, 3, b"ab0cd0")) == pcx_of_lines(2, 2, 3, b"ba0dc0")


@pytest.mark.parametrize(
    "data",
    [
        pcx_of_lines(10_000, 10_000, 10_000, bytes(1000)),
        struct.pack("<BBBHHBHHHHBB", 0, 0, 10, 0, 0, 0, 0, 0, 10_000, 10_000, 32, 0) + bytes(1000),
    ],
    ids=["PCX", "TGA"],
)
def test_run_length_packets_that_cannot_fill_their_raster_take_no_memory_for_it(data: bytes) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(FlipError, match="do not fill the picture"):
        flip(data)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 50_000  # KiB


def test_a_run_length_tga_that_is_too_large_is_refused_in_words() -> None:
    header = struct.pack("<BBBHHBHHHHBB", 0, 0, 10, 0, 0, 0, 0, 0, 10_000, 9_000, 32, 0)
    with pytest.raises(FlipError, match="more than 268,435,448 bytes"):
        flip(header + b"\xffabcd" * (10_000 * 9_000 // 128 + 1))


def icon(*images: bytes, kind: int = 1) -> bytes:
    head = struct.pack("<HHH", 0, kind, len(images))
    offset = len(head) + 16 * len(images)
    for image in images:
        head += struct.pack("<BBBBH", 9, 4, 0, 0, 2) + image[14:16] + struct.pack("<II", len(image), offset)
        offset += len(image)
    return head + b"".join(images)


def icon_image(bits: int) -> bytes:
    """A bitmap of 9 by 4 pixels with its palette and its mask."""
    header = struct.pack("<IiiHHIIiiII", 40, 9, 8, 1, bits, 0, 0, 0, 0, 0, 0)
    palette = random.Random(bits).randbytes(4 << bits) if bits <= 8 else b""
    return header + palette + random.Random(1).randbytes((9 * bits + 31) // 32 * 16 + 16)


@pytest.mark.parametrize("bits", [1, 4, 8, 24, 32])
def test_an_icon_and_its_mask_are_mirrored(bits: int) -> None:
    data = icon(icon_image(bits))
    once = flip(data)
    assert decoded(once).convert("RGBA").tobytes() == decoded(data).convert("RGBA").transpose(LEFT_RIGHT).tobytes()
    assert flip(once) == data


def test_every_image_of_an_icon_is_mirrored() -> None:
    one, two = icon_image(8), icon_image(24)
    assert flip(icon(one, two)) == icon(flip(icon(one))[22:], flip(icon(two))[22:])


def test_the_pngs_of_an_icon_are_mirrored_and_what_follows_them_moves() -> None:
    picture = saved(noise(9, 4, "RGBA"), "PNG", compress_level=0)
    data = icon(picture, icon_image(8), picture)
    once = flip(data)
    offsets = [struct.unpack_from("<II", once, 6 + 16 * at + 8) for at in range(3)]
    assert [once[start : start + size] for size, start in offsets][1] == flip(icon(icon_image(8)))[22:]
    assert decoded(once).tobytes() == decoded(data).transpose(LEFT_RIGHT).tobytes()
    assert decoded(flip(once)).tobytes() == decoded(data).tobytes()


def test_the_hot_spot_of_a_cursor_is_mirrored() -> None:
    data = icon(icon_image(8), kind=2)
    assert struct.unpack_from("<H", data, 10) == (2,)
    assert struct.unpack_from("<H", flip(data), 10) == (6,)
    outside = data[:10] + struct.pack("<H", 9) + data[12:]
    assert flip(outside)[10:12] == outside[10:12]
    assert trio_mirror.flip(outside).notes == ("not mirrored: a hot spot outside of its image",)


def test_a_reserved_byte_of_an_icon_decides_nothing() -> None:
    data = bytearray(icon(icon_image(8), icon_image(24)))
    data[9] = data[25] = 255  # so .NET writes it
    once = flip(bytes(data))
    assert decoded(once).tobytes() == decoded(bytes(data)).transpose(LEFT_RIGHT).tobytes()
    assert flip(once) == data


def test_entries_of_an_icon_that_share_an_image_still_share_it() -> None:
    data = bytearray(icon(icon_image(8), icon_image(24)))
    data[22:38] = data[6:22]
    once = flip(bytes(data))
    assert once[22:38] == once[6:22] == data[6:22]
    assert once[38:] == flip(icon(icon_image(8)))[22:] + data[-len(icon_image(24)) :]


def test_an_image_of_an_icon_that_overlaps_another_gets_bytes_of_its_own() -> None:
    one, two = icon_image(8), icon_image(24)
    data = bytearray(icon(one, two))
    struct.pack_into("<I", data, 6 + 8, len(one) + 10)
    once = flip(bytes(data))
    places = [struct.unpack_from("<II", once, 6 + 16 * at + 8) for at in range(2)]
    images = [once[start : start + size] for size, start in places]
    assert images == [flip(icon(one))[22:] + two[:10], flip(icon(two))[22:]]


def test_an_entry_of_an_icon_without_an_image_stays_with_a_note() -> None:
    data = bytearray(icon(icon_image(8), icon_image(24)))
    data[22:38] = bytes(16)
    result = trio_mirror.flip(bytes(data))
    assert result.data[22:38] == bytes(16)
    assert result.data[38:] == flip(icon(icon_image(8)))[22:] + icon_image(24)
    assert "without an image" in result.notes[0]
    data[6:22] = bytes(16)
    with pytest.raises(FlipError, match="not where it should be"):
        flip(bytes(data))


def test_an_icon_whose_images_all_lie_over_each_other_is_refused() -> None:
    image = icon_image(24)
    data = bytearray(icon(*[image] * 50)[: 6 + 50 * 16] + image + bytes(5000))
    for entry in range(50):
        struct.pack_into("<II", data, 6 + 16 * entry + 8, len(image) + 4000 + entry, 6 + 50 * 16)
    with pytest.raises(FlipError, match="not where it should be"):
        flip(bytes(data))


def test_jpeg_2000_is_known_by_both_of_its_beginnings() -> None:
    for no_jp2 in (False, True):
        assert sniff(saved(noise(8, 8, "RGB"), "JPEG2000", no_jp2=no_jp2)) == "jpeg2000"


@pytest.mark.parametrize(
    "data",
    [saved(noise(9, 9, mode), image_format, **options) for image_format, mode, options, _ in CODED],
    ids=[f"{image_format} {mode}" for image_format, mode, _, _ in CODED],
)
def test_each_format_is_recognised_and_its_limits_are_checked(data: bytes) -> None:
    assert sniff(data) in {"netpbm", "tga", "pcx", "qoi"}
    with pytest.raises(FlipError, match="--max-frame-pixels"):
        trio_mirror.flip(data, limits=Limits(frame_pixels=80))


@pytest.mark.parametrize(
    "data",
    [
        b"P5 2 2 255\nabc",
        b"P5 2 2 0\nabcd",
        b"P5 2 2 255",
        b"P2 2 2 9\n1 2 3",
        b"P7\nWIDTH 2\nENDHDR\n",
        saved(noise(9, 9, "L"), "TGA")[:60],
        saved(noise(9, 9, "L"), "TGA", compression="tga_rle")[:60],
        struct.pack("<BBBHHBHHHHBB", 0, 0, 11, 0, 0, 0, 0, 0, 8, 1, 1, 0) + b"\x07" + bytes(8),  # runs of bits
        saved(noise(9, 9, "L"), "PCX")[:150],
        saved(noise(9, 9, "RGB"), "QOI")[:-1],
        icon(icon_image(8))[:-1],
        icon(icon_image(8)[:-1]),
        b"",
        zlib.compress(b"no picture"),
    ],
)
def test_a_damaged_file_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(FlipError, match=r"\w{3} \w"):
        flip(data)


# Pillow warns of pictures from 90 million pixels on, and a warning is an error here.
BELOW_PILLOWS_OWN = Limits(frame_pixels=50_000_000)

SMALL = [saved(noise(9, 3, mode), image_format, **options) for image_format, mode, options, _ in CODED] + [
    icon(icon_image(4), icon_image(32)),
    b"P2\n3 2\n99\n1 22 3 # 7 8\n4\t5\n6\n",
    b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 2\nMAXVAL 255\nENDHDR\nabcd",
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SMALL), st.data())
def test_any_changed_or_cut_byte_gives_a_picture_or_a_flip_error(whole: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(whole) - 1))
    value = data.draw(st.none() | st.integers(0, 255))
    damaged = whole[:at] if value is None else whole[:at] + bytes([value]) + whole[at + 1 :]
    try:
        mirrored = trio_mirror.flip(damaged, limits=BELOW_PILLOWS_OWN).data
    except FlipError:
        return
    assert sniff(mirrored) == sniff(damaged)


@pytest.mark.slow
@pytest.mark.parametrize(
    "data",
    [
        b"P1 1000 1000 " + b"0 1 " * 500_000,
        b"P1 1000000 1 " + b"01" * 500_000,
        b"P2 1000 1000 255 " + b"12 " * 1_000_000,
        b"P5 " + b" " * 3_000_000 + b"2 2 255 abcd",
        b"P5 " + b"# a\n" * 1_000_000 + b"2 2 255 abcd",
    ],
    ids=["spaced", "dense", "grey", "spaces", "comments"],
)
def test_a_plain_raster_or_a_long_header_takes_little_more_memory_than_its_bytes(data: bytes) -> None:
    tracemalloc.start()
    try:
        flip(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * len(data) + (1 << 20)


def test_what_stands_between_the_samples_of_a_plain_raster_keeps_its_place() -> None:
    assert flip(b"P1\n3 2 1#10%\n10  % 0#\n01 11 7") == b"P1\n3 2 0#10%\n11  % 1#\n00 11 7"
    assert flip(b"P3\n2 1 255\n1 22 #9\n333  4,5 6 7") == b"P3\n2 1 255\n4 5 #9\n6  1,22 333 7"
