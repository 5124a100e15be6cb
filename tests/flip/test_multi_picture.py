from __future__ import annotations

import io
import re
import struct

import pytest
from PIL import Image, ImageOps, ImageSequence

from tests.flip.jpegs import (
    APP2,
    decibels,
    decoded,
    drawn,
    encoded,
    exif_block,
    exif_segment,
    with_segments,
    xmp_segment,
)
from trio_mirror.errors import FlipError
from trio_mirror.flip import flip
from trio_mirror.flip.jpeg.multi_picture import read_index
from trio_mirror.flip.jpeg.segments import Segment, parse
from trio_mirror.model import Lossless

pytestmark = pytest.mark.usefixtures("route")

XMP = (
    b'<rdf:Description xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
    b' xmlns:Container="http://ns.google.com/photos/1.0/container/"'
    b' xmlns:Item="http://ns.google.com/photos/1.0/container/item/"'
    b' xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0">'
    b'<Container:Item Item:Semantic="Primary"/>'
    b'<Container:Item Item:Semantic="GainMap" Item:Length="%d"/></rdf:Description>'
)


def stereo(*frames: Image.Image) -> bytes:
    out = io.BytesIO()
    frames[0].save(out, "MPO", save_all=True, append_images=frames[1:])
    return out.getvalue()


def several(first: bytes, *further: bytes, order: str = "<", gap: bytes = b"") -> bytes:
    """A file of several images with an index, laid out by CIPA DC-007 section 5."""
    header = b"II*\0" if order == "<" else b"MM\0*"
    entries = b"".join(struct.pack(f"{order}IIIHH", 0, 0, 0, 0, 0) for _ in (first, *further))
    undefined, long = 7, 4
    directory = (
        struct.pack(f"{order}HHHI4s", 3, 0xB000, undefined, 4, b"0100")
        + struct.pack(f"{order}HHII", 0xB001, long, 1, 1 + len(further))
        + struct.pack(f"{order}HHIII", 0xB002, undefined, len(entries), 8 + 2 + 3 * 12 + 4, 0)
    )
    payload = b"MPF\0" + header + struct.pack(f"{order}I", 8) + directory
    whole = with_segments(first, Segment(APP2, payload + entries))
    base = whole.index(payload) + 4
    table, at = b"", len(whole) + len(gap)
    for position, image in enumerate([whole, *further]):
        offset = 0 if position == 0 else at - base
        table += struct.pack(f"{order}IIIHH", 0, len(image), offset, 0, 0)
        at += 0 if position == 0 else len(image) + len(gap)
    return whole.replace(payload + entries, payload + table) + b"".join(gap + image for image in further)


def images(data: bytes) -> list[bytes]:
    """The images that the index of a file names."""
    index = read_index(parse(data).segments)
    assert index is not None
    places = [(0 if offset == 0 else index.base + offset, size) for _, size, offset in index.entries]
    return [data[start : start + size] for start, size in places]


def gain_mapped(gain_map: bytes) -> bytes:
    xmp = xmp_segment(XMP % len(gain_map))
    return several(with_segments(encoded(drawn(64, 48)), xmp), gain_map)


@pytest.mark.parametrize("size", [(64, 48), (61, 35)])
def test_both_frames_of_a_stereo_picture_are_mirrored_and_found(size: tuple[int, int]) -> None:
    data = stereo(drawn(*size), ImageOps.flip(drawn(*size)))
    before, after = decoded(data), decoded(flip(data).data)
    assert after.format == "MPO"
    for frame in (0, 1):
        before.seek(frame)
        after.seek(frame)
        assert decibels(after.copy(), ImageOps.mirror(before)) >= 40


