"""Truevision TGA, version 1 and 2: the rows reversed in place, run-length coded rasters coded anew.

By the "Truevision TGA File Format Specification", version 2.0 (1991).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from PIL import Image

from trio_mirror.errors import FlipError
from trio_mirror.flip.limits import check_size
from trio_mirror.flip.packets import unpack
from trio_mirror.flip.positions import place_left
from trio_mirror.flip.rows import reverse_rows, row_bytes
from trio_mirror.model import Flipped, Limits

_HEADER = 18
_FOOTER = 26
_SIGNATURE = b"TRUEVISION-XFILE.\0"
_RUN_LENGTH = 8
# Image type to the depths that it can have: palette, colour, grey; each plain or run-length coded.
_DEPTHS = {1: {8}, 2: {15, 16, 24, 32}, 3: {1, 8, 16}, 9: {8}, 10: {15, 16, 24, 32}, 11: {8, 16}}
_MAP_BITS = {15, 16, 24, 32}
_STAMP_OFFSET = 486  # in the extension area
# Bits of a pixel to a mode of Pillow whose packets hold pixels as large, whatever they mean.
_MODES = {8: "L", 16: "LA", 24: "RGB", 32: "RGBA"}


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before a raster."""

    width: int
    height: int
    bits: int  # bits that a pixel takes up
    is_run_length: bool
    raster: int  # where the raster begins


def matches(data: bytes) -> bool:
    """Whether the first bytes can be a TGA's. They are not a signature: check all other formats first."""
    if len(data) < _HEADER:
        return False
    map_kind, kind = data[1], data[2]
    map_length, map_bits = struct.unpack_from("<HB", data, 5)
    width, height, bits, flags = struct.unpack_from("<HHBB", data, 12)
    has_map = map_kind == 1 and map_bits in _MAP_BITS and 0 < map_length <= 256
    is_interleaved = bool(flags & 0xC0)
    if map_kind and not has_map:
        return False
    return bits in _DEPTHS.get(kind, ()) and not is_interleaved and width > 0 and height > 0


def flip(data: bytes, *, limits: Limits) -> Flipped:
    """Mirrors a TGA exactly.

    Raises:
        FlipError: damaged, over a limit, or run-length coded with tables of offsets behind the raster.
    """
    header = _read_header(data)
    check_size(header.width, header.height, limits)
    size = row_bytes(header.width, header.bits) * header.height
    if header.is_run_length:
        if any(_areas(data)):
            raise FlipError("a run-length coded TGA with an extension area is not mirrored")
        tail = _FOOTER if data.endswith(_SIGNATURE) else 0
        raster, used = unpack(data[header.raster :], size, tail, "tga_rle", "L", 1, header.bits)
        mode = _MODES[header.bits]
        picture = Image.frombytes(mode, (header.width, header.height), raster)
        mirrored = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).tobytes("tga_rle", mode, 1)
    else:
        raster, used = data[header.raster : header.raster + size], size
        if len(raster) < size:
            raise FlipError("the TGA is damaged: its raster ends before the last row")
        mirrored = reverse_rows(raster, header.width, header.height, header.bits)
    out = data[: header.raster] + mirrored + data[header.raster + used :]
    out = out if header.is_run_length else _mirror_stamp(out, header)
    return Flipped(out, "image/x-tga", lossless=True, notes=place_left(*struct.unpack_from("<H", data, 8)))


def _read_header(data: bytes) -> Header:
    map_length, map_bits = struct.unpack_from("<HB", data, 5)
    width, height, bits = struct.unpack_from("<HHB", data, 12)
    map_size = map_length * ((map_bits + 7) // 8) if data[1] else 0
    taken = bits if bits == 1 else (bits + 7) // 8 * 8
    return Header(width, height, taken, bool(data[2] & _RUN_LENGTH), _HEADER + data[0] + map_size)


def _areas(data: bytes) -> tuple[int, int]:
    """The offsets of the extension and the developer area, 0 where there is none."""
    if not data.endswith(_SIGNATURE) or len(data) < _HEADER + _FOOTER:
        return 0, 0
    extension, developer = struct.unpack_from("<II", data, len(data) - _FOOTER)
    return extension, developer


def _mirror_stamp(data: bytes, header: Header) -> bytes:
    """Mirrors the postage stamp too, a small copy of the picture in the picture's own format."""
    extension, _ = _areas(data)
    if not extension or extension + _STAMP_OFFSET + 4 > len(data):
        return data
    (stamp,) = struct.unpack_from("<I", data, extension + _STAMP_OFFSET)
    if not stamp or stamp + 2 > len(data):
        return data
    width, height = data[stamp : stamp + 2]
    start, end = stamp + 2, stamp + 2 + row_bytes(width, header.bits) * height
    if not width or not height or start < header.raster or end > len(data):
        raise FlipError("the TGA is damaged: its postage stamp is not where it should be")
    return data[:start] + reverse_rows(data[start:end], width, height, header.bits) + data[end:]
