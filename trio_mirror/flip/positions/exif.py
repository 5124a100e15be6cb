"""Positions in an EXIF or TIFF block, patched in place: nothing moves, and MakerNotes stay true."""

from __future__ import annotations

import struct
from collections.abc import Callable

from trio_mirror.flip.exif import INTEGERS, byte_order, pointer, read_directory, read_values
from trio_mirror.flip.positions import Mirror, not_mirrored
from trio_mirror.flip.positions.maker_note import mirrored_maker_note
from trio_mirror.flip.positions.table import EXIF, EXIF_LEFT
from trio_mirror.flip.positions.xmp import mirrored_packet

_MAKE, _XMP, _EXIF_DIRECTORY, _MAKER_NOTE = 0x010F, 0x02BC, 0x8769, 0x927C
_LEFT = EXIF_LEFT | {0x8649: "Photoshop's resources in EXIF"}  # which a TIFF may have


def mirrored_fields(
    block: bytes, mirror: Mirror, mirror_picture: Callable[[bytes], bytes], *, keep_credentials: bool = False
) -> tuple[bytes, tuple[str, ...]]:
    """Mirrors the positions that a classic TIFF structure states in its first directory and its EXIF directory.

    Some writers leave an XMP packet there, too, as in a TIFF. A note names what stays as it was: edited files often
    keep places from their original of full size, outside of the raster.
    """
    order = byte_order(block)
    if order is None:
        return block, ()
    first = pointer(block, order, 4)
    exif = read_directory(block, order, first).get(_EXIF_DIRECTORY)
    view, patched, unmended = memoryview(block), bytearray(block), set[str]()
    make, note, packet, notes = slice(0), None, None, tuple[str, ...]()
    for directory in filter(None, (first, exif.value if exif else 0)):
        for tag, kind, place in read_values(block, order, directory):
            if place.stop > len(block):
                continue
            if tag == _MAKE:
                make = place
            elif tag == _MAKER_NOTE:
                note = place
            elif tag == _XMP:
                packet = place
            elif tag in _LEFT:
                unmended.add(_LEFT[tag])
            elif tag in EXIF:
                try:
                    # Not a copy: thousands of entries may each state a value as long as the block.
                    new = mirrored_subject(view[place], kind, order, mirror)
                    patched[place.start : place.start + len(new)] = new
                except ValueError as error:
                    unmended.add(f"{EXIF[tag]} {error}")
    if note is not None:
        patched[note], more = mirrored_maker_note(block[note], block[make], note.start, mirror)
        unmended |= more
    if packet is not None:
        size = packet.stop - packet.start
        xmp, notes = mirrored_packet(block[packet], mirror, mirror_picture, keep_credentials=keep_credentials)
        if len(xmp) > size:
            xmp, notes = block[packet], not_mirrored({"XMP that would outgrow its place in EXIF"})
        patched[packet] = xmp.ljust(size)
    return bytes(patched), notes + not_mirrored(unmended)


def mirrored_subject(octets: bytes | memoryview, kind: int, order: str, mirror: Mirror) -> bytes:
    """What becomes of the pixel's x and y with which a value begins; ``kind`` is its type, SHORT by the standard.

    Raises:
        ValueError: it lies outside of the picture, or is of a form that is not read here.
    """
    try:
        layout = f"{order}2{INTEGERS[kind]}"
        pixel = mirror.pixel(*struct.unpack_from(layout, octets))
    except (KeyError, struct.error) as error:
        raise ValueError("of an unusual form") from error
    if pixel is None:
        raise ValueError("outside of the picture")
    try:
        return struct.pack(layout, *pixel)
    except struct.error as error:
        raise ValueError("whose type is too narrow for its new place") from error
