"""TIFF files drawn sample by sample, and read again: slow, plain, and sharing no code with the project."""

from __future__ import annotations

import itertools
import struct
import zlib
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

Rows = list[list[tuple[int, ...]]]
"""Pixels by row and column, each a tuple of samples."""

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 12: 8, 16: 8}
RATIONAL = 5
CODES = {1: "B", 2: "B", 3: "H", 4: "I", 7: "B", 12: "d", 16: "Q"}


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """One image and how it is stored."""

    rows: Rows
    bits: int = 8
    compression: int = 1
    predictor: int = 1
    planar: int = 1
    tile: tuple[int, int] | None = None
    rows_per_strip: int | None = None
    fill_order: int = 1
    orientation: int | None = None
    photometric: int = 1
    sample_format: int = 1
    tags: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    below: tuple[Drawn, ...] = ()

    @property
    def width(self) -> int:
        return len(self.rows[0])

    @property
    def height(self) -> int:
        return len(self.rows)

    @property
    def samples(self) -> int:
        return len(self.rows[0][0])

    def mirrored(self) -> Rows:
        if (self.orientation or 1) >= 5:
            return self.rows[::-1]
        return [row[::-1] for row in self.rows]


def pack(rows: Rows, image: Drawn, order: str) -> bytes:
    """The bytes of some rows of pixels before compression."""
    packed = b""
    for row in rows:
        values = [sample for pixel in row for sample in pixel]
        step = len(row[0])
        size = image.bits // 8
        if image.predictor == 2:
            values = [
                (value - (values[at - step] if at >= step else 0)) % (1 << image.bits)
                for at, value in enumerate(values)
            ]
        if image.predictor == 3:
            plain = b"".join(value.to_bytes(size) for value in values)
            planes = b"".join(plain[place::size] for place in range(size))
            packed += bytes((byte - (planes[at - step] if at >= step else 0)) % 256 for at, byte in enumerate(planes))
        elif image.bits % 8 == 0:
            packed += b"".join(value.to_bytes(size, "little" if order == "<" else "big") for value in values)
        else:
            digits = "".join(f"{value:0{image.bits}b}" for value in values)
            digits += "0" * (-len(digits) % 8)
            packed += int(digits, 2).to_bytes(len(digits) // 8)
    return packed


def unpack(data: bytes, width: int, samples: int, image: Drawn, order: str) -> Rows:
    """Rows of pixels from uncompressed bytes."""
    stride = (width * samples * image.bits + 7) // 8
    size = image.bits // 8
    rows = []
    for start in range(0, len(data), stride):
        line = data[start : start + stride]
        if image.predictor == 3:
            planes = bytearray(line)
            for at in range(samples, len(planes)):
                planes[at] = (planes[at] + planes[at - samples]) % 256
            count = width * samples
            values = [int.from_bytes(planes[at::count]) for at in range(count)]
        elif image.bits % 8 == 0:
            pieces = [line[at : at + size] for at in range(0, len(line), size)]
            values = [int.from_bytes(piece, "little" if order == "<" else "big") for piece in pieces]
        else:
            digits = f"{int.from_bytes(line):0{8 * len(line)}b}"
            values = [int(digits[at * image.bits : (at + 1) * image.bits], 2) for at in range(width * samples)]
        if image.predictor == 2:
            for at in range(samples, len(values)):
                values[at] = (values[at] + values[at - samples]) % (1 << image.bits)
        rows.append([tuple(values[at : at + samples]) for at in range(0, width * samples, samples)])
    return rows


def compress(data: bytes, compression: int, stride: int) -> bytes:
    if compression == 8:
        return zlib.compress(data)
    if compression == 32773:
        lines = (data[start : start + stride] for start in range(0, len(data), stride))
        return b"".join(
            bytes([len(line[at : at + 128]) - 1]) + line[at : at + 128]
            for line in lines
            for at in range(0, len(line), 128)
        )
    return data


def decompress(data: bytes, compression: int) -> bytes:
    if compression == 8:
        return zlib.decompress(data)
    if compression != 32773:
        return data
    out, at = b"", 0
    while at < len(data):
        count = data[at]
        if count < 128:
            out += data[at + 1 : at + 2 + count]
            at += 2 + count
        else:
            out += data[at + 1 : at + 2] * (257 - count)
            at += 2
    return out


def reverse_bits(data: bytes) -> bytes:
    return bytes(int(f"{byte:08b}"[::-1], 2) for byte in data)


def segments(image: Drawn, order: str) -> list[bytes]:
    """The strips or tiles of an image."""
    across, down = image.tile or (image.width, image.rows_per_strip or image.height)
    planes = [image.rows]
    if image.planar == 2:
        planes = [[[(pixel[plane],) for pixel in row] for row in image.rows] for plane in range(image.samples)]
    found = []
    for plane in planes:
        blank = (0,) * len(plane[0][0])
        for top in range(0, image.height, down):
            for left in range(0, image.width, across):
                rows = [row[left : left + across] for row in plane[top : top + down]]
                if image.tile:
                    rows = [row + [blank] * (across - len(row)) for row in rows]
                    rows += [[blank] * across] * (down - len(rows))
                raw = pack(rows, image, order)
                data = compress(raw, image.compression, len(raw) // len(rows))
                found.append(reverse_bits(data) if image.fill_order == 2 else data)
    return found


class Writer:
    """A TIFF file in the making."""

    def __init__(self, order: str = "<", *, big: bool = False) -> None:
        self.order, self.big = order, big
        mark = b"II" if order == "<" else b"MM"
        self.data = bytearray(
            mark + struct.pack(f"{order}HHHQ", 43, 8, 0, 0) if big else mark + self._pack("HI", 42, 0)
        )
        self.link = 8 if big else 4

    def _pack(self, code: str, *values: int) -> bytes:
        return struct.pack(self.order + code, *values)

    def _append(self, piece: bytes) -> int:
        self.data += bytes(len(self.data) % 2)
        at = len(self.data)
        self.data += piece
        return at

    def add(self, image: Drawn, *, short_counts: bool = False, chained: bool = True) -> int:
        """Appends an image and returns where its directory stands."""
        below = [self.add(one, chained=False) for one in image.below]
        pieces = segments(image, self.order)
        offsets = [self._append(piece) for piece in pieces]
        count_type = "H" if short_counts else "I"
        tags = {
            256: (4, self._pack("I", image.width)),
            257: (4, self._pack("I", image.height)),
            258: (3, self._pack(f"{image.samples}H", *[image.bits] * image.samples)),
            259: (3, self._pack("H", image.compression)),
            262: (3, self._pack("H", image.photometric)),
            277: (3, self._pack("H", image.samples)),
            284: (3, self._pack("H", image.planar)),
            (324 if image.tile else 273): (4, self._pack(f"{len(pieces)}I", *offsets)),
            (325 if image.tile else 279): (
                3 if short_counts else 4,
                self._pack(f"{len(pieces)}{count_type}", *map(len, pieces)),
            ),
        }
        if image.tile:
            tags |= {322: (4, self._pack("I", image.tile[0])), 323: (4, self._pack("I", image.tile[1]))}
        else:
            tags[278] = (4, self._pack("I", image.rows_per_strip or image.height))
        if image.predictor != 1:
            tags[317] = (3, self._pack("H", image.predictor))
        if image.fill_order != 1:
            tags[266] = (3, self._pack("H", image.fill_order))
        if image.orientation is not None:
            tags[274] = (3, self._pack("H", image.orientation))
        if image.sample_format != 1:
            tags[339] = (3, self._pack(f"{image.samples}H", *[image.sample_format] * image.samples))
        tags |= image.tags
        if below:
            tags[330] = (4, self._pack(f"{len(below)}I", *below))
        return self.directory(tags, chained=chained)

    def directory(self, tags: dict[int, tuple[int, bytes]], *, chained: bool = True) -> int:
        """Appends a directory of tags, each a type and the bytes of its values."""
        wide, room = ("Q", 8) if self.big else ("I", 4)
        entries = b""
        for tag, (kind, values) in sorted(tags.items()):
            where = values.ljust(room, b"\0") if len(values) <= room else self._pack(wide, self._append(values))
            entries += self._pack(f"HH{wide}", tag, kind, len(values) // SIZES[kind]) + where
        at = self._append(self._pack("Q" if self.big else "H", len(tags)) + entries + bytes(room))
        if chained:
            struct.pack_into(self.order + wide, self.data, self.link, at)
            self.link = len(self.data) - room
        return at


def write(*images: Drawn, order: str = "<", big: bool = False) -> bytes:
    writer = Writer(order, big=big)
    for image in images:
        writer.add(image)
    return bytes(writer.data)


class Reader:
    """The directories of a TIFF file that ``Writer`` made."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.order = "<" if data[:2] == b"II" else ">"
        self.big = 43 in data[2:4]

    def _read(self, code: str, at: int) -> int:
        value: int = struct.unpack_from(self.order + code, self.data, at)[0]
        return value

    def directories(self) -> list[dict[int, tuple[Any, ...]]]:
        found, at = [], self._read("Q", 8) if self.big else self._read("I", 4)
        while at:
            tags, at = self.directory(at)
            found.append(tags)
        return found

    def directory(self, at: int) -> tuple[dict[int, tuple[Any, ...]], int]:
        wide, room, size = ("Q", 8, 20) if self.big else ("I", 4, 12)
        count = self._read("Q" if self.big else "H", at)
        at += 8 if self.big else 2
        tags: dict[int, tuple[Any, ...]] = {}
        for entry in range(at, at + count * size, size):
            tag, kind, number = struct.unpack_from(f"{self.order}HH{wide}", self.data, entry)
            values = entry + size - room
            if number * SIZES[kind] > room:
                values = self._read(wide, values)
            if kind == RATIONAL:
                terms = struct.unpack_from(f"{self.order}{2 * number}I", self.data, values)
                tags[tag] = tuple(itertools.starmap(Fraction, zip(terms[::2], terms[1::2], strict=True)))
            elif kind in CODES:
                tags[tag] = struct.unpack_from(f"{self.order}{number}{CODES[kind]}", self.data, values)
        return tags, self._read(wide, at + count * size)

    def rows(self, tags: dict[int, tuple[Any, ...]], image: Drawn) -> Rows:
        """The pixels of one directory, stored as ``image`` is."""
        offsets, counts = (tags[324], tags[325]) if image.tile else (tags[273], tags[279])
        width, height = tags[256][0], tags[257][0]
        across, down = image.tile or (width, image.rows_per_strip or height)
        samples = 1 if image.planar == 2 else image.samples
        pieces = [self.data[start : start + count] for start, count in zip(offsets, counts, strict=True)]
        planes: list[Rows] = []
        for _ in range(image.samples // samples):
            plane: Rows = [[] for _ in range(height)]
            for top in range(0, height, down):
                for _left in range(0, width, across):
                    piece = pieces.pop(0)
                    piece = reverse_bits(piece) if image.fill_order == 2 else piece
                    lines = unpack(decompress(piece, image.compression), across, samples, image, self.order)
                    for row, line in zip(plane[top : top + down], lines, strict=False):
                        row.extend(line)
            planes.append([row[:width] for row in plane])
        return [[sum(pixel, ()) for pixel in zip(*rows, strict=True)] for rows in zip(*planes, strict=True)]


def rows_of(data: bytes, *images: Drawn) -> list[Rows]:
    """The pixels of the pages of a file, each stored as its ``Drawn``."""
    reader = Reader(data)
    return [reader.rows(tags, image) for tags, image in zip(reader.directories(), images, strict=True)]
