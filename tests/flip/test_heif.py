"""HEIC and the other relatives of AVIF: mirrored by their properties, and by what stands for those."""

from __future__ import annotations

import functools
import io
import resource
import struct
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from tests.flip.jpegs import exif_block
from tests.flip.steps import is_linear
from tests.flip.test_avif import PIXI, associations, bodies, box, coded, file, full, ispe, reference
from tests.flip.test_jpeg2000 import REGION
from tests.helpers.pictures import draw
from trio_mirror.errors import FlipError
from trio_mirror.flip import decode_apart, heif, sniff
from trio_mirror.flip.exif import mirrored, orientation_field
from trio_mirror.model import Limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from trio_mirror.model import Flipped

CLAP = box(b"clap", struct.pack(">8I", 48, 1, 64, 1, 8, 1, 0, 1))
LEFT_RIGHT, TOP_BOTTOM = box(b"imir", b"\1"), box(b"imir", b"\0")


def flip(data: bytes) -> Flipped:
    flipped = heif.flip(data, limits=Limits())
    assert flipped.lossless
    return flipped


def with_properties(*properties: bytes, brand: bytes = b"heic") -> bytes:
    """One image with these properties behind those that it needs; AV1 in HEVC's place, as nothing here decodes it."""
    payload, config = coded()
    numbers = [1, 2, 3, *range(0x84, 0x84 + len(properties))]
    return file([(b"av01", payload, numbers)], [ispe(64, 64), PIXI, config, *properties], brand=brand)


def properties(data: bytes) -> list[bytes]:
    """The properties of the first image behind those that it needs, as they are applied."""
    [ipco] = bodies(data, b"ipco")
    boxes = []
    while ipco:
        size = int.from_bytes(ipco[:4])
        boxes.append(ipco[:size])
        ipco = ipco[size:]
    return [boxes[number - 1] for number in associations(data)[1][3:]]


def with_exif(orientation: int, *turning: bytes, xmp: bytes = b"") -> bytes:
    payload, config = coded()
    exif = bytes(4) + exif_block(orientation=orientation)
    numbers = [1, 2, 3, *range(0x84, 0x84 + len(turning))]
    return file(
        [(b"av01", payload, numbers), (b"Exif", exif, []), (b"mime", xmp, [])],
        [ispe(64, 64), PIXI, config, *turning],
        [reference(b"cdsc", 2, 1), reference(b"cdsc", 3, 1)],
        brand=b"heic",
    )


def stated(data: bytes) -> int:
    [mdat] = bodies(data, b"mdat")
    field = orientation_field(mdat[mdat.index(exif_block(orientation=1)[:8]) :])
    assert field
    return field.value


@functools.cache
def heic(width: int = 64, height: int = 48, orientation: int = 1, mode: str = "RGB") -> bytes:
    """A HEIC, in which the encoder states the orientation by ``irot`` and ``imir``."""
    encoder = pytest.importorskip("pillow_heif", reason="no encoder of HEIC is installed")
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    encoder.from_pillow(draw(width, height, mode)).save(out, exif=exif.tobytes(), quality=90)
    return out.getvalue()


def shown(data: bytes) -> Image.Image:
    decoder = pytest.importorskip("pillow_heif", reason="no decoder of HEIC is installed")
    picture = decoder.open_heif(data)
    return Image.frombytes(picture.mode, picture.size, bytes(picture.data), "raw", picture.mode, picture.stride)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_heic_in_each_orientation_is_shown_mirrored_and_flips_back_to_its_bytes(orientation: int) -> None:
    data = heic(orientation=orientation)
    once = flip(data)
    assert once.media_type == "image/heic"
    assert shown(once.data).tobytes() == ImageOps.mirror(shown(data)).tobytes()
    assert bodies(once.data, b"hvcC") == bodies(data, b"hvcC")
    assert flip(once.data).data == data


def test_alpha_of_a_heic_is_mirrored_with_it() -> None:
    data = heic(mode="RGBA")
    assert shown(flip(data).data).tobytes() == ImageOps.mirror(shown(data)).tobytes()


@given(st.none() | st.integers(0, 3), st.none() | st.integers(0, 1), st.booleans())
def test_flipped_twice_is_what_it_was_byte_for_byte(turns: int | None, axis: int | None, cropped: bool) -> None:
    turning = [] if turns is None else [box(b"irot", bytes([turns]))]
    mirroring = [] if axis is None else [box(b"imir", bytes([axis]))]
    data = with_properties(*([CLAP] if cropped else []), *turning, *mirroring)
    once = flip(data).data
    assert once != data
    # A rotation by nothing says as little as none, and half a turn with a mirroring as much as the other mirroring.
    if axis != 0 or turns in {None, 1, 3}:
        assert flip(once).data == data


