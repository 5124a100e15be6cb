"""The marker segments of a JPEG (ITU-T T.81, Annex B), parsed without trusting a length."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import NamedTuple, TypeAlias

from PIL import Image

from trio_mirror.errors import FlipError
from trio_mirror.flip.pillow import encode_image

SOI = b"\xff\xd8"
APP = range(0xE0, 0xF0)
"""The markers of application data, APP0 to APP15, by their numbers."""
COM = 0xFE

CodedPart: TypeAlias = "tuple[bytes | memoryview, ...]"
"""The tables, frame and scans of a JPEG, in pieces: the scans of a photo are megabytes, to be copied once."""

_METADATA = frozenset({*APP, COM})
DHT, _JPG, _DAC, _DQT = 0xC4, 0xC8, 0xCC, 0xDB
_RST0, _SOI, EOI, SOS, _DRI = 0xD0, 0xD8, 0xD9, 0xDA, 0xDD
_TEM = 0x01
_SCAN = bytes((0xFF, SOS))
FRAMES = frozenset(range(0xC0, 0xD0)) - {DHT, _JPG, _DAC}
# A segment's length is 16 bits and counts itself (T.81 B.1.1.4).
PAYLOAD_LIMIT = 65_533
# A frame header states up to 255 components (T.81 B.2.2).
_LONGEST_FRAME = 6 + 3 * 255
# Real pictures hold 8 to 12 segments, ICC profiles and extended XMP some hundreds.
_SEGMENT_LIMIT = 20_000
# Progressive pictures have about 10 scans. Each scan visits every block again, so a small file of
# thousands of scans would keep a decoder busy for minutes; libjpeg-turbo's own tools stop at 500, too.
_SCAN_LIMIT = 500
# Pictures of one gallery share tables and frame headers: so many of each are remembered with what follows from them.
_REMEMBERED = 64
# In entropy-coded data a stuffed zero, a restart marker or a fill byte follows 0xFF (T.81 B.1.1.5).
_MARKER = re.compile(rb"\xff[\x01-\xfe]")
_MARKER_IN_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")


@dataclass(frozen=True, slots=True)
class Segment:
    """A marker segment with a length: tables, headers, application data, comments."""

    marker: int  # the second byte of the marker, such as 0xE1 for APP1
    payload: bytes  # what follows the length
    at: int = field(default=0, compare=False)  # offset in bytes of the payload in the data that it was parsed from

    def holds(self, marker: int, signature: bytes) -> bool:
        """Whether it has this marker, and its payload begins like this."""
        return self.marker == marker and self.payload.startswith(signature)

    def with_payload(self, payload: bytes) -> Segment:
        """The same segment with other contents."""
        return Segment(self.marker, payload, self.at)

    def __len__(self) -> int:
        """Bytes that it takes in a file, marker and length included."""
        return 4 + len(self.payload)

    def __bytes__(self) -> bytes:
        """The segment as it stands in a file, marker and length included."""
        return b"\xff%c%b%b" % (self.marker, (len(self.payload) + 2).to_bytes(2, "big"), self.payload)


@dataclass(frozen=True, slots=True)
class Component:
    """One component of a frame (T.81 B.2.2): its number, sampling factors and quantisation table."""

    number: int
    across: int
    down: int
    table: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EntropyCoding:
    """How coefficients are written, which does not touch their values."""

    progressive: bool = False  # in several refining scans
    arithmetic: bool = False  # by arithmetic, not Huffman coding
    restart_interval: int = 0  # MCUs between restart markers; 0 for none
    fitted: bool = False
    """By Huffman tables that were made for the picture, which takes longer and less room than the common ones."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The frame header (T.81 B.2.2); sizes in pixels."""

    marker: int  # the second byte of the SOF marker: 0xC0 baseline, 0xC2 progressive, 0xC9 arithmetic ...
    precision: int  # bits a sample
    width: int
    height: int
    components: tuple[Component, ...]

    @property
    def mcu(self) -> tuple[int, int]:
        """Width and height in pixels of the minimum coded unit; one component is coded block by block."""
        if len(self.components) == 1:
            return 8, 8
        return 8 * max(c.across for c in self.components), 8 * max(c.down for c in self.components)

    def segment(self) -> Segment:
        """The frame header as it stands in a file."""
        components = [bytes((c.number, c.across << 4 | c.down, c.table)) for c in self.components]
        head = struct.pack(">BHHB", self.precision, self.height, self.width, len(components))
        return Segment(self.marker, b"".join([head, *components]))


