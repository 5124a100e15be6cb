from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageOps

from tests.flip.jpegs import (
    APP0,
    APP1,
    APP2,
    APP13,
    APP14,
    COM,
    decibels,
    decoded,
    displayed,
    drawn,
    encoded,
    exif_block,
    exif_segment,
    may_grow,
    photoshop_resource,
    photoshop_thumbnail,
    with_segments,
)
from trio_mirror.errors import FlipError
from trio_mirror.flip import closeness, jpeg
from trio_mirror.flip.jpeg import reencode, segments, turbojpeg
from trio_mirror.flip.jpeg.segments import (
    EntropyCoding,
    Segment,
    coded_part,
    first_scan,
    huffman_tables,
    joined,
    parse,
)
from trio_mirror.flip.jpeg.turbojpeg import Operation, TurboJpeg
from trio_mirror.model import Flipped, Limits, Lossless

FLIP_LEFT_RIGHT, FLIP_TOP_BOTTOM = Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM

VARIANTS: list[dict[str, Any]] = [
    {},
    {"progressive": True},
    {"subsampling": 0},
    {"subsampling": 1, "restart_marker_rows": 1},
    {"optimize": True, "quality": 40},
]


def flip(data: bytes, **options: Any) -> Flipped:
    return jpeg.flip(data, **{"limits": Limits(), **options})


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize("options", VARIANTS, ids=str)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("size", [(64, 48), (61, 35), (1, 1)])
def test_every_kind_is_mirrored_closely_and_stays_its_kind(
    size: tuple[int, int], mode: str, options: dict[str, Any]
) -> None:
    data = encoded(drawn(*size, mode), **(options if mode == "RGB" else {**options, "subsampling": 0}))
    flipped = flip(data)
    assert decibels(decoded(flipped.data), ImageOps.mirror(decoded(data))) >= 40
    assert flipped.media_type == "image/jpeg"
    before, after = parse(data), parse(flipped.data)
    assert after.entropy_coding.progressive == before.entropy_coding.progressive
    assert len(after.frame.components) == len(before.frame.components)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    across=st.integers(1, 5),
    down=st.integers(1, 5),
    options=st.sampled_from(VARIANTS),
    mode=st.sampled_from(["RGB", "L", "CMYK"]),
    orientation=st.integers(1, 8),
)
def test_mirrored_twice_without_loss_it_is_the_original(
    library: TurboJpeg, across: int, down: int, options: dict[str, Any], mode: str, orientation: int
) -> None:
    options = options if mode == "RGB" else {**options, "subsampling": 0}
    data = encoded(drawn(16 * across, 16 * down, mode), **options)
    data = with_segments(data, exif_segment(exif_block(orientation=orientation)))
    once = flip(data, lossless=Lossless.ALWAYS)
    twice = flip(once.data, lossless=Lossless.ALWAYS)
    assert once.lossless
    assert ImageChops.difference(decoded(twice.data), decoded(data)).getbbox() is None
    assert parse(twice.data).segments == parse(data).segments
    # From its own output on, the route is the identity to the last byte.
    assert flip(twice.data).data == once.data


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(64, 32), (50, 70)])
def test_the_picture_is_mirrored_as_it_is_displayed(orientation: int, size: tuple[int, int]) -> None:
    exif = exif_segment(exif_block(orientation=orientation))
    data = with_segments(encoded(drawn(*size)), exif)
    flipped = flip(data)
    assert decibels(displayed(flipped.data), ImageOps.mirror(displayed(data))) >= 40
    assert exif in parse(flipped.data).segments