def test_a_rotation_in_front_of_the_crop_stays_there() -> None:
    turned = box(b"irot", b"\1")
    assert properties(flip(with_properties(turned, CLAP)).data) == [turned, CLAP, LEFT_RIGHT]
    assert properties(flip(with_properties(turned, CLAP, LEFT_RIGHT)).data) == [turned, CLAP]
    payload, config = coded()
    parts = [ispe(64, 64), config, turned, CLAP, box(b"irot", b"\3"), TOP_BOTTOM]
    items = [(b"av01", payload, [1, 2, 2, 3, 4]), (b"av01", payload, [1, 2, 2, 5, 6])]
    assert properties(flip(file(items, parts, brand=b"heic")).data) == [turned, CLAP, LEFT_RIGHT]


def test_what_would_change_the_crop_is_refused() -> None:
    with pytest.raises(FlipError, match="do not agree"):
        flip(with_properties(box(b"irot", b"\1"), CLAP, TOP_BOTTOM))
    with pytest.raises(FlipError, match="do not agree"):
        flip(with_properties(LEFT_RIGHT, CLAP))


def test_a_tone_mapped_image_may_say_that_it_is_not_turned() -> None:
    payload, config = coded()
    data = file(
        [(b"av01", payload, [1, 2, 3]), (b"av01", payload, [1, 2, 3]), (b"tmap", bytes(62), [1, 2, 0x84])],
        [ispe(64, 64), PIXI, config, box(b"irot", b"\0")],
        [reference(b"dimg", 3, 1, 2)],
    )
    assert associations(flip(data).data) == {1: [1, 2, 3, 5], 2: [1, 2, 3, 5], 3: [1, 2, 4]}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_condensed_header_says_it_in_three_bits(orientation: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heif, "prove_heif", lambda *_: ())
    data = box(b"ftyp", b"mif3", bytes(4), b"mif3") + box(b"mini", bytes([3, 0xA8 | orientation - 1, 7]))
    once = flip(data).data
    assert bodies(once, b"mini") == [bytes([3, 0xA8 | mirrored(orientation) - 1, 7])]
    assert flip(once).data == data


@pytest.mark.parametrize(
    ("orientation", "turning"),
    [
        (1, []),
        (2, [(b"imir", 1)]),
        (3, [(b"irot", 2)]),
        (4, [(b"imir", 0)]),
        (5, [(b"irot", 3), (b"imir", 1)]),
        (6, [(b"irot", 3)]),
        (7, [(b"irot", 1), (b"imir", 1)]),
        (8, [(b"irot", 1)]),
    ],
)
def test_an_exif_orientation_is_mirrored_where_it_agreed(orientation: int, turning: list[tuple[bytes, int]]) -> None:
    boxes = [box(kind, bytes([value])) for kind, value in turning]
    once = flip(with_exif(orientation, *boxes)).data
    assert stated(once) == mirrored(orientation)
    assert stated(flip(once).data) == orientation
    other = orientation % 8 + 1
    assert stated(flip(with_exif(other, *boxes)).data) == other


def test_places_in_the_picture_are_noted_where_exif_does_not_say_how_it_is_turned() -> None:
    for data, noted in (
        (with_exif(1, xmp=REGION), False),
        (with_exif(3, xmp=REGION), True),
        (with_exif(3, xmp=b"<x/>"), False),
    ):
        once = flip(data)
        assert ("not mirrored: positions in XMP" in once.notes) == noted
        assert (REGION in once.data) == (REGION in data)


def test_the_views_of_a_stereo_pair_change_places() -> None:
    payload, config = coded()

    def pair(left: int, right: int) -> bytes:
        return full(b"ster", 0, 0, struct.pack(">4I", 77, 2, left, right))

    data = file(
        [(b"av01", payload, [1, 2, 3]), (b"av01", payload, [1, 2, 3])],
        [ispe(64, 64), PIXI, config],
        brand=b"heic",
        groups=box(b"grpl", pair(1, 2)),
    )
    once = flip(data).data
    assert pair(2, 1) in once
    assert flip(once).data == data


def test_a_file_that_ends_before_its_tiles_do_is_mirrored_with_a_note() -> None:
    payload, config = coded()
    grid = struct.pack(">BBBBHH", 0, 0, 0, 1, 128, 64)
    data = file(
        [(b"grid", grid, [4, 2]), (b"av01", payload, [1, 2, 3]), (b"av01", payload, [1, 2, 3])],
        [ispe(64, 64), PIXI, config, ispe(128, 64)],
        [reference(b"dimg", 1, 2, 3)],
        brand=b"heic",
    )
    assert not any("parts of them are missing" in note for note in flip(data).notes)
    assert any("parts of them are missing" in note for note in flip(data[:-9]).notes)
    with pytest.raises(FlipError, match="ends before its image does"):
        flip(with_properties()[:-9])


def test_what_stays_unmirrored_is_noted() -> None:
    data = with_properties()
    assert any("viewers that ignore it" in note for note in flip(data).notes)
    assert not any("video" in note for note in flip(data).notes)
    assert any("video" in note for note in flip(data + box(b"mpvd", b"video")).notes)


