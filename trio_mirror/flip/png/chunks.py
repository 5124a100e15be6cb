"""The chunks of a PNG (PNG, third edition, section 5), read without trusting a length."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass

from trio_mirror.errors import FlipError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
RASTER_KINDS = frozenset({b"IDAT", b"fdAT"})

_is_kind = re.compile(rb"\w{4}").fullmatch


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk of a file."""

    kind: bytes  # its type, four bytes
    body: memoryview  # what it holds; less than its header says where the file is cut inside
    stored: memoryview  # the whole of it as it stands in the file, header and CRC included


def pack_chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk as it is stored: length, type, body, CRC."""
    return struct.pack(">I", len(body)) + kind + body + _crc(kind, body)


def read_chunks(data: bytes) -> tuple[list[Chunk], memoryview]:
    """Splits a PNG into its chunks and what follows them.

    Up to the raster every chunk must be whole and its CRC right. After that the reading stops at IEND, or
    quietly where chunks stop making sense: viewers show a picture that is all there but for its end.
    """
    view = memoryview(data)
    chunks: list[Chunk] = []
    at = len(SIGNATURE)
    seen_raster = False
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        seen_raster |= kind in RASTER_KINDS
        if not _is_kind(kind) or (end > len(data) + 4 and kind not in RASTER_KINDS):
            break
        chunk = Chunk(kind, view[at + 8 : end - 4], view[at:end])
        if not seen_raster and chunk.stored[8 + length :] != _crc(kind, chunk.body):
            raise FlipError(f"the PNG's {kind.decode('ascii')} chunk is damaged: its checksum is wrong")
        chunks.append(chunk)
        at = end
        if kind == b"IEND":
            break
    if not seen_raster:
        raise FlipError("the PNG is damaged or cut short: it holds no raster")
    return chunks, view[at:]


def _crc(kind: bytes, body: bytes | memoryview) -> bytes:
    return struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))
