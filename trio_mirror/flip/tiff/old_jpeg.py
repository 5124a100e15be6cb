"""Old-style JPEG (TIFF 6.0 section 22), mostly of cameras' thumbnails, where the image is one whole JPEG stream.

Of the old style's many forms only that one is written. In others, strips hold bare scan data, and the tables of the
JPEG stand in tags, or in a stream that ends where its scan would begin. The whole stream is then appended to the file,
and the tags of the form with one stream point at it.
"""

from __future__ import annotations

import re
import struct
from itertools import count

from trio_mirror.errors import FlipError
from trio_mirror.flip.limits import check_size
from trio_mirror.flip.tiff.edit import Editor, Value
from trio_mirror.flip.tiff.ifd import Ifd
from trio_mirror.flip.tiff.jpeg_codec import Jpeg, frame_of
from trio_mirror.flip.tiff.layout import OLD_JPEG, YCBCR, Layout
from trio_mirror.flip.tiff.space import Span
from trio_mirror.flip.tiff.strips import Segments
from trio_mirror.model import Limits

_COMPRESSION, _OFFSETS, _ROWS, _COUNTS, _SUBSAMPLING = 259, 273, 278, 279, 530
_STREAM, _LENGTH, _RESTART, _QUANTIZATION, _DC, _AC = 513, 514, 515, 519, 520, 521
_PIECES = (_RESTART, _QUANTIZATION, _DC, _AC)
_LONG = 4
_SOI, _EOI, _FRAME, _SCAN, _INTERVAL = b"\xff\xd8", b"\xff\xd9", b"\xff\xc1", b"\xff\xda", b"\xff\xdd"
_MARKER = re.compile(rb"\xff[\xd0-\xd7]")
_REFUSED = "this TIFF uses old-style JPEG (compression 6) in a form that cannot be put together"


def read_old_jpeg(image: Ifd, limits: Limits) -> Segments:
    """Finds the JPEG stream of an image; nothing is decoded yet.

    Raises:
        FlipError: there is none, it is damaged or over a limit, or the image is stored in another form.
    """
    start, length = image.number(_STREAM, 0), image.number(_LENGTH, 0)
    stream = image.file.data[start : start + length]
    frame = frame_of(stream)
    strips, counts = (image.numbers(tag, default=()) for tag in (_OFFSETS, _COUNTS))
    inside = all(start <= strip < start + length for strip in strips)
    if not length or not frame or max(len(strips), len(counts)) > 1 or not inside or 322 in image.entries:
        raise FlipError("this TIFF uses old-style JPEG (compression 6) in a form that cannot be written here")
    depth, height, width, components = frame
    check_size(width, height, limits)
    if depth != 8 or components not in {1, 3}:
        raise FlipError("this TIFF's old-style JPEG is of a depth or colours that cannot be written here")
    layout = Layout(
        width=width,
        height=height,
        bits=8 * components,
        samples=components,
        depth=8,
        segment_width=width,
        segment_height=height,
        compression=OLD_JPEG,
        rows_first=image.rows_first,
        offsets=[image.entries[tag] for tag in (_STREAM, _OFFSETS) if tag in image.entries],
        counts=[image.entries[tag] for tag in (_LENGTH, _COUNTS) if tag in image.entries],
    )
    codec = Jpeg(tables=b"", width=width, components=components, ycbcr=components == 3, sample=stream)
    return Segments(image.file, layout, [Span(start, start + length)], codec, blank=b"")


def with_whole_streams(images: list[Ifd], limits: Limits) -> bytes:
    """The file of these images, each of its old-style JPEGs as one stream."""
    pieces: list[Ifd] = []
    for image in images:
        if image.number(_COMPRESSION, 1) == OLD_JPEG:
            try:
                read_old_jpeg(image, limits)
            except FlipError:
                pieces.append(image)
    file = images[0].file
    if not pieces:
        return file.data
    out = bytearray(file.data)
    editor = Editor(images, [], out)  # no scan is taken for room: none begins with so many zeros
    for image in pieces:
        try:
            stream = _joined(image)
        except (struct.error, IndexError, ValueError) as error:
            raise FlipError(_REFUSED) from error
        added = {_STREAM, _LENGTH} - image.entries.keys()
        if len(added) > len(set(_PIECES) & image.entries.keys()) + editor.has_room(image):
            raise FlipError(_REFUSED)
        start, size, height = len(out), len(stream), image.numbers(257)[0]
        out += stream
        numbers = {_STREAM: start, _OFFSETS: start, _LENGTH: size, _COUNTS: size, _ROWS: height}
        changes = {tag: Value(_LONG, 1, struct.pack(f"{file.order}I", number)) for tag, number in numbers.items()}
        editor.change(image, {**dict.fromkeys(_PIECES), **changes})
    return bytes(out)


