"""What stands around a PNG's raster is true of the mirrored raster, or gone, or a note names it."""

from __future__ import annotations

import io
import random
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from tests.flip import jpegs
from tests.flip.slow_png import SIGNATURE, Kind, chunk, chunks_of, decode, encode, header, read
from tests.flip.xmp_packets import packet, structure
from trio_mirror import FlipError, flip

WIDTH, HEIGHT = 40, 24
RGB = Kind(2, 8, interlaced=False)
PIXELS = [[x << 16 | y << 8 | 7 for x in range(WIDTH)] for y in range(HEIGHT)]
RASTER = chunk(b"IDAT", zlib.compress(encode(PIXELS, RGB, lambda: 0)))
SIDEWAYS = chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0")


def picture(*around: tuple[bytes, bytes], sideways: bool = False, behind: bool = False) -> bytes:
    """A PNG with these chunks before its raster, or behind it."""
    extra = b"".join(chunk(kind, body) for kind, body in around) + SIDEWAYS * sideways
    parts = [RASTER, extra] if behind else [extra, RASTER]
    return b"".join([SIGNATURE, header(WIDTH, HEIGHT, RGB), *parts, chunk(b"IEND", b"")])


def around(data: bytes) -> list[tuple[bytes, bytes]]:
    return [(kind, body) for kind, body in chunks_of(data) if kind not in {b"IHDR", b"IDAT", b"IEND", b"eXIf"}]


def nine_patch(x: list[int], y: list[int], paddings: tuple[int, int, int, int], colours: list[int]) -> bytes:
    counts = bytes([1, len(x), len(y), len(colours)])
    numbers = struct.pack(f">2I4iI{len(x) + len(y)}i", 0, 0, *paddings, 0, *x, *y)
    return counts + numbers + struct.pack(f">{len(colours)}I", *colours)


# Chunks before, mirrored left to right, and top to bottom.
MOVING = {
    "oFFs on vpAg": (
        [(b"vpAg", struct.pack(">2IB", 100, 80, 0)), (b"oFFs", struct.pack(">2iB", 10, 7, 0))],
        [(b"vpAg", struct.pack(">2IB", 100, 80, 0)), (b"oFFs", struct.pack(">2iB", 50, 7, 0))],
        [(b"vpAg", struct.pack(">2IB", 100, 80, 0)), (b"oFFs", struct.pack(">2iB", 10, 49, 0))],
    ),
    "oFFs on caNv": (
        [(b"oFFs", struct.pack(">2iB", -5, 7, 0)), (b"caNv", struct.pack(">2I2i", 100, 80, -5, 7))],
        [(b"oFFs", struct.pack(">2iB", 65, 7, 0)), (b"caNv", struct.pack(">2I2i", 100, 80, 65, 7))],
        [(b"oFFs", struct.pack(">2iB", -5, 49, 0)), (b"caNv", struct.pack(">2I2i", 100, 80, -5, 49))],
    ),
    "npTc": (
        [(b"npTc", nine_patch([24, 36], [2, 20], (18, 4, 3, 1), list(range(9))))],
        [(b"npTc", nine_patch([4, 16], [2, 20], (4, 18, 3, 1), [2, 1, 0, 5, 4, 3, 8, 7, 6]))],
        [(b"npTc", nine_patch([24, 36], [4, 22], (18, 4, 1, 3), [6, 7, 8, 3, 4, 5, 0, 1, 2]))],
    ),
    "npTc that stretches at its edge": (
        [(b"npTc", nine_patch([0, 4], [2, 24], (0, 0, 0, 0), [1, 2, 3, 4]))],
        [(b"npTc", nine_patch([36, 40], [2, 24], (0, 0, 0, 0), [2, 1, 4, 3]))],
        [(b"npTc", nine_patch([0, 4], [0, 22], (0, 0, 0, 0), [3, 4, 1, 2]))],
    ),
    "npLb": (
        [(b"npLb", struct.pack(">4i", 6, 3, 1, 2))],
        [(b"npLb", struct.pack(">4i", 1, 3, 6, 2))],
        [(b"npLb", struct.pack(">4i", 6, 2, 1, 3))],
    ),
    "npOl": (
        [(b"npOl", struct.pack(">4ifI", 6, 3, 1, 2, 1.5, 9))],
        [(b"npOl", struct.pack(">4ifI", 1, 3, 6, 2, 1.5, 9))],
        [(b"npOl", struct.pack(">4ifI", 6, 2, 1, 3, 1.5, 9))],
    ),
    "grAb": (
        [(b"grAb", struct.pack(">2i", 12, 20))],
        [(b"grAb", struct.pack(">2i", 28, 20))],
        [(b"grAb", struct.pack(">2i", 12, 4))],
    ),
}


