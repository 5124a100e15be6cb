"""The rasters of FLIR's cameras, thermal and visible, which APP1 segments hold beside the picture.

The layout is that of ExifTool's FLIR.pm: a header of 64 bytes, a directory of records of 32 bytes each, and of a raster
a header of 32 bytes with width and height before a PNG, a JPEG, or samples of 16 bits.
"""

from __future__ import annotations

import struct

from trio_mirror.errors import FlipError
from trio_mirror.flip.jpeg.metadata import Metadata, Mirrored
from trio_mirror.flip.jpeg.mirror_image import PNG
from trio_mirror.flip.jpeg.previews import shortened
from trio_mirror.flip.jpeg.segments import SOI
from trio_mirror.flip.positions import not_mirrored
from trio_mirror.flip.rows import reverse_raster

SIGNATURE = b"FLIR\0"
HEADER = 8  # bytes of a segment before its part of the data: the signature, and which of how many segments it is

_RASTERS = {1: "FLIR's thermal raster", 0x0E: "FLIR's visible picture"}
_PLACED = {0x21: "FLIR's measurements", 0x28: "FLIR's painted raster", 0x2A: "FLIR's picture in picture"}
_RECORD, _RECORDS = 32, 256


def mirrored_flir(block: bytes, metadata: Metadata) -> Mirrored:
    """Mirrors the rasters in place, in the joined data of all segments."""
    try:
        records = _records(block)
    except (struct.error, ValueError):
        return block, not_mirrored({_RASTERS[1]})
    left = {what for kind, what in _PLACED.items() if kind in records}
    for kind, what in _RASTERS.items():
        if place := records.get(kind):
            try:
                new = _mirrored(block[place], metadata)
                block = b"".join([block[: place.start], new, block[place.stop :]])
            except (struct.error, ValueError, LookupError, FlipError):
                left.add(what)
    return block, not_mirrored(left)


def _records(block: bytes) -> dict[int, slice]:
    """Where the first record of each kind stands."""
    order = ">" if 100 <= struct.unpack_from(">I", block, 0x14)[0] < 200 else "<"
    directory, count = struct.unpack_from(f"{order}II", block, 0x18)
    if not block.startswith(b"FFF\0") or count > _RECORDS:
        raise ValueError("the layout is unknown")
    records: dict[int, slice] = {}
    for entry in range(directory, directory + _RECORD * count, _RECORD):
        kind, at, length = struct.unpack_from(f"{order}H10xII", block, entry)
        records.setdefault(kind, slice(at, at + length))
    return records


def _mirrored(record: bytes, metadata: Metadata) -> bytes:
    header, samples = record[:_RECORD], record[_RECORD:]
    if samples.startswith((PNG, SOI)):
        mirrored = shortened(metadata.mirror_picture(samples), len(samples))
        if len(mirrored) > len(samples):
            raise ValueError("it has grown")
        return header + mirrored.ljust(len(samples), b"\0")
    # The first number is 2 in the order of the samples. Visible pictures of 16 bits may share chroma.
    order = {b"\2\0": "<", b"\0\2": ">"}[record[:2]]
    width, height = struct.unpack_from(f"{order}HH", record, 2)
    size = 2 * width * height
    if not size or size > len(samples):
        raise ValueError("the raster is cut off")
    return header + reverse_raster(samples[:size], width, height, 16, rows=metadata.mirror.rows) + samples[size:]
