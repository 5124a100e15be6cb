"""JPEG 2000: encoded again as it was, exactly where that can be done, and in its own container."""

from __future__ import annotations

import contextlib
import io
import struct
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageOps, ImageStat

from tests.flip.test_avif import box
from tests.helpers.pictures import decode, draw, encode, is_mirrored
from trio_mirror.errors import FlipError
from trio_mirror.flip import flip, jpeg2000, sniff
from trio_mirror.flip.isobmff import boxes
from trio_mirror.model import Limits

COD = b"\xff\x52"
XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
REGION = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:GPano="http://ns.google.com/photos/1.0/panorama/" GPano:CroppedAreaLeftPixels="10"
 GPano:CroppedAreaImageWidthPixels="48" GPano:FullPanoWidthPixels="100"/></rdf:RDF></x:xmpmeta>"""


def coded(image: Image.Image | None = None, **options: Any) -> bytes:
    return encode(image or draw(48, 32), "JPEG2000", **options)


def wide() -> Image.Image:
    """A grey picture of 16 bits a sample."""
    return draw(48, 32, "L").convert("I").point(lambda level: level * 257 - 3).convert("I;16")


def segment(data: bytes, marker: bytes) -> bytes:
    at = data.index(marker)
    return data[at : at + 2 + int.from_bytes(data[at + 2 : at + 4])]


@pytest.mark.parametrize("image", [*(draw(48, 32, mode) for mode in ("L", "LA", "RGB", "RGBA")), wide()])
@pytest.mark.parametrize("no_jp2", [False, True])
def test_a_reversible_picture_is_mirrored_exactly(image: Image.Image, no_jp2: bool) -> None:
    data = coded(image, no_jp2=no_jp2)
    assert sniff(data) == "jpeg2000"
    once = flip(data)
    assert (once.lossless, once.notes) == (True, ())
    assert once.media_type == ("image/j2c" if no_jp2 else "image/jp2")
    assert is_mirrored(data, once.data)
    assert decode(flip(once.data).data).tobytes() == decode(data).tobytes()


@pytest.mark.parametrize(("width", "height"), [(6_000, 6_000), (10, 1_500_000)])
def test_a_few_bytes_that_claim_very_many_samples_are_refused(width: int, height: int) -> None:
    data = bytearray(coded(draw(16, 16, "L"), no_jp2=True))
    struct.pack_into(">II", data, data.index(b"\xff\x51") + 6, width, height)
    struct.pack_into(">II", data, data.index(b"\xff\x51") + 22, width, height)
    with pytest.raises(FlipError, match="more densely than is decoded here"):
        flip(bytes(data))


@pytest.mark.parametrize(("side", "kept"), [(128, True), (512, False)])
@pytest.mark.parametrize("small", [{"codeblock_size": (4, 4)}, {"precinct_size": (8, 8), "num_resolutions": 1}])
def test_a_large_picture_in_very_small_blocks_gets_the_usual_ones(side: int, kept: bool, small: dict[str, Any]) -> None:
    # Each block costs the encoder some 10 KB.
    image = draw(side, side, "L")
    data = coded(image, no_jp2=True, **small)
    options = jpeg2000.read_coding(data).options
    assert (small.keys() & {"codeblock_size", "precinct_size"} <= options.keys()) is kept
    assert decode(flip(data).data).tobytes() == ImageOps.mirror(image).tobytes()


@pytest.mark.parametrize("width", [10, 11])
def test_a_lossy_picture_with_narrow_tiles_is_encoded_closely_in_one(width: int) -> None:
    image = Image.new("L", (11, 500))
    data = bytearray(coded(image, no_jp2=True, irreversible=True, tile_size=(9, 400), num_resolutions=3))
    # In its tiles the encoder would stay far from the picture, or end the process where the last column is 1 wide.
    struct.pack_into(">I", data, data.index(b"\xff\x51") + 6, width)
    mirrored = flip(bytes(data))
    assert not mirrored.lossless
    assert decode(mirrored.data).size == (width, 500)


@pytest.mark.parametrize(
    "options",
    [
        {"num_resolutions": 3},
        {"codeblock_size": (16, 32)},
        {"tile_size": (16, 16)},
        {"precinct_size": (32, 64)},
        {"mct": 1},
        {"quality_layers": [20, 5, 1]},
        *({"progression": order} for order in ("LRCP", "RLCP", "RPCL", "PCRL", "CPRL")),
    ],
    ids=str,
)
def test_it_is_coded_as_it_was(options: dict[str, Any]) -> None:
    data = coded(**options)
    once = flip(data).data
    assert is_mirrored(data, once)
    for marker in (b"\xff\x51", COD):
        assert segment(once, marker) == segment(data, marker)


def test_the_place_on_the_reference_grid_does_not_matter() -> None:
    data = coded(no_jp2=True, offset=(5, 3), tile_offset=(2, 1), tile_size=(20, 20))
    assert is_mirrored(data, flip(data).data)
    # Beyond the picture, where Pillow's encoder crashes if it is given the place.
    at = data.index(b"\xff\x51") + 6
    far = data[:at] + struct.pack(">8I", 9, 7, 0, 4, 9, 7, 0, 0) + data[at + 32 :]
    with contextlib.suppress(FlipError):
        flip(far)


def test_all_but_the_codestream_stays() -> None:
    data = coded()
    at = data.index(b"jp2c") - 4
    more = data[:at] + box(b"xml ", b"<words/>") + data[at:] + box(b"uuid", bytes(16), b"words")
    before, after = (
        [whole[each.start : each.end] for each in boxes(whole, 0, len(whole)) if each.kind != b"jp2c"]
        for whole in (more, flip(more).data)
    )
    assert before == after


def test_places_in_the_picture_are_mirrored_with_it() -> None:
    data = coded() + box(b"uuid", XMP, REGION)
    assert b'CroppedAreaLeftPixels="42"' in flip(data).data
    before, after = (  # guides, whose unit is the 32nd part of a pixel
        box(
            b"uuid",
            bytes.fromhex("2c4c0100850440b9a03e562148d6dfeb") + b"8BIM\x04\x08\0\0",
            struct.pack(">5IiBx", 21, 1, 0, 0, 1, 32 * x, 0),
        )
        for x in (10, 38)
    )
    assert flip(coded() + before).data.endswith(after)


def test_regions_of_interest_are_named() -> None:
    assert flip(coded() + box(b"roid", bytes(20))).notes == ("not mirrored: regions of interest",)


def test_a_place_on_earth_is_noted() -> None:
    data = coded() + box(b"uuid", bytes.fromhex("b14bf8bd083d4b43a5ae8cd7d5a6ce03"), b"II*\0")
    assert flip(data).notes == ("not mirrored: the place on earth that it states (GeoJP2)",)
    gml, words = (box(b"asoc", box(b"lbl ", it), box(b"xml ", b"<x/>")) for it in (b"gml.data", b"words"))
    assert flip(coded() + words + gml).notes == ("not mirrored: the place on earth that it states (GMLJP2)",)
    assert not flip(coded() + words).notes


@pytest.mark.parametrize("quality", [{}, {"quality_mode": "dB", "quality_layers": [38]}])
def test_an_irreversible_picture_stays_within_40_db_with_a_note(quality: dict[str, Any]) -> None:
    data = coded(irreversible=True, **quality)
    once = flip(data)
    assert not once.lossless
    assert "within 40 dB" in once.notes[0]
    difference = ImageChops.difference(decode(once.data), ImageOps.mirror(decode(data)))
    squares = [root**2 for root in ImageStat.Stat(difference).rms]
    assert sum(squares) / len(squares) <= 255**2 / 10**4
    with pytest.raises(FlipError, match="exactly"):
        flip(data, lossless="always")  # type: ignore[arg-type]


def altered(marker: bytes, at: int, value: int) -> bytes:
    """A codestream with another byte behind a marker."""
    data = bytearray(coded(no_jp2=True))
    data[data.index(marker) + at] = value
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (altered(b"\xff\x51", 40, 11), "a depth, sign or subsampling"),
        (altered(b"\xff\x51", 40, 0x87), "a depth, sign or subsampling"),
        (altered(b"\xff\x51", 41, 2), "a depth, sign or subsampling"),
        (altered(COD, 1, 0x53), "how it is coded"),
        (altered(COD, 5, 9), "how it is coded"),
        (coded(no_jp2=True).replace(b"\xff\x64", b"\xff\x50"), "high-throughput"),
        (coded(no_jp2=True)[:60], "how it is coded"),
        (coded(draw(300, 300), no_jp2=True, tile_size=(4, 4)), "5,625 tiles"),
        (coded(no_jp2=True)[:300], "cannot be read|closely enough"),
        (coded().replace(b"jp2c", b"free"), "0 codestreams"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_words(data: bytes, message: str) -> None:
    with pytest.raises(FlipError, match=message):
        flip(data)


def test_limits_are_checked_from_the_header() -> None:
    with pytest.raises(FlipError, match="--max-frame-pixels"):
        jpeg2000.flip(coded(), limits=Limits(frame_pixels=48 * 32 - 1))
    data = bytearray(coded(no_jp2=True))
    at = data.index(b"\xff\x51") + 6
    data[at : at + 8] = (5001).to_bytes(4) + (5000).to_bytes(4)
    with pytest.raises(FlipError, match="decoded here"):
        flip(bytes(data))


def test_a_comment_is_kept() -> None:
    data = coded(comment=b"drawn by hand")
    with Image.open(io.BytesIO(flip(data).data)) as image:
        assert image.info["comment"] == b"drawn by hand"
