"""AVIF: mirrored by its images' properties, with the coded pictures and all else left as they are."""

from __future__ import annotations

import functools
import io
import random
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from tests.flip.steps import is_linear
from trio_mirror.errors import FlipError
from trio_mirror.flip import heif
from trio_mirror.flip.edits import Edits
from trio_mirror.flip.heif.orientation import Orientation, read_orientation
from trio_mirror.flip.heif.properties import Properties
from trio_mirror.flip.isobmff import Box, boxes
from trio_mirror.model import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LEFT_RIGHT = Image.Transpose.FLIP_LEFT_RIGHT
CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"iprp", b"ipco"}


def flip(data: bytes) -> bytes:
    flipped = heif.flip(data, limits=Limits())
    assert flipped.lossless
    assert flipped.media_type == "image/avif"
    return flipped.data


@functools.cache
def encoded(width: int = 20, height: int = 14, mode: str = "RGB", orientation: int = 1, frames: int = 1) -> bytes:
    """A random picture; the encoder writes the orientation as ``irot`` and ``imir``."""
    images = [
        Image.frombytes(mode, (width, height), random.Random(at).randbytes(width * height * len(mode)))
        for at in range(frames)
    ]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {} if orientation == 1 else {"exif": exif.tobytes()}
    out = io.BytesIO()
    images[0].save(out, "AVIF", save_all=frames > 1, append_images=images[1:], duration=40, speed=10, **options)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=["AVIF"])
    image.load()
    return image


def displayed(data: bytes) -> bytes:
    return ImageOps.exif_transpose(opened(data)).tobytes()


def mirrored(data: bytes) -> bytes:
    return ImageOps.mirror(ImageOps.exif_transpose(opened(data))).tobytes()


def find(data: bytes, kind: bytes) -> list[Box]:
    """All boxes of a kind, wherever they are."""
    found = []
    pending = list(boxes(data, 0, len(data)))
    while pending:
        box = pending.pop(0)
        if box.kind == kind:
            found.append(box)
        if box.kind in CONTAINERS:
            pending += box.children()
        elif box.kind == b"meta":
            pending += box.children(skip=4)
        elif box.kind == b"stsd":
            pending += box.children(skip=8)
        elif box.kind == b"av01":
            pending += box.children(skip=78)
    return found


def bodies(data: bytes, kind: bytes) -> list[bytes]:
    return [data[box.body : box.end] for box in find(data, kind)]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_in_each_orientation_is_mirrored_as_displayed(orientation: int) -> None:
    data = encoded(orientation=orientation)
    once = flip(data)
    assert displayed(once) == mirrored(data)
    assert displayed(flip(once)) == displayed(data)
    assert opened(once).tobytes() == opened(data).tobytes()
    assert bodies(flip(once), b"mdat") == bodies(data, b"mdat")


def test_a_mirrored_picture_is_mirrored_by_taking_the_mirroring_away() -> None:
    data = flip(encoded())
    assert bodies(data, b"imir") == [b"\1"]
    assert bodies(flip(data), b"ipma") == bodies(encoded(), b"ipma")
    assert flip(data) == encoded()
    assert flip(flip(data)) == data


def test_alpha_is_mirrored_with_the_picture() -> None:
    data = encoded(mode="RGBA")
    once = flip(data)
    assert displayed(once) == mirrored(data)
    [ipma] = bodies(once, b"ipma")
    # Both items end with the same property, number 8, marked as essential.
    assert ipma.count(b"\x88") == 2


def test_a_sequence_is_mirrored_in_its_tracks_and_in_its_still() -> None:
    data = encoded(mode="RGBA", frames=3)
    flipped = heif.flip(data, limits=Limits())
    assert "animation" in flipped.notes[0]
    once = flipped.data
    assert len(bodies(once, b"imir")) == 3  # one for the items, one in each track
    before, after = opened(data), opened(once)
    assert after.getexif()[0x0112] == 2
    for frame in range(3):
        before.seek(frame)
        after.seek(frame)
        assert before.tobytes() == after.tobytes()
        assert before.info["duration"] == after.info["duration"]
    assert [table[8:] for table in bodies(flip(once), b"stsz")] == [table[8:] for table in bodies(data, b"stsz")]
    assert bodies(flip(once), b"stsd") == bodies(data, b"stsd")
    assert bodies(flip(once), b"mdat") == bodies(data, b"mdat")


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


