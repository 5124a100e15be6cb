"""The metadata of a WebP, still or animated, is true of the mirrored picture, or gone with a note."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from tests.flip.xmp_packets import packet, structure
from trio_mirror import flip
from trio_mirror.flip.webp.riff import Chunk, Container, read_container

WIDTH, HEIGHT = 20, 12


def webp(*extra: Chunk, frames: int = 1) -> bytes:
    images = [Image.new("RGB", (WIDTH, HEIGHT), (frame, 9, 9)) for frame in range(frames)]
    stream = io.BytesIO()
    images[0].save(stream, "WEBP", lossless=True, save_all=frames > 1, append_images=images[1:])
    coded = [chunk for chunk in read_container(stream.getvalue()).chunks if chunk.code != b"VP8X"]
    announced = bytes([0x0E if frames > 1 else 0x0C])  # EXIF and XMP, and an animation
    header = announced + bytes(3) + struct.pack("<HBHB", WIDTH - 1, 0, HEIGHT - 1, 0)
    return Container([Chunk(b"VP8X", header), *coded, *extra]).to_bytes()


def chunks_of(data: bytes) -> dict[bytes, bytes]:
    return {chunk.code: chunk.payload for chunk in read_container(data).chunks}


def xmp(x: str, y: str = "0.5") -> Chunk:
    area = {"x": x, "y": y, "w": "0.1", "h": "0.1", "unit": "normalized"}
    return Chunk(b"XMP ", packet(structure("http://ns.adobe.com/xmp/sType/Area#", "a", area)))


def exif(x: int, y: int, orientation: int = 1) -> Chunk:
    fields = struct.pack("<HHIHHHHI", 0x112, 3, 1, orientation, 0, 0x9214, 3, 2) + struct.pack("<2H", x, y)
    return Chunk(b"EXIF", b"II*\0\x08\0\0\0\2\0" + fields + bytes(4))


@pytest.mark.parametrize("frames", [1, 3])
def test_regions_and_the_subject_move(frames: int) -> None:
    before = webp(exif(3, 5), xmp("0.25"), frames=frames)
    once = flip(before).data
    assert chunks_of(once)[b"EXIF"] == exif(WIDTH - 1 - 3, 5).payload
    assert chunks_of(once)[b"XMP "] == xmp("0.75").payload
    assert chunks_of(flip(once).data)[b"XMP "] == xmp("0.25").payload


def test_regions_of_a_turned_picture_move_along_its_other_axis() -> None:
    once = flip(webp(exif(3, 5, 6), xmp("0.25", "0.125"))).data
    assert chunks_of(once)[b"EXIF"] == exif(3, HEIGHT - 1 - 5, 6).payload
    assert chunks_of(once)[b"XMP "] == xmp("0.25", "0.875").payload


@pytest.mark.parametrize("frames", [1, 3])
def test_content_credentials_are_taken_out_unless_they_are_to_be_kept(frames: int) -> None:
    data = webp(Chunk(b"C2PA", b"jumb c2pa!!"), xmp("0.5"), frames=frames)
    result = flip(data)
    assert result.data == flip(webp(xmp("0.5"), frames=frames)).data
    assert result.notes == ("content credentials taken out: a C2PA manifest",)
    kept = flip(data, keep_credentials=True)
    assert chunks_of(kept.data)[b"C2PA"] == b"jumb c2pa!!"
    assert "no longer hold" in kept.notes[0]
