"""The binding to libturbojpeg: a JPEG mirrored without being decoded.

Reversing the blocks, and every other coefficient inside each, mirrors a JPEG exactly. libjpeg-turbo does that; ctypes
releases the GIL while it works. The library is optional: without it JPEGs are decoded and encoded again.

Only the transformation itself gives up the GIL. The other calls take microseconds, and a thread that gave it up may
wait a thousand times as long to get it back.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import suppress
from ctypes import POINTER, Structure, byref, c_char_p, c_int, c_size_t, c_ulong, c_void_p
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from trio_mirror.flip.jpeg.segments import EntropyCoding

SYSTEM_NAMES = (
    "libturbojpeg.so.0",
    "libturbojpeg.so",
    "libturbojpeg.dylib",
    # Homebrew's on Apple silicon, where the loader does not look of its own accord.
    "/opt/homebrew/opt/jpeg-turbo/lib/libturbojpeg.dylib",
    "turbojpeg.dll",
)

# turbojpeg.h of libjpeg-turbo 2.0 to 3.1
_PERFECT, _PROGRESSIVE, _COPY_NONE, _ARITHMETIC, _OPTIMIZE = 1, 32, 64, 128, 256  # TJXOPT_*
_INIT_TRANSFORM = 2  # TJINIT_TRANSFORM
_RESTART_BLOCKS = 18  # TJPARAM_RESTARTBLOCKS
# Bytes by which the headers may grow.
_GROWTH = 4_096


HUFFMAN = EntropyCoding()


class Operation(IntEnum):
    """What to do with the raster; the values are the library's own (``enum TJXOP``)."""

    NONE = 0
    REVERSE_EACH_ROW = 1
    REVERSE_ROW_ORDER = 2
    TRANSPOSE = 3

    @classmethod
    def mirroring(cls, *, rows: bool) -> Operation:
        """The one that mirrors a raster: by the order of its rows, or else each row."""
        return cls.REVERSE_ROW_ORDER if rows else cls.REVERSE_EACH_ROW


@dataclass(frozen=True, slots=True)
class Transformed:
    """What the library made of a JPEG."""

    data: bytes  # the whole JPEG, without application and comment segments but for JFIF's and Adobe's
    warning: str  # the first complaint of the decoder about the input; empty where it was sound


class _Transform(Structure):
    _fields_ = (
        ("x", c_int),
        ("y", c_int),
        ("width", c_int),
        ("height", c_int),
        ("operation", c_int),
        ("options", c_int),
        ("data", c_void_p),
        ("custom_filter", c_void_p),
    )


