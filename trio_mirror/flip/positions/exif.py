"""Positions in an EXIF or TIFF block, patched in place: nothing moves, and MakerNotes stay true."""

from __future__ import annotations

import struct

from trio_mirror.flip.exif import byte_order, pointer, read_directory, read_values
from trio_mirror.flip.positions import Mirror, not_mirrored
from trio_mirror.flip.positions.maker_note import mirrored_maker_note
from trio_mirror.flip.positions.table import EXIF

_MAKE, _EXIF_DIRECTORY, _MAKER_NOTE = 0x010F, 0x8769, 0x927C
_SHORT = 3


def mirrored_fields(block: bytes, mirror: Mirror) -> tuple[bytes, tuple[str, ...]]:
    """Mirrors the positions that a classic TIFF structure states in its first directory and its EXIF directory.

    A note names what stays as it was: edited files often keep places from their original of full size, outside of the
    raster.
    """
    order = byte_order(block)
    if order is None:
        return block, ()
    first = pointer(block, order, 4)
    exif = read_directory(block, order, first).get(_EXIF_DIRECTORY)
    patched, unmended = bytearray(block), set[str]()
    make, note = b"", None
    for directory in filter(None, (first, exif.value if exif else 0)):
        for tag, kind, place in read_values(block, order, directory):
            if place.stop > len(block):
                continue
            if tag == _MAKE:
                make = block[place]
            elif tag == _MAKER_NOTE:
                note = place
            elif tag in EXIF and kind == _SHORT and 2 <= (place.stop - place.start) // 2 <= 4:
                x, y = struct.unpack_from(f"{order}2H", block, place.start)
                if pixel := mirror.pixel(x, y):
                    struct.pack_into(f"{order}2H", patched, place.start, *pixel)
                else:
                    unmended.add(f"{EXIF[tag]} outside of the picture")
    if note is not None:
        patched[note], more = mirrored_maker_note(block[note], make, note.start, mirror)
        unmended |= more
    return bytes(patched), not_mirrored(unmended)
