"""Positions in an EXIF or TIFF block, patched in place: nothing moves, and MakerNotes stay true."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from trio_mirror.flip.exif import byte_order, end_of_directory, pointer, read_directory
from trio_mirror.flip.positions import not_mirrored
from trio_mirror.flip.positions.table import EXIF

if TYPE_CHECKING:
    from trio_mirror.flip.positions import Mirror

_EXIF_DIRECTORY = 0x8769
_SHORT = 3


def mirrored_fields(block: bytes, mirror: Mirror) -> tuple[bytes, tuple[str, ...]]:
    """Mirrors the positions that a classic TIFF structure states in its first directory and its EXIF directory.

    Args:
        block: the structure, from its header on.
        mirror: the raster that it describes.

    Returns:
        As many bytes, and a note of what lies outside of the raster: edited files often keep such fields from their
        original of full size.
    """
    order = byte_order(block)
    if order is None:
        return block, ()
    first = pointer(block, order, 4)
    exif = read_directory(block, order, first).get(_EXIF_DIRECTORY)
    patched, outside = bytearray(block), set()
    for directory in (first, exif.value if exif else 0):
        for entry in range(directory + 2, min(end_of_directory(block, order, directory), len(block) - 11), 12):
            tag, kind, count = struct.unpack_from(f"{order}HHI", block, entry)
            if tag not in EXIF or kind != _SHORT or not 2 <= count <= 4:
                continue
            at = entry + 8 if count == 2 else pointer(block, order, entry + 8)
            if at and at + 2 * count <= len(block):
                x, y = struct.unpack_from(f"{order}2H", block, at)
                if place := mirror.pixel(x, y):
                    struct.pack_into(f"{order}2H", patched, at, *place)
                elif x or y:
                    outside.add(f"{EXIF[tag]} outside of the picture")
    return bytes(patched), not_mirrored(outside)
