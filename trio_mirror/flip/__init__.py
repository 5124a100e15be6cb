"""Bytes in, mirrored bytes out. Pure: no event loop, no files, no network.

A mirrored file is the original file with its raster replaced: each container's module parses it, replaces
what the mirroring changes, and keeps every other byte. The modules, and Pillow with them, are imported when
the first picture of their kind comes.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from trio_mirror.errors import FlipError
from trio_mirror.model import Limits, Lossless

if TYPE_CHECKING:
    from trio_mirror.model import Flipped

_LIMITS = Limits()
_HTML = (b"<!doctype html", b"<html", b"<head", b"<?xml", b"<body")


def flip(
    data: bytes | bytearray | memoryview, *, limits: Limits = _LIMITS, lossless: Lossless = Lossless.AUTO
) -> Flipped:
    """Mirrors one encoded picture left to right, as it is displayed, in the format it came in.

    Args:
        data: the encoded picture.
        limits: what the picture may at most ask of this machine, checked before anything is decoded.
        lossless: whether what is not exact is welcome, refused, or wanted.

    Raises:
        FlipError: damaged, over a limit, not a picture, or not to be mirrored as asked; the message is a
            sentence.
    """
    lossless = Lossless(lossless)  # "always" is not to be taken for anything else
    if not isinstance(data, bytes):
        data = memoryview(data).tobytes()
    container = sniff(data)
    module = import_module(f"trio_mirror.flip.{container}.file")
    how = {"lossless": lossless} if container in {"jpeg", "tiff"} else {}
    flipped = cast("Flipped", module.flip(data, limits=limits, **how))
    if lossless is Lossless.ALWAYS and not flipped.lossless:
        raise FlipError("the picture cannot be mirrored exactly (--lossless always)")
    return flipped


def sniff(data: bytes) -> str:
    """Tells which module of this package mirrors a file, from its first bytes.

    Raises:
        FlipError: the bytes are no picture of a format that is mirrored here.
    """
    head = bytes(data[:32])
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    # The last two are byte-swapped, which Pillow reads where nothing is compressed.
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"MM*\0", b"II\0*")):
        return "tiff"
    if head[4:8] == b"ftyp":
        return "avif"
    return _sniff_the_rest(data, head)


def _sniff_the_rest(data: bytes, head: bytes) -> str:
    if not data:
        raise FlipError("the body is empty")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_HTML):
        raise FlipError("the body is an HTML or XML page, not a picture")
    # These have weak signatures or none (DIB, TGA), so that they come last, the weakest of all at the end.
    if import_module("trio_mirror.flip.bmp.file").is_bmp(data):
        return "bmp"
    if import_module("trio_mirror.flip.simple.file").is_simple(data):
        return "simple"
    raise FlipError("the body is not a picture of a known format")
