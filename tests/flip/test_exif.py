from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.flip.jpegs import exif_block
from trio_mirror.errors import FlipError
from trio_mirror.flip.exif import displayed_orientation, flips_rows
from trio_mirror.flip.jpeg.exif_thumbnail import mirrored_exif

# A thumbnail need not be a real one here, only a JPEG to its markers.
THUMBNAIL = b"\xff\xd8\xff\xc0\0\x0b\x08\0\x08\0\x08\1\1\x11\0\xff\xda\0\x08\1\1\0\0\x3f\0old\xff\xd9"
MAKER_NOTE = b"offsets that only the maker knows"


def orientation(block: bytes) -> int:
    return displayed_orientation(block, b"") or 1


def mirrored(block: bytes, thumbnail: bytes) -> bytes:
    result, notes = mirrored_exif(block, lambda _: thumbnail)
    assert notes == ()
    return result


def thumbnail_of(block: bytes, order: str = "<") -> bytes:
    """The thumbnail as any reader finds it, through both directories."""
    (ifd0,) = struct.unpack_from(f"{order}I", block, 4)
    (count,) = struct.unpack_from(f"{order}H", block, ifd0)
    (ifd1,) = struct.unpack_from(f"{order}I", block, ifd0 + 2 + 12 * count)
    (start,) = struct.unpack_from(f"{order}I", block, ifd1 + 2 + 8)
    (length,) = struct.unpack_from(f"{order}I", block, ifd1 + 14 + 8)
    return block[start : start + length]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("value", range(1, 9))
def test_the_orientation_is_read_in_both_byte_orders(order: str, value: int) -> None:
    assert orientation(exif_block(orientation=value, order=order)) == value


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_counts_as_upright(value: int) -> None:
    assert orientation(exif_block(orientation=value)) == 1


def test_an_orientation_may_be_a_long() -> None:
    block = b"MM\0*" + struct.pack(">IHHHIII", 8, 1, 0x0112, 4, 1, 6, 0)
    assert orientation(block) == 6


def test_only_the_sideways_orientations_reverse_the_order_of_the_rows() -> None:
    assert [value for value in range(1, 9) if flips_rows(value)] == [5, 6, 7, 8]


def test_xmp_states_the_orientation_only_where_exif_does_not() -> None:
    xmp = b'<rdf:Description tiff:Orientation="6"/>'
    assert displayed_orientation(exif_block(orientation=3), xmp) == 3
    assert displayed_orientation(b"", xmp) == 6
    assert displayed_orientation(b"", b"<tiff:Orientation>8</tiff:Orientation>") == 8
    assert displayed_orientation(b"", b"") is None


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("thumbnail", [THUMBNAIL.replace(b"old", b"new"), b"\xff\xd8short\xff\xd9"])
def test_a_thumbnail_that_fits_is_replaced_in_place(order: str, thumbnail: bytes) -> None:
    block = exif_block(thumbnail=THUMBNAIL, maker_note=MAKER_NOTE, behind=b"more", order=order)
    result = mirrored(block, thumbnail)
    start = block.index(THUMBNAIL)
    assert result[:start] == block[:start]
    assert result[start:] == thumbnail.ljust(len(THUMBNAIL), b"\0") + b"more"


@pytest.mark.parametrize("behind", [b"", bytes(3), b"a preview that stands behind it"])
def test_a_thumbnail_that_has_grown_is_found_and_moves_nothing_else(behind: bytes) -> None:
    block = exif_block(thumbnail=THUMBNAIL, maker_note=MAKER_NOTE, behind=behind)
    grown = THUMBNAIL.replace(b"old", b"longer than before")
    result = mirrored(block, grown)
    assert thumbnail_of(result) == grown
    assert THUMBNAIL not in result
    assert result.index(MAKER_NOTE) == block.index(MAKER_NOTE)
    if behind.strip(b"\0"):
        assert result.index(behind) == block.index(behind)


def test_what_a_too_long_thumbnail_length_reaches_over_is_kept() -> None:
    block = exif_block(thumbnail=THUMBNAIL + b"not the thumbnail's")
    assert mirrored(block, THUMBNAIL[:-1]).endswith(b"not the thumbnail's")


def test_a_thumbnail_that_outgrows_the_segment_is_dropped_with_a_note() -> None:
    block = exif_block(orientation=6, thumbnail=THUMBNAIL, maker_note=MAKER_NOTE)
    result, notes = mirrored_exif(block, lambda _: bytes(66_000))
    assert len(notes) == 1
    assert "thumbnail was dropped" in notes[0]
    assert orientation(result) == 6
    assert 1 not in directories(result)


def test_a_thumbnail_that_cannot_be_mirrored_is_dropped_with_the_reason() -> None:
    def refuse(_: bytes) -> bytes:
        raise FlipError("it is painted on wood")

    block = exif_block(thumbnail=THUMBNAIL, maker_note=MAKER_NOTE)
    result, notes = mirrored_exif(block, refuse)
    assert notes == ("the EXIF thumbnail was dropped: it is painted on wood",)
    assert 1 not in directories(result)
    assert result.index(MAKER_NOTE) == block.index(MAKER_NOTE)


def test_an_uncompressed_thumbnail_is_dropped() -> None:
    block = exif_block(thumbnail=THUMBNAIL).replace(struct.pack("<H", 0x0201), struct.pack("<H", 0x0111))
    result, notes = mirrored_exif(block, lambda thumbnail: thumbnail)
    assert notes == ("the EXIF thumbnail was dropped: it is not a JPEG",)
    assert 1 not in directories(result)


def test_a_grown_thumbnail_is_dropped_where_its_fields_are_too_narrow() -> None:
    long, byte = struct.pack("<HHI", 0x0202, 4, 1), struct.pack("<HHI", 0x0202, 1, 1)
    block = exif_block(thumbnail=THUMBNAIL).replace(long, byte)
    _, notes = mirrored_exif(block, lambda _: bytes(300))
    assert notes == ("the EXIF thumbnail was dropped: its fields are too narrow for its new place",)


def test_a_block_without_a_thumbnail_stays_as_it_is() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    block = exif.tobytes()[6:]
    assert mirrored_exif(block, lambda _: b"") == (block, ())


@given(st.binary(max_size=64), st.sampled_from([b"II*\0", b"MM\0*", b""]))
def test_no_bytes_make_the_parser_fail(noise: bytes, head: bytes) -> None:
    block = head + noise
    result, _ = mirrored_exif(block, lambda thumbnail: thumbnail)
    assert len(result) == len(block)
    assert 1 <= orientation(block) <= 8


@given(st.data())
def test_changed_bytes_of_a_real_block_make_no_parser_fail(data: st.DataObject) -> None:
    block = bytearray(exif_block(thumbnail=THUMBNAIL, maker_note=MAKER_NOTE))
    for _ in range(data.draw(st.integers(1, 4))):
        block[data.draw(st.integers(0, len(block) - 1))] = data.draw(st.integers(0, 255))
    result, _ = mirrored_exif(bytes(block), lambda thumbnail: thumbnail + b"grown")
    assert 1 <= orientation(result) <= 8


def directories(block: bytes) -> dict[int, dict[int, object]]:
    """The directories that Pillow finds, by number: 0 is the picture's, 1 the thumbnail's."""
    exif = Image.Exif()
    exif.load(b"Exif\0\0" + block)
    found = {0: dict(exif), 1: exif.get_ifd(1)}
    return {number: directory for number, directory in found.items() if directory}
