"""The extensions of a GIF that depend on the raster: plain text, XMP, Photoshop's resources, content credentials."""

from __future__ import annotations

import struct

from trio_mirror.flip.edits import Edits
from trio_mirror.flip.gif.frames import read_blocks
from trio_mirror.flip.jpeg.metadata import Metadata
from trio_mirror.flip.positions import not_mirrored

_PLAIN_TEXT, _APPLICATION = 0x01, 0xFF
_NAME = 14  # bytes of an application extension up to its data
_C2PA = b"C2PA_GIF\1\0\0"  # C2PA 2.1, section A.3.8
_PHOTOSHOP = b"MGK8BIM0000"  # in which ImageMagick keeps image resources
_XMP = b"XMP DataXMP"
# The packet lies there bare; this leads a reader that takes its bytes for the lengths of blocks to the end
# (XMP specification, part 3, section 1.1.2).
_END_OF_XMP = bytes([1, *range(255, -1, -1), 0])
_GRID = 3  # where the left edge of a plain text's grid stands, before its top, width and height (GIF89a, section 25)


def mirror_extensions(data: bytes, metadata: Metadata, edits: Edits) -> tuple[str, ...]:
    """Adds the edits that mirror the extensions of a file, or take them out; returns notes."""
    notes: list[str] = []
    for start, label, end in read_blocks(data):
        name = data[start + 3 : start + _NAME]
        if label == _PLAIN_TEXT and end >= start + _GRID + 8:
            left, width = struct.unpack_from("<H2xH", data, start + _GRID)
            moved = struct.pack("<H", max(0, metadata.mirror.width - left - width))
            edits.splice(None, start + _GRID, start + _GRID + len(moved), moved)
            notes += not_mirrored({"the letters of a plain text, which was moved"})
        elif label == _APPLICATION and name == _C2PA:
            notes += metadata.credentials("a C2PA manifest")
            if not metadata.keep_credentials:
                edits.splice(None, start, end, b"")
        elif label == _APPLICATION and name == _PHOTOSHOP:
            old = _joined(data[start + _NAME : end])
            resources, more = metadata.photoshop(old)
            if resources != old:
                edits.splice(None, start + _NAME, end, _chained(resources))
            notes += more
        elif label == _APPLICATION and name == _XMP:
            stop = data.find(_END_OF_XMP, start + _NAME, end) % (end + 1)  # all of it where that is missing
            packet, more = metadata.xmp(data[start + _NAME : stop])
            edits.splice(None, start + _NAME, stop, packet)
            notes += more
    return tuple(dict.fromkeys(notes))


def _joined(chain: bytes) -> bytes:
    """The data of a chain of sub-blocks (GIF89a, section 15)."""
    parts, at = [], 0
    while at < len(chain) and chain[at]:
        parts.append(chain[at + 1 : at + 1 + chain[at]])
        at += 1 + chain[at]
    return b"".join(parts)


def _chained(data: bytes) -> bytes:
    blocks = (data[at : at + 255] for at in range(0, len(data), 255))
    return b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"