def test_what_is_near_in_a_stereo_pair_stays_near() -> None:
    # A left eye sees what is near further to the right than a right eye does.
    views = [Image.new("L", (64, 48)) for _ in range(2)]
    for view, left in zip(views, (35, 29), strict=True):
        view.paste(255, (left, 20, left + 8, 28))
    data = bytearray(stereo(*views))
    table = data.index(struct.pack("<II", 0x030000, parse(bytes(data)).end))
    for place in (table, table + 16):
        struct.pack_into("<I", data, place, 0x020002)

    def seen(data: bytes) -> list[int]:
        """Where both eyes see it, as Pillow finds them."""
        frames = ImageSequence.Iterator(decoded(data))
        return [(frame.point(lambda value: 255 * (value > 127)).getbbox() or [0])[0] for frame in frames]

    assert seen(bytes(data)) == [35, 29]
    once = flip(bytes(data)).data
    assert seen(once) == [64 - 8 - 29, 64 - 8 - 35]
    assert seen(flip(once).data) == [35, 29]


def test_views_without_an_orientation_of_their_own_change_places_too() -> None:
    left, right = (Image.new("L", (64, 48), grey) for grey in (50, 200))
    data = several(with_segments(encoded(left), exif_segment(exif_block(orientation=6))), encoded(right))
    for size in map(len, images(data)):
        data = data.replace(struct.pack("<II", 0, size), struct.pack("<II", 0x020002, size))
    result = flip(data)
    assert [decoded(image).getpixel((9, 9)) for image in images(result.data)] == [200, 50]
    assert result.notes == ()


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("tag", "kind", "value", "named"),
    [(0xB201, 4, 1, True), (0xB20D, 10, -9, True), (0xB20D, 10, 0, False), (0xB20D, 10, -1, False)],
    ids=["panorama", "roll", "no roll", "unknown roll"],
)
def test_the_direction_of_a_view_is_named(tag: int, kind: int, value: int, order: str, *, named: bool) -> None:
    header = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    where = struct.pack(f"{order}i", value if kind == 4 else 26)
    directory = struct.pack(f"{order}HHHI4sI2i", 1, tag, kind, 1, where, 0, value, 2)
    view = with_segments(encoded(drawn(64, 48)), Segment(APP2, b"MPF\0" + header + directory))
    notes = ("not mirrored: the directions of views",) if named else ()
    assert flip(several(encoded(drawn(64, 48)), view)).notes == notes


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("gap", [b"", bytes(10)])
def test_the_index_names_every_image_where_it_now_stands(order: str, gap: bytes) -> None:
    further = [encoded(drawn(33, 35)), encoded(drawn(16, 8))]
    data = several(encoded(drawn(64, 48)), *further, order=order, gap=gap) + b"the end"
    flipped = flip(data).data
    for old, new in zip(images(data), images(flipped), strict=True):
        assert decibels(decoded(new), ImageOps.mirror(decoded(old))) >= 40
    assert flipped.endswith(b"the end")


def test_an_index_may_name_the_first_image_alone() -> None:
    data = several(encoded(drawn(61, 35))) + b"the end"
    flipped = flip(data).data
    (image,) = images(flipped)
    assert flipped == image + b"the end"
    assert decibels(decoded(image), ImageOps.mirror(decoded(data))) >= 40


def test_a_preview_is_mirrored_along_the_axis_of_the_first_image() -> None:
    first = with_segments(encoded(drawn(64, 48)), exif_segment(exif_block(orientation=6)))
    data = several(first, encoded(drawn(32, 16)))
    preview = images(flip(data).data)[1]
    assert decibels(decoded(preview), ImageOps.flip(decoded(images(data)[1]))) >= 40


def test_an_image_with_an_orientation_of_its_own_is_mirrored_by_that() -> None:
    second = with_segments(encoded(drawn(32, 16)), exif_segment(exif_block(orientation=8)))
    data = several(encoded(drawn(64, 48)), second)
    assert decibels(decoded(images(flip(data).data)[1]), ImageOps.flip(decoded(second))) >= 40


