"""Every picture in the segments of a JPEG is mirrored with the first, or named."""

from __future__ import annotations

import base64
import re
import struct
from hashlib import md5
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageChops, ImageOps

from tests.flip.jpegs import (
    APP1,
    APP2,
    XMP,
    decibels,
    decoded,
    drawn,
    encoded,
    exif_block,
    exif_segment,
    with_segments,
    xmp_segment,
)
from tests.flip.steps import is_linear
from tests.flip.test_exif import thumbnail_of
from tests.flip.xmp_packets import packet, structure
from tests.helpers.pictures import encode
from trio_mirror.flip import flip
from trio_mirror.flip.jpeg import mirror_image
from trio_mirror.flip.jpeg.segments import Segment, parse

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("route")

APP3, APP4, APP11 = 0xE3, 0xE4, 0xEB
CAMERA_RAW = "http://ns.adobe.com/camera-raw-settings/1.0/"
DEPTH = "http://ns.google.com/photos/1.0/depthmap/"
IMAGE = "http://ns.google.com/photos/1.0/image/"
PANORAMA = "http://ns.google.com/photos/1.0/panorama/"
EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"


def is_mirrored(new: bytes, old: bytes, orientation: int = 1) -> bool:
    wanted = ImageOps.flip(decoded(old)) if orientation > 4 else ImageOps.mirror(decoded(old))
    return decibels(decoded(new), wanted) >= 30


def first_jpeg(block: bytes) -> bytes:
    at = block.index(b"\xff\xd8\xff")
    return block[at : parse(block, at).end]


def turned(orientation: int, *segments: Segment) -> bytes:
    data = encoded(drawn(64, 48))
    return with_segments(data, exif_segment(exif_block(orientation=orientation)), *segments)


MAKERS = {
    "Nikon": b"Nikon\0\x02\x10\0\0MM\0*\0\0\0\x08",
    "Olympus": b"OLYMPUS\0II\x03\0",
    "Panasonic": b"Panasonic\0\0\0",
    "Pentax": b"AOC\0MM",
    "Sony": b"SONY DSC \0\0\0",
    "Fuji": b"FUJIFILM\x0c\0\0\0",
    "Canon": b"",
}


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_the_preview_of_a_maker_is_mirrored_where_it_stands(maker: str, order: str, orientation: int) -> None:
    preview = encoded(drawn(160, 112), quality=75)
    note = MAKERS[maker] + bytes(90) + preview + b"offsets that only the maker knows"
    block = exif_block(orientation=orientation, maker_note=note, thumbnail=encoded(drawn(32, 24)), order=order)
    flipped = flip(with_segments(encoded(drawn(64, 48)), exif_segment(block)))
    (exif,) = (it.payload[6:] for it in parse(flipped.data).segments if it.marker == APP1)
    assert exif.index(MAKERS[maker] + bytes(90)) == block.index(MAKERS[maker] + bytes(90))
    assert exif.index(b"offsets that") == block.index(b"offsets that")
    assert is_mirrored(first_jpeg(exif), preview, orientation)
    assert flipped.notes == ()


def test_a_preview_that_is_cut_off_is_named() -> None:
    block = exif_block(maker_note=encoded(drawn(160, 120))[:-300])
    flipped = flip(with_segments(encoded(drawn(64, 48)), exif_segment(block)))
    assert flipped.notes == ("not mirrored: a preview in the MakerNote (it is cut off)",)


@pytest.mark.parametrize("header", [b"", b"QVGA\0", b"Meta\0\0II*\0"])
@pytest.mark.parametrize("marker", [APP2, APP3])
@pytest.mark.parametrize("orientation", [1, 8])
def test_a_preview_in_application_segments_is_mirrored(marker: int, header: bytes, orientation: int) -> None:
    preview = encoded(drawn(160, 112), quality=75)
    flipped = flip(turned(orientation, Segment(marker, header + preview)))
    (payload,) = (it.payload for it in parse(flipped.data).segments if it.marker == marker)
    assert payload.startswith(header)
    assert is_mirrored(payload[len(header) :], preview, orientation)


def test_a_preview_may_run_over_several_segments() -> None:
    preview = encoded(Image.effect_noise((400, 304), 90), quality=90)
    parts = [Segment(APP3, preview[:30_000]), Segment(APP4, preview[30_000:60_000]), Segment(APP4, preview[60_000:])]
    flipped = flip(turned(1, *parts))
    payloads = [it.payload for it in parse(flipped.data).segments if it.marker in {APP3, APP4}]
    assert [len(it) for it in payloads[:2]] == [30_000, 30_000]
    assert is_mirrored(b"".join(payloads), preview)


