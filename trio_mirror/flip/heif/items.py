"""The image items of a HEIF file's ``meta`` box, and which of them are displayed.

ISO/IEC 14496-12, 8.11 (items) and ISO/IEC 23008-12, 6 and 9 (image items and their properties).
"""

from __future__ import annotations

from dataclasses import dataclass

from trio_mirror.errors import FlipError
from trio_mirror.flip.edits import Edits
from trio_mirror.flip.heif.offsets import FROM_FILE, Location, read_locations
from trio_mirror.flip.heif.properties import Properties
from trio_mirror.flip.isobmff import DAMAGED, Box

# Derived images that lay their inputs out anew: the mirroring belongs to them, not to their inputs.
_LAYOUTS = {b"grid", b"iovl", b"iden"}
COMPUTED = {b"tmap", b"sato"}
"""Images computed pixel by pixel from the outputs of their inputs, such as tone-mapped ones: mirrored with them."""
CODED = frozenset(b"hvc1 hev1 lhv1 av01 avc1 jpeg j2k1 unci vvc1 evc1 mski tili".split())
"""Coded images: HEVC, AV1, AVC, JPEG, JPEG 2000, uncompressed, VVC, EVC; masks, and images in many tiles."""
_IMAGES = CODED | _LAYOUTS
_DEEPEST = 8
_ENDLESS = 1 << 62  # pixels


@dataclass(frozen=True, slots=True)
class Items:
    """What a ``meta`` box says of its items."""

    meta: Box
    primary: int
    kinds: dict[int, bytes]  # item id to item type, such as hvc1
    references: list[tuple[bytes, int, list[int]]]  # kind, from, to
    properties: Properties
    locations: list[Location]

    def displayed(self) -> set[int]:
        """The ids of the items whose mirroring, each by itself, mirrors the whole picture.

        That is every image, alpha plane, gain map and thumbnail, but not what a grid or an overlay is made of.

        Raises:
            FlipError: the picture is of an unknown kind, or shown both by itself and as a part.
        """
        if self.kinds[self.primary] not in _IMAGES:
            kind = self.kinds[self.primary].decode("latin-1")
            raise FlipError(f"the picture's image is of the kind {kind!r}, which is not mirrored here")
        parts: set[int] = set()
        # Alpha planes and thumbnails of a part are parts themselves, and so are the inputs of a part.
        for _ in range(1 + _DEEPEST):
            more: set[int] = set()
            for how, item, others in self.references:
                if how == b"dimg" and (item in parts or self.kinds.get(item) in _LAYOUTS):
                    more.update(others)
                elif how in {b"auxl", b"thmb"} and others and parts.issuperset(others):
                    more.add(item)
            if more <= parts:
                break
            parts |= more
        if self.primary in parts:
            raise FlipError("the file shows one image both by itself and as a part of another, which is not mirrored")
        return {item for item, kind in self.kinds.items() if kind in _IMAGES and item not in parts}

    def pixels_decoded(self) -> int:
        """How many pixels a decoder goes through for all images: those of an input as often as it is used.

        A grid's own are those of its tiles.
        """
        inputs: dict[int, list[int]] = {}
        for kind, item, parts in self.references:
            if kind == b"dimg":
                inputs.setdefault(item, []).extend(parts)
        costs: dict[int, int] = {}

        def cost(item: int, depth: int = 0) -> int:
            if depth > _DEEPEST:
                return _ENDLESS
            if item not in costs:
                own = self.kinds.get(item) not in {b"grid", b"iden"}
                width, height = (own and self.properties.size(item)) or (0, 0)
                costs[item] = width * height + sum(cost(part, depth + 1) for part in inputs.get(item, ()))
            return costs[item]

        return sum(cost(item) for item, kind in self.kinds.items() if kind in _IMAGES | COMPUTED)

    def cut_short(self) -> bool:
        """Whether the file ends before its coded images do; decoders leave missing tiles grey, and say nothing.

        Raises:
            FlipError: that is so of the primary image.
        """
        cut = {
            location.item
            for location in self.locations
            if location.method == FROM_FILE and self.kinds.get(location.item) in CODED
            for offset, length in location.extents
            if location.base.value + offset.value + length > len(self.meta.data)
        }
        if self.primary in cut:
            raise FlipError("the picture cannot be read: the file ends before its image does")
        return bool(cut)


def read_items(meta: Box) -> Items:
    """Reads the items of a ``meta`` box."""
    kinds: dict[int, bytes] = {}
    references: list[tuple[bytes, int, list[int]]] = []
    primary: int | None = None
    for box in meta.children(skip=4):
        if box.kind == b"pitm":
            primary = box.reader(skip=4).number(4 if box.version else 2)
        elif box.kind == b"iinf":
            kinds = _read_item_types(box)
        elif box.kind == b"iref":
            references = _read_references(box)
    if primary is None or primary not in kinds:
        raise FlipError(f"{DAMAGED}: the file does not say which of its images to show")
    return Items(meta, primary, kinds, references, Properties(meta), [*read_locations(meta)])


def _read_item_types(iinf: Box) -> dict[int, bytes]:
    kinds = {}
    for box in iinf.children(skip=8 if iinf.version else 6):
        version = box.version
        if box.kind == b"infe" and version >= 2:
            reader = box.reader(skip=4)
            item, _, kind = (reader.number(size) for size in (4 if version > 2 else 2, 2, 4))
            kinds[item] = kind.to_bytes(4)
    return kinds


def _read_references(iref: Box) -> list[tuple[bytes, int, list[int]]]:
    size = 4 if iref.version else 2
    references = []
    for box in iref.children(skip=4):
        reader = box.reader()
        item = reader.number(size)
        references.append((box.kind, item, [reader.number(size) for _ in range(reader.number(2))]))
    return references


def swap_stereo_pairs(meta: Box, edits: Edits) -> None:
    """Notes the edits by which the right view of a stereo pair becomes the left one (23008-12, 6.8, ``ster``)."""
    groups = meta.child(b"grpl", skip=4)
    for group in groups.children() if groups else ():
        if group.kind == b"ster":
            reader = group.reader(skip=8)
            views = [reader.number(4) for _ in range(reader.number(4))]
            for number, view in enumerate(reversed(views)):
                edits.patch(group.body + 12 + 4 * number, 4, view)
