"""Drawn JPEGs, and the parts of which tests build files that no encoder at hand writes."""

from __future__ import annotations

import io
import math
import struct
from typing import Any

from PIL import Image, ImageChops, ImageOps

from trio_mirror.flip.jpeg import turbojpeg
from trio_mirror.flip.jpeg.segments import Segment, coded_part, joined, parse

APP0, APP1, APP2, APP13, APP14, COM = 0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xFE
XMP = b"http://ns.adobe.com/xap/1.0/\0"


def drawn(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """A smooth picture without symmetry: its mirror image is far from itself."""
    across = Image.linear_gradient("L").rotate(90).resize((width, height))
    down = Image.linear_gradient("L").resize((width, height))
    ring = Image.radial_gradient("L").resize((2 * width, height)).crop((0, 0, width, height))
    picture = Image.merge("RGB", (across, down, ring))
    return picture.convert(mode)


def encoded(image: Image.Image, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", **{"quality": 90, **options})
    return out.getvalue()


def with_segments(data: bytes, *segments: Segment) -> bytes:
    """The JPEG with these segments behind its own."""
    return joined([*parse(data).segments, *segments], coded_part(data))


def decoded(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def displayed(data: bytes) -> Image.Image:
    return ImageOps.exif_transpose(decoded(data))


def decibels(one: Image.Image, other: Image.Image) -> float:
    assert (one.mode, one.size) == (other.mode, other.size)
    histogram = ImageChops.difference(one, other).histogram()
    error = sum((step % 256) ** 2 * count for step, count in enumerate(histogram)) / sum(histogram)
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def exif_block(
    *,
    orientation: int = 1,
    thumbnail: bytes = b"",
    maker_note: bytes = b"",
    behind: bytes = b"",
    order: str = "<",
) -> bytes:
    """An EXIF block: IFD0 with an orientation and an Exif directory with a MakerNote, IFD1 with a thumbnail.

    The thumbnail stands last but for ``behind``, as it does in most cameras' files.
    """
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    exif_at = 8 + 2 + 2 * 12 + 4
    note_at = exif_at + 2 + 12 + 4
    ifd1_at = note_at + len(maker_note) if thumbnail else 0
    thumbnail_at = ifd1_at + 2 + 2 * 12 + 4
    short, long, undefined = 3, 4, 7
    ifd0 = struct.pack(f"{order}HHHIHHHHIII", 2, 0x0112, short, 1, orientation, 0, 0x8769, long, 1, exif_at, ifd1_at)
    exif = struct.pack(f"{order}HHHIII", 1, 0x927C, undefined, len(maker_note), note_at, 0)
    ifd1 = struct.pack(f"{order}HHHIIHHIII", 2, 0x0201, long, 1, thumbnail_at, 0x0202, long, 1, len(thumbnail), 0)
    return head + ifd0 + exif + maker_note + (ifd1 + thumbnail if thumbnail else b"") + behind


def exif_segment(block: bytes) -> Segment:
    return Segment(APP1, b"Exif\0\0" + block)


def xmp_segment(packet: bytes) -> Segment:
    return Segment(APP1, XMP + packet)


def photoshop_resource(number: int, data: bytes) -> bytes:
    return b"8BIM" + struct.pack(">HxxI", number, len(data)) + data + bytes(len(data) % 2)


def photoshop_thumbnail(jpeg: bytes, width: int, height: int) -> bytes:
    row = (width * 3 + 3) // 4 * 4
    return struct.pack(">IIIIIIHH", 1, width, height, row, row * height, len(jpeg), 24, 1) + jpeg


def may_grow() -> bool:
    """Whether a picture may take more room than it had: TurboJPEG 2 fits no Huffman tables to it."""
    found = turbojpeg.libraries()
    return bool(found) and not any(library.version_3 for library in found)