@pytest.mark.usefixtures("route")
def test_an_orientation_in_xmp_counts_where_exif_states_none() -> None:
    xmp = Segment(APP1, b'http://ns.adobe.com/xap/1.0/\0<rdf:Description tiff:Orientation="6"/>')
    data = with_segments(encoded(drawn(64, 32)), xmp)
    flipped = flip(data)
    assert decibels(decoded(flipped.data), decoded(data).transpose(FLIP_TOP_BOTTOM)) >= 40


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize("size", [(64, 48), (61, 35)])
def test_what_stands_around_the_raster_is_kept_byte_for_byte_and_in_order(size: tuple[int, int]) -> None:
    segments = [
        Segment(COM, b"a comment, \xff\xd9 included"),
        Segment(APP2, b"ICC_PROFILE\0\1\1" + bytes(range(256))),
        Segment(APP1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>"),
        Segment(APP13, b"Photoshop 3.0\0" + photoshop_resource(1028, b"IPTC!")),
        Segment(0xE7, b"somebody's own"),
        exif_segment(exif_block(maker_note=b"a note of its maker")),
        Segment(COM, b""),
    ]
    data = with_segments(encoded(drawn(*size), dpi=(300, 200)), *segments) + b"and something behind the end"
    flipped = flip(data)
    assert parse(flipped.data).segments == parse(data).segments
    assert flipped.data.endswith(b"\xff\xd9and something behind the end")
    assert len(flipped.data) == len(data) or may_grow()
    assert bool(flipped.notes) is (len(flipped.data) != len(data))


def test_the_exact_route_keeps_the_tables_and_the_sampling(library: TurboJpeg) -> None:
    data = encoded(drawn(64, 48), quality=37, subsampling=1)
    flipped = flip(data)
    before, after = decoded(data), decoded(flipped.data)
    assert flipped.lossless
    assert after.quantization == before.quantization  # type: ignore[attr-defined]
    assert parse(flipped.data).frame == parse(data).frame


@pytest.mark.usefixtures("no_library")
def test_encoding_again_keeps_the_file_small() -> None:
    data = encoded(drawn(640, 480), quality=80)
    flipped = flip(data)
    assert not flipped.lossless
    assert len(flipped.data) <= 1.5 * len(data)


def test_lossless_decides_what_may_be_encoded_again(library: TurboJpeg) -> None:
    odd, even = encoded(drawn(61, 48)), encoded(drawn(64, 48))
    with pytest.raises(FlipError, match="its width of 61 pixels is not a multiple of 16"):
        flip(odd, lossless=Lossless.ALWAYS)
    sideways = with_segments(encoded(drawn(64, 35)), exif_segment(exif_block(orientation=6)))
    with pytest.raises(FlipError, match="its height of 35 pixels is not a multiple of 16"):
        flip(sideways, lossless=Lossless.ALWAYS)
    assert not flip(odd).lossless
    assert flip(even, lossless=Lossless.ALWAYS).lossless
    assert not flip(even, lossless=Lossless.NEVER).lossless


@pytest.mark.usefixtures("no_library")
def test_without_the_library_always_lossless_says_what_is_missing() -> None:
    with pytest.raises(FlipError, match="libturbojpeg is not installed"):
        flip(encoded(drawn(64, 48)), lossless=Lossless.ALWAYS)


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize("size", [(64, 48), (61, 35)])
def test_a_jpeg_of_rgb_samples_stays_one(size: tuple[int, int]) -> None:
    data = encoded(drawn(*size), keep_rgb=True)
    flipped = flip(data)
    assert bytes(c.number for c in parse(flipped.data).frame.components) == b"RGB"
    assert decibels(decoded(flipped.data), ImageOps.mirror(decoded(data))) >= 40


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize("size", [(64, 48), (61, 35)])
def test_a_jpeg_of_ycck_samples_stays_one(size: tuple[int, int]) -> None:
    adobe = Segment(APP14, b"Adobe\0\x64\0\0\0\0\2")
    # Pillow writes no YCCK, but the samples of any four bands can be read as such.
    data = joined([adobe], coded_part(encoded(drawn(*size).convert("RGBA").convert("RGB").convert("CMYK"))))
    flipped = flip(data)
    assert parse(flipped.data).segments == (adobe,)
    assert decibels(decoded(flipped.data), ImageOps.mirror(decoded(data))) >= 40


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize("transform", [b"\0", None])
def test_inverted_and_plain_cmyk_keep_their_meaning(transform: bytes | None) -> None:
    segments = [Segment(APP14, b"Adobe\0\x64\0\0\0\0" + transform)] if transform else []
    data = joined(segments, coded_part(encoded(drawn(61, 35, "CMYK"))))
    flipped = flip(data)
    assert decibels(decoded(flipped.data), ImageOps.mirror(decoded(data))) >= 40


@pytest.mark.parametrize("size", [(64, 48), (61, 35)])
def test_arithmetic_coding_survives_where_a_library_writes_it(library: TurboJpeg, size: tuple[int, int]) -> None:
    if not any(found.version_3 for found in turbojpeg.libraries()):
        pytest.skip("this machine has no TurboJPEG 3")
    arithmetic = turbojpeg.transform(encoded(drawn(*size)), Operation.NONE, EntropyCoding(arithmetic=True))
    assert arithmetic is not None
    flipped = flip(arithmetic.data)
    assert parse(flipped.data).entropy_coding.arithmetic
    assert decibels(decoded(flipped.data), ImageOps.mirror(decoded(arithmetic.data))) >= 40


@pytest.mark.parametrize("lossless", [Lossless.ALWAYS, Lossless.NEVER])
def test_huffman_tables_are_fitted_again_where_they_were_and_only_there(lossless: Lossless) -> None:
    if lossless is Lossless.ALWAYS and not any(found.version_3 for found in turbojpeg.libraries()):
        pytest.skip("this machine has no TurboJPEG 3")

    def tables(data: bytes) -> set[bytes]:
        return set(huffman_tables(first_scan(data).tables))

    common, fitted = (encoded(drawn(400, 336), optimize=optimize) for optimize in (False, True))
    assert tables(flip(common, lossless=lossless).data) == tables(common)
    assert not tables(flip(fitted, lossless=lossless).data) & tables(common)


def test_vertical_subsampling_survives_encoding_again(library: TurboJpeg) -> None:
    turned = library.transform(encoded(drawn(48, 61), subsampling=1), Operation.TRANSPOSE)
    assert turned is not None
    flipped = flip(turned.data)
    assert not flipped.lossless
    assert [(c.across, c.down) for c in parse(flipped.data).frame.components] == [(1, 2), (1, 1), (1, 1)]
    assert decibels(decoded(flipped.data), ImageOps.mirror(decoded(turned.data))) >= 40


def test_noise_at_the_highest_quality_can_be_encoded_again(library: TurboJpeg) -> None:
    noise = Image.frombytes("RGB", (403, 301), random.Random(0).randbytes(403 * 301 * 3))
    data = encoded(noise, quality=100, subsampling=0)
    progressive = turbojpeg.transform(data, Operation.NONE, EntropyCoding(progressive=True))
    assert progressive is not None
    for original in (data, progressive.data):
        flipped = flip(original)
        assert decibels(decoded(flipped.data), ImageOps.mirror(decoded(data))) >= 40
        assert parse(flipped.data).entropy_coding == parse(original).entropy_coding


@pytest.mark.parametrize("strip", [1, 61 * 7, 61 * 34, 61 * 35])
def test_closeness_is_the_same_however_the_rasters_are_cut(strip: int, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = drawn(61, 35), ImageOps.mirror(drawn(61, 35))
    monkeypatch.setattr(closeness, "_STRIP", strip)
    assert closeness.closeness(one, other) == decibels(one, other)
    other.paste(one)
    other.putpixel((60, 34), (0, 0, 0))
    assert closeness.closeness(one, other) == decibels(one, other)


def mirrored_thumbnail(found: bytes, original: Image.Image, method: Image.Transpose = FLIP_LEFT_RIGHT) -> bool:
    return decibels(decoded(found), original.transpose(method)) > 30


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize(("orientation", "method"), [(1, FLIP_LEFT_RIGHT), (6, FLIP_TOP_BOTTOM)])
@pytest.mark.parametrize("size", [(32, 16), (35, 23)])
def test_the_thumbnails_are_mirrored_with_the_picture(
    orientation: int, method: Image.Transpose, size: tuple[int, int]
) -> None:
    thumbnail = drawn(*size)
    small = encoded(thumbnail)
    data = with_segments(
        encoded(drawn(64, 48)),
        exif_segment(exif_block(orientation=orientation, thumbnail=small)),
        Segment(APP13, b"Photoshop 3.0\0" + photoshop_resource(1036, photoshop_thumbnail(small, *size))),
        Segment(APP0, b"JFXX\0\x10" + small),
    )
    flipped = flip(data)
    assert flipped.notes == ()
    _, exif, photoshop, jfxx = (segment.payload for segment in parse(flipped.data).segments)
    for payload in (exif, photoshop, jfxx):
        assert mirrored_thumbnail(payload[payload.index(b"\xff\xd8") :], thumbnail, method)


@pytest.mark.usefixtures("route")
def test_a_damaged_thumbnail_is_dropped_with_a_note() -> None:
    small = encoded(drawn(32, 16))[:-100]
    data = with_segments(
        encoded(drawn(64, 48)),
        exif_segment(exif_block(thumbnail=small)),
        Segment(APP13, b"Photoshop 3.0\0" + photoshop_resource(1036, photoshop_thumbnail(small, 32, 16))),
        Segment(APP0, b"JFXX\0\x10" + small),
    )
    flipped = flip(data)
    assert ["EXIF" in note or "Photoshop" in note or "JFXX" in note for note in flipped.notes] == [True] * 3
    assert decoded(flipped.data).getexif().get_ifd(1) == {}
    assert flipped.data.count(b"\xff\xd8") == 2  # the picture's, and the one that no directory leads to any more


def test_a_thumbnail_that_claims_the_size_of_a_picture_is_dropped() -> None:
    small = bytearray(encoded(drawn(32, 16)))
    at = small.index(b"\xff\xc0") + 5
    small[at : at + 4] = b"\xff\xff\xff\xff"
    data = with_segments(encoded(drawn(64, 48)), exif_segment(exif_block(thumbnail=bytes(small))))
    assert "thumbnail was dropped" in flip(data).notes[0]


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize("progressive", [False, True])
def test_a_truncated_picture_fails(progressive: bool) -> None:
    data = encoded(drawn(160, 96), progressive=progressive)
    for kept in (0.4, 0.8, 0.97):
        with pytest.raises(FlipError, match=r"truncated|broken"):
            flip(data[: int(len(data) * kept)])


@pytest.mark.usefixtures("route")
def test_a_missing_end_marker_alone_fails_only_where_rows_are_missing() -> None:
    data = encoded(drawn(160, 96))
    try:
        whole = decoded(data[:-2])
    except OSError:
        with pytest.raises(FlipError, match="truncated"):
            flip(data[:-2])
    else:
        assert decibels(decoded(flip(data[:-2]).data), ImageOps.mirror(whole)) >= 40


def test_a_blemish_that_decoders_get_over_is_mirrored_and_noted(library: TurboJpeg) -> None:
    data = encoded(drawn(160, 96), restart_marker_rows=1)
    at = data.index(b"\xff\xd0") + 4
    blemished = data[:at] + bytes([data[at] ^ 0x55]) * 3 + data[at + 3 :]
    flipped = flip(blemished)
    assert decibels(decoded(flipped.data), ImageOps.mirror(decoded(blemished))) >= 40
    assert flipped.notes[0].startswith("the JPEG is damaged: Corrupt JPEG data")


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(frame_pixels=64 * 48 - 1), "--max-frame-pixels"),
        (Limits(total_pixels=64 * 48 + 32 * 16 - 1), "--max-total-pixels"),
        (Limits(frames=1), "--max-frames"),
    ],
)
def test_the_limits_are_held_and_named(limits: Limits, words: str) -> None:
    data = encoded(drawn(64, 48)) + encoded(drawn(32, 16))
    assert flip(data).data
    with pytest.raises(FlipError, match=words):
        flip(data, limits=limits)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({1: 0xC3}, "lossless way"),
        ({1: 0xC5}, "hierarchical way"),
        ({4: 12}, "12 bits a sample"),
        ({5: 0, 6: 0}, "nothing to mirror"),
        ({9: 2}, "2 colour components"),
        ({11: 0x02}, "sampling factors"),
        ({5: 0x40, 7: 0x40}, "bytes cannot hold"),
        ({1: 0xC9, 5: 0x20, 7: 0x20}, "bytes cannot hold"),  # found by fuzzing: arithmetic coding had no bound
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_rare_and_absurd_frames_are_refused_in_words(change: dict[int, int], words: str) -> None:
    data = bytearray(encoded(drawn(64, 48)))
    at = data.index(b"\xff\xc0")
    for offset, value in change.items():
        data[at + offset] = value
    with pytest.raises(FlipError, match=words):
        flip(bytes(data), limits=Limits(frame_pixels=2**31))


