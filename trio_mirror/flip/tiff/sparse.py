"""Strips and tiles that a TIFF leaves out (offset and length 0): readers take them for blank, as GDAL writes them."""

from __future__ import annotations

import struct
from contextlib import suppress

from trio_mirror.flip.tiff.ifd import Ifd, Structure
from trio_mirror.flip.tiff.layout import Layout
from trio_mirror.flip.tiff.space import Span

ABSENT = Span(0, 0)
_SAMPLE_FORMAT, _NO_DATA = 339, 42113
# struct codes of samples, by bits and format: unsigned, signed, floating point (TIFF 6.0 section 19).
_CODES = {
    (8, 1): "B", (16, 1): "H", (32, 1): "I", (64, 1): "Q", (8, 2): "b", (16, 2): "h", (32, 2): "i", (64, 2): "q",
    (16, 3): "e", (32, 3): "f", (64, 3): "d",
}  # fmt: skip


def blank_segment(structure: Structure, image: Ifd, layout: Layout) -> bytes:
    """The raster of a strip or tile that was left out: zeros, or what GDAL's tag names as no data."""
    size = layout.segment_height * layout.segment_stride
    code = _CODES.get((layout.bits // layout.samples, structure.number(image, _SAMPLE_FORMAT, 1)))
    text = structure.octets(image, _NO_DATA).rstrip(b"\0 ")
    if text and code and layout.block == (1, 1):
        with suppress(ValueError, OverflowError, struct.error):
            value = float(text) if code in "efd" else int(float(text))
            sample = struct.pack(structure.order + code, value)
            return sample * (size // len(sample))
    return bytes(size)
