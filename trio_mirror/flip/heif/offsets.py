"""The offsets of a HEIF file: read, and moved with what they point at: item locations and chunk offsets.

ISO/IEC 14496-12, 8.11.3 (``iloc``) and 8.7.5 (``stco``, ``co64``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from trio_mirror.errors import FlipError
from trio_mirror.flip.edits import Edits
from trio_mirror.flip.isobmff import DAMAGED, Box, Reader

FROM_FILE, IN_IDAT = 0, 1  # construction methods: from where the offsets of an item's data count


class Location(NamedTuple):
    """Where an item's data are, in bytes."""

    item: int
    method: int  # FROM_FILE, IN_IDAT (from the start of its body) or another
    base: Field
    extents: list[tuple[Field, int]]  # the offset of each extent, to which the base is added, and its length


class Field(NamedTuple):
    """A number in a table: where it stands, and how long it is (bytes)."""

    at: int
    size: int
    value: int


def read_locations(meta: Box) -> Iterator[Location]:
    """Reads the ``iloc`` boxes of a ``meta`` box.

    Raises:
        FlipError: the table is damaged, or an item's data are in another file.
    """
    for box in meta.children(skip=4):
        if box.kind == b"iloc":
            yield from _read_table(box.reader())


def _read_table(reader: Reader) -> Iterator[Location]:

    def field(size: int) -> Field:
        return Field(reader.at, size, reader.number(size))

    version, _, sizes = reader.number(1), reader.number(3), reader.number(2)
    if version > 2:
        raise FlipError("the file has a table of a later version than is known here")
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    if version == 0:
        index_size = 0
    extent_size = index_size + offset_size + length_size
    id_size = 4 if version == 2 else 2
    for _ in range(reader.number(id_size)):
        item = reader.number(id_size)
        method = reader.number(2) & 15 if version else FROM_FILE
        elsewhere, base, count = reader.number(2), field(base_size), reader.number(2)
        if count > 1 and not extent_size:
            raise FlipError(f"{DAMAGED}: it lists parts of an image that take no place")
        extents = []
        for _ in range(count):
            reader.number(index_size)
            extents.append((field(offset_size), reader.number(length_size)))
        if elsewhere:
            raise FlipError("the file keeps an image's data in another file")
        yield Location(item, method, base, extents)


def move_item_locations(locations: Iterable[Location], edits: Edits) -> None:
    """Notes the patches of ``iloc`` boxes; call after the last splice."""
    for _, method, base, extents in locations:
        if method != FROM_FILE:
            continue
        steps = [_step(edits, base.value + offset.value, length) for offset, length in extents]
        if base.value and len(set(steps)) == 1 and base.value + steps[0] >= 0:
            _move(edits, base, steps[0])
        else:
            for (offset, _), step in zip(extents, steps, strict=True):
                _move(edits, offset, step)


def move_chunks(offsets: Box, edits: Edits) -> None:
    """Notes the patches of an ``stco`` or ``co64`` box; call after the last splice."""
    reader = offsets.reader(skip=4)
    size = 8 if offsets.kind == b"co64" else 4
    for _ in range(reader.number(4)):
        offset = Field(reader.at, size, reader.number(size))
        _move(edits, offset, edits.moved(offset.value))


def _move(edits: Edits, field: Field, step: int) -> None:
    if step:
        edits.patch(field.at, field.size, field.value + step)


def _step(edits: Edits, start: int, length: int) -> int:
    step = edits.moved(start)
    if length and edits.moved(start + length) != step:
        raise FlipError(f"{DAMAGED}: an image's data are said to lie where the file's own tables are")
    return step
