"""What a JPEG claims, held against its bytes; all claims count as large here but where a test says otherwise."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from tests.flip.jpegs import drawn, encoded
from trio_mirror.errors import FlipError
from trio_mirror.flip.jpeg import flip, turbojpeg, validate
from trio_mirror.flip.jpeg.segments import Component, EntropyCoding, Frame, Segment, first_scan, joined, parse
from trio_mirror.flip.jpeg.turbojpeg import Operation
from trio_mirror.flip.jpeg.validate import check_rows
from trio_mirror.model import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator

EOI = b"\xff\xd9"
DHT, SOS = 0xC4, 0xDA


@pytest.fixture
def all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validate, "_LARGE_FRAME", 0)


def claiming(data: bytes, width: int, height: int) -> bytes:
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
    check_rows(data, parse(data))
    check_rows(data.removesuffix(EOI), parse(data))


@pytest.mark.usefixtures("all_are_large")
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=jpegs(), across=st.integers(0, 100), down=st.integers(0, 100))
def test_rows_that_the_data_do_not_hold_are_missed(data: bytes, across: int, down: int) -> None:
    frame = parse(data).frame
    width, height = frame.mcu
    held = -(-frame.width // width) * -(-frame.height // height)
    wider, higher = frame.width + width * across, frame.height + height * down
    claimed = claiming(data, wider, higher)
    claims = -(-wider // width) * (-(-higher // height) - 1)
    if claims <= held:
        check_rows(claimed, parse(claimed))
    elif claims > held + 32:  # the decoder's look ahead may hold as many, of two bits each
        with pytest.raises(FlipError, match="truncated"):
            check_rows(claimed, parse(claimed))


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
def test_a_component_in_a_scan_of_its_own_tells_as_well(size: tuple[int, int]) -> None:
    data = in_scans_of_their_own(*size)
    assert flip(data, limits=Limits()).data
    check_rows(data, parse(data))
    for claimed in (claiming(data, size[0], size[1] + 16), claiming(data, 2 * size[0] + 16, size[1])):
        with pytest.raises(FlipError, match="truncated"):
            check_rows(claimed, parse(claimed))


@pytest.mark.usefixtures("all_are_large")
@pytest.mark.parametrize("progressive", [False, True])
def test_of_two_of_three_components_in_a_scan_large_claims_are_refused(progressive: bool) -> None:
    data = encoded(noise(64, 48), progressive=progressive)
    header = first_scan(data).header
    of_two = data.replace(bytes(header), bytes(Segment(SOS, b"\2" + header.payload[1:5] + header.payload[-3:])))
    with pytest.raises(FlipError, match="first scan is of 2 of its 3 components; 64 by 48 pixels"):
        check_rows(of_two, parse(of_two))


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
    check_rows(data, parse(data))
    claimed = claiming(data, 64, 96)
    with pytest.raises(FlipError, match="truncated"):
        check_rows(claimed, parse(claimed))


@pytest.mark.usefixtures("all_are_large")
def test_what_pillow_is_told_to_fill_in_is_missed_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    data = encoded(noise(64, 48))
    check_rows(data, parse(data))
    claimed = claiming(data, 64, 96)
    with pytest.raises(FlipError, match="truncated"):
        check_rows(claimed, parse(claimed))


@pytest.mark.usefixtures("all_are_large")
@pytest.mark.parametrize("progressive", [False, True])
def test_stray_markers_before_the_scan_are_passed_over(progressive: bool) -> None:
    data = encoded(noise(64, 48), progressive=progressive)
    strayed = data[:2] + b"\xff\x01\xff\xff\xff" + data[3:]
    check_rows(strayed, parse(strayed))
    claimed = claiming(strayed, 64, 96)
    with pytest.raises(FlipError, match="truncated"):
        check_rows(claimed, parse(claimed))


@pytest.mark.usefixtures("all_are_large")
@pytest.mark.parametrize("progressive", [False, True])
def test_a_few_blocks_may_have_gone_with_damage(progressive: bool) -> None:
    data = encoded(noise(64, 64), progressive=progressive)
    lost = data.replace(first_scan(data).data, first_scan(data).data[:-8], 1)
    check_rows(lost, parse(lost))


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0, "restart_marker_rows": 1}], ids=str)
@pytest.mark.parametrize("claimed", [(11_008, 9_000), (8_003, 6_001), (65_500, 1_500)])
def test_a_false_claim_of_many_megapixels_fails(claimed: tuple[int, int], options: dict[str, Any]) -> None:
    data = claiming(encoded(noise(496, 400), quality=98, **options), *claimed)
    with pytest.raises(FlipError, match="truncated"):
        flip(data, limits=Limits())


def test_of_arithmetic_coding_which_tells_nothing_large_claims_are_refused(library: turbojpeg.TurboJpeg) -> None:
    if not any(found.version_3 for found in turbojpeg.libraries()):
        pytest.skip("this machine has no TurboJPEG 3")
    arithmetic = turbojpeg.transform(encoded(noise(496, 400)), Operation.NONE, EntropyCoding(arithmetic=True))
    assert arithmetic is not None
    assert flip(arithmetic.data, limits=Limits()).lossless
    with pytest.raises(FlipError, match="coded arithmetically; 6000 by 5000 pixels"):
        flip(claiming(arithmetic.data, 6_000, 5_000), limits=Limits())


@pytest.mark.usefixtures("all_are_large")
def test_what_decoders_stop_at_fails() -> None:
    data = encoded(noise(64, 64), progressive=True)
    scan = first_scan(data)
    header = bytes(scan.header)
    tables = b"".join(bytes(table) for table in scan.tables if table.marker == DHT)
    for damaged, words in (
        (data.replace(tables, b""), "a Huffman table is missing"),
        (data.replace(header, bytes(Segment(SOS, header[4:-1]))), "its scan header"),
        (data.replace(header, bytes(Segment(SOS, b""))), "its scan header"),
        (data.replace(header, bytes(Segment(SOS, b"\1\x09" + header[-4:]))), "a component that it does not have"),
    ):
        with pytest.raises(FlipError, match=words):
            check_rows(damaged, parse(damaged))


def with_dc_table(data: bytes, counts: list[int], symbols: list[int]) -> bytes:
    """The JPEG with this as both its DC tables: the number of codes of each length, and their symbols."""
    found = b"".join(bytes(table) for table in first_scan(data).tables if table.marker == DHT)
    table = bytes([*counts, *[0] * (16 - len(counts)), *symbols])
    return data.replace(found, bytes(Segment(DHT, b"\0" + table + b"\1" + table)))


@pytest.mark.usefixtures("all_are_large")
@pytest.mark.parametrize(
    ("counts", "symbols", "words"),
    [
        ([0, 1, *[0] * 8, *[255] * 6], [15] * 1531, "none of DC coefficients"),
        ([0, 0, 0, 0, 17], list(range(17)), "none of DC coefficients"),
        ([0, 2], [0, 16], "none of DC coefficients"),
        ([0, 0], [], "none of DC coefficients"),
        ([0, 4], [0, 1, 2, 3], "more codes than their lengths allow"),
        ([1, 2], [0, 1, 2], "more codes than their lengths allow"),
        ([4, 4, 4, 4], list(range(16)), "more codes than their lengths allow"),
    ],
)
def test_tables_that_decoders_do_not_take_fail(counts: list[int], symbols: list[int], words: str) -> None:
    damaged = with_dc_table(encoded(noise(64, 64), progressive=True), counts, symbols)
    with pytest.raises(FlipError, match=words):
        check_rows(damaged, parse(damaged))


def counted(data: bytes) -> int:
    """The MCUs in the first scan of a progressive JPEG, all of them."""
    return sum(1 for _ in validate._mcus(first_scan(data), parse(data).frame))


@settings(max_examples=100, deadline=None)
@given(data=jpegs().filter(lambda data: parse(data).entropy_coding.progressive), piece=st.integers(2, 40))
def test_mcus_are_the_same_in_pieces_of_any_size(data: bytes, piece: int) -> None:
    frame = parse(data).frame
    width, height = frame.mcu
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validate, "_PIECE", piece)
        assert counted(data) == -(-frame.width // width) * -(-frame.height // height)


@pytest.mark.parametrize("piece", [2, 3, 100, 1 << 12])
def test_bits_that_are_no_code_are_taken_17_at_a_time(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validate, "_PIECE", piece)
    data = encoded(noise(64, 64), progressive=True)
    ones = data.replace(first_scan(data).data, b"\xff\0" * 51 + b"\xff\xd0" + b"\xff\0" * 52)
    # Six blocks an MCU; a restart marker ends one that is begun.
    assert counted(ones) == 2 * (51 * 8 // (6 * 17))


@pytest.mark.usefixtures("all_are_large")
def test_no_more_is_counted_than_the_rows_need(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[str] = []
    bits = validate._bits

    def noted(data: bytes) -> Iterator[str]:
        for piece in bits(data):
            pieces.append(piece)
            yield piece

    monkeypatch.setattr(validate, "_bits", noted)
    monkeypatch.setattr(validate, "_PIECE", 16)
    data = encoded(noise(320, 320), progressive=True)
    counted(data)
    held = len(pieces)
    pieces.clear()
    smaller = claiming(data, 320, 64)
    check_rows(smaller, parse(smaller))
    assert 0 < len(pieces) < held / 4