@pytest.mark.parametrize("order", ["<", ">"])
def test_each_exif_block_is_patched_inside_itself(order: str) -> None:
    growing = encoded(drawn(45, 33).point(lambda value: value * 7 % 256), quality=29)  # stripes need finer tables
    block = exif_block(thumbnail=growing, order=order)
    flipped = flip(with_segments(encoded(drawn(64, 48)), exif_segment(block), exif_segment(block)))
    blocks = [it.payload[6:] for it in parse(flipped.data).segments if it.marker == APP1]
    assert len(blocks) == 2
    for exif in blocks:
        assert len(exif) > len(block)
        assert is_mirrored(thumbnail_of(exif, order), growing)
    assert flipped.notes == ()


def extended(first: bytes, rest: bytes, part: int = 2_000) -> list[Segment]:
    """A packet that names its extension, and that over as many segments."""
    digest = md5(rest, usedforsecurity=False).hexdigest().upper()
    parts = [
        Segment(APP1, EXTENSION + digest.encode() + struct.pack(">II", len(rest), at) + rest[at : at + part])
        for at in range(0, len(rest), part)
    ]
    return [xmp_segment(first.replace(b"DIGEST", digest.encode())), *parts]


def joined_extension(data: bytes) -> bytes:
    """The extension that the packet of a file names, checked as readers check it."""
    segments = [it.payload for it in parse(data).segments]
    (first,) = (it for it in segments if it.startswith(XMP))
    digest = first.split(b'HasExtendedXMP="')[1][:32]
    parts = [it[len(EXTENSION) :] for it in segments if it.startswith(EXTENSION + digest)]
    assert len(parts) > 1
    whole = b"".join(it[40:] for it in sorted(parts, key=lambda it: it[36:40]))
    assert md5(whole, usedforsecurity=False).hexdigest().upper().encode() == digest
    assert {int.from_bytes(it[32:36], "big") for it in parts} == {len(whole)}
    return whole


NAMED = '<rdf:Description xmlns:n="http://ns.adobe.com/xmp/note/" n:HasExtendedXMP="DIGEST"/>'


def google(space: str, name: str, picture: bytes) -> str:
    return f'<g:{name} xmlns:g="{space}">{base64.b64encode(picture).decode()}</g:{name}>'


def pictures(xmp: bytes) -> list[bytes]:
    return [base64.b64decode(it) for it in re.findall(rb"<g:\w+[^>]*>([^<]+)</g:", xmp)]


@pytest.mark.parametrize("orientation", [1, 2, 6])
@pytest.mark.parametrize("size", [(64, 48), (61, 35)])
def test_a_depth_map_and_its_picture_are_mirrored_in_extended_xmp(size: tuple[int, int], orientation: int) -> None:
    depth, original = encode(drawn(*size, "L"), "PNG"), encoded(drawn(*size), quality=80)
    rest = packet(google(DEPTH, "Data", depth), google(IMAGE, "Data", original), google(DEPTH, "Confidence", depth))
    flipped = flip(turned(orientation, *extended(packet(NAMED), rest)))
    found = pictures(joined_extension(flipped.data))
    wanted = ImageOps.flip(decoded(depth)) if orientation > 4 else ImageOps.mirror(decoded(depth))
    for new in (found[0], found[2]):
        assert ImageChops.difference(decoded(new), wanted).getbbox() is None
    assert is_mirrored(found[1], original, orientation)
    assert flipped.notes == ()


@pytest.mark.parametrize("moved", [{"FullPanoWidthPixels", "PoseHeadingDegrees"}, {"CroppedAreaLeftPixels"}, set()])
def test_properties_of_a_panorama_that_moved_to_extended_xmp_count_for_those_that_did_not(moved: set[str]) -> None:
    stated = {
        "CroppedAreaImageWidthPixels": "64",
        "FullPanoWidthPixels": "256",
        "CroppedAreaLeftPixels": "20",
        "PoseHeadingDegrees": "225",
        "InitialViewHeadingDegrees": "350",
    }
    mirrored = stated | {"CroppedAreaLeftPixels": "172", "InitialViewHeadingDegrees": "100"}

    def segments(fields: dict[str, str]) -> list[Segment]:
        elements = {name: f"<g:{name} xmlns:g='{PANORAMA}'>{it}</g:{name}>" for name, it in fields.items()}
        rest = "".join(it for name, it in elements.items() if name in moved) + f"<a>{'text' * 999}</a>"
        return extended(packet(NAMED, *(it for name, it in elements.items() if name not in moved)), packet(rest))

    flipped = flip(turned(1, *segments(stated)))
    assert ([it for it in parse(flipped.data).segments if it.marker == APP1][1:], flipped.notes) == (
        segments(mirrored),
        (),
    )


