"""Bytes in, mirrored bytes out. Pure: no event loop, no network, and no file but one that `flip` is given by its path.

A mirrored file is the original file with its raster replaced: each container's module parses it, replaces
what the mirroring changes, and keeps every other byte. At any depth, what is damaged raises a FlipError. The
modules, and Pillow with them, are imported when the first picture of their kind comes.

To add a container, write a module or package of its name here with ``flip(data, *, limits)``, and register it
in ``_SIGNATURES``, or with ``matches(data)`` in ``_UNSIGNED`` if its first bytes do not identify it for certain;
its row stands in `formats`, and the media type of its suffix in `trio_mirror.names`.
"""

from __future__ import annotations

import os
import re
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import cast

from trio_mirror.errors import FetchError, FlipError, MemoryLimitError, NotPictureError
from trio_mirror.flip.not_pictures import is_text, refuse_known
from trio_mirror.model import Flipped, Limits, Lossless

_LIMITS = Limits()
_IMPORTS = Lock()
# Container to the pattern of its first bytes.
_SIGNATURES = {
    "jpeg": rb"\xff\xd8\xff",
    "png": rb"\x89PNG\r\n\x1a\n",
    "gif": rb"GIF8[79]a",
    "webp": rb"RIFF.{4}WEBP",
    # Version 42 or 43, also byte-swapped, which Pillow reads where nothing is compressed.
    "tiff": rb"II[*+]\0|MM\0[*+]|MM\*\0|II\0\*",
    "heif": rb".{4}ftyp(?!crx )",
    "jxl": rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n",
    "jpeg2000": rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51",
    "qoi": rb"qoif",
    "svg": rb"(?:\xef\xbb\xbf)?\s*+(?i:(?:<[?!][^>]*+>\s*+)*+<svg\b)",
}
_SIGNATURE = re.compile(b"|".join(b"(?P<%b>%b)" % (name.encode(), it) for name, it in _SIGNATURES.items()), re.DOTALL)
# Which options a container's flip takes beside the limits.
_CHOICES = {
    **dict.fromkeys(("png", "webp", "gif", "heif", "jxl", "jpeg2000", "ico", "svg"), ("keep_credentials",)),
    **dict.fromkeys(("jpeg", "tiff"), ("lossless", "keep_credentials")),
}
# Tried in this order, the weakest last.
_UNSIGNED = ("bmp", "netpbm", "ico", "pcx", "tga")


def flip(
    data: bytes | bytearray | memoryview | str | os.PathLike[str],
    *,
    limits: Limits = _LIMITS,
    lossless: Lossless = Lossless.AUTO,
    keep_credentials: bool = False,
) -> Flipped:
    """Mirrors one encoded picture left to right, as it is displayed, in the format it came in.

    Args:
        data: the encoded picture, or the path of its file.
        limits: what the picture may cost at most, checked before anything is decoded.
        lossless: whether what is not exact is welcome, refused, or wanted.
        keep_credentials: whether signatures over the picture, which its mirroring breaks, stay in it.

    Raises:
        FlipError: damaged, over a limit, not a picture, or not mirrorable as required; the
            message is a sentence.
        FetchError: the file cannot be read.
        TypeError: it is something else, such as a decoded picture.
    """
    lossless = Lossless(lossless)  # text is taken too, and checked
    data = _bytes_of(data)
    choices = {"lossless": lossless, "keep_credentials": keep_credentials}
    try:
        container = sniff(data)
        how = {name: choices[name] for name in _CHOICES.get(container, ())}
        flipped = cast("Flipped", _module_of(container).flip(data, limits=limits, **how))
    except MemoryError as error:
        raise MemoryLimitError("there is not enough memory to mirror it") from error
    except ImportError as error:
        # Where memory runs out, a library cannot be loaded either.
        raise MemoryLimitError(f"what its format needs cannot be loaded: {error}") from error
    if lossless is Lossless.ALWAYS and not flipped.lossless:
        raise FlipError("the picture cannot be mirrored exactly (--lossless always)")
    return flipped


def _bytes_of(data: object) -> bytes:
    if isinstance(data, bytes):
        return data
    if isinstance(data, str | os.PathLike):
        try:
            return Path(data).read_bytes()
        except OSError as error:
            raise FetchError(f"{data} cannot be read: {error.strerror}") from error
    if isinstance(data, bytearray | memoryview):
        return bytes(data)
    kind = f"{type(data).__module__}.{type(data).__qualname__}".removeprefix("builtins.")
    raise TypeError(f"expected an encoded picture in a bytes-like object, or the path of its file, and not {kind}")


def sniff(data: bytes) -> str:
    """The container of a file, by its first bytes: the name of its module in this package.

    Raises:
        FlipError: the bytes are not a picture of a format that is mirrored here.
    """
    found = _SIGNATURE.match(data)
    if found and found.lastgroup:
        return found.lastgroup
    if not data:
        raise NotPictureError("the body is empty")
    refuse_known(data)
    for container in _UNSIGNED:
        if _module_of(container).matches(data):
            return container
    if is_text(data):
        raise NotPictureError("the body is text, not a picture")
    raise NotPictureError("the body is not a picture of a known format")


@cache
def _module_of(container: str) -> ModuleType:
    # One thread at a time: Python hands out half of a package whose modules two threads import from different ends.
    with _IMPORTS:
        return import_module(f"trio_mirror.flip.{container}")
