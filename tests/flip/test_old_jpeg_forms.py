"""Old-style JPEG in TIFF whose stream lies in pieces: mirrored like the same picture in one stream."""

from __future__ import annotations

import io
import re
import struct
from typing import Literal, TypeAlias

import pytest
from PIL import Image, ImageChops, ImageOps

from tests.flip.drawn_tiff import Reader, Writer
from trio_mirror import FlipError, flip

Form: TypeAlias = Literal["tables in tags", "header in a stream", "strips in a stream"]
WIDTH, HEIGHT, ROWS = 64, 48, 16


def drawn(mode: str, subsampling: int) -> bytes:
    """A JPEG that can be decoded anew from each strip of 16 rows."""
    gradient = Image.linear_gradient("L").resize((WIDTH, HEIGHT))
    picture = Image.merge("RGB", [gradient.rotate(turn) for turn in (0, 90, 180)])
    out = io.BytesIO()
    rows = 1 if subsampling == 2 else 2
    picture.convert(mode).save(out, "JPEG", quality=90, subsampling=subsampling, restart_marker_rows=rows)
    return out.getvalue()


def segments(stream: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 2
    while True:
        marker, size = stream[at + 1], struct.unpack_from(">H", stream, at + 2)[0]
        found.append((marker, stream[at + 4 : at + 2 + size]))
        at += 2 + size
        if marker == 0xDA:
            return [*found, (0, stream[at:-2])]


def tables_of(stream: bytes) -> dict[tuple[int, int], bytes]:
    """Quantization and Huffman tables, by marker and the byte that names them."""
    tables = {}
    for marker, payload in segments(stream):
        rest = payload if marker in {0xDB, 0xC4} else b""
        while rest:
            size = 65 if marker == 0xDB else 17 + sum(rest[1:17])
            tables[marker, rest[0]] = rest[1:size]
            rest = rest[size:]
    return tables


def tiff(stream: bytes, form: Form, order: str, factors: tuple[int, int], components: int, strips: int = 3) -> bytes:
    def long(*numbers: int) -> tuple[int, bytes]:
        return 4, struct.pack(f"{order}{len(numbers)}I", *numbers)

    def short(*numbers: int) -> tuple[int, bytes]:
        return 3, struct.pack(f"{order}{len(numbers)}H", *numbers)

    writer = Writer(order)

    def append(piece: bytes) -> int:
        writer.data += bytes(len(writer.data) % 2) + piece
        return len(writer.data) - len(piece)

    scan = segments(stream)[-1][1]
    pieces = re.split(rb"\xff[\xd0-\xd7]", scan) if strips > 1 else [scan]
    assert len(pieces) == strips
    tags = {
        256: long(WIDTH),
        257: long(HEIGHT),
        258: short(*[8] * components),
        259: short(6),
        262: short(6 if components == 3 else 1),
        277: short(components),
        278: long(ROWS if strips > 1 else HEIGHT),
        512: short(1),
        530: short(*factors),
    }
    if form == "strips in a stream":
        start = append(stream)
        tags |= {513: long(start), 514: long(len(stream))}
        offsets = [start + stream.index(piece) for piece in pieces]
    else:
        offsets = [append(piece) for piece in pieces]
    if form == "header in a stream":
        tags |= {513: long(append(stream[: stream.index(scan)])), 514: long(stream.index(scan)), 515: short(0)}
    if form == "tables in tags":
        tables = {key: append(table) for key, table in tables_of(stream).items()}
        chroma = [0, 1, 1][:components]
        tags |= {
            515: short(struct.unpack(">H", dict(segments(stream))[0xDD])[0]),
            519: long(*(tables[0xDB, number] for number in chroma)),
            520: long(*(tables[0xC4, number] for number in chroma)),
            521: long(*(tables[0xC4, 0x10 | number] for number in chroma)),
        }
    tags |= {273: long(*offsets), 279: long(*map(len, pieces))}
    writer.directory(tags)
    return bytes(writer.data)


def in_pieces() -> list[bytes]:
    """A file of each form."""
    stream = drawn("RGB", 2)
    return [
        tiff(stream, form, "<", (2, 2), 3) for form in ("tables in tags", "header in a stream", "strips in a stream")
    ]


def shown(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("form", ["tables in tags", "header in a stream", "strips in a stream"])
@pytest.mark.parametrize(("mode", "subsampling", "factors"), [("RGB", 0, (1, 1)), ("RGB", 2, (2, 2)), ("L", 0, (1, 1))])
@pytest.mark.parametrize("strips", [1, 3])
def test_the_pieces_are_put_together_and_mirrored(
    form: Form, order: str, mode: str, subsampling: int, factors: tuple[int, int], strips: int
) -> None:
    stream = drawn(mode, subsampling)
    components = 3 if mode == "RGB" else 1
    result = flip(tiff(stream, form, order, factors, components, strips))
    [tags] = Reader(result.data).directories()
    start, length = tags[513][0], tags[514][0]
    assert tags[273] == (start,)
    assert tags[279] == (length,)
    assert tags[278] == (HEIGHT,)
    assert not tags.keys() & {515, 519, 520, 521}
    difference = ImageChops.difference(shown(result.data[start : start + length]), ImageOps.mirror(shown(stream)))
    assert max(difference.tobytes()) <= 6
    assert flip(result.data).data


@pytest.mark.parametrize("lacking", [273, 519, 520, 521])
def test_pieces_that_are_missing_are_refused_in_words(lacking: int) -> None:
    data = bytearray(tiff(drawn("RGB", 0), "tables in tags", "<", (1, 1), 3))
    at = data.rindex(struct.pack("<HH", lacking, 4))
    data[at : at + 2] = struct.pack("<H", lacking + 1000)
    with pytest.raises(FlipError, match=f"old-style JPEG|{lacking}"):
        flip(bytes(data))


def test_more_offsets_than_lengths_are_refused_in_words() -> None:
    data = bytearray(tiff(drawn("RGB", 0), "tables in tags", "<", (1, 1), 3))
    at = data.rindex(struct.pack("<HHI", 279, 4, 3))
    data[at + 4 : at + 8] = struct.pack("<I", 2)
    with pytest.raises(FlipError, match="old-style JPEG"):
        flip(bytes(data))
