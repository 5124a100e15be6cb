"""The thumbnails of JFIF 1.02: a bitmap in the JFIF segment itself, or one in a JFXX segment behind it."""

from __future__ import annotations

from collections.abc import Callable

from trio_mirror.errors import FlipError
from trio_mirror.flip.jpeg.segments import PAYLOAD_LIMIT
from trio_mirror.flip.rows import reverse_raster

SIGNATURE, EXTENSION_SIGNATURE = b"JFIF\0", b"JFXX\0"

_JPEG = 0x10
# The kinds of bitmaps: where one with a palette, and one of colours, begins, and its bytes of a pixel.
_BITMAPS = {0x11: (8 + 768, 1), 0x13: (8, 3)}


def mirrored_jfif(payload: bytes, *, rows: bool) -> tuple[bytes, tuple[str, ...]]:
    """Mirrors the bitmap that a JFIF segment may end with, or drops it if it is cut off."""
    try:
        return _with_mirrored_bitmap(payload, 12, 14, 3, rows=rows), ()
    except FlipError as error:
        return payload[:12] + bytes(2), (f"the JFIF thumbnail was dropped: {error}",)


def mirrored_jfxx(
    payload: bytes, mirror_jpeg: Callable[[bytes], bytes], *, rows: bool
) -> tuple[bytes | None, tuple[str, ...]]:
    """Mirrors the thumbnail that a JFXX segment is; None in its place if it cannot be."""
    try:
        return _mirrored_extension(payload, mirror_jpeg, rows=rows), ()
    except FlipError as error:
        return None, (f"the JFXX thumbnail was dropped: {error}",)


def _mirrored_extension(payload: bytes, mirror_jpeg: Callable[[bytes], bytes], *, rows: bool) -> bytes:
    kind = payload[5] if len(payload) > 8 else None
    if kind in _BITMAPS:
        return _with_mirrored_bitmap(payload, 6, *_BITMAPS[kind], rows=rows)
    if kind != _JPEG:
        raise FlipError("it is of an unknown kind")
    mirrored = payload[:6] + mirror_jpeg(payload[6:])
    if len(mirrored) > PAYLOAD_LIMIT:
        raise FlipError("mirrored, it is larger than its segment can be")
    return mirrored


def _with_mirrored_bitmap(payload: bytes, size_at: int, start: int, pixel: int, *, rows: bool) -> bytes:
    if len(payload) < size_at + 2:
        return payload
    width, height = payload[size_at], payload[size_at + 1]
    end = start + width * height * pixel
    if end == start:
        return payload
    if end > len(payload):
        raise FlipError("it is cut off")
    return payload[:start] + reverse_raster(payload[start:end], width, height, 8 * pixel, rows=rows) + payload[end:]
