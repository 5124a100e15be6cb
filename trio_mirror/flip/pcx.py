"""ZSoft PCX: the scan lines decoded, reversed plane by plane, and run-length coded again.

By the "ZSoft PCX File Format Technical Reference Manual" (1991).
"""

from __future__ import annotations

import re
import struct

from trio_mirror.errors import FlipError
from trio_mirror.flip.limits import check_size
from trio_mirror.flip.rows import reverse_rows, row_bytes
from trio_mirror.model import Flipped, Limits

_HEADER = 128
_RUN = 0xC0
_LONGEST = 63
_RUNS = re.compile(rb"(.)\1{0,62}", re.DOTALL)


def matches(data: bytes) -> bool:
    """Whether the first bytes are those of a run-length coded PCX."""
    return (
        len(data) >= _HEADER
        and data[0] == 10
        and data[1] in {0, 2, 3, 4, 5}
        and data[2] == 1
        and data[3] in {1, 2, 4, 8}
    )


def flip(data: bytes, *, limits: Limits) -> Flipped:
    """Mirrors a PCX exactly; the palette behind its raster stays.

    Raises:
        FlipError: damaged or over a limit.
    """
    bits, (left, top, right, bottom) = data[3], struct.unpack_from("<HHHH", data, 4)
    planes, stride = data[65], struct.unpack_from("<H", data, 66)[0]
    width, height = right - left + 1, bottom - top + 1
    check_size(max(width, 0), max(height, 0), limits)
    if not 0 < planes <= 4 or stride < row_bytes(width, bits) or stride > 2 * row_bytes(width, bits) + 16:
        raise FlipError("the PCX is damaged: the length of its lines does not match its width")
    raster, used = _unpack(data, stride * planes * height)
    mirrored = reverse_rows(raster, width, height * planes, bits, stride=stride)
    lines = (_pack(mirrored[start : start + stride]) for start in range(0, len(mirrored), stride))
    return Flipped(data[:_HEADER] + b"".join(lines) + data[used:], "image/x-pcx", lossless=True)


def _unpack(data: bytes, total: int) -> tuple[bytes, int]:
    out = bytearray()
    at = _HEADER
    while len(out) < total and at < len(data):
        value = data[at]
        at += 1
        if value < _RUN:
            out.append(value)
        elif at < len(data):
            out += data[at : at + 1] * (value & _LONGEST)
            at += 1
    if len(out) != total:
        raise FlipError("the PCX is damaged: its run-length data do not fill the picture")
    return bytes(out), at


def _pack(line: bytes) -> bytes:
    out = bytearray()
    for run in _RUNS.finditer(line):
        count, value = len(run.group()), run.group()[0]
        if count == 1 and value < _RUN:
            out.append(value)
        else:
            out += bytes([_RUN | count, value])
    return bytes(out)
