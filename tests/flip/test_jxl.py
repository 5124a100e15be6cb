"""JPEG XL: mirrored by three bits of its header, with all that follows left as it is."""

from __future__ import annotations

import functools
import io
import struct
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageOps

from tests.flip.jpegs import exif_block
from tests.flip.steps import is_linear
from tests.flip.test_avif import box
from tests.flip.test_jpeg2000 import REGION
from tests.helpers.pictures import draw, encode
from trio_mirror.demo.jxl import write_jxl
from trio_mirror.errors import FlipError
from trio_mirror.flip import decode_apart, jxl, sniff
from trio_mirror.flip.exif import mirrored
from trio_mirror.flip.jxl.bits import bytes_of, text
from trio_mirror.flip.jxl.header import read_header
from trio_mirror.model import Limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIGNATURE = box(b"JXL ", b"\r\n\x87\n") + box(b"ftyp", b"jxl ", bytes(4), b"jxl ")
JPEG = functools.partial(encode, draw(40, 24), "JPEG", quality=90)


@pytest.fixture
def unproven(monkeypatch: pytest.MonkeyPatch) -> None:
    """For headers that no picture follows."""
    monkeypatch.setattr(jxl, "prove_jxl", lambda *_, **__: ())


def library() -> Any:
    return pytest.importorskip("pylibjxl", reason="the extra proof is not installed")


def flip(data: bytes) -> bytes:
    flipped = jxl.flip(data, limits=Limits())
    assert flipped.lossless
    assert flipped.media_type == "image/jxl"
    return flipped.data


def encoded(mode: str = "RGB") -> bytes:
    numpy = pytest.importorskip("numpy")
    data: bytes = library().encode(numpy.array(draw(40, 24, mode)), lossless=True, effort=1)
    return data


def shown(data: bytes) -> Image.Image:
    pixels = library().decode(data)
    return Image.fromarray(pixels)


def number(value: int, *choices: tuple[int, int]) -> str:
    """A U32 by the first of its choices that can say it."""
    chosen = next(n for n, (size, offset) in enumerate(choices) if offset <= value < offset + (1 << size))
    size, offset = choices[chosen]
    return text(chosen, 2) + (text(value - offset, size) if size else "")


DIMENSION = ((9, 1), (13, 1), (18, 1), (30, 1))
ENUM = ((0, 0), (0, 1), (4, 2), (6, 18))
small_size = st.tuples(st.integers(1, 32), st.integers(1, 7)).map(
    lambda drawn: "1" + text(drawn[0] - 1, 5) + text(drawn[1], 3)
)
large_size = st.tuples(st.integers(1, 9000), st.integers(1, 9000)).map(
    lambda drawn: "0" + number(drawn[0], *DIMENSION) + "000" + number(drawn[1], *DIMENSION)
)
# All default, and what follows: 10 × 10 and 7,000 × 5,000 pixels.
SMALL = bytes_of(text(0x0AFF, 16) + "0" + text(0, 2) + text(9, 9) + "001" + "1" + "01" * 60)
LARGE = bytes_of(text(0x0AFF, 16) + "0" + number(5000, *DIMENSION) + "000" + number(7000, *DIMENSION) + "1" + "01" * 60)
sizes = small_size | large_size
previews = st.sampled_from(
    [
        "1" + number(40, (0, 16), (0, 32), (5, 1), (9, 33)) + "010",
        "0" + text(1, 2) + text(9, 8) + "000" + "00" + "000000",
    ]
)
animations = st.sampled_from(
    ["0000000", text(3, 2) + text(7, 30) + text(2, 2) + text(3, 8) + text(2, 2) + text(5, 16) + "1"]
)
depths = st.sampled_from(["000", "001", "0" + "11" + text(13, 6), "1" + "10" + text(7, 4)])
names = st.text("ab", max_size=70).map(
    lambda name: number(len(name), (0, 0), (4, 0), (5, 16), (10, 48)) + "".join(text(ord(each), 8) for each in name)
)
extra_channels = st.just("1") | st.tuples(
    st.sampled_from([(0, "1"), (1, ""), (2, "01" * 32), (5, text(1, 2) + "11"), (16, "")]), depths, names
).map(lambda drawn: "0" + number(drawn[0][0], *ENUM) + drawn[1] + "00" + drawn[2] + drawn[0][1])
POINT = "00" + text(5, 19) + "11" + text(6, 21)
colours = st.sampled_from(
    [
        "1",
        "01" + number(0, *ENUM),
        "00" + number(0, *ENUM) + number(1, *ENUM) + number(1, *ENUM) + "0" + number(13, *ENUM) + number(0, *ENUM),
        "00" + number(0, *ENUM) + number(2, *ENUM) + POINT + number(2, *ENUM) + 3 * POINT + "1" + text(9, 24) + "10",
        "00" + number(1, *ENUM) + number(1, *ENUM) + "1" + text(9, 24) + "10",
        "00" + number(2, *ENUM) + "00",
    ]
)


