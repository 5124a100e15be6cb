"""The properties of HEIF items changed: each displayed image shown mirrored (ISO/IEC 23008-12, 9.3)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from trio_mirror.errors import FlipError
from trio_mirror.flip.edits import Edits
from trio_mirror.flip.heif.orientation import ORIENTING, Orientation, read_orientation
from trio_mirror.flip.isobmff import DAMAGED, Box

_CHANGING_SHAPE = {*ORIENTING, b"clap"}
_TURNED_BY_NOTHING = (b"irot", b"\0")


class Association(NamedTuple):
    """A property of an item."""

    number: int  # counted from 1 among the boxes of ipco
    essential: bool


class Properties:
    """The properties of a ``meta`` box and their associations with items."""

    def __init__(self, meta: Box) -> None:
        iprp = meta.child(b"iprp", skip=4)
        ipco = iprp and iprp.child(b"ipco")
        if not iprp or not ipco:
            raise FlipError(f"{DAMAGED}: the file's images have no properties")
        self._ipco = ipco
        self._boxes = list(ipco.children())
        self._numbers = {meta.data[box.start : box.end]: number for number, box in enumerate(self._boxes, 1)}
        self._added: list[bytes] = []
        self._view = memoryview(meta.data)
        self._associations: dict[int, list[Association]] = {}
        self._tables: list[tuple[Box, list[int]]] = []  # each box of associations, and its items
        for box in iprp.children():
            if box.kind == b"ipma":
                listed: list[int] = []
                for item, associations in _read_associations(box):
                    if item in self._associations:
                        raise FlipError(f"{DAMAGED}: an image of the file has its properties listed twice")
                    self._associations[item] = associations
                    listed.append(item)
                self._tables.append((box, listed))

    def of(self, item: int) -> list[tuple[bytes, bytes | memoryview]]:
        """The properties of an item, each a box's kind and body, in the order in which they are applied."""
        return [self._property(association.number) for association in self._associations.get(item, ())]

    def size(self, item: int) -> tuple[int, int] | None:
        """The width and height of an item before it is turned, in pixels, if it states them."""
        for kind, body in self.of(item):
            if kind == b"ispe" and len(body) >= 12:
                width, height = struct.unpack_from(">II", body, 4)
                return width, height
        return None

    def orientation(self, item: int) -> Orientation:
        """How an item is turned and mirrored for display."""
        return read_orientation(self.of(item))

    def mirror(self, items: set[int], edits: Edits) -> None:
        """Notes the edits that show these items mirrored."""
        if items - self._associations.keys():
            raise FlipError(f"{DAMAGED}: an image of the file has no properties")
        used: set[int] = set()
        for box, listed in self._tables:
            changed = {item: self._mirrored(item) if item in items else self._associations[item] for item in listed}
            used.update(each.number for associations in changed.values() for each in associations)
            edits.splice(box, box.body, box.end, _write_associations(box, changed))
        end = self._ipco.end if self._added else self._end_of_used(used)
        edits.splice(self._ipco, end, self._ipco.end, b"".join(self._added))

    def refuse_own_shape(self, items: set[int]) -> None:
        """Refuses items that are computed from mirrored ones and then turned or cropped themselves."""
        for item in items:
            if any(each[0] in _CHANGING_SHAPE and each != _TURNED_BY_NOTHING for each in self.of(item)):
                raise FlipError("the file turns its tone-mapped image by itself, and viewers do not agree on how")

    def _mirrored(self, item: int) -> list[Association]:
        before = self.orientation(item)
        after = before.mirrored()
        kinds = [kind for kind, _ in self.of(item)]
        if b"irot" not in kinds or b"clap" not in kinds[kinds.index(b"irot") :]:
            # Of two ways the one that needs fewer new properties, so that what was flipped twice is what it was.
            after = min(after, after.equivalent(), key=self._missing)
        # What stays the same keeps its place, since a rotation need not stand behind the crop, where it belongs.
        gone = {b"imir"} if after.turns == before.turns else ORIENTING
        kept = [each for each in self._associations[item] if self._property(each.number)[0] not in gone]
        new = [box for box in after.property_boxes() if box[4:8] in gone]
        # Essential: a viewer that cannot turn the image must not show it (ISO/IEC 23000-22, 7.3.9).
        return kept + [Association(self._number(box), essential=True) for box in new]

    def _missing(self, orientation: Orientation) -> int:
        return sum(box not in self._numbers for box in orientation.property_boxes())

    def _end_of_used(self, used: set[int]) -> int:
        """Where ``ipco`` may end: what an earlier mirroring added, and nothing uses any more, stands last."""
        for number, box in reversed(list(enumerate(self._boxes, 1))):
            if number in used or box.kind not in ORIENTING:
                return box.end
        return self._ipco.body

    def _property(self, number: int) -> tuple[bytes, bytes | memoryview]:
        if number == 0:
            return b"", b""  # no property (9.3.3)
        if number > len(self._boxes):
            raise FlipError(f"{DAMAGED}: an image of the file refers to a property that is not there")
        box = self._boxes[number - 1]
        return box.kind, self._view[box.body : box.end]

    def _number(self, wanted: bytes) -> int:
        if wanted not in self._numbers:
            self._added.append(wanted)
            self._numbers[wanted] = len(self._boxes) + len(self._added)
        return self._numbers[wanted]


def _read_associations(ipma: Box) -> Iterator[tuple[int, list[Association]]]:
    reader = ipma.reader()
    version, size = reader.number(1), 1 + (reader.number(3) & 1)
    essential = 1 << 8 * size - 1
    for _ in range(reader.number(4)):
        item = reader.number(4 if version else 2)
        numbers = [reader.number(size) for _ in range(reader.number(1))]
        yield item, [Association(number & ~essential, bool(number & essential)) for number in numbers]


def _write_associations(ipma: Box, table: dict[int, list[Association]]) -> bytes:
    version, flags = ipma.version, int.from_bytes(ipma.data[ipma.body + 1 : ipma.body + 4])
    if any(association.number > 0x7F for associations in table.values() for association in associations):
        flags |= 1
    size = 1 + (flags & 1)
    out = bytearray(struct.pack(">II", version << 24 | flags, len(table)))
    for item, associations in table.items():
        if len(associations) > 0xFF:
            raise FlipError("an image of the file has too many properties to add its mirroring")
        out += item.to_bytes(4 if version else 2) + bytes([len(associations)])
        for association in associations:
            out += (association.number | association.essential << 8 * size - 1).to_bytes(size)
    return bytes(out)
