"""How a PNG says that it is turned for display: in EXIF, or else in XMP, wherever Pillow finds them."""

from __future__ import annotations

import contextlib
import struct
import zlib
from typing import Any

from trio_mirror.flip import exif
from trio_mirror.flip.pillow import map_pillow_errors, open_image
from trio_mirror.flip.png.chunks import RASTER_KINDS, SIGNATURE, Chunk, pack_chunk

_UNREAD_KINDS = frozenset({b"acTL", b"fcTL", b"CgBI"})
# Pillow refuses a file for the size of any text.
_TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
_TEXTS_READ = tuple(keyword + b"\0" for keyword in (b"Raw profile type exif", b"XML:com.adobe.xmp", b"xmp"))


def read_orientation(chunks: list[Chunk], tail: memoryview) -> int:
    """The orientation, 1 to 8, of a PNG, by its chunks and what follows them."""
    info = _read_info(chunks, tail)
    block = info.get("exif")
    if block is None and "Raw profile type exif" in info:
        # ImageMagick's way of keeping EXIF in a text chunk: three lines of header, then hex digits.
        with contextlib.suppress(ValueError):
            block = bytes.fromhex("".join(str(info["Raw profile type exif"]).split("\n")[3:]))
    stated = block.removeprefix(exif.SIGNATURE) if isinstance(block, bytes) else b""
    xmp = info.get("XML:com.adobe.xmp", info.get("xmp", ""))
    text = xmp.encode("utf-8", "replace") if isinstance(xmp, str) else xmp
    return exif.displayed_orientation(stated, text) or 1


def _read_info(chunks: list[Chunk], tail: memoryview) -> dict[Any, Any]:
    """What Pillow reads in the chunks around the raster, for which one pixel stands in."""
    parts: list[bytes | memoryview] = [SIGNATURE]
    has_raster = False
    for chunk in chunks:
        if chunk.kind == b"IHDR":
            one_pixel = struct.pack(">II", 1, 1) + bytes(chunk.body[8:12]) + b"\0"
            parts.append(pack_chunk(b"IHDR", one_pixel))
        elif chunk.kind in RASTER_KINDS:
            if not has_raster:
                parts.append(pack_chunk(b"IDAT", zlib.compress(bytes(9))))
            has_raster = True
        elif chunk.kind in _TEXTS and not bytes(chunk.body[:32]).startswith(_TEXTS_READ):
            continue
        elif chunk.kind not in _UNREAD_KINDS:
            parts.append(chunk.stored)
    with map_pillow_errors("the PNG"):
        image = open_image(b"".join([*parts, tail]), "PNG")
        image.load()
    return image.info
