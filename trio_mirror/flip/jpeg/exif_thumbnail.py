"""The JPEGs inside an EXIF block, mirrored where they stand.

A block is patched in place and never laid out anew: MakerNotes hold offsets that only their maker
understands, and every one of them stays true while nothing moves.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from trio_mirror.errors import FlipError
from trio_mirror.flip.exif import STRIP_OFFSETS, Field, byte_order, end_of_directory, pointer, read_directory
from trio_mirror.flip.jpeg.previews import mirrored_inside
from trio_mirror.flip.jpeg.segments import PAYLOAD_LIMIT, SOI, parse

_THUMBNAIL_OFFSET, _THUMBNAIL_LENGTH = 0x0201, 0x0202
# A JPEG's EXIF block must fit into one APP1 segment, behind 6 bytes of signature (Exif 2.32 section 4.7.2).
BLOCK_LIMIT = PAYLOAD_LIMIT - 6


def mirrored_exif(block: bytes, mirror_jpeg: Callable[[bytes], bytes]) -> tuple[bytes, tuple[str, ...]]:
    """Mirrors the pictures inside an EXIF block; a thumbnail that cannot be is taken out of its directories.

    They are mirrored where they stand. If the thumbnail has grown, it is appended to the block, and its two fields
    point there. All else keeps its offset. ``mirror_jpeg`` raises FlipError where it cannot.

    Returns:
        The block, and notes on what was dropped or left as it was.
    """
    order = byte_order(block)
    if order is None:
        return block, ()
    link = end_of_directory(block, order, pointer(block, order, 4))
    fields = read_directory(block, order, pointer(block, order, link))
    if not fields.keys() & {_THUMBNAIL_OFFSET, STRIP_OFFSETS}:
        return mirrored_inside(block, mirror_jpeg, "MakerNote")
    place = [fields[tag].value if tag in fields else 0 for tag in (_THUMBNAIL_OFFSET, _THUMBNAIL_LENGTH)]
    block, notes = mirrored_inside(block, mirror_jpeg, "MakerNote", skip=slice(place[0], sum(place)))
    try:
        return _with_mirrored_thumbnail(block, fields, mirror_jpeg), notes
    except FlipError as error:
        # Without the link no reader finds the directory; nothing else moves.
        dropped = block[:link] + bytes(4) + block[link + 4 :]
        return dropped, (*notes, f"the EXIF thumbnail was dropped: {error}")


def _with_mirrored_thumbnail(block: bytes, fields: dict[int, Field], mirror_jpeg: Callable[[bytes], bytes]) -> bytes:
    offset, length = fields.get(_THUMBNAIL_OFFSET), fields.get(_THUMBNAIL_LENGTH)
    if offset is None or length is None:
        raise FlipError("it is not a JPEG")
    start = offset.value
    thumbnail = block[start : start + length.value]
    if not thumbnail.startswith(SOI) or len(thumbnail) < length.value:
        raise FlipError("it is damaged")
    # The length may be too large, and what stands behind the thumbnail is not ours to overwrite.
    thumbnail = parse(thumbnail).data
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


def _patch(block: bytearray, field: Field, value: int) -> None:
    try:
        struct.pack_into(field.kind, block, field.at, value)
    except struct.error as error:
        raise FlipError("its fields are too narrow for its new place") from error
