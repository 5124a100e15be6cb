"""Samsung's trailer: blocks of many kinds at the end of the file, and a directory of them.

The layout is that of ExifTool's Samsung.pm: ``SEFH``, version and count; of each block two unused bytes, its type, how
far before the directory it begins, and its size; then the length of the directory, and ``SEFT``.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from trio_mirror.flip.jpeg.layout import Change, Layout

_ENTRY, _HEADER, _TAIL = 12, 12, 8
_DEPTH_MAP = 0x0AB1
_MOST = 1_000


class Blocks(NamedTuple):
    """The trailer's directory."""

    at: int  # its offset in bytes in the file
    entries: list[tuple[int, int, int, int]]  # of each block: unused, type, distance, size

    @property
    def start(self) -> int:
        """Where the first block begins."""
        return min(self.at - distance for _, _, distance, _ in self.entries)

    @property
    def has_depth_map(self) -> bool:
        """Whether a block is a raster of depths, whose size only its maker knows."""
        return any(kind == _DEPTH_MAP for _, kind, _, _ in self.entries)

    def change(self, layout: Layout) -> Change:
        """The directory of the new file, which is as long as before."""
        entries = []
        for unused, kind, distance, size in self.entries:
            start = layout.moved(self.at - distance)
            new_size = layout.moved(self.at - distance + size) - start
            entries.append(struct.pack("<HHII", unused, kind, layout.moved(self.at) - start, new_size))
        start = self.at + _HEADER
        return Change(start, start + len(entries) * _ENTRY, b"".join(entries))


def read_blocks(data: bytes, end: int) -> Blocks | None:
    """Reads the directory behind the first image, which ends at the offset ``end``; None without a sound one."""
    if not data.endswith(b"SEFT") or len(data) - end < _HEADER + _TAIL:
        return None
    at = len(data) - _TAIL - int.from_bytes(data[-8:-4], "little")
    if at < end or not data.startswith(b"SEFH", at):
        return None
    count = int.from_bytes(data[at + 8 : at + 12], "little")
    if not 0 < count <= _MOST or at + _HEADER + count * _ENTRY > len(data) - _TAIL:
        return None
    entries = [struct.unpack_from("<HHII", data, at + _HEADER + _ENTRY * number) for number in range(count)]
    is_sound = all(end <= at - distance <= at - distance + size <= at for _, _, distance, size in entries)
    return Blocks(at, entries) if is_sound else None