def test_long_exif_runs_on_in_a_second_segment() -> None:
    thumbnail = drawn(32, 16)
    block = exif_block(orientation=6, maker_note=bytes(66_000), thumbnail=encoded(thumbnail))
    halves = [exif_segment(block[:60_000]), exif_segment(block[60_000:])]
    data = with_segments(encoded(drawn(64, 48)), *halves)
    flipped = flip(data)
    assert decibels(displayed(flipped.data), ImageOps.mirror(displayed(data))) >= 40
    _, first, second = (segment.payload for segment in parse(flipped.data).segments)
    assert first == halves[0].payload
    assert mirrored_thumbnail(second[second.index(b"\xff\xd8") :], thumbnail, FLIP_TOP_BOTTOM)


def test_a_photoshop_thumbnail_may_be_something_else() -> None:
    resource = photoshop_resource(1036, photoshop_thumbnail(b"a GIF, perhaps", 5, 3))
    data = with_segments(encoded(drawn(64, 48)), Segment(APP13, b"Photoshop 3.0\0" + resource))
    assert flip(data).notes == ("the Photoshop thumbnail was dropped: it is not a JPEG",)


def test_a_file_of_many_thumbnails_does_not_keep_the_machine_busy() -> None:
    resource = photoshop_resource(1036, photoshop_thumbnail(encoded(drawn(16, 16)), 16, 16))
    data = with_segments(encoded(drawn(64, 48)), Segment(APP13, b"Photoshop 3.0\0" + resource * 20))
    assert flip(data).notes == ("the Photoshop thumbnail was dropped: there are too many thumbnails",) * 12


