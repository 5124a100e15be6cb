"""The size that a JPEG states, checked by its data; every frame counts as large where a test says so."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from tests.flip.jpegs import drawn, encoded
from trio_mirror.errors import FlipError
from trio_mirror.flip.jpeg import flip, turbojpeg, validate
from trio_mirror.flip.jpeg.segments import Component, EntropyCoding, Frame, Segment, first_scan, joined, parse
from trio_mirror.flip.jpeg.turbojpeg import Operation
from trio_mirror.flip.jpeg.validate import check_data
from trio_mirror.model import Limits

EOI = b"\xff\xd9"
DHT, SOS = 0xC4, 0xDA


@pytest.fixture
def all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validate, "_LARGE_FRAME", 0)


def stating(data: bytes, width: int, height: int) -> bytes:
    """The JPEG with another size in its frame header."""
    frame = parse(data).frame
    header = bytes(frame.segment())
    assert header in data
    return data.replace(header, bytes(replace(frame, width=width, height=height).segment()), 1)


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    bands = Image.new(mode, (1, 1)).getbands()
    return Image.frombytes(mode, (width, height), random.Random(0).randbytes(width * height * len(bands)))


@st.composite
def jpegs(draw: st.DrawFn) -> bytes:
    """JPEGs of two rows of MCUs or more: flat, smooth and noisy, in every way of coding at hand."""
    mode = draw(st.sampled_from(["RGB", "L", "CMYK"]))
    size = draw(st.integers(1, 90)), draw(st.integers(17, 90))
    flat = Image.new(mode, size, draw(st.sampled_from(["black", "white", "red", "gray"])))
    image = draw(st.sampled_from([flat, drawn(*size, mode), noise(*size, mode)]))
    data = encoded(
        image,
        quality=draw(st.integers(1, 100)),
        subsampling=draw(st.integers(0, 2)) if mode == "RGB" else 0,
        progressive=draw(st.booleans()),
        optimize=draw(st.booleans()),
        restart_marker_blocks=draw(st.sampled_from([0, 0, 1, 5])),
    )
    coding = parse(data).entropy_coding
    if draw(st.booleans()) and (turned := turbojpeg.transform(data, Operation.TRANSPOSE, coding)):
        return data if turned.warning or parse(turned.data).frame.height < 17 else turned.data
    return data


@pytest.mark.usefixtures("all_are_large")
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=jpegs())
def test_true_pictures_of_any_kind_pass(data: bytes) -> None:
    check_data(data, parse(data))
    check_data(data.removesuffix(EOI), parse(data))


@pytest.mark.usefixtures("all_are_large")
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=jpegs(), across=st.integers(0, 100), down=st.integers(0, 100))
def test_rows_that_the_data_do_not_hold_are_missed(data: bytes, across: int, down: int) -> None:
    frame = parse(data).frame
    width, height = frame.mcu
    held = -(-frame.width // width) * -(-frame.height // height)
    wider, higher = frame.width + width * across, frame.height + height * down
    stated = stating(data, wider, higher)
    needed = -(-wider // width) * (-(-higher // height) - 1)
    if parse(data).entropy_coding.progressive:
        # Of these only the length of the first scan is checked: an MCU may have 27 bits for each that it needs.
        held, slack = 27 * held, 100
    else:
        slack = 32  # the decoder's look ahead may hold as many, of two bits each
    if needed > held + slack:
        with pytest.raises(FlipError, match="truncated"):
            check_data(stated, parse(stated))
    elif higher == frame.height and wider == frame.width:
        check_data(stated, parse(stated))


def in_scans_of_their_own(width: int, height: int) -> bytes:
    """A sequential 4:2:0 JPEG whose components have a scan each, as scanners and ``cjpeg -scans`` write them."""
    halves = (width + 1) // 2, (height + 1) // 2
    scans = [first_scan(encoded(noise(*size, "L"))) for size in ((width, height), halves, halves)]
    components = tuple(Component(number, 3 - min(number, 2), 3 - min(number, 2), 0) for number in (1, 2, 3))
    coded = b"".join(
        bytes(Segment(SOS, bytes((1, number, 0, 0, 63, 0)))) + scan.data for number, scan in enumerate(scans, 1)
    )
    return joined([*scans[0].tables, Frame(0xC0, 8, width, height, components).segment()], (coded, EOI))


@pytest.mark.usefixtures("all_are_large")
@pytest.mark.parametrize("size", [(64, 48), (61, 35), (17, 90), (80, 41)])
def test_a_component_in_a_scan_of_its_own_bounds_the_size_as_well(size: tuple[int, int]) -> None:
    data = in_scans_of_their_own(*size)
    assert flip(data, limits=Limits()).data
    check_data(data, parse(data))
    stated = stating(data, 3_000, 3_000)
    with pytest.raises(FlipError, match="truncated"):
        check_data(stated, parse(stated))


@pytest.mark.usefixtures("all_are_large")
@pytest.mark.parametrize("progressive", [False, True])
def test_two_of_three_components_in_a_scan_bound_the_size_as_well(progressive: bool) -> None:
    data = encoded(noise(64, 48), progressive=progressive)
    header = first_scan(data).header
    of_two = data.replace(bytes(header), bytes(Segment(SOS, b"\2" + header.payload[1:5] + header.payload[-3:])))
    check_data(of_two, parse(of_two))
    stated = stating(of_two, 3_000, 3_000)
    with pytest.raises(FlipError, match="truncated"):
        check_data(stated, parse(stated))


def of_one_number(data: bytes) -> bytes:
    """The JPEG with the same number for all its components, as some encoders write it."""
    frame, header = parse(data).frame, first_scan(data).header
    same = replace(frame, components=tuple(replace(component, number=1) for component in frame.components))
    tables = header.payload[2:-3:2]
    selectors = b"".join(b"\1%c" % numbers for numbers in tables)
    renumbered = bytes(Segment(SOS, bytes([len(tables)]) + selectors + header.payload[-3:]))
    return data.replace(bytes(frame.segment()), bytes(same.segment())).replace(bytes(header), renumbered)


@pytest.mark.usefixtures("all_are_large")
@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"progressive": True}], ids=str)
def test_components_of_one_number_are_told_apart_by_their_order(options: dict[str, Any]) -> None:
    data = of_one_number(encoded(noise(64, 48), **options))
    check_data(data, parse(data))
    stated = stating(data, 64, 960 if "progressive" in options else 96)
    with pytest.raises(FlipError, match="truncated"):
        check_data(stated, parse(stated))


@pytest.mark.usefixtures("all_are_large")
def test_missing_rows_are_missed_even_where_pillow_is_set_to_fill_them_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    data = encoded(noise(64, 48))
    check_data(data, parse(data))
    stated = stating(data, 64, 96)
    with pytest.raises(FlipError, match="truncated"):
        check_data(stated, parse(stated))


@pytest.mark.usefixtures("all_are_large")
@pytest.mark.parametrize("progressive", [False, True])
def test_stray_markers_before_the_scan_are_passed_over(progressive: bool) -> None:
    data = encoded(noise(64, 48), progressive=progressive)
    strayed = data[:2] + b"\xff\x01\xff\xff\xff" + data[3:]
    check_data(strayed, parse(strayed))
    stated = stating(strayed, 64, 960 if progressive else 96)
    with pytest.raises(FlipError, match="truncated"):
        check_data(stated, parse(stated))


@pytest.mark.usefixtures("all_are_large")
@pytest.mark.parametrize("progressive", [False, True])
def test_a_few_blocks_may_have_gone_with_damage(progressive: bool) -> None:
    data = encoded(noise(64, 64), progressive=progressive)
    lost = data.replace(first_scan(data).data, first_scan(data).data[:-8], 1)
    check_data(lost, parse(lost))


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0, "restart_marker_rows": 1}], ids=str)
@pytest.mark.parametrize("stated", [(11_008, 9_000), (8_003, 6_001), (65_500, 1_500)])
def test_a_false_size_of_many_megapixels_fails(stated: tuple[int, int], options: dict[str, Any]) -> None:
    data = stating(encoded(noise(496, 400), quality=98, **options), *stated)
    with pytest.raises(FlipError, match="truncated"):
        flip(data, limits=Limits())


@pytest.mark.usefixtures("route")
def test_restart_markers_do_not_count_as_data() -> None:
    data = encoded(noise(64, 48), progressive=True, restart_marker_blocks=1)
    scan = first_scan(data).data
    padded = data.replace(scan, scan + b"\xff\xd0\xff\xd1" * 500_000)
    with pytest.raises(FlipError, match="truncated"):
        flip(stating(padded, 11_008, 9_000), limits=Limits())


def test_of_arithmetic_coding_whose_end_nothing_marks_large_pictures_are_refused(library: turbojpeg.TurboJpeg) -> None:
    if not any(found.version_3 for found in turbojpeg.libraries()):
        pytest.skip("this machine has no TurboJPEG 3")
    arithmetic = turbojpeg.transform(encoded(noise(496, 400)), Operation.NONE, EntropyCoding(arithmetic=True))
    assert arithmetic is not None
    assert flip(arithmetic.data, limits=Limits()).lossless
    with pytest.raises(FlipError, match="coded arithmetically; 6000 by 5000 pixels"):
        flip(stating(arithmetic.data, 6_000, 5_000), limits=Limits())


@pytest.mark.usefixtures("all_are_large", "route")
def test_what_decoders_stop_at_fails() -> None:
    data = encoded(noise(64, 64), progressive=True)
    scan = first_scan(data)
    header = bytes(scan.header)
    tables = b"".join(bytes(table) for table in scan.tables if table.marker == DHT)
    for damaged in (
        data.replace(tables, b""),
        data.replace(header, bytes(Segment(SOS, header[4:-1]))),
        data.replace(header, bytes(Segment(SOS, b""))),
        data.replace(header, bytes(Segment(SOS, b"\1\x09" + header[-4:]))),
    ):
        with pytest.raises(FlipError):
            flip(damaged, limits=Limits())


def with_dc_table(data: bytes, counts: list[int], symbols: list[int]) -> bytes:
    """The JPEG with this as both its DC tables: the number of codes of each length, and their symbols."""
    found = b"".join(bytes(table) for table in first_scan(data).tables if table.marker == DHT)
    table = bytes([*counts, *[0] * (16 - len(counts)), *symbols])
    return data.replace(found, bytes(Segment(DHT, b"\0" + table + b"\1" + table)))


@pytest.mark.usefixtures("all_are_large", "route")
@pytest.mark.parametrize(
    ("counts", "symbols"),
    [
        ([0, 1, *[0] * 8, *[255] * 6], [15] * 1531),
        ([0, 0, 0, 0, 17], list(range(17))),
        ([0, 2], [0, 16]),
        ([0, 4], [0, 1, 2, 3]),
        ([1, 2], [0, 1, 2]),
        ([4, 4, 4, 4], list(range(16))),
    ],
)
def test_tables_that_decoders_do_not_take_fail(counts: list[int], symbols: list[int]) -> None:
    damaged = with_dc_table(encoded(noise(64, 64), progressive=True), counts, symbols)
    with pytest.raises(FlipError):
        flip(damaged, limits=Limits())