@st.composite
def headers(draw: st.DrawFn) -> tuple[str, int, str]:
    """The bits of a header to the end of its colours, where its orientation stands (or 0), and the bits behind it."""
    bits = text(0x0AFF, 16) + draw(sizes)
    behind = draw(st.text("01", min_size=60, max_size=90))
    if draw(st.booleans()):
        return bits + "1", 0, behind
    bits += "0"
    at = 0
    if draw(st.booleans()):
        at = len(bits) + 1
        bits += "1" + text(draw(st.integers(0, 7)), 3)
        for parts in (sizes, previews, animations):
            part = draw(st.none() | parts)
            bits += "0" if part is None else "1" + part
    else:
        bits += "0"
    channels = draw(st.lists(extra_channels, max_size=4))
    bits += draw(depths) + "1" + number(len(channels), (0, 0), (0, 1), (4, 2), (12, 1)) + "".join(channels)
    return bits + "1" + draw(colours), at, behind


@given(headers())
def test_any_header_is_mirrored_without_a_change_of_what_follows(drawn: tuple[str, int, str]) -> None:
    before, at, behind = drawn
    data = bytes_of(before + behind)
    assert read_header(data).colour_end == len(before)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jxl, "prove_jxl", lambda *_, **__: ())
        once = jxl.flip(data, limits=Limits()).data
        assert jxl.flip(once, limits=Limits()).data == data
    header = read_header(once)
    assert header.has_extra
    assert header.extra
    lowest = header.extra + 1
    bits = bits_of(once)
    assert bits[lowest : lowest + 3] == mirrored_bits(before[at : at + 3] if at else "000")
    # All that follows stands where it stood, from the lowest bit of some byte on.
    assert bits.rstrip("0").endswith(behind.rstrip("0"))
    assert (len(once) - len(data), header.width) in {(0, header.width), (3, header.width), (7, header.width)}


def bits_of(data: bytes) -> str:
    return "".join(text(byte, 8) for byte in data)


def mirrored_bits(bits: str) -> str:
    return text(mirrored(int(bits[::-1], 2) + 1) - 1, 3)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_what_is_shown_is_the_mirror_image(mode: str) -> None:
    data = encoded(mode)
    assert sniff(data) == "jxl"
    once = flip(data)
    assert shown(once).tobytes() == ImageOps.mirror(shown(data)).tobytes()
    assert flip(once) == data


@pytest.mark.parametrize("cut", [0, 1, 2, 3, 5, 9])
def test_a_header_in_pieces_is_mirrored(cut: int, unproven: None) -> None:
    pieces = [SMALL[:cut], SMALL[cut : cut + 2], SMALL[cut + 2 :]]
    numbered = [box(b"jxlp", struct.pack(">I", at | (at == 2) << 31), piece) for at, piece in enumerate(pieces)]
    once = flip(SIGNATURE + b"".join(numbered))
    assert len(once) == len(SIGNATURE + b"".join(numbered)) + 3
    joined, at = b"", len(SIGNATURE)
    while at < len(once):
        size = int.from_bytes(once[at : at + 4])
        joined += once[at + 12 : at + size]
        at += size
    assert joined == flip(SMALL)
    assert flip(once) == SIGNATURE + b"".join(numbered)


def test_the_boxes_around_the_codestream_stay_and_bytes_behind_them(unproven: None) -> None:
    before, after = box(b"xml ", b"<x/>"), box(b"free", b"kept") + b"cut"
    once = flip(SIGNATURE + before + box(b"jxlc", SMALL) + after)
    assert once == SIGNATURE + before + box(b"jxlc", flip(SMALL)) + after
    to_the_end = SIGNATURE + struct.pack(">I4s", 0, b"jxlc")
    assert flip(to_the_end + SMALL) == to_the_end + flip(SMALL)


@pytest.mark.parametrize("offset", [5, 124, 125, 300, 20_000])
def test_the_index_of_frames_moves_with_them(offset: int, unproven: None) -> None:
    def variable(value: int) -> bytes:
        return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + variable(value >> 7)

    def index(first: int) -> bytes:
        entries = variable(first) + variable(9) + variable(1) + variable(700) + variable(9) + variable(0)
        return box(b"jxli", variable(2), struct.pack(">II", 1, 1000), entries)

    whole = SIGNATURE + index(offset) + box(b"jxlc", SMALL)
    assert flip(whole) == SIGNATURE + index(offset + 3) + box(b"jxlc", flip(SMALL))
    assert flip(flip(whole)) == whole