@pytest.mark.parametrize("kind", MOVING)
def test_places_move_along_the_mirrored_axis_and_back(kind: str) -> None:
    before, across, upended = MOVING[kind]
    once = flip(picture(*before))
    assert around(once.data) == across
    assert around(flip(picture(*before, sideways=True)).data) == upended
    assert around(flip(once.data).data) == before
    assert not once.notes
    assert read(once.data) == [row[::-1] for row in PIXELS]


@pytest.mark.parametrize(
    ("chunks", "named"),
    [
        ([(b"oFFs", struct.pack(">2iB", 10, 7, 0))], "page of unknown size"),
        ([(b"vpAg", struct.pack(">2IB", 100, 80, 0)), (b"oFFs", struct.pack(">2iB", 10, 7, 1))], "unknown size"),
        ([(b"caNv", struct.pack(">2I2i", 0, 0, 10, 7))], "page of unknown size"),
        ([(b"tEXt", b"mxfile\0%3Cmxfile%3E")], "the drawing"),
        ([(b"gIFt", struct.pack(">4i8B", 3, 4, 8, 8, 8, 8, 0, 0, 0, 255, 255, 255) + b"Hi")], "a plain text"),
        ([(b"zxIf", b"\0\0\0\0\x20II*\0")], "compressed EXIF"),
        ([(b"oFFs", b"short")], "damaged oFFs"),
        ([(b"npTc", nine_patch([24, 36], [2, 20], (1, 1, 3, 1), [1, 2])[:-1])], "damaged npTc"),
        ([(b"zTXt", b"Raw profile type exif\0\0not zlib")], "cannot be read"),
    ],
)
def test_what_cannot_be_mirrored_is_named_and_left_as_it_was(chunks: list[tuple[bytes, bytes]], named: str) -> None:
    result = flip(picture(*chunks))
    assert around(result.data) == chunks
    assert named in result.notes[0]


def test_the_colours_of_a_nine_patch_that_fit_no_grid_are_named() -> None:
    assert "colours" in flip(picture((b"npTc", nine_patch([24, 36], [2, 20], (1, 1, 3, 1), [1, 2])))).notes[0]


@pytest.mark.parametrize("behind", [False, True])
def test_unknown_chunks_that_are_unsafe_to_copy_are_taken_out(*, behind: bool) -> None:
    known = [(b"gAMA", bytes(4)), (b"tIME", bytes(7)), (b"sTER", b"\1"), (b"mkTs", b"safe"), (b"pHYs", bytes(9))]
    result = flip(picture(*known, (b"mkBT", b"layers"), (b"prVW", b"a preview"), behind=behind))
    assert around(result.data) == known
    assert result.notes[0].endswith("taken out: mkBT, prVW")


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("kind", [b"caBX", b"dSIG"])
def test_signatures_are_taken_out_unless_they_are_to_be_kept(kind: bytes, *, behind: bool) -> None:
    data = picture((kind, b"signed"), (b"tEXt", b"Title\0kept"), behind=behind)
    assert around(flip(data).data) == [(b"tEXt", b"Title\0kept")]
    assert "credentials taken out" in flip(data).notes[0]
    kept = flip(data, keep_credentials=True)
    assert around(kept.data) == around(data)
    assert "no longer hold" in kept.notes[0]


# --- texts

SMALL = jpegs.encoded(jpegs.drawn(32, 16))
SUBJECT = struct.pack(">HHI4H", 0x9214, 3, 4, 12, 10, 11, 9)


def profile(name: str, octets: bytes) -> bytes:
    """A raw profile as ImageMagick writes it."""
    digits = octets.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    return f"\n{name}\n{len(octets):8}\n{lines}\n".encode()


def text(kind: bytes, keyword: bytes, octets: bytes) -> tuple[bytes, bytes]:
    if kind == b"tEXt":
        return kind, keyword + b"\0" + octets
    if kind == b"zTXt":
        return kind, keyword + b"\0\0" + zlib.compress(octets)
    if kind == b"packed":
        return b"iTXt", keyword + b"\0\1\0en\0translated\0" + zlib.compress(octets)
    return kind, keyword + b"\0\0\0\0\0" + octets


