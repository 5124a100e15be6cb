"""What stands behind the first image of a JPEG file is mirrored or named, and found where the file says."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageOps

from tests.flip.jpegs import (
    decibels,
    decoded,
    drawn,
    encoded,
    exif_block,
    exif_segment,
    may_grow,
    with_segments,
    xmp_segment,
)
from tests.flip.steps import is_linear
from tests.flip.test_multi_picture import images, several
from tests.flip.xmp_packets import packet
from tests.helpers.pictures import encode
from trio_mirror.flip import flip
from trio_mirror.flip.jpeg import assembly
from trio_mirror.flip.jpeg.multi_picture import read_index
from trio_mirror.flip.jpeg.segments import Segment, parse

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("route")

VIDEO = (
    struct.pack(">I", 24) + b"ftypmp42" + bytes(4) + b"mp42isom" + struct.pack(">I", 208) + b"mdat" + bytes(range(200))
)
VIDEO_NOTE = "not mirrored: the video behind the picture"
GOOGLE = {
    "Container": "http://ns.google.com/photos/1.0/container/",
    "Item": "http://ns.google.com/photos/1.0/container/item/",
    "GCamera": "http://ns.google.com/photos/1.0/camera/",
    "hdrgm": "http://ns.adobe.com/hdr-gain-map/1.0/",
}
HDR = ' hdrgm:Version="1.0"'


def directory(*items: tuple[str, int], first: int = 0, own: str = "", spaces: dict[str, str] = GOOGLE) -> Segment:
    """XMP that names what follows the first image: semantics and lengths in bytes."""
    declared = " ".join(f'xmlns:{prefix}="{space}"' for prefix, space in spaces.items())
    container, item = list(spaces)[:2]
    lines = "".join(
        f'<rdf:li rdf:parseType="Resource"><{container}:Item {item}:Semantic="{what}" {item}:Length="{size}"/></rdf:li>'
        for what, size in (("Primary", first), *items)
    )
    body = f"<rdf:Description {declared}{own}><{container}:Directory><rdf:Seq>{lines}</rdf:Seq></{container}:Directory>"
    return xmp_segment(packet(f"{body}</rdf:Description>"))


def items(data: bytes) -> list[bytes]:
    """What the directory of a file names, as its readers find it."""
    at, found = parse(data).end, []
    for size in [int(it) for it in re.findall(rb':Length="(\d+)"', data)][1:]:
        found.append(data[at : at + size])
        at += size
    return found


def is_mirrored(new: bytes, old: bytes) -> bool:
    return decibels(decoded(new), ImageOps.mirror(decoded(old))) >= 36


def plain(size: int = 40) -> bytes:
    return encoded(drawn(size, 30), quality=80)


@pytest.mark.parametrize("prefixes", [("Container", "Item"), ("c", "i")])
@pytest.mark.parametrize("is_indexed", [False, True])
@pytest.mark.parametrize("quality", [29, 75, 95])
def test_each_item_of_a_directory_is_whole_at_its_length(
    prefixes: tuple[str, str], quality: int, *, is_indexed: bool
) -> None:
    spaces = {**dict(zip(prefixes, list(GOOGLE.values())[:2], strict=True)), "hdrgm": GOOGLE["hdrgm"]}
    gain_map = encoded(drawn(45, 33, "L"), quality=quality, optimize=True)
    named = directory(("GainMap", len(gain_map)), ("MotionPhoto", len(VIDEO)), own=HDR, spaces=spaces)
    first = with_segments(encoded(drawn(64, 48), quality=quality), named)
    data = several(first, gain_map) + VIDEO if is_indexed else first + gain_map + VIDEO
    flipped = flip(data)
    new_map, video = items(flipped.data)
    assert is_mirrored(new_map, gain_map)
    assert video == VIDEO
    assert flipped.notes == (VIDEO_NOTE,)
    if is_indexed:
        assert images(flipped.data)[1] == new_map


@pytest.mark.parametrize("orientation", [1, 5])
def test_a_png_among_the_items_is_mirrored_and_found(orientation: int) -> None:
    depth, other = encode(drawn(61, 35, "L"), "PNG"), plain()
    named = directory(("Depth", len(depth)), ("Original", len(other)))
    first = with_segments(encoded(drawn(64, 48)), exif_segment(exif_block(orientation=orientation)), named)
    flipped = flip(first + depth + other)
    new_depth, new_other = items(flipped.data)
    for new, old in ((new_depth, depth), (new_other, other)):
        wanted = ImageOps.flip(decoded(old)) if orientation > 4 else ImageOps.mirror(decoded(old))
        assert decibels(decoded(new), wanted) >= 36
    assert flipped.notes == ()
    damaged = flip(encoded(drawn(64, 48)) + depth[:40])
    assert damaged.notes[0].startswith("a PNG behind the picture was left as it was: ")


def test_the_length_of_the_first_image_is_true_where_it_is_stated() -> None:
    other = encoded(drawn(45, 33), quality=80)
    plain_first = encoded(drawn(61, 48), quality=80)
    size = len(with_segments(plain_first, directory(("Other", len(other)), first=1_000)))
    flipped = flip(with_segments(plain_first, directory(("Other", len(other)), first=size)) + other).data
    assert b'Length="%d"' % parse(flipped).end in flipped


def test_a_gain_map_that_cannot_be_mirrored_goes_with_all_that_names_it() -> None:
    gain_map = encoded(drawn(64, 48, "L")).replace(b"\xff\xc0\0\x0b\x08", b"\xff\xc0\0\x0b\x0c")  # 12 bits
    named = directory(("GainMap", len(gain_map)), ("MotionPhoto", len(VIDEO)), own=HDR)
    data = several(with_segments(encoded(drawn(64, 48)), named), gain_map) + VIDEO
    flipped = flip(data)
    assert items(flipped.data) == [VIDEO]
    assert b"GainMap" not in flipped.data
    assert b"hdrgm:Version" not in flipped.data
    assert read_index(parse(flipped.data).segments) is None
    assert "gain map for HDR displays was dropped, with its XMP and its entry in the index" in flipped.notes[0]


def test_an_index_whose_places_are_wrong_is_repaired() -> None:
    gain_map = plain()
    data = several(with_segments(encoded(drawn(64, 48))), gain_map)
    moved = with_segments(data[: parse(data).end], Segment(0xFE, b"a comment that some program put in later"))
    stale = moved + data[parse(data).end :]
    flipped = flip(stale)
    assert is_mirrored(images(flipped.data)[1], gain_map)
    assert flipped.notes == ("the multi-picture index was repaired: it named images where none are",)


def test_zeroed_entries_of_an_index_stay() -> None:
    data = several(encoded(drawn(64, 48)), plain())
    table = data.index(struct.pack("<I", len(plain()))) - 4
    zeroed = data[:table] + bytes(16) + data[table + 16 :]
    flipped = flip(zeroed)
    assert flipped.data[table : table + 16] == bytes(16)
    assert flipped.notes == () or may_grow()


def test_a_zeroed_entry_is_not_a_stereo_view() -> None:
    views = [encoded(drawn(64, 48).rotate(angle), quality=95) for angle in (0, 5, 9)]
    data = bytearray(several(*views))
    table = data.index(struct.pack("<II", 0, parse(bytes(data)).end))
    for place in (table, table + 16, table + 32):
        struct.pack_into("<I", data, place, 0x020002)
    struct.pack_into("<II", data, table + 20, 0, 0)
    flipped = flip(bytes(data))
    first, _, last = views
    assert is_mirrored(flipped.data, last)
    assert is_mirrored(images(flipped.data)[2], first)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("order", ["<", ">"])
def test_stereo_views_change_places_so_that_depth_stays(count: int, order: str) -> None:
    views = [encoded(drawn(64, 48).rotate(3 * number), quality=95) for number in range(count)]
    data = several(*views, order=order)
    stereo = data.replace(
        struct.pack(f"{order}II", 0, parse(data).end), struct.pack(f"{order}II", 0x020002, parse(data).end)
    )
    for view in views[1:]:
        stereo = stereo.replace(struct.pack(f"{order}II", 0, len(view)), struct.pack(f"{order}II", 0x020002, len(view)))
    flipped = flip(stereo)
    for new, old in zip(images(flipped.data), reversed(views), strict=True):
        assert is_mirrored(new, old)
    assert flipped.notes == ()
    twice = flip(flipped.data).data
    for new, old in zip(images(twice), views, strict=True):
        assert decibels(decoded(new), decoded(old)) >= 36


def test_a_preview_behind_padding_is_mirrored_where_it_stands() -> None:
    preview = plain()
    data = encoded(drawn(64, 48)) + bytes(32) + preview + bytes(16) + b"the end"
    flipped = flip(data).data
    assert is_mirrored(flipped[flipped.rindex(b"\xff\xd8\xff") :], preview)
    assert flipped.endswith(bytes(16) + b"the end")


def with_preview(first: bytes, preview: bytes, order: str, *tags: int) -> bytes:
    """A JPEG with a preview behind it, which Minolta's MakerNote states by a tag with its place and one with its size.

    With one tag alone, of which the preview is the value, Sony's does. It is a directory of its own without a header,
    whose offsets count from the TIFF header. A further tag is one of another meaning between the two.
    """

    def block(at: int) -> bytes:
        head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
        ifd0 = struct.pack(f"{order}HHHIII", 1, 0x8769, 4, 1, 26, 0)
        exif = struct.pack(f"{order}HHHIII", 1, 0x927C, 7, 6 + 12 * len(tags), 44, 0)
        numbers = [at, *[7] * (len(tags) - 2), len(preview)]
        entries = [struct.pack(f"{order}HHII", tag, 4, 1, number) for tag, number in zip(tags, numbers, strict=False)]
        if len(tags) == 1:
            entries = [struct.pack(f"{order}HHII", *tags, 7, len(preview), at)]
        return head + ifd0 + exif + struct.pack(f"{order}H", len(tags)) + b"".join(entries) + bytes(4)

    whole = with_segments(first, exif_segment(block(0)))
    base = whole.index(b"Exif\0\0") + 6
    return with_segments(first, exif_segment(block(len(whole) - base))) + preview


def stated_preview(data: bytes, order: str, *fields: int) -> bytes:
    """The preview by its place and its size, which stand at these offsets in the note's entries."""
    base = data.index(b"Exif\0\0") + 6
    at, size = (struct.unpack_from(f"{order}I", data, base + 46 + field)[0] for field in fields)
    return data[base + at : base + at + size]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("quality", [60, 75, 95])
