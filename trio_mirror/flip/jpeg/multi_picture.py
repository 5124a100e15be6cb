"""The index of a JPEG that holds several images (CIPA DC-007, Multi-Picture Format), and where they stand.

Stereo pairs, camera previews and HDR gain maps follow the first image; an index in its APP2 segment names
their places. Ultra HDR files state the length of their gain map in the XMP as well.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trio_mirror.errors import FlipError
from trio_mirror.flip.jpeg.segments import PAYLOAD_LIMIT, SOI, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from trio_mirror.flip.jpeg.segments import Jpeg, Segment

_APP1, _APP2 = 0xE1, 0xE2
_SIGNATURE = b"MPF\0"
_ENTRIES, _ENTRY_SIZE = 0xB002, 16
_UNDEFINED = 7
_SIZE_LIMIT = 0xFFFFFFFF
# The XMP of Ultra HDR: the gain map's own version, and GContainer's lengths as attributes or elements.
_GAIN_MAP = b"hdrgm:Version"
# A number longer than any file is none, and Python refuses to read one of thousands of digits.
_ITEM_LENGTH = re.compile(rb"""(Item:Length(?:\s*=\s*["']|>\s*))([0-9]{1,20})(?![0-9])""")


@dataclass(frozen=True, slots=True)
class Index:
    """The multi-picture index of a file."""

    base: int
    """Offset in bytes, in the file, from which the index counts."""
    order: str
    """The struct prefix of its byte order."""
    table: int
    """Offset in bytes of the entries inside the segment's payload."""
    entries: tuple[tuple[int, int], ...]
    """Size in bytes of every image, and its offset from the base; the first image's offset is 0."""


@dataclass(frozen=True, slots=True)
class Part:
    """A further image of a file."""

    start: int
    """Offset in bytes in the file."""
    jpeg: Jpeg


def read_index(segments: Iterable[Segment]) -> Index | None:
    """Reads the multi-picture index; None without a valid one."""
    segment = next((segment for segment in segments if _holds_index(segment)), None)
    if segment is None:
        return None
    block = segment.payload[len(_SIGNATURE) :]
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        return None
    try:
        (at,) = struct.unpack_from(f"{order}I", block, 4)
        (count,) = struct.unpack_from(f"{order}H", block, at)
        for entry in range(at + 2, at + 2 + 12 * count, 12):
            tag, kind, size, table = struct.unpack_from(f"{order}HHII", block, entry)
            if (tag, kind) == (_ENTRIES, _UNDEFINED) and size >= _ENTRY_SIZE:
                places = range(table, table + size - size % _ENTRY_SIZE, _ENTRY_SIZE)
                entries = tuple(struct.unpack_from(f"{order}II", block, place + 4) for place in places)
                return Index(segment.at + len(_SIGNATURE), order, len(_SIGNATURE) + table, entries)
    except struct.error:
        return None
    return None


def has_gain_map(segments: Iterable[Segment]) -> bool:
    """Whether the further image only brightens the first on HDR displays, which is whole without it."""
    return any(segment.marker == _APP1 and _GAIN_MAP in segment.payload for segment in segments)


def indexed_parts(data: bytes, first_end: int, index: Index) -> list[Part]:
    """Finds the further images that an index names.

    Args:
        data: the file.
        first_end: offset in bytes of what follows the first image.
        index: its index.

    Raises:
        FlipError: one is not there, or not whole.
    """
    starts = sorted({index.base + offset for _, offset in index.entries[1:]})
    parts = []
    for start, stop in zip(starts, [*starts[1:], len(data)], strict=False):
        if start < first_end or not data.startswith(SOI, start):
            raise FlipError("the JPEG's multi-picture index names an image that is not in the file")
        parts.append(Part(start, parse(data, start, stop)))
    return parts


def trailing_parts(data: bytes, first_end: int) -> Iterator[Part]:
    """Finds the JPEGs that follow the first image without an index, one directly behind the other."""
    at = first_end
    while data.startswith(SOI + b"\xff", at):
        try:
            part = Part(at, parse(data, at))
        except FlipError:
            return
        yield part
        at = part.jpeg.end


def without_index(segments: Iterable[Segment]) -> list[Segment]:
    """The segments without the index."""
    return [segment for segment in segments if not _holds_index(segment)]


def with_lengths(segments: Iterable[Segment], lengths: Mapping[int, int]) -> list[Segment]:
    """The segments with GContainer's lengths brought up to date: old to new, in bytes.

    Raises:
        FlipError: the XMP cannot grow.
    """

    def updated(found: re.Match[bytes]) -> bytes:
        old = int(found[2])
        return found[1] + b"%d" % lengths.get(old, old)

    result = [
        segment.with_payload(_ITEM_LENGTH.sub(updated, segment.payload)) if segment.marker == _APP1 else segment
        for segment in segments
    ]
    if any(len(segment.payload) > PAYLOAD_LIMIT for segment in result):
        raise FlipError("its XMP has no room for the gain map's new length")
    return result


def with_index(segments: Sequence[Segment], index: Index, entries: Iterable[tuple[int, int]]) -> list[Segment]:
    """The segments with every entry's size and offset **in the file**, in bytes, written into the index.

    The offsets are made relative to the place that the index has among these segments.
    """
    position = next(position for position, segment in enumerate(segments) if _holds_index(segment))
    base = len(SOI) + sum(len(bytes(segment)) for segment in segments[:position]) + 4 + len(_SIGNATURE)
    payload = bytearray(segments[position].payload)
    for number, (size, start) in enumerate(entries):
        at = index.table + number * _ENTRY_SIZE + 4
        struct.pack_into(f"{index.order}II", payload, at, min(max(size, 0), _SIZE_LIMIT), start - base if number else 0)
    return [*segments[:position], segments[position].with_payload(bytes(payload)), *segments[position + 1 :]]


def _holds_index(segment: Segment) -> bool:
    return segment.marker == _APP2 and segment.payload.startswith(_SIGNATURE)