@pytest.mark.parametrize(("applied", "turned_to"), [("True", "2.5"), ("False", "-2.5")])
def test_a_crop_that_moved_to_extended_xmp_stays_where_the_packet_says_that_it_was_applied(
    applied: str, turned_to: str
) -> None:
    def segments(angle: str) -> list[Segment]:
        extension = packet(f"<c:CropAngle xmlns:c='{CAMERA_RAW}'>{angle}</c:CropAngle>")
        return extended(
            packet(NAMED, f"<c:AlreadyApplied xmlns:c='{CAMERA_RAW}'>{applied}</c:AlreadyApplied>"), extension
        )

    flipped = flip(turned(1, *segments("2.5")))
    assert [it for it in parse(flipped.data).segments if it.marker == APP1][1:] == segments(turned_to)
    assert flipped.notes == ()


def test_a_damaged_packet_does_not_keep_its_extension_from_being_mirrored() -> None:
    panorama = {"CroppedAreaImageWidthPixels": "64", "FullPanoWidthPixels": "256", "CroppedAreaLeftPixels": "20"}
    extension = packet(structure(PANORAMA, "Panorama", panorama))
    flipped = flip(turned(1, *extended(packet(NAMED, f"<g:open xmlns:g='{PANORAMA}'>"), extension, 200)))
    assert joined_extension(flipped.data) == extension.replace(b">20<", b">172<")
    assert flipped.notes[0].startswith("not mirrored: XMP that cannot be read")


def test_a_picture_inside_may_be_as_large_as_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror_image, "_THUMBNAIL_PIXELS", 100)
    fitting, larger = (packet(google(IMAGE, "Data", encoded(drawn(*size)))) for size in ((64, 48), (80, 48)))
    assert flip(turned(1, *extended(packet(NAMED), fitting))).notes == ()
    assert "a picture in the XMP was dropped" in flip(turned(1, *extended(packet(NAMED), larger))).notes[0]


def test_extended_xmp_that_does_not_change_stays_byte_by_byte() -> None:
    parts = extended(packet(NAMED), packet("<a:b xmlns:a='http://a/'>" + "text" * 2_000 + "</a:b>"))
    flipped = flip(turned(1, *parts))
    assert [it for it in parse(flipped.data).segments if it.marker == APP1][1:] == parts


def test_many_packets_with_many_extensions_take_linear_work() -> None:
    def work(pieces: int) -> Callable[[], object]:
        area = 'xmlns:s="http://ns.adobe.com/xmp/sType/Area#" s:x="0.1"'
        parts = [it for number in range(pieces) for it in extended(packet(NAMED), f"<a{number} {area}/>".encode())]
        data = turned(1, *parts)
        return lambda: flip(data)

    assert is_linear(work, 200)


def test_pictures_of_an_unknown_kind_are_dropped_with_one_note() -> None:
    body = packet(*[google(DEPTH, "Data", b"RIFF, a WebP")] * 50)
    flipped = flip(turned(1, xmp_segment(body)))
    assert flipped.notes == ("a picture in the XMP was dropped: it is not a JPEG",)


def test_the_two_eyes_of_a_virtual_reality_photo_change_places() -> None:
    left, right = encoded(drawn(64, 48), quality=95), encoded(drawn(64, 48).rotate(9), quality=95)
    panorama = f'<g:ProjectionType xmlns:g="{PANORAMA}">equirectangular</g:ProjectionType>'
    parts = extended(packet(NAMED, panorama), packet(google(IMAGE, "Data", right)), 300)
    flipped = flip(with_segments(left, *parts))
    (eye,) = pictures(joined_extension(flipped.data))
    assert is_mirrored(flipped.data, right)
    assert is_mirrored(eye, left)
    assert flipped.notes == ()