@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"progressive": True}], ids=str)
@pytest.mark.parametrize("fitted", [True, False])
@pytest.mark.parametrize(("tags", "fields"), [((0x88, 0x89), (8, 20)), ((0x2001,), (8, 4))])
def test_a_maker_finds_its_preview_behind_the_picture(
    order: str,
    quality: int,
    options: dict[str, bool],
    fitted: bool,
    tags: tuple[int, ...],
    fields: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not fitted:  # as where TurboJPEG 2 is all there is
        monkeypatch.setattr(assembly, "shortened", lambda jpeg, _: jpeg)
    preview = encoded(drawn(160, 120), quality=quality, **options)
    first = encoded(drawn(131, 96), quality=quality, **options)
    flipped = flip(with_preview(first, preview, order, *tags))
    assert is_mirrored(stated_preview(flipped.data, order, *fields), preview)
    assert flipped.notes == ()


def test_a_grown_preview_of_which_the_size_is_not_found_is_named() -> None:
    preview = encoded(drawn(61, 45).point(lambda value: value * 7 % 256), quality=29)  # stripes need finer tables
    flipped = flip(with_preview(encoded(drawn(64, 48)), preview, "<", 0x88, 0x8A, 0x8C))
    assert "where its maker may not find it" in flipped.notes[0]


@pytest.mark.parametrize("rest", [b"", VIDEO])
def test_bytes_of_unknown_meaning_stay_where_they_were(rest: bytes) -> None:
    data = encoded(drawn(64, 48), quality=90) + b"a maker's own" + rest
    once = flip(data)
    moved = "what follows the picture has moved, where its maker may not find it"
    assert (moved in once.notes) is (len(once.data) > len(data))
    if len(once.data) <= len(data):
        assert once.data.index(b"a maker's own") == data.index(b"a maker's own")


@pytest.mark.parametrize(("size", "is_named"), [(1_000, False), (3_000, True)])
def test_much_data_of_unknown_meaning_is_named(size: int, *, is_named: bool) -> None:
    flipped = flip(encoded(drawn(64, 48)) + bytes(500) + b"a depth map?" * (size // 12))
    assert ("not mirrored: unknown data behind the picture" in flipped.notes) is is_named


def samsung(*blocks: tuple[int, bytes, bytes]) -> bytes:
    """Samsung's trailer of blocks: types, names and contents."""
    bodies = [struct.pack("<HHI", 0, kind, len(name)) + name + content for kind, name, content in blocks]
    total = sum(map(len, bodies))
    entries, at = b"", 0
    for (kind, _, _), body in zip(blocks, bodies, strict=True):
        entries += struct.pack("<HHII", 0, kind, total - at, len(body))
        at += len(body)
    header = b"SEFH" + struct.pack("<II", 106, len(blocks)) + entries
    return b"".join(bodies) + header + struct.pack("<I", len(header)) + b"SEFT"


def samsung_blocks(data: bytes) -> list[bytes]:
    at = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    assert data[at : at + 4] == b"SEFH"
    count = int.from_bytes(data[at + 8 : at + 12], "little")
    places = [struct.unpack_from("<II", data, at + 16 + 12 * number) for number in range(count)]
    return [data[at - distance : at - distance + size] for distance, size in places]


@pytest.mark.parametrize("quality", [29, 75, 95])
def test_the_pictures_in_samsungs_trailer_are_mirrored_and_found(quality: int) -> None:
    preview = encoded(drawn(61, 35), quality=quality, optimize=True)
    trailer = samsung(
        (0x0A01, b"Image_UTC_Data", b"1600000000000"), (0x0100, b"DualShot_1", preview), (0x0AB1, b"D", b"raw")
    )
    flipped = flip(encoded(drawn(61, 48), quality=quality) + trailer)
    time, picture, depth = samsung_blocks(flipped.data)
    assert time.endswith(b"1600000000000")
    assert is_mirrored(picture[18:], preview)
    assert depth.endswith(b"raw")
    assert flipped.notes == ("not mirrored: Samsung's depth map",)


@pytest.mark.parametrize("form", ["GCamera", "Samsung"])
def test_the_video_of_a_motion_photo_is_kept_and_named(form: str) -> None:
    own = f' GCamera:MicroVideoOffset="{len(VIDEO)}"'
    first = with_segments(encoded(drawn(61, 48)), directory(("MotionPhoto", len(VIDEO)), own=own))
    data = (
        first + VIDEO if form == "GCamera" else encoded(drawn(61, 48)) + samsung((0x0A30, b"MotionPhoto_Data", VIDEO))
    )
    flipped = flip(data)
    assert flipped.data[parse(flipped.data).end :] == data[parse(data).end :]
    assert flipped.notes == (VIDEO_NOTE,)


# Stripes, which need finer tables to stay close.
GROWING = encoded(drawn(45, 33).point(lambda value: value * 7 % 256), quality=29)


def test_a_video_is_found_from_the_end_though_what_follows_it_grows() -> None:
    own = f' GCamera:MicroVideoOffset="{len(VIDEO + GROWING)}"'
    flipped = flip(with_segments(encoded(drawn(61, 48)), directory(own=own)) + VIDEO + GROWING).data
    (offset,) = re.findall(rb'MicroVideoOffset="(\d+)"', flipped)
    assert flipped[-int(offset) :].startswith(VIDEO)
    assert int(offset) > len(VIDEO + GROWING)


@pytest.mark.parametrize("before", [b"", b"some maker's own"])
@pytest.mark.parametrize("after", [b"", samsung((0x0A01, b"Image_UTC_Data", b"1600000000000"))], ids=["", "samsung"])
def test_items_are_found_between_other_bytes(before: bytes, after: bytes) -> None:
    if before and after:
        return  # nothing says where they begin
    first = with_segments(encoded(drawn(61, 48)), directory(("GainMap", len(GROWING)), own=HDR))
    flipped = flip(first + before + GROWING + after).data
    (_, size) = map(int, re.findall(rb'Item:Length="(\d+)"', flipped))
    at = flipped.index(b"\xff\xd8\xff", parse(flipped).end)
    assert size == parse(flipped, at).end - at > len(GROWING)


def test_mirrored_twice_a_file_of_several_images_is_the_first_again() -> None:
    named = directory(("MotionPhoto", len(VIDEO)))
    data = several(with_segments(encoded(drawn(64, 48)), named), encoded(drawn(64, 48))) + VIDEO
    once = flip(data)
    if once.lossless:  # from our own writing of the tables on
        assert flip(flip(once.data).data).data == once.data


def test_images_within_a_video_are_left_alone() -> None:
    film = VIDEO[:24] + struct.pack(">I", 8 + len(plain())) + b"mdat" + plain()
    flipped = flip(encoded(drawn(64, 48)) + film)
    assert flipped.data.endswith(film)


def test_segments_and_further_jpegs_that_fail_take_linear_work() -> None:
    small = encoded(drawn(8, 8))
    twelve_bits = small.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c")

    def work(pieces: int) -> Callable[[], object]:
        data = with_segments(small, *[Segment(0xE1, b"of no known kind")] * 4 * pieces) + twelve_bits * pieces
        return lambda: flip(data)

    assert is_linear(work, 200)


def test_a_further_jpeg_that_claims_to_be_huge_fails_no_picture() -> None:
    huge = plain().replace(struct.pack(">HH", 30, 40), b"\xff\xff\xff\xff")
    flipped = flip(encoded(drawn(64, 48)) + b"some maker's" + huge)
    assert flipped.data.endswith(huge)
    assert flipped.notes[0].startswith("a further JPEG behind the picture was left as it was: ")


def test_many_starts_of_nothing_take_no_time() -> None:
    noise = b"\xff\xd8\xff\xe1" * 50_000
    flipped = flip(encoded(drawn(64, 48)) + noise)
    assert flipped.data.endswith(noise)


def test_the_order_of_views_that_differ_is_named() -> None:
    first, second = encoded(drawn(64, 48)), encoded(Image.new("RGB", (32, 32)))
    data = several(first, second)
    for size in (parse(data).end, len(second)):
        data = data.replace(struct.pack("<II", 0, size), struct.pack("<II", 0x020002, size))
    assert flip(data).notes == ("not mirrored: the order of stereo views that differ in size or kind",)
