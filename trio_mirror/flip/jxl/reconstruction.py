"""A JPEG that a JPEG XL was made from, and can be made into again: kept true, or left out.

The box ``jbrd`` (ISO/IEC 18181-2) holds what the JPEG had beside its coefficients; its EXIF block comes from the box
``Exif``, and in the JPEG that block's orientation counts. So it is mirrored there, or a block with one is added.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Sequence
from typing import NamedTuple

from trio_mirror.flip.edits import Edits
from trio_mirror.flip.exif import byte_order, end_of_directory, mirrored, orientation_field, pointer
from trio_mirror.flip.isobmff import Box
from trio_mirror.flip.jxl.bits import Bits, Change, bytes_of, changed, text, text_of

_DROPPED = (
    "The data by which it could be made into its first JPEG again were left out: that JPEG would not be mirrored."
)
_APP0, _COM, _SOS, _DRI, _EOI = 0xE0, 0xFE, 0xDA, 0xDD, 0xD9
_BETWEEN = 0xFF  # stands for bytes between markers
_EXIF = 2  # the type of an APP marker whose data come from the box Exif
# Bytes of a segment's length and "Exif", two zeros, before the block.
_BEFORE_BLOCK = 8
# What is added where the JPEG states no orientation: a block with a directory of one entry, an orientation of 2; the
# box around it; APP1 among the markers, less 0xC0; and its description, the type (2, the selector 2, and 0) and length.
_BLOCK = struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x0112, 3, 1, 2, 0, 0)
_BOX = struct.pack(">I4sI", 12 + len(_BLOCK), b"Exif", 0) + _BLOCK
_MARKER = text(0xE1 - 0xC0, 6)
_DESCRIPTION = text(2, 2) + text(0, 1) + text(_BEFORE_BLOCK + len(_BLOCK), 16)


class _Said(NamedTuple):
    """What ``jbrd`` says of the JPEG, by its bits: where a marker stands among all, and where its description does."""

    exif: tuple[int, int] | None  # of the first APP marker whose data come from the box ``Exif``, if there is one
    begins: tuple[int, int]  # where both are added: behind JFIF, if the JPEG begins with it
    end: int  # the bit behind all; the rest, from the next byte on, is compressed


def mirror_reconstruction(top: Sequence[Box], edits: Edits) -> tuple[str, ...]:
    """Notes the edits by which the JPEG is mirrored too, or those that leave out its ``jbrd``, and returns a note."""
    jbrd = next((box for box in top if box.kind == b"jbrd"), None)
    if jbrd is None:
        return ()
    exif, content = metadata(top, b"Exif")
    said = _read(jbrd.content)
    start, end = (exif.start, exif.end) if exif else (jbrd.start, jbrd.start)
    new = _changes(said, jbrd.data[start:end], content)
    if new is None:
        edits.splice(None, jbrd.start, jbrd.end, b"")
        return (_DROPPED,)
    changes, box = new
    edits.splice(None, start, end, box)
    behind = jbrd.body + -(-said.end // 8)
    bits = text_of(jbrd.data[jbrd.body : behind])[: said.end]
    edits.splice(jbrd, jbrd.body, behind, bytes_of(changed(bits, changes)))
    return ()


def _changes(said: _Said, box: bytes, content: bytes) -> tuple[list[Change], bytes] | None:
    """The changes of ``jbrd``, and the new box of the EXIF block; None where the JPEG cannot be mirrored with them.

    ``box`` is the box of the EXIF block, empty if there is none, and ``content`` what is in it.
    """
    if not said.exif and not box:
        marker, described = said.begins
        return [Change(marker, marker, _MARKER), Change(described, described, _DESCRIPTION)], _BOX
    if not said.exif or not box:
        return None
    marker, described = said.exif
    behind = described + len(_DESCRIPTION)
    if box == _BOX:  # by an earlier mirroring
        return [Change(marker, marker + len(_MARKER), ""), Change(described, behind, "")], b""
    start = 4 + int.from_bytes(content[:4])
    block = _mirrored_block(content[start:])
    length = _BEFORE_BLOCK + len(block)
    if not block or length > 0xFFFF:
        return None
    content = content[:start] + block
    return [Change(behind - 16, behind, text(length, 16))], struct.pack(">I4s", 8 + len(content), b"Exif") + content


def metadata(top: Sequence[Box], kind: bytes) -> tuple[Box | None, bytes]:
    """The first box of a kind and what is in it; nothing where it is compressed and cannot be read."""
    for box in top:
        if box.kind == kind:
            return box, box.content
        if box.kind == b"brob" and box.content.startswith(kind):
            return box, _decompressed(box.content[4:])
    return None, b""


def _decompressed(data: bytes) -> bytes:
    try:
        import brotli
    except ImportError:
        return b""
    decoder = brotli.Decompressor()
    with contextlib.suppress(brotli.error):
        # An EXIF block of a JPEG has up to 64 KB, XMP of a real picture hardly more.
        content: bytes = decoder.process(data, output_buffer_limit=1 << 20)
        if decoder.is_finished():
            return content
    return b""


def _mirrored_block(block: bytes) -> bytes:
    """The block with its orientation mirrored, or with one; empty where that cannot be."""
    if stated := orientation_field(block):
        shown = stated.value if 1 <= stated.value <= 8 else 1
        new = struct.pack(stated.kind, mirrored(shown))
        return block[: stated.at] + new + block[stated.at + len(new) :]
    return _with_orientation(block)


def _with_orientation(block: bytes) -> bytes:
    """The block with its first directory copied to the end, with an orientation of 2 in it; empty if it has none."""
    order = byte_order(block)
    at = pointer(block, order, 4) if order else 0
    end = end_of_directory(block, order, at) if order else 0
    if not order or not end or end + 4 > len(block):
        return b""
    entries = [block[entry : entry + 12] for entry in range(at + 2, end, 12)]
    entries.append(struct.pack(f"{order}HHIHH", 0x0112, 3, 1, 2, 0))
    entries.sort(key=lambda entry: struct.unpack_from(f"{order}H", entry))
    count = struct.pack(f"{order}H", len(entries))
    return b"".join([block[:4], struct.pack(f"{order}I", len(block)), block[8:], count, *entries, block[end : end + 4]])


def _read(jbrd: bytes) -> _Said:
    """Reads the box as far as it is not compressed: markers, tables, scans, and what is irregular in them."""
    bits = Bits(jbrd)
    bits.skip(1)
    markers: list[tuple[int, int]] = []
    while not markers or markers[-1][1] != _EOI:
        markers.append((bits.at, 0xC0 + bits.number(6)))
    kinds = [kind for _, kind in markers]
    apps: list[tuple[int, int]] = []
    exif = None
    for at, kind in markers:
        if 0xE0 <= kind <= 0xEF:
            apps.append((at, bits.at))
            if bits.choice((0, 0), (0, 1), (1, 2), (2, 4)) == _EXIF:
                exif = exif or apps[-1]
            bits.skip(16)
    behind_jfif = kinds[0] == _APP0
    begins = markers[behind_jfif][0], apps[behind_jfif][1] if len(apps) > behind_jfif else bits.at
    bits.skip(16 * kinds.count(_COM))
    _skip_tables(bits)
    _skip_scans(bits, kinds.count(_SOS), restarts=_DRI in kinds)
    bits.skip(16 * kinds.count(_BETWEEN))
    bits.choice((0, 0), (8, 1), (16, 257), (22, 65793))  # bytes behind the end
    if bits.number(1):  # bits that fill up the last byte before a marker
        bits.skip(bits.number(24))
    return _Said(exif, begins, bits.at)


def _skip_tables(bits: Bits) -> None:
    bits.skip(4 * bits.choice((0, 1), (0, 2), (0, 3), (0, 4)))  # quantisation tables
    kind = bits.number(2)
    components = 1 if kind == 0 else 3
    if kind == 3:
        components = bits.choice((0, 1), (0, 2), (0, 3), (0, 4))
        bits.skip(8 * components)
    bits.skip(2 * components)
    for _ in range(bits.choice((0, 4), (3, 2), (4, 10), (6, 26))):  # Huffman tables
        bits.skip(4)
        symbols = sum(bits.choice((0, 0), (0, 1), (3, 2), (8, 0)) for _ in range(17))
        for _ in range(symbols):
            bits.choice((2, 0), (2, 4), (4, 8), (8, 1))


def _skip_scans(bits: Bits, scans: int, *, restarts: bool) -> None:
    for _ in range(scans):
        components = bits.choice((0, 1), (0, 2), (0, 3), (0, 4))
        bits.skip(20 + 6 * components)
        bits.choice((0, 0), (0, 1), (0, 2), (3, 3))
    bits.skip(16 * restarts)
    for _ in range(scans):
        for _ in range(bits.choice((0, 0), (2, 1), (4, 4), (16, 20))):  # where the state of the coder was reset
            bits.choice((0, 0), (3, 1), (5, 9), (28, 41))
        for _ in range(bits.choice((0, 0), (2, 1), (4, 4), (16, 20))):  # runs of zeros longer than need be
            bits.choice((0, 1), (2, 2), (4, 5), (8, 20))
            bits.choice((0, 0), (3, 1), (5, 9), (28, 41))