def flir(raster: bytes, order: str, *others: int, visible: bytes = b"") -> list[Segment]:
    """FLIR's records over two segments: a raster of 9 by 5 samples, a visible picture, empty ones of other kinds."""
    raw, picture = (head + struct.pack("<HH", 9, 5) + bytes(26) for head in (b"\x02\0", b"\x03\0"))
    bodies = [(1, raw + raster), *([(0x0E, picture + visible)] if visible else ()), *((kind, b"") for kind in others)]
    at, entries = 64 + 32 * len(bodies), b""
    for kind, body in bodies:
        entries += struct.pack(f"{order}HHIIII12x", kind, 1, 100, 1, at, len(body))
        at += len(body)
    block = b"FFF\0" + bytes(16) + struct.pack(f"{order}III", 101, 64, len(bodies)) + bytes(32) + entries
    block += b"".join(body for _, body in bodies) + b"the end"
    halves = block[:100], block[100:]
    return [Segment(APP1, b"FLIR\0\x01" + bytes((number, 1)) + half) for number, half in enumerate(halves)]


def thermal(data: bytes) -> bytes:
    return b"".join(it.payload[8:] for it in parse(data).segments if it.payload.startswith(b"FLIR\0"))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_the_thermal_raster_of_flir_is_mirrored(order: str, orientation: int) -> None:
    rows = [struct.pack("<9H", *range(9 * row, 9 * row + 9)) for row in range(5)]
    mirrored = [struct.pack("<9H", *range(9 * row + 8, 9 * row - 1, -1)) for row in range(5)]
    before = turned(orientation, *flir(b"".join(rows), order))
    flipped = flip(before)
    wanted = b"".join(reversed(rows) if orientation > 4 else mirrored)
    assert thermal(flipped.data) == thermal(before).replace(b"".join(rows), wanted)
    assert flipped.notes == ()
    assert thermal(flip(flipped.data).data) == thermal(before)


@pytest.mark.parametrize("orientation", [1, 6])
def test_the_visible_picture_of_flir_is_mirrored_in_its_place(orientation: int) -> None:
    before = turned(orientation, *flir(bytes(90), "<", visible=encoded(drawn(48, 32), quality=95) + bytes(999)))
    flipped = flip(before)
    (old, new) = (thermal(data)[thermal(data).index(b"\xff\xd8") :] for data in (before, flipped.data))
    assert len(old) == len(new)
    wanted = (ImageOps.flip if orientation > 4 else ImageOps.mirror)(decoded(old))
    assert decibels(decoded(new), wanted) >= 36
    assert flipped.notes == ()


def test_what_flir_places_on_its_raster_is_named() -> None:
    flipped = flip(turned(1, *flir(bytes(90), "<", 0x21, 0x2A, 0x28, visible=b"of 16 bits" * 10)))
    assert flipped.notes == (
        "not mirrored: FLIR's measurements, FLIR's painted raster, FLIR's picture in picture, FLIR's visible picture",
    )
    damaged = flip(turned(1, Segment(APP1, b"FLIR\0\x01\0\0FFF\0")))
    assert damaged.notes == ("not mirrored: FLIR's thermal raster",)


@pytest.mark.parametrize(("sizes", "noted"), [((40_000,), True), ((20_000, 20_000), True), ((9_000, 9_000), False)])
def test_application_data_that_may_be_a_raster_is_named(sizes: tuple[int, ...], *, noted: bool) -> None:
    before = turned(1, *(Segment(APP3, bytes(size)) for size in sizes), Segment(0xFE, bytes(20_000)))
    flipped = flip(before)
    assert flipped.notes == (("not mirrored: unknown application data",) if noted else ())
    assert [it.payload for it in parse(flipped.data).segments] == [it.payload for it in parse(before).segments]


def jumbf(kind: bytes, number: int) -> list[Segment]:
    """A box of JUMBF over two segments."""
    box = (
        b"\0\0\x01\0jumb\0\0\0\x26jumd" + kind + bytes.fromhex("00110010800000aa00389b71") + b"\x03name\0" + bytes(200)
    )
    head = b"JP" + struct.pack(">H", number)
    return [
        Segment(APP11, head + struct.pack(">I", 1) + box[:100]),
        Segment(APP11, head + struct.pack(">I", 2) + box[:8] + box[100:]),
    ]


@pytest.mark.parametrize("keep", [False, True])
def test_content_credentials_go_unless_they_are_to_be_kept(*, keep: bool) -> None:
    other = jumbf(b"abcd", 2)
    flipped = flip(turned(1, *jumbf(b"c2pa", 1), *other), keep_credentials=keep)
    kept = [it for it in parse(flipped.data).segments if it.marker == APP11]
    assert kept == [*(jumbf(b"c2pa", 1) if keep else ()), *other]
    assert len(flipped.notes) == 1
    assert flipped.notes[0].startswith("content credentials kept" if keep else "content credentials taken out")