HDLR = full(b"hdlr", 0, 0, bytes(4), b"pict", bytes(13))
Item = tuple[bytes, bytes, list[int]]
"""The type of an item, its data and its properties; its id is its place in a list, counted from 1."""


def coded(width: int = 64, height: int = 64, seed: int = 0) -> tuple[bytes, bytes]:
    """A picture as an item holds it, and the box of its codec's configuration."""
    image = Image.frombytes("RGB", (width, height), random.Random(seed).randbytes(width * height * 3))
    out = io.BytesIO()
    image.save(out, "AVIF", speed=10, quality=30)
    data = out.getvalue()
    [config] = find(data, b"av1C")
    return bodies(data, b"mdat")[0], data[config.start : config.end]


def ispe(width: int, height: int) -> bytes:
    return full(b"ispe", 0, 0, struct.pack(">II", width, height))


def reference(kind: bytes, item: int, *others: int) -> bytes:
    return box(kind, struct.pack(f">HH{len(others)}H", item, len(others), *others))


PIXI = full(b"pixi", 0, 0, b"\3\x08\x08\x08")


def file(
    items: list[Item],
    properties: list[bytes],
    references: list[bytes] | None = None,
    *,
    data_first: bool = False,
    base: int = 8,
    base_size: int = 0,
    offset_size: int = 4,
    wide: bool = False,
    brand: bytes = b"avif",
    groups: bytes = b"",
) -> bytes:
    """A HEIF file with a layout of one's own choice; the first item is the primary one."""
    ftyp = box(b"ftyp", brand, bytes(4), brand + b"mif1miaf")
    mdat = box(b"mdat", *(item[1] for item in items))

    def meta(start: int) -> bytes:
        infos = [
            full(b"infe", 2, 0, struct.pack(">HH4s", number, 0, item[0]), b"\0") for number, item in enumerate(items, 1)
        ]
        locations = []
        for number, item in enumerate(items, 1):
            used = base if base_size else 0
            used, offset = (used, start - used) if offset_size else (start, 0)
            locations.append(
                struct.pack(">HH", number, 0)
                + used.to_bytes(base_size)
                + struct.pack(">H", 1)
                + offset.to_bytes(offset_size)
                + struct.pack(">I", len(item[1]))
            )
            start += len(item[1])
        associations = [
            struct.pack(">HB", number, len(item[2])) + b"".join(each.to_bytes(2 if wide else 1) for each in item[2])
            for number, item in enumerate(items, 1)
        ]
        return full(
            b"meta",
            0,
            0,
            HDLR,
            full(b"pitm", 0, 0, struct.pack(">H", 1)),
            full(
                b"iloc",
                0,
                0,
                bytes([offset_size << 4 | 4, base_size << 4]),
                struct.pack(">H", len(items)),
                *locations,
            ),
            full(b"iinf", 0, 0, struct.pack(">H", len(items)), *infos),
            *([full(b"iref", 0, 0, *references)] if references else []),
            box(
                b"iprp",
                box(b"ipco", *properties),
                full(b"ipma", 0, int(wide), struct.pack(">I", len(items)), *associations),
            ),
            groups,
        )

    if data_first:
        return ftyp + mdat + meta(len(ftyp) + 8)
    return ftyp + meta(len(ftyp) + len(meta(8)) + 8) + mdat


def associations(data: bytes) -> dict[int, list[int]]:
    """The properties of each item, from a narrow table."""
    [table] = bodies(data, b"ipma")
    at = 8
    found = {}
    while at < len(table):
        item, count = struct.unpack_from(">HB", table, at)
        found[item] = [each & 0x7F for each in table[at + 3 : at + 3 + count]]
        at += 3 + count
    return found


