"""Regions of interest (ROIs) that ImageJ keeps in a TIFF, moved to where they lie in the mirrored image.

The layout is that of ``ij.io.RoiDecoder`` and ``ij.io.TiffDecoder``. Every field has a fixed width, so
all stay in place.
"""

from __future__ import annotations

import struct
from itertools import chain, islice, repeat

from trio_mirror.flip.positions import Mirror

_ROIS = {b"roi ", b"over"}
_LINE, _FREEHAND, _POINT = 3, 7, 10
_RECTANGLES = {1, 2}  # and ovals in them
_OUTLINES = {0, 4, 5, 7, 8, 9, _POINT}  # polygons, lines of several points, and points
_BY_CENTRE = {_LINE, 4, 5, 9, _POINT}  # a whole number is a pixel's centre there, else its left or upper edge
_BY_AXIS = {3, 5}  # subtypes of freehand: an ellipse and a rotated rectangle, stated by the ends of an axis
_IMAGE = 4  # the subtype of a picture laid over the image
_SUBPIXEL = 128
_SEGMENTS = {0: 1, 1: 1, 2: 2, 3: 3, 4: 0}  # points of each piece of a java.awt.geom path
_HEADER = 64


def mirrored_rois(octets: bytes, counts: list[int], mirror: Mirror, order: str) -> tuple[bytes, bool]:
    """Moves the regions among ImageJ's metadata (tag 50839); returns also whether everything in it is mirrored.

    ``counts`` are the lengths of its parts in bytes, the first one that of its table of contents (tag 50838).

    Raises:
        struct.error: the parts are not as they should be.
    """
    listed = (struct.unpack_from(f"{order}II", octets, at) for at in range(4, counts[0] - 7, 8))
    kinds = chain.from_iterable(repeat(struct.pack(">I", kind), number) for kind, number in listed)
    parts, at, whole = [octets[: counts[0]]], counts[0], True
    for count, kind in zip(islice(counts, 1, None), kinds, strict=False):
        part = octets[at : at + count]
        if kind in _ROIS:
            whole &= struct.unpack_from(">H", part, 48)[0] != _IMAGE
            part = _mirrored_roi(part, mirror.length, int(mirror.rows))
        parts.append(part)
        at += count
    return b"".join([*parts, octets[at:]]), whole


def _mirrored_roi(roi: bytes, extent: int, axis: int) -> bytes:
    out = bytearray(roi)
    kind, shape = roi[6], struct.unpack_from(">i", roi, 36)[0]
    (subtype, options) = struct.unpack_from(">HH", roi, 48)
    edge = extent - (kind in _BY_CENTRE)
    number = 0
    if kind in _OUTLINES:
        (number,) = struct.unpack_from(">H", roi, 16)
        number = number or struct.unpack_from(">I", roi, 18)[0]
    _mirror_bounds(out, edge, axis, number)
    floats: list[int] = []
    if kind == _LINE or (kind == _FREEHAND and subtype in _BY_AXIS):
        floats = [18 + 4 * axis, 26 + 4 * axis]
    elif kind in _RECTANGLES and options & _SUBPIXEL:
        (size,) = struct.unpack_from(">f", roi, 26 + 4 * axis)
        floats, edge = [18 + 4 * axis], edge - size
    if kind in _OUTLINES and options & _SUBPIXEL:
        start = _HEADER + 4 * number * (1 + axis)
        floats += range(start, start + 4 * number, 4)
    if shape > 0:
        floats, edge = _path(roi, shape, axis), extent
    for at in floats:
        struct.pack_into(">f", out, at, edge - struct.unpack_from(">f", roi, at)[0])
    return bytes(out)


def _mirror_bounds(out: bytearray, edge: int, axis: int, number: int) -> None:
    """Mirrors the box of a region, and the whole coordinates that are counted from it; all wrap at 65,536."""
    low_at, high_at = 10 - 2 * axis, 14 - 2 * axis
    (low,), (high,) = struct.unpack_from(">H", out, low_at), struct.unpack_from(">H", out, high_at)
    coordinates = _HEADER + 2 * number * axis
    inside = struct.unpack_from(f">{number}H", out, coordinates)
    furthest = max(inside) if inside else high - low
    struct.pack_into(f">{number}H", out, coordinates, *(furthest - value for value in inside))
    moved = edge - low - furthest
    struct.pack_into(">H", out, low_at, moved & 0xFFFF)
    struct.pack_into(">H", out, high_at, moved + high - low & 0xFFFF)


def _path(roi: bytes, size: int, axis: int) -> list[int]:
    """Where the coordinates of a composite region stand: a path of pieces, each behind its kind."""
    found, at = [], _HEADER
    while at < _HEADER + 4 * size:
        points = _SEGMENTS.get(int(struct.unpack_from(">f", roi, at)[0]), 0)
        found += [at + 4 + 8 * point + 4 * axis for point in range(points)]
        at += 4 + 8 * points
    return found
