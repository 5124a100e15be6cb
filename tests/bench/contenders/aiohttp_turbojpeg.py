"""aiohttp + libturbojpeg, by ctypes: the coefficients are rearranged, nothing is decoded. JPEG only."""

from __future__ import annotations

import ctypes
import threading
from ctypes import POINTER, byref, c_char_p, c_int, c_ulong, c_void_p

from tests.bench.contenders import aiohttp_gallery

LIBRARY = "libturbojpeg.so.0"
TJXOP_HFLIP = 1


class Transform(ctypes.Structure):
    """tjtransform of turbojpeg.h; x, y, w and h would crop."""

    _fields_ = (
        ("x", c_int),
        ("y", c_int),
        ("w", c_int),
        ("h", c_int),
        ("op", c_int),
        ("options", c_int),
        ("data", c_void_p),
        ("custom_filter", c_void_p),
    )


class Flipper:
    """A handle for each thread: handles are costly to make, and not to be shared."""

    def __init__(self) -> None:
        self.library = library = ctypes.CDLL(LIBRARY)
        library.tjInitTransform.restype = c_void_p
        library.tjTransform.argtypes = [
            c_void_p,
            c_char_p,
            c_ulong,
            c_int,
            POINTER(c_void_p),
            POINTER(c_ulong),
            POINTER(Transform),
            c_int,
        ]
        library.tjGetErrorStr2.argtypes = [c_void_p]
        library.tjGetErrorStr2.restype = c_char_p
        library.tjFree.argtypes = [c_void_p]
        self.local = threading.local()

    def flip(self, picture: bytes) -> bytes:
        if not hasattr(self.local, "handle"):
            self.local.handle = self.library.tjInitTransform()
        handle = self.local.handle
        out, size = c_void_p(), c_ulong()
        transform = Transform(op=TJXOP_HFLIP)
        if self.library.tjTransform(handle, picture, len(picture), 1, byref(out), byref(size), byref(transform), 0):
            raise RuntimeError(self.library.tjGetErrorStr2(handle))
        mirrored = ctypes.string_at(out, size.value)
        self.library.tjFree(out)
        return mirrored


if __name__ == "__main__":
    aiohttp_gallery.main(Flipper().flip)