@pytest.mark.parametrize("data_first", [False, True])
@pytest.mark.parametrize(("base_size", "offset_size"), [(0, 4), (0, 8), (4, 4), (8, 0), (4, 8)])
@pytest.mark.parametrize("wide", [False, True])
def test_every_layout_of_the_tables_is_understood(
    *, data_first: bool, base_size: int, offset_size: int, wide: bool
) -> None:
    payload, config = coded()
    data = file(
        [(b"av01", payload, [1, 2, 3])],
        [ispe(64, 64), PIXI, config],
        data_first=data_first,
        base_size=base_size,
        offset_size=offset_size,
        wide=wide,
    )
    once = flip(data)
    assert displayed(once) == mirrored(data)
    assert displayed(flip(once)) == displayed(data)


def test_a_small_base_offset_is_no_hindrance_when_the_file_shrinks() -> None:
    payload, config = coded()
    properties = [ispe(64, 64), PIXI, config, box(b"irot", b"\1"), box(b"irot", b"\3"), box(b"imir", b"\0")]
    items = [(b"av01", payload, [1, 2, 3, 0x8004, 0x8006])]
    data = file(items, properties, base=1, base_size=4, wide=True)
    once = flip(data)
    assert len(once) < len(data)
    assert displayed(once) == mirrored(data)


def test_image_data_in_another_file_are_refused() -> None:
    data = bytearray(encoded())
    [iloc] = find(bytes(data), b"iloc")
    struct.pack_into(">H", data, iloc.body + 10, 1)
    with pytest.raises(FlipError, match="in another file"):
        flip(bytes(data))


def test_more_properties_than_a_narrow_table_can_count_make_it_a_wide_one() -> None:
    payload, config = coded()
    unused = [box(b"free", bytes([at])) for at in range(124)]
    data = file([(b"av01", payload, [1, 2, 3])], [ispe(64, 64), PIXI, config, *unused])
    assert displayed(flip(data)) == mirrored(data)


def test_a_grid_is_mirrored_and_not_its_tiles() -> None:
    payload, config = coded()
    grid = struct.pack(">BBBBHH", 0, 0, 0, 1, 128, 64)
    data = file(
        [(b"grid", grid, [4, 2]), (b"av01", payload, [1, 2, 3]), (b"av01", coded(seed=1)[0], [1, 2, 3])],
        [ispe(64, 64), PIXI, config, ispe(128, 64)],
        [reference(b"dimg", 1, 2, 3)],
    )
    once = flip(data)
    assert displayed(once) == mirrored(data)
    assert associations(once) == {1: [4, 2, 5], 2: [1, 2, 3], 3: [1, 2, 3]}


def test_a_gain_map_and_a_thumbnail_are_mirrored_and_the_tone_mapped_image_with_them() -> None:
    payload, config = coded()
    data = file(
        [
            (b"av01", payload, [1, 2, 3]),
            (b"av01", coded(seed=1)[0], [1, 2, 3]),
            (b"tmap", bytes(62), [1, 2]),
            (b"av01", coded(seed=2)[0], [1, 2, 3]),
        ],
        [ispe(64, 64), PIXI, config],
        [reference(b"dimg", 3, 1, 2), reference(b"thmb", 4, 1)],
    )
    assert associations(flip(data)) == {1: [1, 2, 3, 4], 2: [1, 2, 3, 4], 3: [1, 2], 4: [1, 2, 3, 4]}


