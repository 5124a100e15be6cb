"""What other programs read in mirrored files: ExifTool the positions, ImageMagick the pixels and the page."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.flip.drawn_tiff import Drawn, Writer, write
from tests.flip.test_png_surroundings import MOVING, picture
from tests.flip.xmp_packets import packet, structure
from trio_mirror import flip

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
WIDTH, HEIGHT = 40, 24
PAGE = Drawn(rows=[[(3 * x, 5 * y, 9) for x in range(WIDTH)] for y in range(HEIGHT)], photometric=2)


def needs(program: str, package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not shutil.which(program), reason=f"{package} is not installed")


def read_by_exiftool(path: Path, data: bytes, *tags: str) -> dict[str, Any]:
    path.write_bytes(data)
    command = ["exiftool", "-j", "-n", *(f"-{tag}" for tag in tags), str(path)]
    [found] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    del found["SourceFile"]
    return dict(found)


def full_tiff(order: str, *, big: bool, orientation: int) -> bytes:
    """A page cut from another one, with a subject, a region and a tie point."""
    writer = Writer(order, big=big)
    exif = writer.directory({37396: (3, struct.pack(f"{order}4H", 12, 10, 8, 6))}, chained=False)
    area = {"x": "0.25", "y": "0.75", "w": "0.1", "h": "0.1", "unit": "normalized"}
    region = structure("http://ns.adobe.com/xmp/sType/Area#", "Area", area)
    listed = (
        "<mwg:Regions xmlns:mwg='http://www.metadataworkinggroup.com/schemas/regions/' rdf:parseType='Resource'>"
        f"<mwg:RegionList><rdf:Bag><rdf:li rdf:parseType='Resource'>{region.replace('p:Area', 'mwg:Area')}"
        "</rdf:li></rdf:Bag></mwg:RegionList></mwg:Regions>"
    )
    dots = struct.pack(f"{order}2I", 10, 1)
    tags = {
        282: (5, dots),
        283: (5, dots),
        286: (5, struct.pack(f"{order}2I", 2, 1)),
        287: (5, struct.pack(f"{order}2I", 1, 1)),
        700: (1, packet(listed)),
        33300: (4, struct.pack(f"{order}I", 100)),
        33301: (4, struct.pack(f"{order}I", 80)),
        33922: (12, struct.pack(f"{order}6d", 4, 3, 0, 500, 600, 0)),
        34665: (4, struct.pack(f"{order}I", exif)),
    }
    writer.add(replace(PAGE, orientation=orientation, tags=tags))
    return bytes(writer.data)


@needs("exiftool", "libimage-exiftool-perl")
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("big", [False, True])
def test_exiftool_reads_every_position_of_a_tiff_on_the_other_side(order: str, tmp_path: Path, *, big: bool) -> None:
    tags = ("SubjectArea", "RegionAreaX", "RegionAreaY", "XPosition", "YPosition", "ModelTiePoint")
    path = tmp_path / "page.tif"
    before = full_tiff(order, big=big, orientation=1)
    assert read_by_exiftool(path, before, *tags) == {
        "SubjectArea": "12 10 8 6",
        "RegionAreaX": 0.25,
        "RegionAreaY": 0.75,
        "XPosition": 2,
        "YPosition": 1,
        "ModelTiePoint": "4 3 0 500 600 0",
    }
    once = flip(before).data
    assert read_by_exiftool(path, once, *tags) == {
        "SubjectArea": "27 10 8 6",
        "RegionAreaX": 0.75,
        "RegionAreaY": 0.75,
        "XPosition": 4,
        "YPosition": 1,
        "ModelTiePoint": "36 3 0 500 600 0",
    }
    upended = flip(full_tiff(order, big=big, orientation=6)).data
    assert read_by_exiftool(path, upended, *tags) == {
        "SubjectArea": "12 13 8 6",
        "RegionAreaX": 0.25,
        "RegionAreaY": 0.25,
        "XPosition": 2,
        "YPosition": 4.6,
        "ModelTiePoint": "4 21 0 500 600 0",
    }
    assert read_by_exiftool(path, flip(once).data, *tags) == read_by_exiftool(path, before, *tags)


@needs("exiftool", "libimage-exiftool-perl")
def test_exiftool_finds_no_fault_in_a_tiff_whose_tags_changed(tmp_path: Path) -> None:
    path = tmp_path / "page.tif"
    scale = struct.pack("<3d", 10, 10, 0)
    tie = struct.pack("<6d", 0, 0, 0, 500, 600, 0)
    image = replace(PAGE, tags={33550: (12, scale), 33922: (12, tie), 52545: (7, b"jumb c2pa" * 9)})
    path.write_bytes(flip(write(image, PAGE)).data)
    said = subprocess.run(
        ["exiftool", "-validate", "-warning", "-a", str(path)], check=True, capture_output=True, text=True
    )
    assert "offset" not in said.stdout.lower()
    assert "order" not in said.stdout.lower()


@needs("convert", "imagemagick")
@pytest.mark.parametrize("compression", [1, 8])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_imagemagick_flops_a_tiff_as_we_do(compression: int, tile: tuple[int, int] | None, tmp_path: Path) -> None:
    source, ours = tmp_path / "source.tif", tmp_path / "ours.tif"
    source.write_bytes(write(replace(PAGE, compression=compression, tile=tile)))
    ours.write_bytes(flip(source.read_bytes()).data)
    flopped = subprocess.run(["convert", str(source), "-flop", "rgb:-"], check=True, capture_output=True).stdout
    assert subprocess.run(["convert", str(ours), "rgb:-"], check=True, capture_output=True).stdout == flopped


@needs("convert", "imagemagick")
def test_imagemagick_flops_the_page_of_a_png_as_we_do(tmp_path: Path) -> None:
    source, ours, theirs = (tmp_path / f"{name}.png" for name in ("source", "ours", "theirs"))
    source.write_bytes(picture(*MOVING["oFFs on vpAg"][0]))
    ours.write_bytes(flip(source.read_bytes()).data)
    subprocess.run(["convert", str(source), "-flop", str(theirs)], check=True)
    pages = [
        subprocess.run(
            ["identify", "-format", "%wx%h %g", str(path)], check=True, capture_output=True, text=True
        ).stdout
        for path in (ours, theirs)
    ]
    assert pages[0] == pages[1] == "40x24 100x80+50+7"