class Scan(NamedTuple):
    """A scan (T.81 B.2.3), with what stands before it."""

    tables: tuple[Segment, ...]  # quantisation tables, Huffman tables and restart intervals
    header: Segment
    selectors: tuple[tuple[int, int], ...]
    """The number of each component, and the numbers of its DC and AC tables, 4 bits each."""
    data: bytes  # its entropy-coded bytes, restart markers included


@dataclass(frozen=True, slots=True)
class Jpeg:
    """One JPEG, taken apart."""

    data: bytes  # up to its end-of-image marker; without one, all that follows
    start: int  # offset in bytes in the file
    end: int  # the same of what follows it
    segments: tuple[Segment, ...]  # the application and comment segments in file order
    frame: Frame
    entropy_coding: EntropyCoding


def parse(data: bytes, start: int = 0, stop: int | None = None) -> Jpeg:
    """Takes a JPEG apart, from the offset ``start`` on; it may not reach beyond ``stop``.

    A missing end is not an error here: decoders show such a picture if every row of it arrived.

    Raises:
        FlipError: it ends before its first scan, or is not a JPEG at all.
    """
    segments: list[Segment] = []
    huffman: list[bytes] = []
    frame, restart_interval, scans = None, 0, 0
    for marker, at, end in walk(data, start + 2, len(data) if stop is None else min(stop, len(data))):
        payload = data[at:end]
        if marker in _METADATA:
            segments.append(Segment(marker, payload, at))
        elif marker == DHT:
            huffman.append(payload)
        elif marker == _DRI:
            restart_interval = int.from_bytes(payload[:2], "big")
        elif marker in FRAMES:
            frame = frame or _frame(marker, payload[:_LONGEST_FRAME])
        elif marker == SOS:
            scans += 1
            if scans > _SCAN_LIMIT:
                raise FlipError(f"the JPEG has more than {_SCAN_LIMIT} scans, which no real picture has")
    if frame is None or not scans:
        raise FlipError("the JPEG is truncated: it ends before its raster begins")
    coding = EntropyCoding(
        progressive=frame.marker & 3 == 2,
        arithmetic=frame.marker > _JPG,
        restart_interval=restart_interval,
        fitted=not all(map(_is_common, huffman)),
    )
    return Jpeg(data[start:end], start, end, tuple(segments), frame, coding)


def first_scan(data: bytes) -> Scan:
    """The first scan of a JPEG that ``parse`` took apart.

    Raises:
        FlipError: its header is damaged.
    """
    tables: list[Segment] = []
    for marker, at, end in walk(data, len(SOI), len(data)):
        payload = data[at:end]
        if marker == SOS:
            break
        if marker in {_DQT, DHT, _DRI}:
            tables.append(Segment(marker, payload))
    if not payload or len(payload) != 4 + 2 * payload[0]:
        raise FlipError("the JPEG is damaged: its scan header has the wrong length")
    selectors = tuple(zip(payload[1:-3:2], payload[2:-3:2], strict=True))
    coded = data[end : _search(_MARKER_IN_SCAN, data, end, len(data))]
    return Scan(tuple(tables), Segment(SOS, payload), selectors, coded)


def huffman_tables(tables: Iterable[Segment]) -> Iterator[bytes]:
    """The Huffman tables among others (T.81 B.2.4.2): class and number, 16 counts, and so many symbols."""
    for segment in tables:
        payload = segment.payload if segment.marker == DHT else b""
        at = 0
        while len(payload) > at + 17:
            end = at + 17 + sum(payload[at + 1 : at + 17])
            yield payload[at:end]
            at = end


