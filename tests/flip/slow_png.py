"""A PNG coder by the letter of the standard: slow, and sharing no code with the one that it judges."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
KINDS = [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (3, 1), (3, 2), (3, 4), (3, 8)]
KINDS += [(4, 8), (4, 16), (6, 8), (6, 16)]
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]

Pixels = list[list[int]]  # rows of pixels, each one integer of all its samples' bits


class Kind(NamedTuple):
    """What a raster is made of."""

    colour: int
    depth: int
    interlaced: bool

    @property
    def bits(self) -> int:
        return _CHANNELS[self.colour] * self.depth

    def passes(self, width: int, height: int) -> list[tuple[range, range]]:
        """The columns and the rows of each pass that is not empty."""
        passes = _ADAM7 if self.interlaced else [(0, 0, 1, 1)]
        grids = [(range(x, width, dx), range(y, height, dy)) for x, y, dx, dy in passes]
        return [(columns, rows) for columns, rows in grids if columns and rows]


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def chunks_of(data: bytes) -> list[tuple[bytes, bytes]]:
    """Types and bodies; asserts that each CRC is right."""
    found = []
    at = 8
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        assert data[at : at + 12 + length] == chunk(kind, body)
        found.append((kind, body))
        at += 12 + length
        if kind == b"IEND":
            break
    return found


def header(width: int, height: int, kind: Kind) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, kind.depth, kind.colour, 0, 0, kind.interlaced))


def draw(pixels: Pixels, kind: Kind, filters: Callable[[], int] = lambda: 0) -> bytes:
    """A whole PNG; ``filters`` is asked for each row's filter type."""
    return b"".join(
        [
            SIGNATURE,
            header(len(pixels[0]), len(pixels), kind),
            chunk(b"PLTE", bytes(range(3 << min(6, kind.depth)))) if kind.colour == 3 else b"",
            chunk(b"IDAT", zlib.compress(encode(pixels, kind, filters))),
            chunk(b"IEND", b""),
        ]
    )


def read(data: bytes) -> Pixels:
    """The pixels of a whole PNG."""
    chunks = chunks_of(data)
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    stream = b"".join(body for kind, body in chunks if kind == b"IDAT")
    return decode(zlib.decompress(stream), width, height, Kind(colour, depth, bool(interlaced)))


def encode(pixels: Pixels, kind: Kind, filters: Callable[[], int]) -> bytes:
    """Pixels to filtered scanlines."""
    scanlines = bytearray()
    for columns, rows in kind.passes(len(pixels[0]), len(pixels)):
        above = bytes(_row_bytes(len(columns), kind))
        for y in rows:
            row = _pack([pixels[y][x] for x in columns], kind)
            filter_type = filters()
            scanlines.append(filter_type)
            scanlines += bytes(
                (byte - prediction) & 255
                for byte, prediction in zip(row, _predictions(filter_type, row, above, kind), strict=True)
            )
            above = row
    return bytes(scanlines)


def decode(scanlines: bytes, width: int, height: int, kind: Kind) -> Pixels:
    """Filtered scanlines to pixels; asserts that none are missing or too many."""
    pixels = [[-1] * width for _ in range(height)]
    at = 0
    for columns, rows in kind.passes(width, height):
        size = _row_bytes(len(columns), kind)
        above = bytes(size)
        for y in rows:
            row = bytearray(size)
            for i, prediction in enumerate(_predictions(scanlines[at], row, above, kind)):
                row[i] = (scanlines[at + 1 + i] + prediction) & 255
            for x, pixel in zip(columns, _unpack(row, len(columns), kind), strict=True):
                pixels[y][x] = pixel
            above = bytes(row)
            at += 1 + size
    assert at == len(scanlines)
    return pixels


def _row_bytes(width: int, kind: Kind) -> int:
    return (width * kind.bits + 7) // 8


def _pack(row: list[int], kind: Kind) -> bytes:
    bits = "".join(f"{pixel:0{kind.bits}b}" for pixel in row)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))


def _unpack(row: bytes | bytearray, width: int, kind: Kind) -> list[int]:
    bits = "".join(f"{byte:08b}" for byte in row)
    return [int(bits[i * kind.bits : (i + 1) * kind.bits], 2) for i in range(width)]


def _predictions(filter_type: int, row: bytes | bytearray, above: bytes, kind: Kind) -> Iterator[int]:
    """What each byte is predicted to be; ``row`` may be filled while the predictions are asked for."""
    back = max(1, kind.bits // 8)
    for i in range(len(above)):
        a = row[i - back] if i >= back else 0
        b = above[i]
        c = above[i - back] if i >= back else 0
        p = a + b - c
        nearest = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
        yield [0, a, b, (a + b) // 2, nearest][filter_type]