class TurboJpeg:
    """A loaded libturbojpeg, 2.0 or later, at a path for the dynamic loader. Threads may share it.

    Every call has a handle of its own: one that is used again remembers tables of the picture before.

    The TurboJPEG 3 functions are used where the library has them, since only they keep arithmetic coding, restart
    intervals, and tables that fit the picture.

    Raises:
        OSError: the library does not exist.
        AttributeError: the library is something else, or older than 2.0.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        library, holding_gil = ctypes.CDLL(path), ctypes.PyDLL(path)
        self.version_3 = hasattr(library, "tj3Transform")
        size = self._size = c_size_t if self.version_3 else c_ulong

        def function(found: Any, returned: Any, *arguments: Any) -> Any:
            found.restype, found.argtypes = returned, arguments
            return found

        transform = (c_void_p, c_char_p, size, c_int, POINTER(c_void_p), POINTER(size), c_void_p)
        if self.version_3:
            self._transform = function(library["tj3Transform"], c_int, *transform)
            self._init = function(holding_gil["tj3Init"], c_void_p, c_int)
            self._set = function(holding_gil["tj3Set"], c_int, c_void_p, c_int, c_int)
            self._allocate = function(holding_gil["tj3Alloc"], c_void_p, size)
            self._free = function(holding_gil["tj3Free"], None, c_void_p)
            self._error = function(holding_gil["tj3GetErrorStr"], c_char_p, c_void_p)
            self._destroy = function(holding_gil["tj3Destroy"], None, c_void_p)
        else:
            self._transform = function(library["tjTransform"], c_int, *transform, c_int)
            self._init = function(holding_gil["tjInitTransform"], c_void_p)
            self._allocate = function(holding_gil["tjAlloc"], c_void_p, c_int)
            self._free = function(holding_gil["tjFree"], None, c_void_p)
            self._error = function(holding_gil["tjGetErrorStr2"], c_char_p, c_void_p)
            self._destroy = function(holding_gil["tjDestroy"], c_int, c_void_p)

    def transform(self, data: bytes, operation: Operation, coding: EntropyCoding = HUFFMAN) -> Transformed | None:
        """Transforms the coefficients of a JPEG; none is recomputed. Whatever follows its end is ignored.

        Only TurboJPEG 3 writes arithmetic coding, restart markers and fitted tables.

        Returns:
            None where the library could not do it exactly, or not at all.
        """
        options = _PERFECT | _COPY_NONE | (_PROGRESSIVE if coding.progressive else 0)
        handle = self._init(_INIT_TRANSFORM) if self.version_3 else self._init()
        # In its own coding a mirrored JPEG is about as long as it was. The library would begin with 4 KiB, and copy at
        # each doubling; but a buffer of ours that it outgrows is lost in some versions, and freed in others.
        keeps_coding = self.version_3 or not (coding.fitted or coding.arithmetic)
        size = self._size(len(data) + len(data) // 16 + _GROWTH if keeps_coding else 0)
        output = c_void_p(self._allocate(size.value) if keeps_coding else None)
        try:
            if not handle:
                return None
            if output:  # what lies there from before must not pass as what the library wrote
                ctypes.memset(output, 0, 1)
            if self.version_3:
                options |= (_ARITHMETIC if coding.arithmetic else 0) | (_OPTIMIZE if coding.fitted else 0)
                if coding.restart_interval:
                    self._set(handle, _RESTART_BLOCKS, coding.restart_interval)
            transform = _Transform(operation=operation, options=options)
            arguments = [handle, data, len(data), 1, byref(output), byref(size), byref(transform)]
            status = self._transform(*arguments, *([] if self.version_3 else [0]))
            warning = self._error(handle).decode("ascii", "replace") if status else ""
            encoded = ctypes.string_at(output.value, size.value) if output.value else b""
        finally:
            self._free(output)
            self._destroy(handle)
        # The status is -1 for a mere warning, too, and a failure half way leaves half a JPEG behind.
        if encoded.startswith(b"\xff\xd8") and encoded.endswith(b"\xff\xd9"):
            return Transformed(encoded, warning)
        return None


def transform(data: bytes, operation: Operation, coding: EntropyCoding = HUFFMAN) -> Transformed | None:
    """Transforms a JPEG by the first library of this machine that can; see :meth:`TurboJpeg.transform`."""
    tried = libraries()
    if coding.arithmetic:
        tried = tuple(sorted(tried, key=lambda library: not library.version_3))
    for library in tried:
        if transformed := library.transform(data, operation, coding):
            return transformed
    return None


@cache
def libraries() -> tuple[TurboJpeg, ...]:
    """The libturbojpegs of this machine, in the order in which they are tried.

    These are the path in ``TRIO_MIRROR_TURBOJPEG``, the one inside the ``turbojpeg`` wheel, and the system's;
    ``none`` in that variable excludes all. The wheel's is version 3, while systems of today have version 2,
    which is a tenth slower, drops restart markers and refuses unusual chroma subsampling.
    A later one steps in where an earlier one cannot.
    """
    found: list[TurboJpeg] = []
    for path in _candidates():
        with suppress(OSError, AttributeError):
            found.append(TurboJpeg(path))
    return tuple(found)


def _candidates() -> Iterator[str]:
    chosen = os.environ.get("TRIO_MIRROR_TURBOJPEG")
    if chosen == "none":
        return
    if chosen:
        yield chosen
    # The wheel's own module holds the GIL while it works, so only the library inside it is of use.
    if (module := find_spec("turbojpeg")) is not None and module.origin is not None:
        yield from map(str, Path(module.origin).parent.glob("turbojpeg.libs/libturbojpeg*"))
    yield from SYSTEM_NAMES