@pytest.mark.parametrize("quality", [30, 60, 90])
def test_the_length_of_a_gain_map_is_the_same_in_index_and_xmp(quality: int) -> None:
    gain_map = encoded(drawn(33, 17, "L"), quality=quality, optimize=True)
    flipped = flip(gain_mapped(gain_map))
    mirrored = images(flipped.data)[1]
    stated = re.search(rb'Item:Length="([0-9]+)"', flipped.data)
    assert stated is not None
    assert int(stated[1]) == len(mirrored) == len(flipped.data) - flipped.data.index(mirrored)
    assert decibels(decoded(mirrored), ImageOps.mirror(decoded(gain_map))) >= 40


def test_a_damaged_gain_map_is_dropped_with_its_index_and_a_note() -> None:
    data = gain_mapped(encoded(drawn(64, 48, "L"))[:-200])
    flipped = flip(data)
    assert "gain map for HDR displays was dropped" in flipped.notes[-1]
    assert read_index(parse(flipped.data).segments) is None
    assert parse(flipped.data).end == len(flipped.data)
    assert decibels(decoded(flipped.data), ImageOps.mirror(decoded(data))) >= 40


def test_no_gain_map_is_dropped_where_all_is_to_be_exact() -> None:
    further = encoded(drawn(64, 48))[:-200]
    with pytest.raises(FlipError, match=r"the gain map for HDR displays cannot be mirrored: |not installed"):
        flip(gain_mapped(encoded(drawn(61, 48))) + further, lossless=Lossless.ALWAYS)


def test_a_damaged_frame_fails_the_picture() -> None:
    data = stereo(drawn(64, 48), drawn(64, 48))
    with pytest.raises(FlipError):
        flip(data[:-200])


def test_an_index_whose_images_are_gone_is_dropped_with_a_note() -> None:
    data = stereo(drawn(64, 48), drawn(64, 48))
    flipped = flip(data[: parse(data).end])
    assert read_index(parse(flipped.data).segments) is None
    assert flipped.notes == ("the multi-picture index was dropped: it named images where none are",)
    assert decibels(decoded(flipped.data), ImageOps.mirror(decoded(data))) >= 40


@pytest.mark.parametrize("index", [b"II*\0\xff\xff\0\0", b"nonsense", b"II*\0\x08\0\0\0\0\0"])
def test_an_index_that_makes_no_sense_is_left_as_it_is(index: bytes) -> None:
    nonsense = Segment(APP2, b"MPF\0" + index)
    data = with_segments(encoded(drawn(64, 48)), nonsense)
    assert nonsense in parse(flip(data).data).segments


def test_an_index_of_images_that_were_cut_off_is_dropped_with_a_note() -> None:
    further = encoded(drawn(33, 35))
    data = several(encoded(drawn(64, 48)), further, further)
    jfif = 20  # bytes of the start of an image and its first segment
    flipped = flip(data[: jfif - 2 * len(further)])
    assert "the multi-picture index was dropped: it named images where none are" in flipped.notes


def test_jpegs_behind_the_picture_are_mirrored_without_an_index_too() -> None:
    further = encoded(drawn(32, 16))
    data = encoded(drawn(64, 48)) + further
    flipped = flip(data).data
    behind = flipped[parse(flipped).end :]
    assert decibels(decoded(behind), ImageOps.mirror(decoded(further))) >= 40


def test_what_only_begins_like_a_jpeg_is_left_as_it_was() -> None:
    assert flip(encoded(drawn(64, 48)) + b"\xff\xd8\xff text").data.endswith(b"\xff\xd8\xff text")


def test_a_damaged_jpeg_behind_the_picture_is_left_as_it_was() -> None:
    broken = encoded(drawn(64, 48))[:-200]
    flipped = flip(encoded(drawn(64, 48)) + broken)
    assert flipped.data.endswith(broken)
    assert "left as it was" in flipped.notes[0]


def test_a_length_of_thousands_of_digits_is_left_as_it_is() -> None:
    digits = b"9" * 5_000
    gain_map = encoded(drawn(33, 17, "L"))
    xmp = xmp_segment(XMP.replace(b"%d", digits))
    flipped = flip(several(with_segments(encoded(drawn(64, 48)), xmp), gain_map))
    assert digits in flipped.data
