"""What other programs read in mirrored JPEGs: ExifTool every position and picture, ImageMagick the clipping path."""

from __future__ import annotations

import re
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ImageOps

from tests.flip.jpegs import (
    APP13,
    decibels,
    decoded,
    drawn,
    encoded,
    exif_block,
    exif_segment,
    photoshop_resource,
    with_segments,
    xmp_segment,
)
from tests.flip.test_jpeg_pictures import DEPTH, IMAGE, NAMED, extended, google
from tests.flip.test_jpeg_trailer import VIDEO, samsung
from tests.flip.test_multi_picture import several
from tests.flip.test_positions import CAMERA_RAW, IPTC, PANORAMA, subject
from tests.flip.test_readers import needs, read_by_exiftool
from tests.flip.xmp_packets import packet, structure
from tests.helpers.pictures import encode
from trio_mirror import flip
from trio_mirror.flip.jpeg.segments import Segment, coded_part, joined, parse

if TYPE_CHECKING:
    from pathlib import Path

    from trio_mirror.flip.jpeg.turbojpeg import TurboJpeg

REGION = (
    "<m:Regions xmlns:m='http://www.metadataworkinggroup.com/schemas/regions/' rdf:parseType='Resource'><m:RegionList>"
    "<rdf:Bag><rdf:li><rdf:Description m:Rotation='0.1'><m:Area xmlns:a='http://ns.adobe.com/xmp/sType/Area#'"
    " a:x='0.195' a:y='0.219' a:w='0.17' a:h='0.23' a:unit='normalized'/></rdf:Description></rdf:li></rdf:Bag>"
    "</m:RegionList></m:Regions>"
)
MICROSOFT = (
    "<m:RegionInfo xmlns:m='http://ns.microsoft.com/photo/1.2/' xmlns:i='http://ns.microsoft.com/photo/1.2/t/RegionInfo#'"
    " xmlns:r='http://ns.microsoft.com/photo/1.2/t/Region#' rdf:parseType='Resource'><i:Regions><rdf:Bag>"
    "<rdf:li r:Rectangle='0.125, 0.25, 0.5, 0.5'/></rdf:Bag></i:Regions></m:RegionInfo>"
)
BOUNDARY = {"rbX": "0.11", "rbY": "0.25", "rbW": "0.17", "rbH": "0.5", "rbUnit": "relative", "rbShape": "rectangle"}
INTERNATIONAL = (
    f"<e:ImageRegion xmlns:e='{IPTC}'><rdf:Bag><rdf:li rdf:parseType='Resource'>"
    f"{structure(IPTC, 'RegionBoundary', BOUNDARY, prefix='e')}</rdf:li></rdf:Bag></e:ImageRegion>"
)
ORIENTATION = "<rdf:Description xmlns:tiff='http://ns.adobe.com/tiff/1.0/' tiff:Orientation='{}'/>"
CROP = {"CropLeft": "0.05", "CropRight": "0.5", "CropTop": "0.125", "CropBottom": "1", "CropAngle": "2.5"}
PANO = {
    "CroppedAreaImageWidthPixels": "64",
    "CroppedAreaImageHeightPixels": "48",
    "FullPanoWidthPixels": "256",
    "FullPanoHeightPixels": "128",
    "CroppedAreaLeftPixels": "20",
    "CroppedAreaTopPixels": "40",
}


def properties(space: str, fields: dict[str, str]) -> str:
    return "".join(f"<p:{name} xmlns:p='{space}'>{value}</p:{name}>" for name, value in fields.items())


def stated(orientation: int, order: str) -> bytes:
    """A JPEG that states positions of all kinds."""
    exif = subject(order, [12, 10, 11, 7])
    body = packet(
        REGION, MICROSOFT, INTERNATIONAL, properties(CAMERA_RAW, CROP), properties(PANORAMA, PANO),
        ORIENTATION.format(orientation),
    )  # fmt: skip
    return with_segments(encoded(drawn(64, 48)), exif_segment(exif), xmp_segment(body))


WANTED = {
    "SubjectArea": ("12 10 11 7", "51 10 11 7", "12 37 11 7"),
    "RegionAreaX": (0.195, 0.805, 0.195),
    "RegionAreaY": (0.219, 0.219, 0.781),
    "RegionRotation": (0.1, -0.1, -0.1),
    "RegionRectangle": ("0.125, 0.25, 0.5, 0.5", "0.375, 0.25, 0.5, 0.5", "0.125, 0.25, 0.5, 0.5"),
    "ImageRegionBoundaryX": (0.11, 0.72, 0.11),
    "ImageRegionBoundaryY": (0.25, 0.25, 0.25),
    "CropLeft": (0.05, 0.5, 0.05),
    "CropRight": (0.5, 0.95, 0.5),
    "CropTop": (0.125, 0.125, 0),
    "CropBottom": (1, 1, 0.875),
    "CropAngle": (2.5, -2.5, -2.5),
    "CroppedAreaLeftPixels": (20, 172, 20),
    "CroppedAreaTopPixels": (40, 40, 40),
}


