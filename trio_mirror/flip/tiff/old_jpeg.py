"""Old-style JPEG (TIFF 6.0 section 22), mostly of cameras' thumbnails, where the image is one whole JPEG stream.

Of the old style's many forms only that one is written. In others, strips hold bare scan data, and the tables of the
JPEG stand in tags, or in a stream that ends where its scan would begin. The whole stream is then appended to the file,
and the tags of the form with one stream point at it.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from itertools import count

from trio_mirror.errors import FlipError
from trio_mirror.flip.limits import check_size
from trio_mirror.flip.rows import reverse_raster
from trio_mirror.flip.tiff.edit import Editor, Value
from trio_mirror.flip.tiff.ifd import Ifd, Structure
from trio_mirror.flip.tiff.jpeg_codec import Jpeg, frame_of
from trio_mirror.flip.tiff.layout import OLD_JPEG, YCBCR
from trio_mirror.flip.tiff.space import Span
from trio_mirror.flip.tiff.strips import Mirrored
from trio_mirror.model import Limits, Lossless

_COMPRESSION, _OFFSETS, _ROWS, _COUNTS, _SUBSAMPLING = 259, 273, 278, 279, 530
_STREAM, _LENGTH, _RESTART, _QUANTIZATION, _DC, _AC = 513, 514, 515, 519, 520, 521
_PIECES = (_RESTART, _QUANTIZATION, _DC, _AC)
_LONG = 4
_SOI, _EOI, _FRAME, _SCAN, _INTERVAL = b"\xff\xd8", b"\xff\xd9", b"\xff\xc1", b"\xff\xda", b"\xff\xdd"
_MARKER = re.compile(rb"\xff[\xd0-\xd7]")
_REFUSED = "this TIFF uses old-style JPEG (compression 6) in a form that cannot be put together"


def read_old_jpeg(structure: Structure, image: Ifd, limits: Limits) -> OldJpeg:
    """Finds the JPEG stream of an image; nothing is decoded yet.

    Raises:
        FlipError: there is none, it is damaged or over a limit, or the image is stored in another form.
    """
    start, length = structure.number(image, _STREAM, 0), structure.number(image, _LENGTH, 0)
    stream = structure.data[start : start + length]
    frame = frame_of(stream)
    strips = structure.numbers(image, _OFFSETS) if _OFFSETS in image.entries else ()
    counts = structure.numbers(image, _COUNTS) if _COUNTS in image.entries else ()
    inside = all(start <= strip < start + length for strip in strips)
    if not length or not frame or max(len(strips), len(counts)) > 1 or not inside or 322 in image.entries:
        raise FlipError("this TIFF uses old-style JPEG (compression 6) in a form that cannot be written here")
    depth, height, width, components = frame
    check_size(width, height, limits)
    if depth != 8 or components not in {1, 3}:
        raise FlipError("this TIFF's old-style JPEG is of a depth or colours that cannot be written here")
    codec = Jpeg(tables=b"", width=width, components=components, ycbcr=components == 3, sample=stream)
    return OldJpeg(structure, image, [Span(start, start + length)], (width, height), codec)


@dataclass(frozen=True)
class OldJpeg:
    """An image that is one JPEG stream."""

    structure: Structure
    image: Ifd
    slots: list[Span]  # where the stream stands in the file
    size: tuple[int, int]
    codec: Jpeg

    @property
    def pixels(self) -> int:
        """Pixels of the image."""
        return self.size[0] * self.size[1]

    def mirrored(self, lossless: Lossless) -> Mirrored:
        """The mirrored image, rearranged where that is exact and wanted."""
        width, height = self.size
        [slot] = self.slots
        data = self.structure.data[slot.start : slot.stop]
        if lossless is not Lossless.NEVER:
            rearranged = self.codec.rearrange(data, height, rows_first=self.image.rows_first)
            if rearranged is not None:
                return Mirrored([rearranged], lossless=True)
        raster = self.codec.decode(data, height)
        mirrored = reverse_raster(raster, width, height, 8 * self.codec.components, rows=self.image.rows_first)
        return Mirrored([self.codec.encode(mirrored, height)], lossless=False)

    def store(self, out: bytearray, starts: list[int], mirrored: Mirrored) -> None:
        """Writes into ``out``, a copy of the file, where the mirrored stream is, and how long."""
        entries = self.image.entries
        for tag in (_STREAM, _OFFSETS):
            if tag in entries:
                self.structure.store(out, entries[tag], starts)
        for tag in (_LENGTH, _COUNTS):
            if tag in entries:
                self.structure.store(out, entries[tag], [len(mirrored.pieces[0])])


def with_whole_streams(structure: Structure, images: list[Ifd], limits: Limits) -> bytes:
    """The file, each of its old-style JPEGs as one stream."""
    pieces = [image for image in images if structure.number(image, _COMPRESSION, 1) == OLD_JPEG]
    pieces = [image for image in pieces if not _is_whole(structure, image, limits)]
    if not pieces:
        return structure.data
    out = bytearray(structure.data)
    editor = Editor(structure, images, [], out)  # no scan is taken for room: none begins with so many zeros
    for image in pieces:
        try:
            stream = _joined(structure, image)
        except (struct.error, IndexError, ValueError) as error:
            raise FlipError(_REFUSED) from error
        added = {_STREAM, _LENGTH} - image.entries.keys()
        if len(added) > len(set(_PIECES) & image.entries.keys()) + editor.has_room(image):
            raise FlipError(_REFUSED)
        start, height = len(out), structure.numbers(image, 257)[0]
        out += stream
        numbers = {
            _STREAM: start,
            _OFFSETS: start,
            _LENGTH: len(stream),
            _COUNTS: len(stream),
            _ROWS: height,
        }
        changes = {tag: Value(_LONG, 1, struct.pack(f"{structure.order}I", it)) for tag, it in numbers.items()}
        editor.change(image, {**dict.fromkeys(_PIECES), **changes})
    return bytes(out)


def _is_whole(structure: Structure, image: Ifd, limits: Limits) -> bool:
    try:
        read_old_jpeg(structure, image, limits)
    except FlipError:
        return False
    return True


def _joined(structure: Structure, image: Ifd) -> bytes:
    """The whole stream: its tables, frame and scan header, and then the data of all strips."""
    width, height = (structure.numbers(image, tag)[0] for tag in (256, 257))
    factors = _factors(structure, image)
    rows = min(structure.number(image, _ROWS, height), height)
    starts, counts = structure.numbers(image, _OFFSETS), structure.numbers(image, _COUNTS)
    strips = [structure.data[at : at + size] for at, size in zip(starts, counts, strict=True)]
    interval = structure.number(image, _RESTART, 0)
    across = -(-width // (8 * factors[0]))
    a_strip = across * (rows // (8 * factors[1]))
    if len(strips) > 1:
        # Each strip begins anew, as the data behind a restart marker do.
        interval = interval or a_strip
        if rows % (8 * factors[1]) or a_strip % interval:
            raise FlipError(_REFUSED)
    scan = b"\xff\xd0".join(strip.removesuffix(_EOI) for strip in strips)
    numbers = count()
    scan = _MARKER.sub(lambda _: bytes([0xFF, 0xD0 + next(numbers) % 8]), scan)
    if structure.number(image, _STREAM, 0) and _QUANTIZATION not in image.entries:
        tables, scan_header = _header(structure, image, height)
    else:
        tables, scan_header = _tables(structure, image, (width, height), factors)
    if interval and not any(segment.startswith(_INTERVAL) for segment in tables):
        tables.append(_INTERVAL + struct.pack(">HH", 4, interval))
    return b"".join([_SOI, *tables, scan_header, scan, _EOI])


def _factors(structure: Structure, image: Ifd) -> tuple[int, int]:
    """How many pixels share their chroma, across and down."""
    if structure.number(image, 262, 0) != YCBCR or structure.number(image, 277, 1) != 3:
        return 1, 1
    across, down = structure.numbers(image, _SUBSAMPLING)[:2] if _SUBSAMPLING in image.entries else (2, 2)
    if not {across, down} <= {1, 2, 4}:
        raise FlipError(_REFUSED)
    return across, down


def _header(structure: Structure, image: Ifd, height: int) -> tuple[list[bytes], bytes]:
    """The segments of a stream that ends at its scan, the height in its frame set, and its scan header."""
    at = structure.number(image, _STREAM, 0) + len(_SOI)
    parts: list[bytes] = []
    while True:
        marker, size = structure.data[at : at + 2], struct.unpack_from(">H", structure.data, at + 2)[0]
        segment = structure.data[at : at + 2 + size]
        if marker == _SCAN:
            return parts, segment
        if marker[0] != 0xFF or marker == _EOI or size < 2:
            raise FlipError(_REFUSED)
        if 0xC0 <= marker[1] <= 0xC2:
            segment = segment[:5] + struct.pack(">H", height) + segment[7:]
        parts.append(segment)
        at += 2 + size


def _tables(
    structure: Structure, image: Ifd, size: tuple[int, int], factors: tuple[int, int]
) -> tuple[list[bytes], bytes]:
    """The same of tables that stand in tags, one for each component."""
    components = structure.number(image, 277, 1)
    parts: list[bytes] = []
    for tag, kind, marker in ((_QUANTIZATION, 0, 0xDB), (_DC, 0, 0xC4), (_AC, 0x10, 0xC4)):
        for number, at in enumerate(structure.numbers(image, tag)[:components]):
            length = 64 if tag == _QUANTIZATION else 16 + sum(structure.data[at : at + 16])
            table = structure.data[at : at + length]
            parts.append(struct.pack(">BBHB", 0xFF, marker, 3 + length, kind | number) + table)
    sampled = [factors[0] << 4 | factors[1], *[0x11] * (components - 1)]
    frame = b"".join(bytes([number, sampling, number]) for number, sampling in enumerate(sampled))
    scan = b"".join(bytes([number, number << 4 | number]) for number in range(components))
    parts.append(_FRAME + struct.pack(">HBHHB", 8 + len(frame), 8, size[1], size[0], components) + frame)
    return parts, _SCAN + struct.pack(">HB", 6 + len(scan), components) + scan + b"\0\x3f\0"
