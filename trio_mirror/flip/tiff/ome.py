"""Regions of interest in OME-XML (Open Microscopy Environment, ROI.xsd), in the description of an OME-TIFF.

Coordinates are pixels from the upper left corner of the image. The text is patched, never laid out anew.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

_SHAPE = re.compile(rb"<(?:\w+:)?(?:Rectangle|Mask|Ellipse|Line|Point|Label|Polygon|Polyline)\b[^>]*>")
_POINTS = re.compile(rb"\sPoints\s*=\s*[\"'][^\"']*")
_PAIR = re.compile(rb"([-+.\deE]+)(\s*,\s*)([-+.\deE]+)")
# The pixels of a mask, and a shape's own transformation.
_UNMIRRORED = re.compile(rb"<(?:\w+:)?(?:Mask|Transform)\b")


def holds_regions(text: bytes) -> bool:
    """Whether a description is OME-XML with shapes in it."""
    return b"<OME" in text and _SHAPE.search(text) is not None


def mirrored_ome(text: bytes, extent: int, axis: int) -> tuple[bytes, bool]:
    """Moves the shapes to where they lie in the mirrored image.

    Args:
        text: the description.
        extent: the image's width, or its height, pixels.
        axis: 0 for x, 1 for y.

    Returns:
        The new text, and whether everything in it is mirrored: bitmaps and shapes with a transformation of their
        own are not, nor is anything where images of other sizes share the text.
    """
    sizes = re.findall(_attribute((b"SizeX", b"SizeY")[axis]), text)
    if any(size != b"%d" % extent for _, size in sizes):
        return text, False
    try:
        out = _SHAPE.sub(lambda shape: _mirrored_shape(shape[0], extent, axis), text)
    except InvalidOperation:
        return text, False
    return out, not _UNMIRRORED.search(text)


def _mirrored_shape(shape: bytes, extent: int, axis: int) -> bytes:
    low, size = ((b"X", b"Width"), (b"Y", b"Height"))[axis]
    taken = re.search(_attribute(size), shape)
    shape = _subtracted(shape, low, extent - Decimal(taken[2].decode() if taken else 0))
    for end in (b"1", b"2"):
        shape = _subtracted(shape, low + end, Decimal(extent))
    return _POINTS.sub(lambda points: _PAIR.sub(lambda pair: _mirrored_pair(pair, extent, axis), points[0]), shape)


def _mirrored_pair(pair: re.Match[bytes], extent: int, axis: int) -> bytes:
    x, between, y = pair.groups()
    return x + between + _minus(extent, y) if axis else _minus(extent, x) + between + y


def _subtracted(shape: bytes, name: bytes, edge: Decimal) -> bytes:
    return re.sub(_attribute(name), lambda found: found[1] + _minus(edge, found[2]), shape)


def _attribute(name: bytes) -> bytes:
    return rb"(\s%b\s*=\s*[\"'])([-+.\deE]+)" % name


def _minus(edge: Decimal | int, number: bytes) -> bytes:
    return f"{edge - Decimal(number.decode()):f}".encode()