def test_a_gain_map_is_mirrored_with_the_picture(unproven: None) -> None:
    head = b"\0" + struct.pack(">H", 3) + b"abc" + b"\1c" + struct.pack(">I", 2) + b"pp"
    whole = SIGNATURE + box(b"jhgm", head, SMALL) + box(b"jxlc", SMALL)
    assert flip(whole) == SIGNATURE + box(b"jhgm", head, flip(SMALL)) + box(b"jxlc", flip(SMALL))


@functools.cache
def from_jpeg(exif: bytes = b"", *, restart: int = 0, comment: bytes = b"", compressed: bool = False) -> bytes:
    """A JPEG XL that can be made into its JPEG again."""
    stated = {"exif": b"Exif\0\0" + exif} if exif else {}
    data = encode(
        draw(40, 24), "JPEG", progressive=bool(comment), comment=comment, restart_marker_blocks=restart, **stated
    )
    made: bytes = library().jpeg_to_jxl(data)
    assert b"jbrd" in made
    if not exif or compressed:
        return made
    at = made.index(b"brob") - 4
    return made[:at] + box(b"Exif", bytes(4), exif) + made[at + int.from_bytes(made[at : at + 4]) :]


def jpeg_of(data: bytes) -> Image.Image:
    """The JPEG that a JPEG XL is made into again, as it is displayed."""
    with Image.open(io.BytesIO(library().jxl_to_jpeg(data))) as image:
        return ImageOps.exif_transpose(image)


SUBJECT = struct.pack("<2sHIHHHIIIHHHIHHI", b"II", 42, 8, 1, 0x8769, 4, 1, 26, 0, 1, 0x9214, 3, 2, 2, 3, 0)
WITHOUT_ORIENTATION = struct.pack("<2sHIHHHI4sI", b"II", 42, 8, 1, 0x0131, 2, 4, b"abc\0", 0)


@pytest.mark.parametrize("exif", [b"", WITHOUT_ORIENTATION, *(exif_block(orientation=each) for each in (1, 2, 6, 7))])
@pytest.mark.parametrize(("restart", "comment"), [(0, b""), (2, b""), (0, b"some words")])
def test_the_jpeg_that_it_was_made_from_is_mirrored_too(exif: bytes, restart: int, comment: bytes) -> None:
    data = from_jpeg(exif, restart=restart, comment=comment)
    once = flip(data)
    assert jpeg_of(once).tobytes() == ImageOps.mirror(jpeg_of(data)).tobytes()
    assert jpeg_of(flip(once)).tobytes() == jpeg_of(data).tobytes()
    assert (flip(once) == data) == (exif != WITHOUT_ORIENTATION)


def test_a_compressed_exif_block_is_mirrored_where_it_can_be_read() -> None:
    pytest.importorskip("brotli", reason="the extra proof is not installed")
    data = from_jpeg(exif_block(orientation=6), compressed=True)
    assert b"brob" in data
    assert jpeg_of(flip(data)).tobytes() == ImageOps.mirror(jpeg_of(data)).tobytes()


def test_where_its_jpeg_cannot_be_mirrored_the_way_back_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    data = from_jpeg(exif_block(orientation=6), compressed=True)
    monkeypatch.setitem(sys.modules, "brotli", None)
    flipped = jxl.flip(data, limits=Limits())
    assert b"jbrd" not in flipped.data
    assert any("first JPEG" in note for note in flipped.notes)
    # Of what was coded with loss, the decoder dithers eight bits by their place.
    difference = ImageChops.difference(shown(flipped.data), ImageOps.mirror(shown(data)))
    assert set(difference.tobytes()) <= {0, 1}
    assert not jxl.flip(from_jpeg(exif_block(orientation=6)), limits=Limits()).notes


def test_an_exif_orientation_that_no_jpeg_comes_from_stays(unproven: None) -> None:
    exif = box(b"Exif", bytes(4), exif_block(orientation=6))
    assert flip(SIGNATURE + exif + box(b"jxlc", SMALL)) == SIGNATURE + exif + box(b"jxlc", flip(SMALL))


def test_content_credentials_are_taken_out_unless_they_are_to_stay(unproven: None) -> None:
    manifest = box(b"jumb", box(b"jumd", b"c2pa", bytes(12), b"\3c2pa\0"), b"claims")
    other = box(b"jumb", box(b"jumd", b"json", bytes(12), b"\3other\0"), b"{}")
    signed = SIGNATURE + manifest + other + box(b"jxlc", SMALL)
    once = jxl.flip(signed, limits=Limits())
    assert once.data == SIGNATURE + other + box(b"jxlc", flip(SMALL))
    assert any("content credentials taken out" in note for note in once.notes)
    kept = jxl.flip(signed, limits=Limits(), keep_credentials=True)
    assert kept.data == SIGNATURE + manifest + other + box(b"jxlc", flip(SMALL))
    assert any("content credentials kept" in note for note in kept.notes)