def octets_of(data: bytes, kind: bytes) -> bytes:
    [(_, body)] = around(data)
    plain = body.split(b"\0", {b"tEXt": 1, b"zTXt": 2, b"packed": 4, b"iTXt": 5}[kind])[-1]
    return zlib.decompress(plain) if kind in {b"zTXt", b"packed"} else plain


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt", b"packed"])
@pytest.mark.parametrize(("name", "prefix"), [("exif", b""), ("exif", b"Exif\0\0"), ("APP1", b"Exif\0\0")])
def test_the_thumbnail_of_a_raw_profile_is_mirrored(kind: bytes, name: str, prefix: bytes) -> None:
    block = jpegs.exif_block(thumbnail=SMALL)
    old = profile(name, prefix + block)
    once = flip(picture(text(kind, f"Raw profile type {name}".encode(), old))).data
    found = octets_of(once, kind)
    assert len(found.splitlines()[3]) == 72
    mirrored = bytes.fromhex("".join(found.decode().split("\n")[3:]))
    start = mirrored.index(b"\xff\xd8", 20)
    with Image.open(io.BytesIO(mirrored[start:])) as after, Image.open(io.BytesIO(SMALL)) as before:
        assert jpegs.decibels(after.convert("RGB"), ImageOps.mirror(before.convert("RGB"))) > 40


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt", b"packed"])
@pytest.mark.parametrize(
    ("keyword", "wrap"),
    [
        (b"XML:com.adobe.xmp", lambda xmp: xmp),
        (b"Raw profile type xmp", lambda xmp: profile("xmp", xmp)),
        (b"Raw profile type APP1", lambda xmp: profile("generic profile", b"http://ns.adobe.com/xap/1.0/\0" + xmp)),
    ],
)
def test_the_regions_of_an_xmp_packet_move(kind: bytes, keyword: bytes, wrap: object) -> None:
    assert callable(wrap)
    area = {"x": "0.25", "y": "0.5", "w": "0.1", "h": "0.1", "unit": "normalized"}
    xmp = packet(structure("http://ns.adobe.com/xmp/sType/Area#", "a", area))
    once = flip(picture(text(kind, keyword, wrap(xmp)))).data
    assert octets_of(once, kind) == wrap(xmp.replace(b"0.25", b"0.75"))


def test_packed_texts_are_read_up_to_a_size_of_all_together() -> None:
    xmp = packet(structure("http://ns.adobe.com/xmp/sType/Area#", "a", {"x": "0.25"}), padding=800_000)
    result = flip(picture(*[text(b"zTXt", b"XML:com.adobe.xmp", xmp)] * 3))
    read, *unread = (zlib.decompress(body.split(b"\0", 2)[-1]) for _, body in around(result.data))
    assert b"0.75" in read
    assert unread == [xmp, xmp]
    assert result.notes == ("not mirrored: a text chunk that cannot be read",)


def test_a_long_comment_stays_as_it_is() -> None:
    comment = text(b"zTXt", b"Comment", bytes(5_000_000))
    assert around(flip(picture(comment)).data) == [comment]


@pytest.mark.parametrize("name", ["iptc", "8bim"])
def test_the_guides_of_a_raw_profile_move(name: str) -> None:
    def guides(x: int) -> bytes:
        resource = jpegs.photoshop_resource(1032, struct.pack(">IIIIIB", 1, 0, 0, 1, x * 32, 0))
        return profile(name, resource)

    once = flip(picture(text(b"zTXt", f"Raw profile type {name}".encode(), guides(18)))).data
    assert octets_of(once, b"zTXt") == guides(WIDTH - 18)


@settings(deadline=None, max_examples=80)
@given(
    kind=st.sampled_from([b"tEXt", b"zTXt", b"iTXt", b"oFFs", b"caNv", b"npTc", b"npLb", b"grAb"]),
    noise=st.binary(max_size=80),
)
def test_no_bytes_of_a_chunk_stop_the_flip(kind: bytes, noise: bytes) -> None:
    for body in (noise, b"Raw profile type exif\0\0" + zlib.compress(noise), b"XML:com.adobe.xmp\0\0\0\0\0" + noise):
        try:
            result = flip(picture((kind, body)))
        except FlipError:
            continue  # Pillow refuses some damaged texts
        assert read(result.data) == [row[::-1] for row in PIXELS]


# --- Apple's PNGs


@pytest.mark.parametrize("interlaced", [False, True])
def test_a_png_from_an_app_for_ios_is_mirrored(*, interlaced: bool) -> None:
    kind = Kind(6, 8, interlaced=interlaced)
    pixels = [[random.Random(x * y).getrandbits(32) for x in range(9)] for y in range(5)]
    deflate = zlib.compressobj(wbits=-15)
    raster = deflate.compress(encode(pixels, kind, lambda: 2)) + deflate.flush()
    parts = [chunk(b"CgBI", b"\x50\0\x20\2"), header(9, 5, kind), chunk(b"IDAT", raster), chunk(b"IEND", b"")]
    mirrored = flip(SIGNATURE + b"".join(parts)).data
    found = dict(chunks_of(mirrored))
    assert list(found) == [b"CgBI", b"IHDR", b"IDAT", b"IEND"]
    rows = decode(zlib.decompressobj(-15).decompress(found[b"IDAT"]), 9, 5, kind)
    assert rows == [row[::-1] for row in pixels]
