"""Photoshop's image resources: paths, guides and slices mirrored, and the thumbnail.

The source is the Adobe Photoshop File Formats Specification, "Image Resources Section".
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Mapping

from trio_mirror.errors import FlipError
from trio_mirror.flip.positions import Mirror, not_mirrored

EXIF, XMP = 1058, 1060  # what other files have by itself
# Photoshop's own, and those of programs beside it.
_SIGNATURES = {b"8BIM", b"MeSa", b"AgHg", b"PHUT", b"DCSR"}
_THUMBNAIL_HEADER = 28
_FORMAT_JPEG = 1
# A path's records ("Path resource format"): knots are three points of y and x, 8.24 fixed point.
_RECORD, _KNOTS, _CLIPBOARD = 26, {1, 2, 4, 5}, 7
_FIXED_ONE = 1 << 24
_GUIDE_UNIT = 32
# A rectangle in a descriptor: top, left, bottom, right.
_RECTANGLE = re.compile(
    rb"\0\0\0\0Top long(.{4})\0\0\0\0Leftlong(.{4})\0\0\0\0Btomlong(.{4})\0\0\0\0Rghtlong(.{4})", re.DOTALL
)
IPTC_PREVIEW = b"\x1c\2\xca"  # how the data set with one begins (IPTC-NAA IIM 4.2, 2:202)

# Mirrors an encoded picture along the same axis, and raises FlipError where it cannot.
MirrorJpeg = Callable[[bytes], bytes]
Mirrored = tuple[bytes, tuple[str, ...]]  # the data of a resource, and notes
# Mirrors the data of a resource; what it cannot read raises struct.error or ValueError.
Rule = Callable[[bytes, Mirror, MirrorJpeg], Mirrored]
# What mirrors the data of resources that hold EXIF and XMP, by their numbers.
Blocks = Mapping[int, Callable[[bytes], Mirrored]]


def mirrored_resources(resources: bytes, mirror: Mirror, mirror_jpeg: MirrorJpeg, blocks: Blocks) -> Mirrored:
    """Mirrors Photoshop's image resources, one behind the other; a thumbnail that cannot be mirrored is dropped."""
    pieces: list[bytes] = []
    notes: list[str] = []
    unmended: set[str] = set()
    kept = 0
    for number, start, data, end in _resources(resources):
        old = resources[data:end]
        try:
            if number in blocks:
                new, more = blocks[number](old)
            elif number in _RULES:
                new, more = _RULES[number][1](old, mirror, mirror_jpeg)
            else:
                continue
            notes += more
        except FlipError as error:
            new = b""
            notes.append(f"the Photoshop thumbnail was dropped: {error}")
        except (struct.error, ValueError):
            unmended.add(f"Photoshop's {_RULES[number][0]}")
            continue
        if new == old:
            continue
        pieces.append(resources[kept:start])
        kept = end + (end - data) % 2
        if new:
            pieces += [resources[start : data - 4], len(new).to_bytes(4, "big"), new, bytes(len(new) % 2)]
    return b"".join([*pieces, resources[kept:]]), (*notes, *not_mirrored(unmended))