def test_places_in_the_picture_are_noted(unproven: None) -> None:
    whole = SIGNATURE + box(b"xml ", REGION) + box(b"jxlc", SMALL)
    assert jxl.flip(whole, limits=Limits()).notes == ("not mirrored: positions in XMP",)
    subject = box(b"Exif", bytes(4), SUBJECT)
    assert jxl.flip(SIGNATURE + subject + box(b"jxlc", SMALL), limits=Limits()).notes == (
        "not mirrored: positions in EXIF",
    )


def test_places_are_not_noted_where_the_orientation_in_exif_turns_them() -> None:
    assert not jxl.flip(from_jpeg(SUBJECT), limits=Limits()).notes


def test_compressed_boxes_that_cannot_be_read_are_noted(unproven: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "brotli", None)
    [note] = jxl.flip(SIGNATURE + box(b"brob", b"xml ", b"?") + box(b"jxlc", SMALL), limits=Limits()).notes
    assert note.startswith("not mirrored: positions in compressed metadata")


def test_places_in_compressed_boxes_are_noted(unproven: None) -> None:
    brotli = pytest.importorskip("brotli", reason="the extra proof is not installed")
    compressed = box(b"brob", b"xml ", brotli.compress(REGION))
    assert jxl.flip(SIGNATURE + compressed + box(b"jxlc", SMALL), limits=Limits()).notes == (
        "not mirrored: positions in XMP",
    )


def test_damage_is_found() -> None:
    data = encoded()
    with pytest.raises(FlipError, match="cannot be read"):
        flip(data[: len(data) // 2])
    with pytest.raises(FlipError, match="no codestream"):
        flip(SIGNATURE)
    with pytest.raises(FlipError, match="inside a header"):
        flip(b"\xff\x0a\0")
    pieces = box(b"jxlp", bytes(4), SMALL), box(b"jxlp", b"\x80\0\0\1", SMALL)
    with pytest.raises(FlipError, match="inside its codestream"):
        flip(SIGNATURE + pieces[0] + pieces[1][:-1])


def test_limits_are_checked_from_the_header(unproven: None) -> None:
    data = bytes_of(
        text(0x0AFF, 16) + "0" + number(5000, *DIMENSION) + "000" + number(7000, *DIMENSION) + "1" + "01" * 60
    )
    jxl.flip(data, limits=Limits(frame_pixels=35_000_000))
    with pytest.raises(FlipError, match="7000 × 5000"):
        jxl.flip(data, limits=Limits(frame_pixels=34_999_999))


def test_what_is_too_large_for_a_proof_is_mirrored_with_a_note() -> None:
    library()
    data = bytes_of(
        text(0x0AFF, 16) + "0" + number(5000, *DIMENSION) + "000" + number(7000, *DIMENSION) + "1" + "01" * 60
    )
    assert any("too large to be decoded" in note for note in jxl.flip(data, limits=Limits()).notes)


def test_a_decoder_that_reaches_its_time_leaves_the_picture_without_a_proof(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A few bytes of hidden frames, of any size, are decoded for hours.
    library()
    script = tmp_path / "decoder.py"
    script.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGXCPU)\n")
    monkeypatch.setattr(decode_apart, "__file__", str(script))
    notes = jxl.flip(write_jxl(draw(96, 96)), limits=Limits()).notes
    assert any("too large to be decoded" in note for note in notes)


def test_the_cost_grows_with_the_file_and_no_faster(unproven: None) -> None:

    def mirror(pieces: int) -> Callable[[], object]:
        parts = [box(b"jxlp", struct.pack(">I", at), SMALL[at : at + 1]) for at in range(pieces)]
        whole = (
            SIGNATURE
            + b"".join(parts)
            + box(b"jxlp", bytes(4), SMALL[pieces:])
            + pieces * box(b"jhgm", bytes(8), SMALL)
        )
        return lambda: flip(whole)

    assert is_linear(mirror, 100)


@given(st.data())
def test_any_changed_byte_of_the_boxes_gives_a_picture_or_a_flip_error(drawn: st.DataObject) -> None:
    data = from_jpeg(exif_block(orientation=6))
    at = drawn.draw(st.integers(0, 400))
    damaged = data[:at] + bytes([drawn.draw(st.integers(0, 255))]) + data[at + 1 :]
    try:
        flipped = jxl.flip(damaged, limits=Limits())
    except FlipError:
        return
    assert flipped.data != damaged
