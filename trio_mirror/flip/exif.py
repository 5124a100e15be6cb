"""EXIF blocks (a TIFF structure, Exif 2.32 section 4.5): the orientation, read without trusting a length."""

from __future__ import annotations

import struct

_ORIENTATION = 0x0112


def orientation(block: bytes) -> int:
    """The orientation, 1 to 8, of an EXIF block that begins with its TIFF header; 1 where it says none."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None or len(block) < 8:
        return 1
    (at,) = struct.unpack_from(f"{order}I", block, 4)
    if at + 2 > len(block):
        return 1
    (count,) = struct.unpack_from(f"{order}H", block, at)
    for entry in range(at + 2, min(at + 2 + 12 * count, len(block) - 11), 12):
        tag, kind, _, value = struct.unpack_from(f"{order}HHIH", block, entry)
        if tag == _ORIENTATION:
            return value if kind == 3 and 1 <= value <= 8 else 1
    return 1


def flips_rows(orientation: int) -> bool:
    """Whether mirroring as displayed reverses the order of the stored rows (5 to 8), not the rows themselves."""
    return orientation >= 5
