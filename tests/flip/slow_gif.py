"""A GIF coder by the letter of the standard: slow, and sharing no code with the one that it judges."""

from __future__ import annotations

import struct
from dataclasses import dataclass

Indices = list[list[int]]  # rows of colour indices


@dataclass(frozen=True)
class Frame:
    """One frame; ``control`` holds its disposal, delay (1/100 s) and transparent index."""

    indices: Indices
    left: int = 0
    top: int = 0
    bits: int = 8
    interlaced: bool = False
    control: tuple[int, int, int | None] | None = None
    palette: bytes = b""


def draw(width: int, height: int, *frames: Frame, palette: bytes = bytes(range(24)) * 32) -> bytes:
    """A whole GIF; ``palette`` has 256 colours."""
    parts = [b"GIF89a", struct.pack("<HHBBB", width, height, 0xF7, 3, 0), palette]
    parts += [extension(0xFF, b"NETSCAPE2.0", b"\1\5\0"), extension(0xFE, b"a comment; with, signs!")]
    return b"".join([*parts, *(draw_frame(frame) for frame in frames), b";"])


def draw_frame(frame: Frame) -> bytes:
    parts = []
    if frame.control is not None:
        disposal, delay, transparent = frame.control
        flags = disposal << 2 | (transparent is not None)
        parts.append(extension(0xF9, struct.pack("<BHB", flags, delay, transparent or 0)))
    width, height = len(frame.indices[0]), len(frame.indices)
    flags = 0x40 * frame.interlaced | (0x87 if frame.palette else 0)
    parts.append(b"," + struct.pack("<4HB", frame.left, frame.top, width, height, flags) + frame.palette)
    rows = [frame.indices[y] for y in row_order(height, interlaced=frame.interlaced)]
    codes = encode([index for row in rows for index in row], frame.bits)
    parts.append(bytes([frame.bits]) + blocks(codes))
    return b"".join(parts)


def extension(label: int, *bodies: bytes) -> bytes:
    return bytes([0x21, label]) + b"".join(bytes([len(body)]) + body for body in bodies) + b"\0"


def blocks(data: bytes) -> bytes:
    pieces = [data[i : i + 255] for i in range(0, len(data), 255)]
    return b"".join(bytes([len(piece)]) + piece for piece in pieces) + b"\0"


def row_order(height: int, *, interlaced: bool) -> list[int]:
    steps = [(0, 8), (4, 8), (2, 4), (1, 2)] if interlaced else [(0, 1)]
    return [y for start, step in steps for y in range(start, height, step)]


def encode(indices: list[int], bits: int) -> bytes:
    """LZW without compression: the table is cleared before a code could become wider."""
    codes = []
    for position, index in enumerate(indices):
        if position % max(1, (1 << bits) - 2) == 0:
            codes.append(1 << bits)
        codes.append(index)
    codes.append((1 << bits) + 1)
    number = sum(code << (bits + 1) * position for position, code in enumerate(codes))
    return number.to_bytes((len(codes) * (bits + 1) + 7) // 8, "little")


def decode(data: bytes, bits: int) -> list[int]:
    """The indices of an LZW stream, up to its end code."""
    clear, end = 1 << bits, (1 << bits) + 1
    indices: list[int] = []
    table: list[list[int]] = []
    previous: list[int] = []
    size, at = bits + 1, 0
    stream = int.from_bytes(data, "little")
    while (code := (stream >> at) & ((1 << size) - 1)) != end:
        at += size
        assert at <= 8 * len(data)
        if code == clear:
            table = [[index] for index in range(clear)] + [[], []]
            previous = []
            size = bits + 1
            continue
        string = table[code] if code < len(table) else [*previous, previous[0]]
        indices += string
        if previous and len(table) < 4096:
            table.append([*previous, string[0]])
            if len(table) == 1 << size and size < 12:
                size += 1
        previous = string
    return indices


@dataclass(frozen=True)
class Parsed:
    """A GIF taken apart."""

    frames: list[Frame]
    """With neither control nor palette; those stand in ``rest``."""
    rest: list[bytes]
    """What lies before, between and after the rectangles and the LZW data of the frames."""


def parse(data: bytes) -> Parsed:
    frames: list[Frame] = []
    rest: list[bytes] = []
    kept = 0
    at = 13 + _table_size(data[10])
    while data[at] != 0x3B:
        if data[at] == 0x21:
            _, at = _join(data, at + 2)
            continue
        assert data[at] == 0x2C
        left, top, width, height, flags = struct.unpack_from("<4HB", data, at + 1)
        codes = at + 10 + _table_size(flags)
        rest += [data[kept : at + 1], data[at + 9 : codes]]
        stream, kept = _join(data, codes + 1)
        indices = decode(stream, data[codes])
        assert len(indices) == width * height
        interlaced = bool(flags & 0x40)
        rows: Indices = [[]] * height
        for number, y in enumerate(row_order(height, interlaced=interlaced)):
            rows[y] = indices[number * width : (number + 1) * width]
        frames.append(Frame(rows, left, top, data[codes], interlaced))
        at = kept
    return Parsed(frames, [*rest, data[kept:]])


def _table_size(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _join(data: bytes, at: int) -> tuple[bytes, int]:
    """What a chain of sub-blocks holds, and where it ends."""
    parts = []
    while data[at]:
        parts.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    return b"".join(parts), at + 1
