from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.flip.jpegs import photoshop_resource, photoshop_thumbnail
from trio_mirror.errors import FlipError
from trio_mirror.flip.jpeg.segments import Segment
from trio_mirror.flip.jpeg.surroundings import mirrored_segments
from trio_mirror.flip.positions import Mirror

if TYPE_CHECKING:
    from collections.abc import Callable

SIGNATURE = b"Photoshop 3.0\0"

IPTC, EVEN = photoshop_resource(1028, b"odd"), photoshop_resource(1005, b"even")
MIRROR = Mirror(64, 48)
NAMED = b"8BIM\x04\x0b\x03url\0\0\0\4http"


def mirrored_photoshop(
    payloads: list[bytes], mirror_jpeg: Callable[[bytes], bytes], mirror: Mirror
) -> tuple[list[bytes], tuple[str, ...]]:
    segments, notes = mirrored_segments([Segment(0xED, payload) for payload in payloads], mirror_jpeg, mirror)
    return [segment.payload for segment in segments], notes


def thumbnail(jpeg: bytes) -> bytes:
    return photoshop_resource(1036, photoshop_thumbnail(jpeg, 5, 3))


@pytest.mark.parametrize("new", [b"JPEG", b"shorter", b"a good deal longer"])
def test_the_thumbnail_is_replaced_and_its_sizes_made_right(new: bytes) -> None:
    payload = SIGNATURE + IPTC + thumbnail(b"old thumbnail") + NAMED + EVEN
    wanted = SIGNATURE + IPTC + thumbnail(new) + NAMED + EVEN
    assert mirrored_photoshop([payload], lambda _: new, MIRROR) == ([wanted], ())


def test_a_thumbnail_that_cannot_be_mirrored_is_taken_out() -> None:
    def refuse(_: bytes) -> bytes:
        raise FlipError("it is a fresco")

    payloads, notes = mirrored_photoshop([SIGNATURE + IPTC + thumbnail(b"old") + EVEN], refuse, MIRROR)
    assert payloads == [SIGNATURE + IPTC + EVEN]
    assert notes == ("the Photoshop thumbnail was dropped: it is a fresco",)


def test_a_raw_thumbnail_is_taken_out() -> None:
    raw = photoshop_resource(1036, bytes(28) + b"rgb")
    assert mirrored_photoshop([SIGNATURE + raw + EVEN], bytes, MIRROR)[0] == [SIGNATURE + EVEN]


def test_resources_that_run_on_in_further_segments_are_cut_where_they_were() -> None:
    whole = IPTC + thumbnail(bytes(70_000)) + EVEN
    payloads = [SIGNATURE + whole[:65_000], SIGNATURE + whole[65_000:]]
    mirrored, _ = mirrored_photoshop(payloads, lambda _: bytes(70_001), MIRROR)
    assert [len(payload) for payload in mirrored] == [len(payloads[0]), len(payloads[1]) + 2]
    joined = b"".join(payload.removeprefix(SIGNATURE) for payload in mirrored)
    assert joined == IPTC + thumbnail(bytes(70_001)) + EVEN


def test_resources_that_outgrow_their_segment_run_on_in_a_new_one() -> None:
    mirrored, _ = mirrored_photoshop([SIGNATURE + thumbnail(bytes(65_000)) + EVEN], lambda _: bytes(66_000), MIRROR)
    assert len(mirrored) == 2
    assert len(mirrored[0]) == 65_533
    assert b"".join(payload.removeprefix(SIGNATURE) for payload in mirrored) == thumbnail(bytes(66_000)) + EVEN


@given(st.binary(max_size=80))
def test_no_bytes_make_the_parser_fail(noise: bytes) -> None:
    for payload in (SIGNATURE + noise, SIGNATURE + b"8BIM\x04\x0c" + noise, SIGNATURE + IPTC + noise):
        payloads, _ = mirrored_photoshop([payload], lambda jpeg: jpeg, MIRROR)
        assert len(payloads) == 1