@pytest.mark.usefixtures("library")  # Pillow, which serves without it, does not read such a file
def test_stray_markers_and_fill_bytes_between_segments_are_skipped() -> None:
    data = encoded(drawn(64, 48))
    strayed = data[:2] + b"\xff\x01\xff\xff\xff" + data[3:]
    assert decibels(decoded(flip(strayed).data), ImageOps.mirror(decoded(data))) >= 40


def test_an_arithmetic_picture_stays_readable(library: TurboJpeg) -> None:
    if not any(found.version_3 for found in turbojpeg.libraries()):
        pytest.skip("this machine has no TurboJPEG 3")
    data = encoded(Image.effect_noise((401, 201), 90).convert("RGB"), quality=30)
    arithmetic = turbojpeg.transform(data, Operation.NONE, EntropyCoding(arithmetic=True))
    assert arithmetic is not None
    flipped = flip(arithmetic.data)
    assert decibels(decoded(flipped.data), ImageOps.mirror(decoded(data))) >= 40


@given(
    data=st.lists(st.sampled_from([b"\xff", b"\xff\0", b"\xff\xd0", b"\xff\xd7", b"\xff\xff", b"\0", b"\x7f"])),
    behind=st.binary(max_size=4),
)
def test_a_scan_ends_at_its_first_marker(data: list[bytes], behind: bytes) -> None:
    scan = b"".join(data) + behind
    not_markers = {0x00, *range(0xD0, 0xD8), 0xFF}
    ends = (at for at in range(len(scan) - 1) if scan[at] == 0xFF and scan[at + 1] not in not_markers)
    assert segments._search(segments._MARKER_IN_SCAN, scan, 0, len(scan)) == next(ends, len(scan))