def _resources(resources: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yields every resource's number and the offsets of its start, its data and its end, without padding."""
    start = 0
    while resources[start : start + 4] in _SIGNATURES and start + 12 <= len(resources):
        number = int.from_bytes(resources[start + 4 : start + 6], "big")
        # The name is a Pascal string, its length byte included padded to an even size.
        data = start + 6 + (resources[start + 6] + 2) // 2 * 2 + 4
        end = data + int.from_bytes(resources[data - 4 : data], "big")
        if end > len(resources):
            return
        yield number, start, data, end
        start = end + (end - data) % 2


def _unread(states_nothing: Callable[[bytes], bool]) -> Rule:
    """The rule of a resource whose layout is not read here."""

    def rule(data: bytes, *_: object) -> Mirrored:
        if not states_nothing(data):
            raise ValueError("it is not read here")
        return data, ()

    return rule


def _thumbnail(resource: bytes, _: Mirror, mirror_jpeg: MirrorJpeg) -> Mirrored:
    if len(resource) < _THUMBNAIL_HEADER or int.from_bytes(resource[:4], "big") != _FORMAT_JPEG:
        raise FlipError("it is not a JPEG")
    mirrored = mirror_jpeg(resource[_THUMBNAIL_HEADER:])
    # Bytes 20 to 23 state the compressed size.
    return resource[:20] + len(mirrored).to_bytes(4, "big") + resource[24:_THUMBNAIL_HEADER] + mirrored, ()


def _path(data: bytes, mirror: Mirror, _: object) -> Mirrored:
    out = bytearray(data)
    column = 0 if mirror.rows else 1
    for at in range(0, len(data) - _RECORD + 1, _RECORD):
        (kind,) = struct.unpack_from(">H", data, at)
        numbers = list(struct.unpack_from(">6i", data, at + 2))
        if kind in _KNOTS:
            numbers[column::2] = [_FIXED_ONE - number for number in numbers[column::2]]
        elif kind == _CLIPBOARD:  # top, left, bottom, right, resolution
            near, far = column, column + 2
            numbers[near], numbers[far] = _FIXED_ONE - numbers[far], _FIXED_ONE - numbers[near]
        struct.pack_into(">6i", out, at + 2, *numbers)
    return bytes(out), ()


def _guides(data: bytes, mirror: Mirror, _: object) -> Mirrored:
    out = bytearray(data)
    (count,) = struct.unpack_from(">I", data, 12)
    for at in range(16, min(16 + 5 * count, len(data) - 4), 5):
        place, is_horizontal = struct.unpack_from(">iB", data, at)
        if bool(is_horizontal) == mirror.rows:
            struct.pack_into(">i", out, at, mirror.length * _GUIDE_UNIT - place)
    return bytes(out), ()


def _slices(data: bytes, mirror: Mirror, _: object) -> Mirrored:
    """Mirrors the rectangles of version 6, and those of the descriptors that later versions are or add."""
    out = bytearray(data)
    (version,) = struct.unpack_from(">I", data)
    end = 0
    if version == 6:
        _mirror_rectangle(out, (4, 8, 12, 16), mirror)
        at = _after_text(data, 20)
        (count,) = struct.unpack_from(">I", data, at)
        at += 4
        for _ in range(count):
            (origin,) = struct.unpack_from(">I", data, at + 8)
            at = _after_text(data, at + (16 if origin == 1 else 12))  # generated from a layer, whose id is stated
            left, top, right, bottom = range(at + 4, at + 20, 4)
            _mirror_rectangle(out, (top, left, bottom, right), mirror)
            at += 20
            for _ in range(4):  # URL, target, message, alternative text
                at = _after_text(data, at)
            at = _after_text(data, at + 1) + 12
        end = at
    elif version not in {7, 8}:
        raise ValueError("its version is unknown")
    for found in _RECTANGLE.finditer(data, end):
        _mirror_rectangle(out, tuple(map(found.start, range(1, 5))), mirror)
    return bytes(out), ()


def _mirror_rectangle(out: bytearray, places: tuple[int, ...], mirror: Mirror) -> None:
    """Mirrors a rectangle of whose top, left, bottom and right the offsets are given."""
    near, far = (places[0], places[2]) if mirror.rows else (places[1], places[3])
    (low,), (high,) = struct.unpack_from(">i", out, near), struct.unpack_from(">i", out, far)
    struct.pack_into(">i", out, near, mirror.length - high)
    struct.pack_into(">i", out, far, mirror.length - low)


def _after_text(data: bytes, at: int) -> int:
    """The offset behind a text in UTF-16, which its length in characters precedes."""
    (length,) = struct.unpack_from(">I", data, at)
    return at + 4 + 2 * int(length)


_COLOUR_SAMPLERS = "colour samplers", _unread(lambda data: data[4:8] == bytes(4))  # a version, and how many there are
_RULES: dict[int, tuple[str, Rule]] = {
    1025: ("the working path", _path),
    1028: ("preview in IPTC", _unread(lambda data: IPTC_PREVIEW not in data)),
    1032: ("guides", _guides),
    1033: ("thumbnail", _thumbnail),  # Photoshop 4's, with red and blue exchanged
    1036: ("thumbnail", _thumbnail),
    1038: _COLOUR_SAMPLERS,
    1050: ("slices", _slices),
    1073: _COLOUR_SAMPLERS,
    1080: ("counts", _unread(lambda data: len(data) <= 64)),
    **dict.fromkeys(range(2000, 2999), ("paths", _path)),
}
"""By the number of a resource, its name in notes, and how it is mirrored: the knots of paths are shares of the sides,
guides are 1/32 pixels, edges of slices are pixels."""