def test_content_credentials_are_taken_out_unless_they_are_to_stay() -> None:
    data = with_properties()
    manifest = box(b"uuid", bytes.fromhex("d8fec3d61b0e483c92975828877ec481"), b"claims")
    other = box(b"uuid", bytes(16), b"kept")
    start = int.from_bytes(data[:4])
    # In front of the image data, whose offsets then move.
    signed = data[:start] + manifest + other + moved(data, len(manifest + other))[start:]
    once = flip(signed)
    assert manifest not in once.data
    assert other in once.data
    assert any("content credentials taken out" in note for note in once.notes)
    assert flip(once.data).data == data[:start] + other + moved(data, len(other))[start:]
    kept = heif.flip(signed, limits=Limits(), keep_credentials=True)
    assert manifest in kept.data
    assert any("content credentials kept" in note for note in kept.notes)


def moved(data: bytes, step: int) -> bytes:
    """A file of one image with its offset moved."""
    [iloc] = bodies(data, b"iloc")
    offset = int.from_bytes(iloc[-8:-4])
    return data.replace(iloc, iloc[:-8] + (offset + step).to_bytes(4) + iloc[-4:])


def test_each_kind_has_its_media_type() -> None:
    for brand, media_type in ((b"heic", "image/heic"), (b"avif", "image/avif"), (b"jpeg", "image/heif")):
        data = with_properties(brand=brand)
        assert sniff(data) == "heif"
        assert flip(data).media_type == media_type


def test_an_image_sequence_with_hevc_is_refused() -> None:
    with pytest.raises(FlipError, match="image sequence"):
        flip(with_properties() + box(b"moov", b""))


def test_a_heic_without_an_image_is_damaged() -> None:
    data = heic()
    at = data.index(b"mdat") + 4
    pytest.importorskip("pi_heif", reason="the extra proof is not installed")
    with pytest.raises(FlipError, match="cannot be read"):
        flip(data[:at] + bytes(len(data) - at))
    assert not any("proof" in note for note in flip(data).notes)


@pytest.mark.parametrize(
    ("ends", "message"),
    [
        ("os.abort()", "its decoder crashed"),
        ("print('too short'); sys.exit(3)", "too short"),
        ("os.kill(os.getpid(), 9)", ""),
    ],
)
def test_a_decoder_that_crashes_ends_nothing_else(
    ends: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pi_heif", reason="the extra proof is not installed")
    script = tmp_path / "decoder.py"
    script.write_text(f"import os, sys\n{ends}\n")
    monkeypatch.setattr(decode_apart, "__file__", str(script))
    if message:
        with pytest.raises(FlipError, match=message):
            flip(heic())
    else:
        assert any("too large to be decoded" in note for note in flip(heic()).notes)


def test_where_the_address_space_cannot_be_limited_it_is_decoded_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    pytest.importorskip("pi_heif", reason="the extra proof is not installed")

    def setrlimit(limit: int, _: tuple[int, int]) -> None:
        if limit == resource.RLIMIT_AS:
            raise ValueError("current limit exceeds maximum limit")  # macOS

    monkeypatch.setattr(resource, "setrlimit", setrlimit)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(heic())))

    decode_apart._main(1_000_000, 8)

    assert capsysbinary.readouterr().out.startswith(b"\x89PNG")


def test_the_cost_of_items_grows_with_the_file_and_no_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heif, "prove_heif", lambda *_: ())

    def mirror(pieces: int) -> Callable[[], object]:
        items = [(b"av01", b"coded", [1, 0x82]) for _ in range(pieces)]
        references = [reference(b"auxl", number, number - 1) for number in range(2, pieces + 1)]
        exif = [reference(b"cdsc", 2, 1) for _ in range(pieces)]
        data = file(items, [ispe(64, 64), TOP_BOTTOM], references + exif, brand=b"heic")
        return lambda: heif.flip(data, limits=Limits())

    assert is_linear(mirror, 100)


def test_what_would_be_decoded_over_and_over_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def prove(_: bytes, kinds: set[bytes], pixels: int) -> tuple[str, ...]:
        asked.append(pixels)
        return ()

    monkeypatch.setattr(heif, "prove_heif", prove)

    def overlays(layers: int) -> bytes:
        items = [(b"iovl", b"", [1]), (b"iovl", b"", [1]), (b"av01", b"coded", [1])]
        references = [reference(b"dimg", item, *[item + 1] * layers) for item in (1, 2)]
        return file(items, [ispe(64, 64)], references, brand=b"heic")

    flip(overlays(1))
    flip(overlays(300))
    assert asked == [64 * 64 * (3 + 2 + 1), 64 * 64 * ((1 + 300 + 300 * 300) + (1 + 300) + 1)]


def test_parts_that_take_no_place_are_refused() -> None:
    # 65,535 parts of an image in two bytes.
    iloc = full(b"iloc", 1, 0, bytes(2), struct.pack(">HHHHH", 1, 1, 0, 0, 0xFFFF))
    data = with_properties()
    start = data.index(b"iloc") - 4
    end = start + int.from_bytes(data[start : start + 4])
    meta = data.index(b"meta") - 4
    size = int.from_bytes(data[meta : meta + 4]) + len(iloc) - (end - start)
    changed = data[:meta] + size.to_bytes(4) + data[meta + 4 : start] + iloc + data[end:]
    with pytest.raises(FlipError, match="take no place"):
        flip(changed)
