"""The properties of AVIF items changed: each displayed image shown mirrored (ISO/IEC 23008-12, 9.3)."""

from __future__ import annotations

import struct
from typing import NamedTuple

from trio_mirror.errors import FlipError
from trio_mirror.flip.avif.isobmff import DAMAGED, Box, Edits, Reader
from trio_mirror.flip.avif.orientation import ORIENTING, read_orientation

_CHANGING_SHAPE = {*ORIENTING, b"clap"}


class Association(NamedTuple):
    """A property of an item."""

    number: int
    """Counted from 1 among the boxes of ``ipco``."""
    essential: bool


class Properties:
    """The properties of a ``meta`` box and their associations with items."""

    def __init__(self, data: bytes, meta: Box) -> None:
        iprp = meta.child(data, b"iprp", skip=4)
        ipco = iprp and iprp.child(data, b"ipco")
        if not iprp or not ipco:
            raise FlipError(f"{DAMAGED}: the AVIF's images have no properties")
        self._data = data
        self._ipco = ipco
        self._boxes = list(ipco.children(data))
        self._numbers = {data[box.start : box.end]: number for number, box in enumerate(self._boxes, 1)}
        self._added: list[bytes] = []
        self._view = memoryview(data)
        self._tables = [(box, _read_associations(data, box)) for box in iprp.children(data) if box.kind == b"ipma"]
        self._first = {item: each for _, table in reversed(self._tables) for item, each in table.items()}

    def of(self, item: int) -> list[tuple[bytes, bytes | memoryview]]:
        """The properties of an item, each a box's kind and body, in the order in which they are applied."""
        return [self._property(association.number) for association in self._first.get(item, ())]

    def mirror(self, items: set[int], edits: Edits) -> None:
        """Notes the edits that show these items mirrored.

        Raises:
            FlipError: an item has no properties at all, or orientations that viewers do not agree on.
        """
        if items - self._first.keys():
            raise FlipError(f"{DAMAGED}: an image of the AVIF has no properties")
        for box, table in self._tables:
            changed = {
                item: self._mirrored(item, associations) if item in items else associations
                for item, associations in table.items()
            }
            edits.splice(box, box.body, box.end, _write_associations(self._data, box, changed))
        edits.splice(self._ipco, self._ipco.end, self._ipco.end, b"".join(self._added))

    def refuse_own_shape(self, items: set[int]) -> None:
        """Refuses items that are computed from mirrored ones and then turned or cropped themselves.

        Raises:
            FlipError: one of the items has such a property.
        """
        for item in items:
            if any(kind in _CHANGING_SHAPE for kind, _ in self.of(item)):
                raise FlipError("the AVIF turns its tone-mapped image by itself, and viewers do not agree on how")

    def _mirrored(self, item: int, associations: list[Association]) -> list[Association]:
        orientation = read_orientation(self.of(item)).mirrored()
        kept = [each for each in associations if self._property(each.number)[0] not in ORIENTING]
        # Essential: a viewer that cannot turn the image must not show it (ISO/IEC 23000-22, 7.3.9).
        return kept + [Association(self._number(box), essential=True) for box in orientation.property_boxes()]

    def _property(self, number: int) -> tuple[bytes, bytes | memoryview]:
        if number == 0:
            return b"", b""  # no property (9.3.3)
        if number > len(self._boxes):
            raise FlipError(f"{DAMAGED}: an image of the AVIF refers to a property that is not there")
        box = self._boxes[number - 1]
        return box.kind, self._view[box.body : box.end]

    def _number(self, wanted: bytes) -> int:
        if wanted not in self._numbers:
            self._added.append(wanted)
            self._numbers[wanted] = len(self._boxes) + len(self._added)
        return self._numbers[wanted]


def _read_associations(data: bytes, ipma: Box) -> dict[int, list[Association]]:
    reader = Reader(data, ipma.body, ipma.end)
    version, wide = reader.number(1), reader.number(3) & 1
    table: dict[int, list[Association]] = {}
    for _ in range(reader.number(4)):
        item = reader.number(4 if version else 2)
        size = 2 if wide else 1
        essential = 1 << 8 * size - 1
        numbers = [reader.number(size) for _ in range(reader.number(1))]
        if item in table:
            raise FlipError(f"{DAMAGED}: an image of the AVIF has its properties listed twice")
        table[item] = [Association(number & ~essential, bool(number & essential)) for number in numbers]
    return table


def _write_associations(data: bytes, ipma: Box, table: dict[int, list[Association]]) -> bytes:
    version = data[ipma.body]
    flags = int.from_bytes(data[ipma.body + 1 : ipma.body + 4])
    if any(association.number > 0x7F for associations in table.values() for association in associations):
        flags |= 1
    size = 2 if flags & 1 else 1
    out = bytearray(struct.pack(">II", version << 24 | flags, len(table)))
    for item, associations in table.items():
        if len(associations) > 0xFF:
            raise FlipError("an image of the AVIF has too many properties to add its mirroring")
        out += item.to_bytes(4 if version else 2) + bytes([len(associations)])
        for association in associations:
            out += (association.number | association.essential << 8 * size - 1).to_bytes(size)
    return bytes(out)
