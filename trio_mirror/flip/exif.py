"""EXIF blocks (a TIFF structure, Exif 2.32 section 4.5): the orientation read and the thumbnail mirrored.

A block is patched in place and never laid out anew: MakerNotes hold offsets that only their maker
understands, and every one of them stays true while nothing moves.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trio_mirror.errors import FlipError
from trio_mirror.flip.jpeg.segments import SOI, parse

if TYPE_CHECKING:
    from collections.abc import Callable

_ORIENTATION = 0x0112
_THUMBNAIL_OFFSET, _THUMBNAIL_LENGTH = 0x0201, 0x0202
_STRIP_OFFSETS = 0x0111
# struct codes of TIFF's integer types: BYTE, SHORT, LONG, SBYTE, SSHORT, SLONG.
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}
# A JPEG's EXIF block must fit into one APP1 segment, behind 6 bytes of signature (Exif 2.32 section 4.7.2).
BLOCK_LIMIT = 65_533 - 6
_XMP_ORIENTATION = re.compile(rb"tiff:Orientation(?:=[\"']|>)([1-8])\b")


@dataclass(frozen=True, slots=True)
class _Field:
    """The first integer of a directory's entry."""

    kind: str
    """Its struct code, byte order included."""
    at: int
    """Its offset in bytes inside the block."""
    value: int


def orientation(block: bytes) -> int:
    """The orientation, 1 to 8, of an EXIF block that begins with its TIFF header; 1 where it says none."""
    stated = stated_orientation(block)
    return stated if stated is not None and 1 <= stated <= 8 else 1


def stated_orientation(block: bytes) -> int | None:
    """The orientation that an EXIF block states, be it valid or not; None where it has no such tag."""
    order = _byte_order(block)
    if order is None:
        return None
    stated = _directory(block, order, _pointer(block, order, 4)).get(_ORIENTATION)
    return stated.value if stated else None


def displayed_orientation(block: bytes, xmp: bytes) -> int | None:
    """The orientation, 1 to 8, by which viewers show a picture: EXIF's, or XMP's where EXIF has none.

    Args:
        block: the EXIF block, from its TIFF header on; empty if there is none.
        xmp: the XMP packet; empty if there is none.

    Returns:
        None where neither states one, which viewers show as 1.
    """
    if stated_orientation(block) is not None:
        return orientation(block)
    found = _XMP_ORIENTATION.search(xmp)
    return int(found[1]) if found else None


def flips_rows(orientation: int) -> bool:
    """Whether mirroring as displayed reverses the order of the stored rows (5 to 8), not each row."""
    return 5 <= orientation <= 8


def mirrored_exif(block: bytes, mirror_jpeg: Callable[[bytes], bytes]) -> tuple[bytes, tuple[str, ...]]:
    """Mirrors the thumbnail inside an EXIF block, or takes it out of the block's directories.

    The mirrored thumbnail stands where the old one stood. If it has grown, it is appended to the block, and
    the thumbnail's two fields point there. All else keeps its offset.

    Args:
        block: the EXIF block, from its TIFF header on.
        mirror_jpeg: mirrors a thumbnail, and raises FlipError where it cannot.

    Returns:
        The block, and a note for people if the thumbnail had to be dropped.
    """
    order = _byte_order(block)
    if order is None:
        return block, ()
    link = _end_of_directory(block, order, _pointer(block, order, 4))
    fields = _directory(block, order, _pointer(block, order, link))
    if not fields.keys() & {_THUMBNAIL_OFFSET, _STRIP_OFFSETS}:
        return block, ()
    try:
        return _with_mirrored_thumbnail(block, fields, mirror_jpeg), ()
    except FlipError as error:
        # Without the link no reader finds the directory; nothing else moves.
        dropped = block[:link] + bytes(4) + block[link + 4 :]
        return dropped, (f"the EXIF thumbnail was dropped: {error}",)


def _with_mirrored_thumbnail(block: bytes, fields: dict[int, _Field], mirror_jpeg: Callable[[bytes], bytes]) -> bytes:
    offset, length = fields.get(_THUMBNAIL_OFFSET), fields.get(_THUMBNAIL_LENGTH)
    if offset is None or length is None:
        raise FlipError("it is no JPEG")
    start = offset.value
    thumbnail = block[start : start + length.value]
    if not thumbnail.startswith(SOI) or len(thumbnail) < length.value:
        raise FlipError("it is damaged")
    # The length may be too large, and what stands behind the thumbnail is not ours to overwrite.
    thumbnail = thumbnail[: parse(thumbnail).end]
    mirrored = mirror_jpeg(thumbnail)
    end = start + len(thumbnail)
    if len(mirrored) <= len(thumbnail):
        return b"".join([block[:start], mirrored.ljust(len(thumbnail), b"\0"), block[end:]])
    if block[end:].strip(b"\0"):
        patched = bytearray(b"".join([block[:start], bytes(len(thumbnail)), block[end:], bytes(len(block) % 2)]))
        _patch(patched, offset, len(patched))
        patched += mirrored
    else:
        patched = bytearray(block[:start] + mirrored.ljust(len(block) - start, b"\0"))
    _patch(patched, length, len(mirrored))
    if len(patched) > BLOCK_LIMIT:
        raise FlipError("mirrored, it is larger than the room that EXIF has")
    return bytes(patched)


def _patch(block: bytearray, field: _Field, value: int) -> None:
    try:
        struct.pack_into(field.kind, block, field.at, value)
    except struct.error as error:
        raise FlipError("its fields are too narrow for its new place") from error


def _byte_order(block: bytes) -> str | None:
    """The struct prefix of the block's byte order, None where it begins with no TIFF header."""
    return {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4]) if len(block) >= 8 else None


def _pointer(block: bytes, order: str, at: int) -> int:
    """The offset that stands at ``at``; 0, as for "none", where nothing can."""
    return int(struct.unpack_from(f"{order}I", block, at)[0]) if at and at + 4 <= len(block) else 0


def _end_of_directory(block: bytes, order: str, at: int) -> int:
    """Where the link to the next directory stands; 0 if there is no directory at ``at``."""
    if not at or at + 2 > len(block):
        return 0
    return at + 2 + 12 * int(struct.unpack_from(f"{order}H", block, at)[0])


def _directory(block: bytes, order: str, at: int) -> dict[int, _Field]:
    """The integer fields of the directory at ``at``, by tag; the first of a repeated tag counts."""
    fields: dict[int, _Field] = {}
    for entry in range(at + 2, min(_end_of_directory(block, order, at), len(block) - 11), 12):
        tag, kind, count = struct.unpack_from(f"{order}HHI", block, entry)
        if count == 1 and kind in _INTEGERS:
            code = order + _INTEGERS[kind]
            fields.setdefault(tag, _Field(code, entry + 8, *struct.unpack_from(code, block, entry + 8)))
        elif tag == _STRIP_OFFSETS:
            fields.setdefault(tag, _Field(f"{order}I", entry + 8, 0))
    return fields