def test_alpha_planes_of_tiles_stay_with_their_tiles() -> None:
    payload, config = coded()
    grid = struct.pack(">BBBBHH", 0, 0, 0, 0, 64, 64)
    alpha = full(b"auxC", 0, 0, b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0")
    data = file(
        [(b"grid", grid, [1, 2]), (b"av01", payload, [1, 2, 3]), (b"av01", payload, [1, 2, 3, 4])],
        [ispe(64, 64), PIXI, config, alpha],
        [reference(b"dimg", 1, 2), reference(b"auxl", 3, 2)],
    )
    assert associations(flip(data)) == {1: [1, 2, 5], 2: [1, 2, 3], 3: [1, 2, 3, 4]}


@given(st.integers(0, 3), st.sampled_from([None, 0, 1]), st.integers(0, 3), st.sampled_from([None, 0, 1]))
def test_orientations_form_a_group_in_which_mirroring_is_its_own_inverse(
    turns: int, axis: int | None, other_turns: int, other_axis: int | None
) -> None:
    one, other = Orientation(turns, axis), Orientation(other_turns, other_axis)
    assert shown(one.mirrored()) == mirror_rows(shown(one))
    assert shown(one.mirrored().mirrored()) == shown(one)
    assert (shown(one.mirrored()) == shown(other.mirrored())) == (shown(one) == shown(other))
    properties = [(each[4:8], each[8:]) for each in one.property_boxes()]
    assert read_orientation(properties) == one


def shown(orientation: Orientation) -> list[list[int]]:
    """A picture of six different pixels, rotated anticlockwise and then mirrored."""
    rows = [[1, 2, 3], [4, 5, 6]]
    for _ in range(orientation.turns):
        rows = [list(column) for column in zip(*rows, strict=True)][::-1]
    if orientation.axis == 0:
        return rows[::-1]
    return mirror_rows(rows) if orientation.axis == 1 else rows


def mirror_rows(rows: list[list[int]]) -> list[list[int]]:
    return [row[::-1] for row in rows]


def with_properties(*properties: bytes) -> bytes:
    payload, config = coded()
    numbers = [1, 2, 3, *range(0x84, 0x84 + len(properties))]
    return file([(b"av01", payload, numbers)], [ispe(64, 64), PIXI, config, *properties])


def test_orders_of_turning_and_mirroring_that_viewers_do_not_agree_on_are_refused() -> None:
    with pytest.raises(FlipError, match="do not agree"):
        flip(with_properties(box(b"imir", b"\1"), box(b"irot", b"\1")))
    with pytest.raises(FlipError, match="do not agree"):
        flip(with_properties(box(b"imir", b"\1"), box(b"imir", b"\0")))
    with pytest.raises(FlipError, match="do not agree"):
        flip(with_properties(box(b"irot", b"\1"), box(b"irot", b"\1")))


def test_a_tone_mapped_image_that_is_turned_by_itself_is_refused() -> None:
    payload, config = coded()
    data = file(
        [(b"av01", payload, [1, 2, 3]), (b"av01", payload, [1, 2, 3]), (b"tmap", bytes(62), [1, 2, 0x84])],
        [ispe(64, 64), PIXI, config, box(b"irot", b"\1")],
        [reference(b"dimg", 3, 1, 2)],
    )
    with pytest.raises(FlipError, match="do not agree"):
        flip(data)


def test_an_image_that_is_shown_and_is_a_part_of_another_is_refused() -> None:
    payload, config = coded()
    data = file(
        [(b"av01", payload, [1, 2, 3]), (b"iden", b"", [1, 2])],
        [ispe(64, 64), PIXI, config],
        [reference(b"dimg", 2, 1)],
    )
    with pytest.raises(FlipError, match="both by itself and as a part"):
        flip(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (box(b"ftyp", b"isom", bytes(4), b"mp42") + box(b"meta", bytes(4)), "a video"),
        (box(b"ftyp", b"heic", bytes(4), b"mif1heic") + box(b"meta", bytes(4)), "no description"),
        (box(b"ftyp", b"avif", bytes(4), b"avif"), "no description"),
        (box(b"ftyp", b"avif", bytes(4), b"avif") + box(b"mini", bytes(1)), "cut short"),
        (box(b"ftyp", b"avis", bytes(4), b"avis") + box(b"moof", bytes(4)), "in fragments"),
        (box(b"ftyp", b"avif", bytes(4), b"avif") + full(b"meta", 0, 0, HDLR), "which of its images"),
        (file([(b"xyz1", b"", [1])], [ispe(8, 8)]), "'xyz1'"),
        (file([(b"av01", b"", [9])], [ispe(8, 8)]), "not there"),
        (encoded()[:-10], "cannot be read"),
        (encoded()[:100], "no description|cut short"),
        (encoded().replace(b"ipma", b"free"), "no properties"),
    ],
)
def test_what_cannot_be_mirrored_is_refused_in_words(data: bytes, message: str) -> None:
    with pytest.raises(FlipError, match=message):
        flip(data)