@needs("exiftool", "libimage-exiftool-perl")
@pytest.mark.parametrize(("orientation", "order"), [(1, "<"), (3, ">"), (6, ">"), (7, "<")])
def test_exiftool_reads_every_position_of_a_jpeg_on_the_other_side(
    orientation: int, order: str, tmp_path: Path
) -> None:
    path = tmp_path / "it.jpg"
    before = stated(orientation, order)
    once = flip(before)
    after = 2 if orientation > 4 else 1
    assert read_by_exiftool(path, before, *WANTED) == {name: values[0] for name, values in WANTED.items()}
    assert read_by_exiftool(path, once.data, *WANTED) == {name: values[after] for name, values in WANTED.items()}
    assert once.notes == ()
    assert read_by_exiftool(path, flip(once.data).data, *WANTED) == read_by_exiftool(path, before, *WANTED)


def extracted(path: Path, data: bytes, tag: str) -> bytes:
    path.write_bytes(data)
    return subprocess.run(["exiftool", "-b", f"-{tag}", str(path)], check=True, capture_output=True).stdout


@needs("exiftool", "libimage-exiftool-perl")
def test_exiftool_finds_every_picture_of_a_jpeg_mirrored(tmp_path: Path) -> None:
    first, second = encoded(drawn(61, 48)), encoded(drawn(61, 35), quality=80)
    depth = packet(google(DEPTH, "Data", encode(drawn(61, 35), "PNG")), google(IMAGE, "Data", second))
    carriers = {
        "ImageData": with_segments(first, *extended(packet(NAMED), depth)),
        "DepthImage": with_segments(first, *extended(packet(NAMED), depth)),
        "MPImage2": several(first, second),
        "EmbeddedImage": first + samsung((0x0001, b"DualShot_1", second)),
        "PreviewImage": with_segments(first, Segment(0xE3, joined([], coded_part(second)))),
    }
    for tag, data in carriers.items():
        old, new = (decoded(extracted(tmp_path / "it.jpg", it, tag)) for it in (data, flip(data).data))
        assert decibels(new.convert("RGB"), ImageOps.mirror(old).convert("RGB")) >= 36, tag


@needs("convert", "imagemagick")
@pytest.mark.parametrize("orientation", [1, 6])
def test_imagemagick_clips_the_other_side(orientation: int, tmp_path: Path) -> None:
    one = 1 << 24
    corners = [(one // 8, one // 4), (one // 8, one // 2), (one // 2, one // 2), (one // 2, one // 4)]  # y, x
    knots = b"".join(struct.pack(">H6i", 2, *corner * 3) for corner in corners)
    path = struct.pack(">H24x", 6) + struct.pack(">HH22x", 0, 4) + knots
    resources = photoshop_resource(2000, path) + photoshop_resource(2999, b"\x06Path 1" + bytes(5))
    segments = [Segment(APP13, b"Photoshop 3.0\0" + resources)]
    if orientation > 1:
        segments.append(xmp_segment(packet(ORIENTATION.format(orientation))))
    data = with_segments(encoded(drawn(64, 48)), *segments)

    def clipped(picture: bytes) -> set[tuple[int, ...]]:
        """The corners of the clipping path as ImageMagick reads it, in pixels."""
        file = tmp_path / "it.jpg"
        file.write_bytes(picture)
        command = ["convert", str(file), "-format", "%[8BIM:1999,2998:#1]", "info:"]
        drawn_path = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return {(int(x), int(y)) for x, y in re.findall(r"^[ML] (-?\d+) (-?\d+)$", drawn_path, re.MULTILINE)}

    before, after = clipped(data), clipped(flip(data).data)
    assert len(before) == 4
    for x, y in before:
        wanted = (x, 48 - y) if orientation > 4 else (64 - x, y)
        # It rounds down.
        assert any(abs(wanted[0] - it[0]) <= 1 and abs(wanted[1] - it[1]) <= 1 for it in after)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    across=st.integers(1, 5),
    down=st.integers(1, 5),
    orientation=st.integers(1, 8),
    order=st.sampled_from("<>"),
    region=st.tuples(st.decimals(0, 1, places=4), st.decimals(0, 1, places=4)),
    guides=st.lists(st.tuples(st.integers(0, 2_560), st.integers(0, 1)), max_size=3),
)
def test_mirrored_twice_a_jpeg_is_the_first_byte_by_byte(
    library: TurboJpeg,
    across: int,
    down: int,
    orientation: int,
    order: str,
    region: tuple[object, object],
    guides: list[tuple[int, int]],
) -> None:
    area = {"x": str(region[0]), "y": str(region[1]), "unit": "normalized"}
    xmp = packet(structure("http://ns.adobe.com/xmp/sType/Area#", "Area", area), padding=100)
    grid = struct.pack(">4I", 1, 576, 576, len(guides)) + b"".join(struct.pack(">IB", *guide) for guide in guides)
    thumbnail = flip(flip(encoded(drawn(32, 16))).data).data  # as we write its tables
    block = exif_block(orientation=orientation, thumbnail=thumbnail, order=order)
    segments = [
        exif_segment(block),
        xmp_segment(xmp),
        Segment(APP13, b"Photoshop 3.0\0" + photoshop_resource(1032, grid)),
    ]
    data = with_segments(encoded(drawn(16 * across, 16 * down)), *segments) + VIDEO
    once = flip(data)
    twice = flip(once.data)
    assert once.lossless
    assert parse(twice.data).segments == parse(data).segments
    assert flip(twice.data).data == once.data
    assert flip(flip(twice.data).data).data == twice.data
