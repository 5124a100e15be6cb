"""Places behind the picture that its EXIF block states: of previews that a camera's maker put there."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

from trio_mirror.flip.exif import byte_order

_LONG = 4
_ENTRY = 12


class Move(NamedTuple):
    """What became of an image: its place, counted from the TIFF header of the block, and its size, in bytes."""

    before: int
    after: int
    size_before: int
    size_after: int


def patched(block: bytes, moves: Iterable[Move]) -> tuple[bytes, bool]:
    """The block with places and sizes brought up to date, and whether each image is named in it.

    Makers place their previews by tags of their own. Each is a directory's entry of one LONG, with the size before or
    behind it, so that the number itself finds them.
    """
    order = byte_order(block)
    if order is None:
        return block, False
    out, all_found = bytearray(block), True
    for move in moves:
        stated = struct.pack(f"{order}HII", _LONG, 1, move.before)
        size = struct.pack(f"{order}HII", _LONG, 1, move.size_before)
        at = block.find(stated)
        all_found &= at >= 0
        while at >= 0:
            struct.pack_into(f"{order}I", out, at + 6, move.after)
            for other in (at - _ENTRY, at + _ENTRY):
                if block.startswith(size, max(other, 0)):
                    struct.pack_into(f"{order}I", out, other + 6, move.size_after)
            at = block.find(stated, at + 1)
    return bytes(out), all_found