def test_damaged_image_data_do_not_pass_for_a_mirrored_picture() -> None:
    data = bytearray(encoded())
    [mdat] = find(bytes(data), b"mdat")
    data[mdat.body : mdat.end] = bytes(mdat.end - mdat.body)
    with pytest.raises(FlipError, match="cannot be read"):
        flip(bytes(data))


def test_a_stated_size_that_would_cost_much_is_mirrored_undecoded_and_noted() -> None:
    def stating(width: int, height: int) -> bytes:
        at = encoded().index(b"ispe") + 8
        return encoded()[:at] + struct.pack(">II", width, height) + encoded()[at + 8 :]

    assert not heif.flip(stating(20, 14), limits=Limits()).notes
    (note,) = heif.flip(stating(5_001, 5_000), limits=Limits()).notes
    assert "too large to be decoded" in note


def test_limits_are_checked_from_the_headers() -> None:
    with pytest.raises(FlipError, match="--max-frame-pixels"):
        heif.flip(encoded(), limits=Limits(frame_pixels=279))
    sequence = encoded(mode="RGBA", frames=3)
    with pytest.raises(FlipError, match="--max-frames"):
        heif.flip(sequence, limits=Limits(frames=2))
    with pytest.raises(FlipError, match="--max-total-pixels"):
        heif.flip(sequence, limits=Limits(total_pixels=839))


# Pillow warns of pictures from 90 million pixels on, and a warning is an error here.
BELOW_PILLOWS_OWN = Limits(frame_pixels=50_000_000)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([("RGB", 6, 1), ("RGBA", 1, 1), ("RGBA", 1, 3)]), st.data())
def test_any_changed_or_cut_byte_gives_a_picture_or_a_flip_error(
    kind: tuple[str, int, int], data: st.DataObject
) -> None:
    mode, orientation, frames = kind
    whole = encoded(mode=mode, orientation=orientation, frames=frames)
    at = data.draw(st.integers(0, len(whole) - 1))
    value = data.draw(st.none() | st.integers(0, 255))
    damaged = whole[:at] if value is None else whole[:at] + bytes([value]) + whole[at + 1 :]
    try:
        once = heif.flip(damaged, limits=BELOW_PILLOWS_OWN).data
    except FlipError:
        return
    assert opened(once).tobytes() == opened(damaged).tobytes()


def test_the_cost_of_moving_offsets_grows_with_the_file_and_no_faster() -> None:
    def moves(pieces: int) -> Callable[[], object]:
        edits = Edits(bytes(8 + pieces))
        whole = Box(bytes(8 + pieces), b"free", 0, 8, 8 + pieces)
        for at in range(pieces):
            edits.splice(whole, 8 + at, 8 + at, b"12345678")
        return lambda: [edits.moved(at) for at in range(pieces)]

    assert is_linear(moves, 500)
    assert moves(3)() == [0, 0, 0]
    edits = Edits(bytes(64))
    edits.splice(Box(bytes(64), b"free", 0, 8, 64), 20, 24, b"12345678")
    edits.splice(Box(bytes(64), b"free", 0, 8, 64), 10, 12, b"")
    assert [edits.moved(at) for at in (11, 12, 23, 24)] == [0, -2, -2, 2]


def test_the_cost_of_properties_grows_with_the_file_and_no_faster() -> None:
    def box(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(body), kind) + body

    def mirror(pieces: int) -> Callable[[], object]:
        properties, data = in_tables(range(pieces))
        return lambda: properties().mirror(set(range(pieces)), Edits(data))

    def in_tables(items: Iterable[int]) -> tuple[Callable[[], Properties], bytes]:
        tables = b"".join(box(b"ipma", struct.pack(">IIHB", 0, 1, item, 0)) for item in items)
        data = box(b"meta", bytes(4) + box(b"iprp", box(b"ipco", b"") + tables))
        return lambda: Properties(Box(data, b"meta", 0, 8, len(data))), data

    assert is_linear(mirror, 100)
    with pytest.raises(FlipError, match="listed twice"):
        in_tables([1, 1])[0]()
