"""What stands between the frames of a GIF is true of the mirrored frames, or a note names it."""

from __future__ import annotations

import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.flip.slow_gif import Frame, draw, extension
from tests.flip.xmp_packets import packet, structure
from trio_mirror import FlipError, flip

WIDTH = 30
FRAME = Frame([[1, 2, 3], [4, 5, 6]], left=4)
TAIL = bytes([1, *range(255, -1, -1), 0])


def with_extensions(*extensions: bytes) -> bytes:
    """An animation with these between its frames."""
    data = draw(WIDTH, 20, FRAME, FRAME)
    between = data.index(b"!\xf9") if b"!\xf9" in data else data.rindex(b",\x04\0")
    return data[:between] + b"".join(extensions) + data[between:]


def plain_text(left: int) -> bytes:
    return extension(0x01, struct.pack("<4H4B", left, 5, 16, 8, 8, 8, 1, 0), b"Hi")


def xmp(x: str) -> bytes:
    area = {"x": x, "y": "0.5", "w": "0.1", "h": "0.1", "unit": "normalized"}
    return b"!\xff\x0bXMP DataXMP" + packet(structure("http://ns.adobe.com/xmp/sType/Area#", "a", area)) + TAIL


def guides(*places: int) -> bytes:
    """Vertical guides among Photoshop's resources, in which ImageMagick fills its blocks."""
    body = struct.pack(">4I", 1, 0, 0, len(places)) + b"".join(struct.pack(">iB", 32 * x, 0) for x in places)
    resource = b"8BIM" + struct.pack(">HHI", 1032, 0, len(body)) + body + bytes(len(body) % 2)
    return extension(0xFF, b"MGK8BIM0000", *(resource[at : at + 255] for at in range(0, len(resource), 255)))


C2PA = extension(0xFF, b"C2PA_GIF\1\0\0", b"jumb c2pa", bytes(255))
OTHER = extension(0xFF, b"C2PA_GIF\1\0\1", b"of somebody else")


def test_a_plain_text_moves_with_its_place_and_its_letters_are_named() -> None:
    data = with_extensions(plain_text(3))
    once = flip(data)
    assert plain_text(WIDTH - 3 - 16) in once.data
    assert "letters" in once.notes[0]
    assert plain_text(3) in flip(once.data).data


def test_the_regions_of_an_xmp_packet_move() -> None:
    data = with_extensions(xmp("0.25"), plain_text(3), xmp("0.125"))
    once = flip(data).data
    assert xmp("0.75") + plain_text(11) + xmp("0.875") in once
    assert xmp("0.25") + plain_text(3) + xmp("0.125") in flip(once).data


def test_the_guides_of_photoshop_move() -> None:
    data = with_extensions(guides(*range(1, 60)), plain_text(3))
    once = flip(data).data
    assert guides(*(WIDTH - x for x in range(1, 60))) + plain_text(11) in once
    assert guides(*range(1, 60)) + plain_text(3) in flip(once).data
    assert (other := extension(0xFF, b"MGK8BIM0000", b"8B", b"IM")) in flip(with_extensions(other)).data


def test_content_credentials_are_taken_out_unless_they_are_to_be_kept() -> None:
    data = with_extensions(C2PA, OTHER)
    result = flip(data)
    assert result.data == flip(with_extensions(OTHER)).data
    assert result.notes == ("content credentials taken out: a C2PA manifest",)
    kept = flip(data, keep_credentials=True)
    assert C2PA + OTHER in kept.data
    assert "no longer hold" in kept.notes[0]


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_any_changed_or_cut_byte_gives_a_picture_or_a_flip_error(data: st.DataObject) -> None:
    whole = with_extensions(xmp("0.25"), C2PA, guides(4), plain_text(3))
    at = data.draw(st.integers(13, len(whole) - 1))
    changed = whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :]
    for damaged in (whole[:at], changed):
        try:
            assert flip(damaged).data.startswith(b"GIF89a")
        except FlipError:
            continue