def test_a_picture_of_thousands_of_scans_is_refused() -> None:
    data = encoded(drawn(64, 48), progressive=True)
    scan = data.index(b"\xff\xda")
    with pytest.raises(FlipError, match="more than 500 scans"):
        flip(data[:scan] + data[scan:-2] * 100 + b"\xff\xd9")


def test_what_has_no_raster_fails() -> None:
    for data in (
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xd9",
        encoded(drawn(8, 8))[:100],
        b"\xff\xd8" + b"\xff\xfe\0\2" * 30_000,
    ):
        with pytest.raises(FlipError):
            flip(data)


@pytest.mark.usefixtures("route")
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow's word on damaged EXIF, when the test decodes
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_or_cut_bytes_give_a_picture_or_a_flip_error(data: st.DataObject) -> None:
    options = data.draw(st.sampled_from(VARIANTS))
    small = encoded(drawn(16, 16))
    whole = with_segments(
        encoded(drawn(48, 32), **options),
        exif_segment(exif_block(thumbnail=small)),
        Segment(APP13, b"Photoshop 3.0\0" + photoshop_resource(1036, photoshop_thumbnail(small, 16, 16))),
    )
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 4))):
        changed[data.draw(st.integers(2, len(changed) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(changed[: data.draw(st.integers(3, len(changed)))])
    try:
        flipped = flip(cut)
    except FlipError:
        return
    assert decoded(flipped.data).size == decoded(cut).size


def test_what_no_tables_keep_close_is_mirrored_all_the_same_and_said(
    no_library: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reencode, "CLOSE_ENOUGH", 90.0)
    data = encoded(drawn(61, 35), quality=30)
    flipped = flip(data)
    assert decibels(decoded(flipped.data), ImageOps.mirror(decoded(data))) >= 40
    assert {value for table in decoded(flipped.data).quantization.values() for value in table} == {1}  # type: ignore[attr-defined]
    assert flipped.notes == ("encoded again, the JPEG is less close than 90 dB",)