@lru_cache(_REMEMBERED)
def _is_common(payload: bytes) -> bool:
    """Whether all Huffman tables of a segment are those of T.81, Annex K.3, which encoders use that fit none."""
    return _common_huffman_tables().issuperset(huffman_tables([Segment(DHT, payload)]))


@cache
def _common_huffman_tables() -> frozenset[bytes]:
    return frozenset(huffman_tables(first_scan(encode_image(Image.new("RGB", (8, 8)), "JPEG")).tables))


def joined(segments: Iterable[Segment], coded: CodedPart) -> bytes:
    """Puts a JPEG together from application and comment segments and what ``coded_part`` returned."""
    return b"".join([SOI, *map(bytes, segments), *coded])


def coded_part(encoded: bytes) -> CodedPart:
    """Cuts an encoder's metadata off a freshly encoded JPEG: its tables, frame and scans remain.

    Neighbouring table segments of one kind become one (T.81 B.2.4.1 and B.2.4.2 allow that), which saves
    the few bytes by which a mirrored thumbnail would often outgrow the place of the old one.
    """
    at = encoded.index(_SCAN)
    while (tables := _tables(encoded[:at])) is None:
        at = encoded.index(_SCAN, at + 1)
    return tables, memoryview(encoded)[at:]


@lru_cache(_REMEMBERED)
def _tables(head: bytes) -> bytes | None:
    """The tables and the frame of what stands before a scan; None where ``head`` ends inside a segment."""
    tables: list[tuple[int, bytes]] = []
    stop = len(SOI)
    for marker, at, end in walk(head, stop, len(head)):
        if marker == EOI:
            break
        stop, payload = end, head[at:end]
        if tables and marker == tables[-1][0] and marker in {_DQT, DHT}:
            tables[-1] = marker, tables[-1][1] + payload
        elif marker in FRAMES or marker in {_DQT, DHT, _DRI}:
            tables.append((marker, payload))
    return b"".join(bytes(Segment(*table)) for table in tables) if stop == len(head) else None


def walk(data: bytes, at: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """The marker segments from ``at`` on: the marker, and where its payload begins and ends.

    The last is EOI, behind the end-of-image marker, or at ``stop`` where that or the rest of a segment is missing.
    """
    for _ in range(_SEGMENT_LIMIT):
        marker = data[at + 1] if at + 1 < stop and data[at] == 0xFF else 0
        if not _TEM <= marker <= COM:
            at = _search(_MARKER, data, at, stop)
            marker = data[at + 1] if at < stop else EOI
        if marker == _TEM or _RST0 <= marker <= _SOI:
            at += 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == EOI or end < at + 4 or end > stop:
            end = min(at + 2, stop) if marker == EOI else stop
            yield EOI, end, end
            return
        yield marker, at + 4, end
        at = _search(_MARKER_IN_SCAN, data, end, stop) if marker == SOS else end
    raise FlipError(f"the JPEG has more than {_SEGMENT_LIMIT:,} marker segments, which no real picture has")


def _search(marker: re.Pattern[bytes], data: bytes, at: int, stop: int) -> int:
    """The offset of the next marker, or ``stop``. Decoders skip stray and fill bytes, and so does this."""
    found = marker.search(data, at, stop)
    return found.start() if found else stop


@lru_cache(_REMEMBERED)
def _frame(marker: int, payload: bytes) -> Frame:
    if len(payload) < 6 or len(payload) < 6 + 3 * payload[5]:
        raise FlipError("the JPEG is damaged: its frame header is too short")
    precision, height, width, count = struct.unpack_from(">BHHB", payload)
    components = tuple(
        Component(number, factors >> 4, factors & 15, table)
        for number, factors, table in struct.iter_unpack("3B", payload[6 : 6 + 3 * count])
    )
    # T.81, table B.2.
    if not all(1 <= factor <= 4 for c in components for factor in (c.across, c.down)):
        raise FlipError("the JPEG is damaged: its sampling factors are out of range")
    return Frame(marker, precision, width, height, components)