def _joined(image: Ifd) -> bytes:
    """The whole stream: its tables, frame and scan header, and then the data of all strips."""
    width, height = (image.numbers(tag)[0] for tag in (256, 257))
    factors = _factors(image)
    rows = min(image.number(_ROWS, height), height)
    starts, counts = image.numbers(_OFFSETS), image.numbers(_COUNTS)
    strips = [image.file.data[at : at + size] for at, size in zip(starts, counts, strict=True)]
    interval = image.number(_RESTART, 0)
    if len(strips) > 1:
        # Each strip begins anew, as the data behind a restart marker do.
        a_strip = -(-width // (8 * factors[0])) * (rows // (8 * factors[1]))
        interval = interval or a_strip
        if rows % (8 * factors[1]) or a_strip % interval:
            raise FlipError(_REFUSED)
    scan = b"\xff\xd0".join(strip.removesuffix(_EOI) for strip in strips)
    numbers = count()
    scan = _MARKER.sub(lambda _: bytes([0xFF, 0xD0 + next(numbers) % 8]), scan)
    if image.number(_STREAM, 0) and _QUANTIZATION not in image.entries:
        header = _header(image, height)
    else:
        header = _tables(image, (width, height), factors)
    if interval and not any(segment.startswith(_INTERVAL) for segment in header):
        header.insert(-1, _INTERVAL + struct.pack(">HH", 4, interval))
    return b"".join([_SOI, *header, scan, _EOI])


def _factors(image: Ifd) -> tuple[int, int]:
    """How many pixels share their chroma, across and down."""
    if image.number(262, 0) != YCBCR or image.number(277, 1) != 3:
        return 1, 1
    across, down = image.numbers(_SUBSAMPLING, default=(2, 2))[:2]
    if not {across, down} <= {1, 2, 4}:
        raise FlipError(_REFUSED)
    return across, down


def _header(image: Ifd, height: int) -> list[bytes]:
    """The segments of a stream that ends at its scan, up to its scan header, the height in its frame set."""
    data = image.file.data
    at = image.number(_STREAM, 0) + len(_SOI)
    parts: list[bytes] = []
    while True:
        marker, size = data[at : at + 2], struct.unpack_from(">H", data, at + 2)[0]
        segment = data[at : at + 2 + size]
        if marker == _SCAN:
            return [*parts, segment]
        if marker[0] != 0xFF or marker == _EOI or size < 2:
            raise FlipError(_REFUSED)
        if 0xC0 <= marker[1] <= 0xC2:
            segment = segment[:5] + struct.pack(">H", height) + segment[7:]
        parts.append(segment)
        at += 2 + size


def _tables(image: Ifd, size: tuple[int, int], factors: tuple[int, int]) -> list[bytes]:
    """The same of tables that stand in tags, one for each component."""
    data, components = image.file.data, image.number(277, 1)
    parts: list[bytes] = []
    for tag, kind, marker in ((_QUANTIZATION, 0, 0xDB), (_DC, 0, 0xC4), (_AC, 0x10, 0xC4)):
        for number, at in enumerate(image.numbers(tag)[:components]):
            length = 64 if tag == _QUANTIZATION else 16 + sum(data[at : at + 16])
            parts.append(struct.pack(">BBHB", 0xFF, marker, 3 + length, kind | number) + data[at : at + length])
    sampled = [factors[0] << 4 | factors[1], *[0x11] * (components - 1)]
    frame = b"".join(bytes([number, sampling, number]) for number, sampling in enumerate(sampled))
    scan = b"".join(bytes([number, number << 4 | number]) for number in range(components))
    parts.append(_FRAME + struct.pack(">HBHHB", 8 + len(frame), 8, size[1], size[0], components) + frame)
    return [*parts, _SCAN + struct.pack(">HB", 6 + len(scan), components) + scan + b"\0\x3f\0"]
