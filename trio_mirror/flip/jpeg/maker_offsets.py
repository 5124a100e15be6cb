"""Places behind the picture that its EXIF block states: of previews that a camera's maker put there."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from trio_mirror.flip.exif import byte_order

_LONG, _UNDEFINED = 4, 7
_ENTRY = 12


class Move(NamedTuple):
    """What became of an image: its place, counted from the TIFF header of the block, and its size, in bytes."""

    before: int
    after: int
    size_before: int
    size_after: int


def patched(block: bytes, moves: Iterable[Move]) -> tuple[bytes, bool]:
    """The block with places and sizes brought up to date, and whether each image is named in it.

    Makers place their previews by tags of their own: a directory's entry of one LONG, with the size before or behind
    it, or one of as many bytes as the preview has. So the numbers themselves find them.
    """
    order = byte_order(block)
    if order is None:
        return block, False
    out, all_found = bytearray(block), True
    for move in moves:
        is_found = False
        for at in _found(block, struct.pack(f"{order}HII", _UNDEFINED, move.size_before, move.before)):
            struct.pack_into(f"{order}II", out, at + 2, move.size_after, move.after)
            is_found = True
        size = struct.pack(f"{order}HII", _LONG, 1, move.size_before)
        for at in _found(block, struct.pack(f"{order}HII", _LONG, 1, move.before)):
            struct.pack_into(f"{order}I", out, at + 6, move.after)
            sizes = [it for it in (at - _ENTRY, at + _ENTRY) if block.startswith(size, max(it, 0))]
            for other in sizes:
                struct.pack_into(f"{order}I", out, other + 6, move.size_after)
            is_found |= bool(sizes) or move.size_after == move.size_before
        all_found &= is_found
    return bytes(out), all_found


def _found(block: bytes, entry: bytes) -> Iterator[int]:
    """Where an entry's type, count and value stand."""
    at = block.find(entry)
    while at >= 0:
        yield at
        at = block.find(entry, at + 1)
