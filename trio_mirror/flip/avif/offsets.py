"""The offsets of an AVIF file moved with what they point at: item locations and chunk offsets.

ISO/IEC 14496-12, 8.11.3 (``iloc``) and 8.7.5 (``stco``, ``co64``).
"""

from __future__ import annotations

from trio_mirror.errors import FlipError
from trio_mirror.flip.avif.isobmff import DAMAGED, Box, Edits, Reader

_FROM_FILE = 0  # the construction method whose offsets count from the file's start


def move_item_locations(data: bytes, edits: Edits, iloc: Box) -> None:
    """Notes the patches of an ``iloc`` box; call after the last splice.

    Raises:
        FlipError: the table is damaged, or an item's data lie where the file's own tables are.
    """
    reader = Reader(data, iloc.body, iloc.end)
    version, _, sizes = reader.number(1), reader.number(3), reader.number(2)
    if version > 2:
        raise FlipError("the AVIF has a table of a later version than is known here")
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    id_size = 4 if version == 2 else 2
    for _ in range(reader.number(id_size)):
        reader.number(id_size)
        method = reader.number(2) & 15 if version else _FROM_FILE
        elsewhere = reader.number(2)
        base_at = reader.at
        base = reader.number(base_size)
        extents = []
        for _ in range(reader.number(2)):
            reader.number(index_size if version else 0)
            at = reader.at
            extents.append((at, reader.number(offset_size), reader.number(length_size)))
        if elsewhere:
            raise FlipError("the AVIF keeps an image's data in another file")
        if method == _FROM_FILE:
            steps = [_step(edits, base + offset, length) for _, offset, length in extents]
            if base and len(set(steps)) == 1 and base + steps[0] >= 0:
                edits.patch(base_at, base_size, base + steps[0])
            else:
                for (at, offset, _), step in zip(extents, steps, strict=True):
                    edits.patch(at, offset_size, offset + step)


def move_chunks(data: bytes, edits: Edits, offsets: Box) -> None:
    """Notes the patches of an ``stco`` or ``co64`` box; call after the last splice.

    Raises:
        FlipError: the table is damaged.
    """
    reader = Reader(data, offsets.body + 4, offsets.end)
    size = 8 if offsets.kind == b"co64" else 4
    for _ in range(reader.number(4)):
        at = reader.at
        offset = reader.number(size)
        edits.patch(at, size, offset + edits.moved(offset))


def _step(edits: Edits, start: int, length: int) -> int:
    step = edits.moved(start)
    if length and edits.moved(start + length) != step:
        raise FlipError(f"{DAMAGED}: an image's data are said to lie where the AVIF's own tables are")
    return step
