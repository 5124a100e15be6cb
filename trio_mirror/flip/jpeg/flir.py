"""The thermal raster of FLIR's cameras, which APP1 segments hold beside the visible picture.

The layout is that of ExifTool's FLIR.pm: a header of 64 bytes, a directory of records of 32 bytes each, and of raw
data a header of 32 bytes with width and height before the samples of 16 bits, or before a PNG.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from PIL import Image

from trio_mirror.errors import FlipError
from trio_mirror.flip.jpeg.mirror_image import PNG
from trio_mirror.flip.positions import Mirror, not_mirrored

SIGNATURE = b"FLIR\0"
HEADER = 8  # bytes of a segment before its part of the data: the signature, and which of how many segments it is

_RAW, _PLACED = 1, {0x21: "FLIR's measurements", 0x2A: "FLIR's picture in picture"}
_RECORD, _RECORDS = 32, 256


def mirrored_flir(
    block: bytes, mirror: Mirror, mirror_picture: Callable[[bytes], bytes]
) -> tuple[bytes, tuple[str, ...]]:
    """Mirrors the thermal raster in place, in the joined data of all segments.

    ``mirror_picture`` mirrors an encoded picture, and raises FlipError where it cannot.
    """
    left = set()
    try:
        for kind, at, end in _records(block):
            if kind == _RAW:
                new = _mirrored_raw(block[at:end], mirror, mirror_picture)
                block = b"".join([block[:at], new, block[end:]])
            elif kind in _PLACED:
                left.add(_PLACED[kind])
    except (struct.error, ValueError, FlipError):
        left.add("FLIR's thermal raster")
    return block, not_mirrored(left)


def _records(block: bytes) -> Iterator[tuple[int, int, int]]:
    """Each record's kind, and where it begins and ends."""
    order = ">" if 100 <= struct.unpack_from(">I", block, 0x14)[0] < 200 else "<"
    directory, count = struct.unpack_from(f"{order}II", block, 0x18)
    if not block.startswith(b"FFF\0") or count > _RECORDS:
        raise ValueError("the layout is unknown")
    for entry in range(directory, directory + _RECORD * count, _RECORD):
        (kind,) = struct.unpack_from(f"{order}H", block, entry)
        at, length = struct.unpack_from(f"{order}II", block, entry + 12)
        yield kind, at, at + length


def _mirrored_raw(record: bytes, mirror: Mirror, mirror_picture: Callable[[bytes], bytes]) -> bytes:
    header, samples = record[:_RECORD], record[_RECORD:]
    if samples.startswith(PNG):
        mirrored = mirror_picture(samples)
        if len(mirrored) > len(samples):
            raise ValueError("the PNG has grown")
        return header + mirrored.ljust(len(samples), b"\0")
    # The first number is 2 in the order of the samples.
    width, height = struct.unpack_from("<HH" if record.startswith(b"\2\0") else ">HH", record, 2)
    size = 2 * width * height
    if not size or size > len(samples):
        raise ValueError("the raster is cut off")
    raster = Image.frombytes("I;16", (width, height), samples[:size])
    method = Image.Transpose.FLIP_TOP_BOTTOM if mirror.rows else Image.Transpose.FLIP_LEFT_RIGHT
    return header + raster.transpose(method).tobytes() + samples[size:]
