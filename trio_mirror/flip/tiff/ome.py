"""Regions of interest in OME-XML (Open Microscopy Environment, ROI.xsd), in the description of an OME-TIFF.

Coordinates are pixels from the upper left corner of the image. The text is patched, never laid out anew.
"""

from __future__ import annotations

import re
from decimal import Decimal

_SHAPE = re.compile(rb"<(?:\w+:)?(?:Rectangle|Mask|Ellipse|Line|Point|Label|Polygon|Polyline)\b[^<>]*>")
_POINTS = re.compile(rb"(\sPoints\s*=\s*[\"'])([^\"']*)")
_NUMBER = re.compile(rb"[-+]?[\d.]{1,25}(?:[eE]-?\d{1,2})?")
# The pixels of a mask, and a shape's own transformation.
_UNMIRRORED = re.compile(rb"<(?:\w+:)?(?:Mask|Transform)\b")


def holds_regions(text: bytes) -> bool:
    """Whether a description is OME-XML with shapes in it."""
    return b"<OME" in text and _SHAPE.search(text) is not None


def mirrored_ome(text: bytes, extent: int, axis: int) -> tuple[bytes, bool]:
    """Moves the shapes to where they lie in the mirrored image, whose width or height (axis 0 or 1) is ``extent``.

    Returns also whether everything is mirrored: bitmaps and shapes with a transformation of their own are not, nor is
    anything where images of other sizes share the text.
    """
    sizes = re.findall(_attribute((b"SizeX", b"SizeY")[axis]), text)
    if any(size != b"%d" % extent for _, size in sizes):
        return text, False
    try:
        out = _SHAPE.sub(lambda shape: _mirrored_shape(shape[0], extent, axis), text)
    except ValueError:
        return text, False
    return out, not _UNMIRRORED.search(text)


def _mirrored_shape(shape: bytes, extent: int, axis: int) -> bytes:
    low, size = ((b"X", b"Width"), (b"Y", b"Height"))[axis]
    taken = re.search(_attribute(size), shape)
    shape = _subtracted(shape, low, extent - _number(taken[2] if taken else b"0"))
    for end in (b"1", b"2"):
        shape = _subtracted(shape, low + end, Decimal(extent))
    return _POINTS.sub(lambda points: points[1] + _mirrored_points(points[2], Decimal(extent), axis), shape)


def _mirrored_points(points: bytes, edge: Decimal, axis: int) -> bytes:
    parts = re.split(rb"([\s,]+)", points)
    numbers = [at for at in range(0, len(parts), 2) if parts[at]]
    for at in numbers[axis::2]:
        parts[at] = _minus(edge, parts[at])
    return b"".join(parts)


def _subtracted(shape: bytes, name: bytes, edge: Decimal) -> bytes:
    return re.sub(_attribute(name), lambda found: found[1] + _minus(edge, found[2]), shape)


def _attribute(name: bytes) -> bytes:
    return rb"(\s%b\s*=\s*[\"'])([^\"']*)" % name


def _minus(edge: Decimal, number: bytes) -> bytes:
    return f"{edge - _number(number):f}".encode()


def _number(text: bytes) -> Decimal:
    """A number of a length that makes sense."""
    if not _NUMBER.fullmatch(text.strip()) or text.count(b".") > 1:
        raise ValueError("not a number")
    return Decimal(text.decode())
