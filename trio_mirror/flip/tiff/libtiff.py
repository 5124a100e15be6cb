"""Single strips handed to Pillow's libtiff and taken from it, each wrapped in a TIFF of its own."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from PIL import Image

from trio_mirror.flip.pillow import encode_image, map_pillow_errors, open_image
from trio_mirror.flip.tiff.ifd import Structure

_LONG, _UNDEFINED = 4, 7
_GREY = 1
_FIRST_IFD = 8


def decode_strip(
    data: bytes,
    size: tuple[int, int],
    compression: int,
    *,
    depth: int = 8,
    samples: int = 1,
    photometric: int = _GREY,
    tags: Mapping[int, int | bytes] | None = None,
) -> Image.Image:
    """Decodes one strip. Pillow makes 8 bits of 4, and RGB of YCbCr.

    The numbers are those of a TIFF's tags; ``tags`` are further ones that the compression wants.
    """
    width, rows = size
    values: dict[int, int | bytes] = {
        256: width,
        257: rows,
        258: struct.pack(f"<{samples}H", *[depth] * samples),
        259: compression,
        262: photometric,
        277: samples,
        278: rows,
        279: len(data),
        **(tags or {}),
    }
    with map_pillow_errors("a strip or tile of the TIFF"):
        picture = open_image(_one_strip(values, data), "TIFF")
        picture.load()
        return picture


def encode_strip(picture: Image.Image, compression: str, tags: Mapping[int, int]) -> bytes:
    """Encodes a picture of one sample as one strip, by Pillow's name of the compression and with further tags."""
    with map_pillow_errors("a mirrored strip or tile of the TIFF"):
        encoded = encode_image(picture, "TIFF", compression=compression, tiffinfo={278: picture.height, **tags})
    (image,) = Structure(encoded).images(1)
    start, count = image.number(273, 0), image.number(279, 0)
    return image.file.data[start : start + count]


def _one_strip(values: dict[int, int | bytes], data: bytes) -> bytes:
    """A classic TIFF with these tags, its directory at byte 8; the strip's offset is added to them."""
    behind = _FIRST_IFD + 2 + 12 * (len(values) + 1) + 4
    tail = b""
    entries = {}
    for tag, value in values.items():
        if isinstance(value, int):
            entries[tag] = struct.pack("<HHII", tag, _LONG, 1, value)
        else:
            kind, size = (3, 2) if tag == 258 else (_UNDEFINED, 1)
            where = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack("<I", behind + len(tail))
            entries[tag] = struct.pack("<HHI", tag, kind, len(value) // size) + where
            tail += value + bytes(len(value) % 2) if len(value) > 4 else b""
    entries[273] = struct.pack("<HHII", 273, _LONG, 1, behind + len(tail))
    directory = struct.pack("<H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + bytes(4)
    return b"II*\0" + struct.pack("<I", _FIRST_IFD) + directory + tail + data
