"""EXIF blocks (a TIFF structure, Exif 2.32 section 4.5): their directories, and the orientation that they state."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNATURE = b"Exif\0\0"  # what stands before a block in a JPEG, and where some writers leave it in other containers

_ORIENTATION = 0x0112
STRIP_OFFSETS = 0x0111
INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}
"""The struct codes of TIFF's integer types: BYTE, SHORT, LONG, SBYTE, SSHORT, SLONG."""
# Bytes of a value: those of BYTE, ASCII, SHORT, LONG, RATIONAL and so on, up to IFD (Adobe's TIFF Technical Note 1).
_SIZES = dict(enumerate((1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4), 1))
_XMP_ORIENTATION = re.compile(rb"tiff:Orientation(?:=[\"']|>)([1-8])\b")


@dataclass(frozen=True, slots=True)
class Field:
    """The first integer of a directory's entry."""

    kind: str  # its struct code, byte order included
    at: int  # its offset in bytes inside the block
    value: int


def displayed_orientation(block: bytes, xmp: bytes) -> int | None:
    """The orientation, 1 to 8, by which viewers show a picture: that of its EXIF block, or else of its XMP packet.

    Either may be empty. None where neither states one, which viewers show as 1.
    """
    if stated := orientation_field(block):
        return stated.value if 1 <= stated.value <= 8 else 1
    found = _XMP_ORIENTATION.search(xmp)
    return int(found[1]) if found else None


def orientation_field(block: bytes) -> Field | None:
    """Where the block states an orientation, if it does."""
    order = byte_order(block)
    return read_directory(block, order, pointer(block, order, 4)).get(_ORIENTATION) if order else None


def mirrored(orientation: int) -> int:
    """The orientation of the same raster shown mirrored left to right: 1 and 2, 3 and 4, … change places."""
    return (orientation - 1 ^ 1) + 1


def flips_rows(orientation: int) -> bool:
    """Whether mirroring as displayed reverses the order of the stored rows (5 to 8), not each row."""
    return 5 <= orientation <= 8


def byte_order(block: bytes) -> str | None:
    """The struct prefix of the block's byte order, None where it begins with no TIFF header."""
    return {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4]) if len(block) >= 8 else None


def pointer(block: bytes, order: str, at: int) -> int:
    """The offset that stands at ``at``; 0, as for "none", where nothing can."""
    return int(struct.unpack_from(f"{order}I", block, at)[0]) if at and at + 4 <= len(block) else 0


def end_of_directory(block: bytes, order: str, at: int) -> int:
    """Where the link to the next directory stands; 0 if ``at`` is 0, as for "none", or outside of the block."""
    return end_of_entries(block, order, at) if at else 0


def end_of_entries(block: bytes, order: str, at: int) -> int:
    """The same of a directory that may stand at 0."""
    return at + 2 + 12 * int(struct.unpack_from(f"{order}H", block, at)[0]) if at + 2 <= len(block) else 0


def read_values(block: bytes, order: str, directory: int, base: int = 0) -> Iterator[tuple[int, int, slice]]:
    """Tag, type and place of the values of each entry of a directory whose offsets count from ``base``.

    The place may lie outside of the block.
    """
    entries = block[directory + 2 : end_of_entries(block, order, directory)]
    entries = entries[: len(entries) // 12 * 12]
    for at, (tag, kind, count, offset) in enumerate(struct.iter_unpack(f"{order}HHII", entries)):
        size = count * _SIZES.get(kind, 0)
        start = directory + 2 + 12 * at + 8 if size <= 4 else base + offset
        if size:
            yield tag, kind, slice(start, start + size)


def read_directory(block: bytes, order: str, at: int) -> dict[int, Field]:
    """The integer fields of the directory at ``at``, by tag; the first of a repeated tag counts."""
    fields: dict[int, Field] = {}
    for entry in range(at + 2, min(end_of_directory(block, order, at), len(block) - 11), 12):
        tag, kind, count = struct.unpack_from(f"{order}HHI", block, entry)
        if count == 1 and kind in INTEGERS:
            code = order + INTEGERS[kind]
            fields.setdefault(tag, Field(code, entry + 8, *struct.unpack_from(code, block, entry + 8)))
        elif tag == STRIP_OFFSETS:
            fields.setdefault(tag, Field(f"{order}I", entry + 8, 0))
    return fields
