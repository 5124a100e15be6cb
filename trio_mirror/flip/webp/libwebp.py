"""The binding to libwebp: lossy images decoded to, and encoded from, the planes that VP8 itself holds.

Pillow's WebP takes and gives RGB only, so colour is averaged and spread once more each time. The library that
does that work for Pillow, inside its wheel or the system's, takes planes too; ctypes releases the GIL while
it works. Without one (a Pillow that has it built in) the RGB way is taken.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import re
from collections.abc import Iterator
from contextlib import suppress
from ctypes import POINTER, Structure, byref, c_char_p, c_float, c_int, c_size_t, c_ubyte, c_uint32, c_void_p
from functools import cache
from typing import Any

from PIL import Image

from trio_mirror.errors import FlipError
from trio_mirror.flip.webp.planes import Planes

SYSTEM_NAMES = ("libwebp.so.7", "libwebp.7.dylib", "libwebp.dll")

# Of encode.h (WEBP_ENCODER_ABI_VERSION); a library of another major half refuses to initialise a structure.
_ABI = 0x020F
_DEFAULT_PRESET = 0  # WEBP_PRESET_DEFAULT
_YUV420, _YUV420A = 0, 4  # WebPEncCSP


class _Config(Structure):
    """``WebPConfig``."""

    _fields_ = (
        ("before", c_int * 2),
        ("method", c_int),
        ("between", c_int * 4),
        ("sns_strength", c_int),
        ("behind", c_int * 21),
    )


class _Picture(Structure):
    """``WebPPicture``."""

    _fields_ = (
        ("use_argb", c_int),
        ("colorspace", c_int),
        ("width", c_int),
        ("height", c_int),
        ("y", c_void_p),
        ("u", c_void_p),
        ("v", c_void_p),
        ("y_stride", c_int),
        ("uv_stride", c_int),
        ("a", c_void_p),
        ("a_stride", c_int),
        ("pad1", c_uint32 * 2),
        ("argb", c_void_p),
        ("argb_stride", c_int),
        ("pad2", c_uint32 * 3),
        ("writer", c_void_p),
        ("custom_ptr", c_void_p),
        ("extra_info_type", c_int),
        ("extra_info", c_void_p),
        ("stats", c_void_p),
        ("error_code", c_int),
        ("others", c_void_p * 20),  # or fewer
    )


class _Writer(Structure):
    """``WebPMemoryWriter``."""

    _fields_ = (("memory", c_void_p), ("size", c_size_t), ("max_size", c_size_t), ("pad", c_uint32))


class LibWebP:
    """A loaded libwebp, 0.5 or later. It keeps nothing between calls, so threads may share it.

    Raises:
        OSError: the library does not exist, or its structures differ.
        AttributeError: the library is something else, or older than 0.5.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        library = ctypes.CDLL(path)
        plane = (c_void_p, c_size_t, c_int)
        config, picture, writer = POINTER(_Config), POINTER(_Picture), POINTER(_Writer)

        def function(name: str, returned: Any, *arguments: Any) -> Any:
            found = library[name]
            found.restype, found.argtypes = returned, arguments
            return found

        self._decode = function("WebPDecodeYUVInto", c_void_p, c_char_p, c_size_t, *plane, *plane, *plane)
        self._decode_pixels = {
            mode: function(f"WebPDecode{mode}Into", c_void_p, c_char_p, c_size_t, *plane) for mode in ("RGB", "RGBA")
        }
        self._init_config = function("WebPConfigInitInternal", c_int, config, c_int, c_float, c_int)
        self._init_picture = function("WebPPictureInitInternal", c_int, picture, c_int)
        self._encode = function("WebPEncode", c_int, config, picture)
        self._init_writer = function("WebPMemoryWriterInit", None, writer)
        self._clear_writer = function("WebPMemoryWriterClear", None, writer)
        self._free_picture = function("WebPPictureFree", None, picture)
        self._write = ctypes.cast(library["WebPMemoryWrite"], c_void_p)
        self._new_config(quality=100)
        self._new_picture()

    def decode(self, data: bytes, size: tuple[int, int]) -> Planes:
        """Decodes a lossy WebP without an alpha plane, of a size (pixels) that was checked against the limits."""
        width, height = size
        half = ((width + 1) // 2, (height + 1) // 2)
        buffers = [(bytearray(columns * rows), columns, rows) for columns, rows in (size, half, half)]
        arguments = [part for buffer, columns, _ in buffers for part in (_place(buffer), len(buffer), columns)]
        if not self._decode(data, len(data), *arguments):
            raise FlipError("the WebP is damaged: its image cannot be decoded")
        return Planes(*(Image.frombuffer("L", (columns, rows), buffer) for buffer, columns, rows in buffers))

    def decode_pixels(self, data: bytes, size: tuple[int, int], mode: str) -> Image.Image:
        """Decodes a WebP to RGB or RGBA. Pillow takes a fifth longer: it composes a canvas even for a still picture."""
        width, height = size
        stride = len(mode) * width
        buffer = bytearray(stride * height)
        if not self._decode_pixels[mode](data, len(data), _place(buffer), len(buffer), stride):
            raise FlipError("the WebP is damaged: its image cannot be decoded")
        return Image.frombuffer(mode, size, buffer)

    def encode(self, planes: Planes, alpha: Image.Image | None, quality: int, effort: int = 4) -> bytes:
        """Encodes a lossy WebP, of a quality from 0 to 100 and an effort (libwebp's method) from 0 to 6.

        The alpha plane is kept exactly, though left out where it is opaque throughout.

        Raises:
            FlipError: the library cannot, for want of memory or because a part grows too large for the format.
        """
        config, picture, writer = self._new_config(quality), self._new_picture(), _Writer()
        config.method = effort
        # Copies, since the encoder smooths what is fully transparent where it stands.
        y, u, v = (_copy(plane) for plane in (planes.luma, planes.blue, planes.red))
        picture.width, picture.height = planes.luma.size
        picture.y, picture.u, picture.v = (ctypes.addressof(plane) for plane in (y, u, v))
        picture.y_stride, picture.uv_stride = planes.luma.width, planes.blue.width
        if alpha:
            a = _copy(alpha)
            picture.colorspace, picture.a, picture.a_stride = _YUV420A, ctypes.addressof(a), alpha.width
        self._init_writer(byref(writer))
        picture.writer, picture.custom_ptr = self._write, ctypes.addressof(writer)
        try:
            if not self._encode(byref(config), byref(picture)):
                raise FlipError(f"the mirrored WebP cannot be encoded: libwebp's error {picture.error_code}")
            return ctypes.string_at(writer.memory, writer.size)
        finally:
            self._clear_writer(byref(writer))
            self._free_picture(byref(picture))

    def _new_config(self, quality: int) -> _Config:
        config = _Config()
        if not self._init_config(byref(config), _DEFAULT_PRESET, quality, _ABI):
            raise OSError(f"{self.path}: another version of libwebp")
        # Noise shaping lets some samples stray so that the eye is spared; what is promised is how near all of them are.
        config.sns_strength = 0
        return config

    def _new_picture(self) -> _Picture:
        picture = _Picture()
        if not self._init_picture(byref(picture), _ABI):
            raise OSError(f"{self.path}: another version of libwebp")
        picture.colorspace = _YUV420
        return picture


def _place(buffer: bytearray) -> ctypes.Array[c_ubyte]:
    return (c_ubyte * len(buffer)).from_buffer(buffer)


def _copy(plane: Image.Image) -> ctypes.Array[c_ubyte]:
    return (c_ubyte * (plane.width * plane.height)).from_buffer_copy(plane.tobytes())


@cache
def library() -> LibWebP | None:
    """The libwebp of Pillow's wheel, else the system's, else None."""
    for path in _candidates():
        with suppress(OSError, AttributeError):
            return LibWebP(path)
    return None


def _candidates() -> Iterator[str]:
    with suppress(importlib.metadata.PackageNotFoundError):
        files = importlib.metadata.files("Pillow") or []
        yield from (str(file.locate()) for file in files if re.match(r"libwebp[-.].*(so|dylib|dll)", file.name))
    yield from SYSTEM_NAMES
