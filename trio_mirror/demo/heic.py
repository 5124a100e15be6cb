"""A HEIC written without an encoder: its HEVC holds all samples as they are (ITU-T H.265, 7.3.8.7)."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

_SIDE = 32  # of a block, in pixels
_PROFILE = bytes.fromhex("03 70000000 b00000000000 96")  # Main Still Picture, level 5 (7.3.3)
# Each block is a slice, in which the arithmetic coder begins anew (9.3): so it writes the same in all of them, that
# the block is not split and that samples follow; behind those, that the slice ends.
_BEFORE, _BEHIND = b"\x86\x80", b"\xfe\x80"
_SRGB = struct.pack(">4sHHHB", b"nclx", 1, 13, 6, 0x80)  # by JFIF's matrix, in the full range (H.273)


def write_heic(image: Image.Image) -> bytes:
    """Writes an RGB picture with sides that are multiples of 32, and at most 200 blocks of that size."""
    width, height = image.size
    units = _parameter_sets(width, height)
    arrays = (struct.pack(">BHH", 0x80 | unit[0] >> 1, 1, len(unit)) + unit for unit in units)
    config = b"\1" + _PROFILE + bytes.fromhex("f000 fc fd f8 f8 0000 0f 03") + b"".join(arrays)
    coded = b"".join(struct.pack(">I", len(unit)) + unit for unit in _slices(image))
    properties = [_box(b"hvcC", config), _full(b"ispe", struct.pack(">II", width, height)), _box(b"colr", _SRGB)]
    ftyp = _box(b"ftyp", b"heic", bytes(4), b"mif1heic")
    meta = _full(
        b"meta",
        _full(b"hdlr", bytes(4), b"pict", bytes(13)),
        _full(b"pitm", struct.pack(">H", 1)),
        _full(b"iinf", struct.pack(">H", 1), _box(b"infe", struct.pack(">IHH4sx", 2 << 24, 1, 0, b"hvc1"))),
        _full(b"iloc", struct.pack(">HHHHHII", 0x4400, 1, 1, 0, 1, len(ftyp) + 8, len(coded))),
        _box(b"iprp", _box(b"ipco", *properties), _full(b"ipma", struct.pack(">IHB3B", 1, 1, 3, 0x81, 2, 3))),
    )
    return ftyp + _box(b"mdat", coded) + meta


def _parameter_sets(width: int, height: int) -> list[bytes]:
    """Those of the video, the sequence and the picture (7.3.2)."""
    profile = f"{int.from_bytes(_PROFILE):096b}"
    video = f"0000 11 000000 000 1 {0xFFFF:b} {profile} 1 111 000000 1 00"
    sizes = f"{_exp_golomb(width)} {_exp_golomb(height)} 0"
    blocks = "011 1 1 00100 11 000"  # of 32, with transforms of 4 to 32
    as_they_are = "1 0111 0111 011 1 1"  # samples of 8 bits in blocks of 32, not filtered
    sequence = f"0000 000 1 {profile} 1 010 {sizes} 111 1 111 {blocks} {as_they_are} 1 00000"
    picture = "11 00 000 00 111 000 11 0000 00 00 00 1 00"
    return [_unit(32, video), _unit(33, sequence), _unit(34, picture)]


def _slices(image: Image.Image) -> Iterator[bytes]:
    luma, *chroma = image.convert("YCbCr").split()
    planes = [(luma, _SIDE), *((plane.reduce(2), _SIDE // 2) for plane in chroma)]
    across, down = (side // _SIDE for side in image.size)
    bits = (across * down - 1).bit_length()
    for number in range(across * down):
        y, x = divmod(number, across)
        crops = (plane.crop((x * side, y * side, (x + 1) * side, (y + 1) * side)) for plane, side in planes)
        samples = b"".join(crop.tobytes() for crop in crops)
        address = f"0 0 1 {number:0{bits}b}" if number else "1 0 1"
        yield _unit(20, f"{address} 011 1", _BEFORE + samples + _BEHIND)


def _unit(kind: int, fields: str, data: bytes = b"") -> bytes:
    """A NAL unit (7.3.1), in which no three bytes look like the start of another."""
    bits = fields.replace(" ", "") + "1"
    size = -(-len(bits) // 8)
    payload = int(bits.ljust(8 * size, "0"), 2).to_bytes(size) + data
    return bytes([kind << 1, 1]) + re.sub(b"\0\0(?=[\0-\3])", b"\0\0\3", payload)


def _exp_golomb(number: int) -> str:
    """A number as its bits are written in parameter sets (9.2)."""
    bits = f"{number + 1:b}"
    return bits.zfill(2 * len(bits) - 1)


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full(kind: bytes, *parts: bytes) -> bytes:
    return _box(kind, bytes(4), *parts)
