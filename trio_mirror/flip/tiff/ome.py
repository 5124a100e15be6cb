"""Regions of interest in OME-XML (Open Microscopy Environment, ROI.xsd), in the description of an OME-TIFF.

Coordinates are pixels from the upper left corner of the image. The text is patched, never laid out anew.
"""

from __future__ import annotations

import re
from decimal import Decimal

from trio_mirror.flip.positions import Mirror, not_mirrored

# Label was called Text until 2011.
_SHAPE = re.compile(
    rb"<(?:\w+:)?(?:Rectangle|Mask|Ellipse|Line|Point|Label|Text|Polygon|Polyline|Path|Rect|Circle)\b[^<>]*>"
)
_POINTS = re.compile(rb"(\sPoints\s*=\s*[\"'])([^\"']*)")
_NUMBER = re.compile(rb"[-+]?[\d.]{1,25}(?:[eE]-?\d{1,2})?")
# The pixels of a mask, a shape's own transformation (an attribute until 2011), and shapes of early schemas.
_UNMIRRORED = re.compile(rb"<(?:\w+:)?(?:Mask|Transform|Rect|Circle|Path)\b|\sTransform\s*=\s*[\"'](?!none)")


def mirrored_ome(text: bytes, mirror: Mirror) -> tuple[bytes, tuple[str, ...]]:
    """Moves the shapes of a description that is OME-XML to where they lie in the mirrored image.

    A note says that not all is mirrored: bitmaps and shapes with a transformation of their own are not, nor is anything
    where images of other sizes share the text.
    """
    if b"<OME" not in text or not _SHAPE.search(text):
        return text, ()
    left = not_mirrored({"some of OME's regions"})
    sizes = re.findall(_attribute(b"SizeY" if mirror.rows else b"SizeX"), text)
    if any(size != b"%d" % mirror.length for _, size in sizes):
        return text, left
    try:
        mirrored = _SHAPE.sub(lambda shape: _mirrored_shape(shape[0], mirror), text)
    except ValueError:
        return text, left
    return mirrored, left if _UNMIRRORED.search(text) else ()


def _mirrored_shape(shape: bytes, mirror: Mirror) -> bytes:
    low, size = (b"Y", b"Height") if mirror.rows else (b"X", b"Width")
    edge = Decimal(mirror.length)
    taken = re.search(_attribute(size), shape)
    shape = _subtracted(shape, low, edge - _number(taken[2] if taken else b"0"))
    for end in (b"1", b"2"):
        shape = _subtracted(shape, low + end, edge)
    return _POINTS.sub(lambda points: points[1] + _mirrored_points(points[2], edge, int(mirror.rows)), shape)


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
