"""The index of a JPEG that holds several images (CIPA DC-007, Multi-Picture Format).

Stereo pairs, camera previews and HDR gain maps follow the first image; an index in its APP2 segment names their places.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from trio_mirror.flip.exif import byte_order, end_of_directory, pointer, read_values
from trio_mirror.flip.jpeg.container import GAIN_MAP
from trio_mirror.flip.jpeg.segments import APP, SOI, Jpeg, Segment

_SIGNATURE = b"MPF\0"
_ENTRIES, _ENTRY_SIZE = 0xB002, 16
_UNDEFINED = 7
_SIZE_LIMIT = 0xFFFFFFFF
_STEREO = 0x020002
# Which way a panorama went, and the angles and distance along x of a view (CIPA DC-007, section 5.2.4).
_DIRECTIONS = {0xB201, 0xB205, 0xB208, 0xB20B, 0xB20D}
# ISO 21496-1 names itself in the first image and in the gain map.
_ISO_GAIN_MAP = b"urn:iso:std:iso:ts:21496:-1\0"


class Entry(NamedTuple):
    """An image of the index."""

    attribute: int  # flags and, in the lower 24 bits, its type (CIPA DC-007, section 5.2.3.3.1)
    size: int  # bytes
    offset: int  # bytes from the base; the first image's is 0

    @property
    def is_stereo(self) -> bool:
        """Whether it is one of several views from places beside each other."""
        return self.attribute & 0xFFFFFF == _STEREO


@dataclass(frozen=True, slots=True)
class Index:
    """The multi-picture index of a file."""

    base: int  # offset in bytes, in the file, from which the index counts
    order: str  # the struct prefix of its byte order
    table: int  # offset in bytes of the entries inside the segment's payload
    entries: tuple[Entry, ...]

    @property
    def places(self) -> list[int | None]:
        """Where the image of each entry begins in the file, in bytes; None where a zeroed entry names none."""
        return [0, *(self.base + it.offset if it.size or it.offset else None for it in self.entries[1:])]

    @property
    def starts(self) -> list[int]:
        """Where the further images begin in the file, in bytes, in their order there."""
        return sorted({start for start in self.places[1:] if start is not None})

    def repaired(self, images: Sequence[Jpeg]) -> Index | None:
        """The index with the places of these images, if it names as many, of their sizes."""
        first, *further = self.entries
        if not images or [entry.size for entry in further] != [len(image.data) for image in images]:
            return None
        found = (it._replace(offset=image.start - self.base) for it, image in zip(further, images, strict=True))
        return replace(self, entries=(first, *found))


def read_index(segments: Iterable[Segment]) -> Index | None:
    """Reads the multi-picture index; None without a valid one."""
    segment = next((segment for segment in segments if segment.holds(APP[2], _SIGNATURE)), None)
    if segment is None:
        return None
    block = segment.payload[len(_SIGNATURE) :]
    order = byte_order(block)
    if order is None:
        return None
    for tag, kind, place in read_values(block, order, pointer(block, order, 4)):
        places = range(place.start, place.stop - _ENTRY_SIZE + 1, _ENTRY_SIZE)
        if (tag, kind) == (_ENTRIES, _UNDEFINED) and places:
            if places[-1] + _ENTRY_SIZE > len(block):
                return None
            entries = tuple(Entry(*struct.unpack_from(f"{order}III", block, at)) for at in places)
            return Index(segment.at + len(_SIGNATURE), order, len(_SIGNATURE) + place.start, entries)
    return None


def is_directed(segments: Iterable[Segment]) -> bool:
    """Whether an image states the direction of its view, neither 0 nor unknown (all ones)."""
    for segment in (it for it in segments if it.holds(APP[2], _SIGNATURE)):
        block = segment.payload[len(_SIGNATURE) :]
        if order := byte_order(block):
            first = pointer(block, order, 4)
            for directory in filter(None, (first, pointer(block, order, end_of_directory(block, order, first)))):
                for tag, _, place in read_values(block, order, directory):
                    if tag in _DIRECTIONS and block[place][:4].strip(b"\0\xff"):
                        return True
    return False


def has_gain_map(segments: Iterable[Segment]) -> bool:
    """Whether a further image only brightens the first on HDR displays, which is whole without it."""
    return any(
        (segment.marker == APP[1] and GAIN_MAP.encode() in segment.payload) or segment.holds(APP[2], _ISO_GAIN_MAP)
        for segment in segments
    )


def without_index(segments: Iterable[Segment]) -> list[Segment]:
    """The segments without the index."""
    return [segment for segment in segments if not segment.holds(APP[2], _SIGNATURE)]


def without_gain_map(segments: Iterable[Segment]) -> list[Segment]:
    """The segments without those that say that there is a gain map, and where; its XMP aside."""
    return [segment for segment in without_index(segments) if not segment.holds(APP[2], _ISO_GAIN_MAP)]


def with_index(segments: Sequence[Segment], index: Index, entries: Iterable[tuple[int, int]]) -> list[Segment]:
    """The segments with every entry's size and offset **in the file**, in bytes, written into the index.

    The offsets are made relative to the place that the index has among these segments. Zeroed entries stay.
    """
    position = next(position for position, segment in enumerate(segments) if segment.holds(APP[2], _SIGNATURE))
    base = offset_of(segments, position) + len(_SIGNATURE)
    payload = bytearray(segments[position].payload)
    for number, (size, start) in enumerate(entries):
        if size or start:
            place = index.table + number * _ENTRY_SIZE + 4
            offset = start - base if number else 0
            struct.pack_into(f"{index.order}II", payload, place, min(max(size, 0), _SIZE_LIMIT), offset)
    return [*segments[:position], segments[position].with_payload(bytes(payload)), *segments[position + 1 :]]


def offset_of(segments: Sequence[Segment], position: int) -> int:
    """Where the payload of a segment stands in the JPEG, in bytes."""
    return len(SOI) + sum(map(len, segments[:position])) + 4
