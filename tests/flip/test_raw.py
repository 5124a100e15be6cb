"""Camera raws are refused by their names, and what the same makers' software wrote is mirrored."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from tests.flip.drawn_tiff import Drawn, Writer, rows_of, write
from trio_mirror import FlipError, flip

PREVIEW = Drawn(rows=[[(1,), (2,), (3,)], [(4,), (5,), (6,)]])
SENSOR = Drawn(rows=[[(9,), (8,)], [(7,), (6,)]], photometric=32803)


def by(make: bytes, *below: Drawn, tags: dict[int, tuple[int, bytes]] | None = None) -> Drawn:
    return replace(PREVIEW, tags={271: (2, make + b"\0"), **(tags or {})}, below=below)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(
    ("image", "name"),
    [
        (by(b"Test", replace(SENSOR, photometric=34892), tags={50706: (1, bytes([1, 4, 0, 0]))}), "DNG"),
        (by(b"NIKON CORPORATION", replace(SENSOR, photometric=2, compression=34713)), "NEF"),
        (by(b"SONY", replace(SENSOR, photometric=2, compression=32767)), "ARW"),
        (by(b"PENTAX", SENSOR), "PEF"),
        (by(b"Hasselblad", SENSOR), "3FR"),
        (by(b"SAMSUNG", SENSOR), "SRW"),
        (by(b"SEIKO EPSON CORP.", SENSOR), "ERF"),
        (by(b"EASTMAN KODAK COMPANY", SENSOR), "KDC"),
        (by(b"EASTMAN KODAK COMPANY", tags={65024: (4, bytes(4))}), "KDC"),
        (by(b"SONY", tags={50740: (1, b"\0\0\0\1")}), "SR2"),
        (by(b"Leaf", tags={34310: (1, b"PKTS")}), "MOS"),
        (by(b"Phantom", tags={33422: (1, b"\0\1\1\2")}), "Phantom"),
        (replace(PREVIEW, below=(SENSOR,)), "unknown make"),
    ],
)
def test_a_camera_s_raw_file_is_refused_by_its_name(image: Drawn, name: str, order: str, *, big: bool) -> None:
    with pytest.raises(FlipError, match=rf"raw file \(.*{name}"):
        flip(write(image, order=order, big=big))


@pytest.mark.parametrize(("mark", "name"), [(b"CR\2\0", "CR2"), (b"IIII", "IIQ"), (b"MMMM", "IIQ")])
def test_a_maker_s_mark_behind_the_header_is_known_unless_it_is_pixels(mark: bytes, name: str) -> None:
    writer = Writer()
    writer.data += mark + b"\0\0\0\0"
    writer.add(by(b"Phase One"))
    with pytest.raises(FlipError, match=name):
        flip(bytes(writer.data))
    dark = Drawn(rows=[[(byte,) for byte in mark]])
    assert write(dark)[8:12] == mark
    assert rows_of(flip(write(dark)).data, dark) == [dark.mirrored()]


@pytest.mark.parametrize("make", [b"NIKON CORPORATION", b"Canon", b"SONY", b"Phase One", b"EASTMAN KODAK COMPANY"])
def test_a_developed_tiff_of_the_same_maker_is_mirrored(make: bytes) -> None:
    private = {65024: (4, bytes(4))} if make != b"EASTMAN KODAK COMPANY" else {}
    image = by(make, replace(PREVIEW, tags={254: (4, struct.pack("<I", 1))}), tags=private)
    assert rows_of(flip(write(image)).data, image) == [image.mirrored()]


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"IIRO\x08\0\0\0", "ORF"),
        (b"IIRS\x08\0\0\0", "ORF"),
        (b"MMOR\0\0\0\x08", "ORF"),
        (b"IIU\0\x18\0\0\0", "RW2"),
        (b"II\x1a\0\0\0HEAPCCDR", "CRW"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1", "CR3"),
        (b"FUJIFILMCCD-RAW 0201", "RAF"),
        (b"\0MRM\0\0\0\0", "MRW"),
        (b"FOVb\0\0\1\0", "X3F"),
    ],
)
def test_raws_with_a_first_word_of_their_own_are_refused_by_name(start: bytes, name: str) -> None:
    with pytest.raises(FlipError, match=name):
        flip(start + bytes(100))


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"\n<!-- generated --><!DOCTYPE html><title>404</title>", "HTML"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "HTML or XML"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b'{"error": "link expired"}', "text"),
        ("Datei nicht gefunden: Gr\u00fc\u00dfe".encode(), "text"),
        ("not found".encode("utf-16"), "text"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "text"),
        (b"\x00\x01\x02 neither a text nor a picture", "known format"),
        (b"\x89PMG\r\n\x1a\n" + bytes(range(200)), "known format"),
    ],
)
def test_a_page_or_a_text_is_told_from_a_damaged_picture(body: bytes, what: str) -> None:
    with pytest.raises(FlipError, match=what):
        flip(body)
