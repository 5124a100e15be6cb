"""The blocks of a GIF (GIF89a Specification, CompuServe, 1990), in which frames and extensions lie."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from trio_mirror.errors import FlipError

_EXTENSION, _IMAGE, _TRAILER = b"!,;"
_GRAPHIC_CONTROL, _COMMENT = 0xF9, 0xFE
_COLOUR_TABLE = 0x80
_INTERLACED = 0x40


@dataclass(frozen=True, slots=True)
class Frame:
    """One image of a file: its rectangle on the canvas, and where its bytes lie."""

    left: int
    top: int
    width: int
    height: int
    interlaced: bool
    transparent: int | None  # the index that is not painted
    start: int  # where the image descriptor begins, behind its separator
    codes: int  # where the LZW data begins, with the byte of its minimum code size
    end: int  # behind the LZW data

    @property
    def right(self) -> int:
        """The column behind its last, pixels from the canvas's left."""
        return self.left + self.width

    @property
    def unpainted(self) -> int:
        """The index to leave a pixel unpainted with: the first colour's, where none is transparent."""
        return self.transparent or 0


def read_frames(data: bytes) -> Iterator[Frame]:
    """The frames of a file, which has 13 bytes at least."""
    transparent: int | None = None
    for start, label, _ in read_blocks(data):
        if label == _GRAPHIC_CONTROL:
            transparent = _read_transparency(data, start + 2, transparent)
        elif label is None:
            yield _read_frame(data, start + 1, transparent)
            transparent = None


def read_blocks(data: bytes) -> Iterator[tuple[int, int | None, int]]:
    """Walks the blocks of a file: where each begins, its label (none of an image), and what lies behind it.

    Bytes between them that begin none are skipped, as viewers do.
    """
    at = 13 + _colour_table_size(data[10])
    while at < len(data) and data[at] != _TRAILER:
        start, label = at, None
        if data[start] == _EXTENSION:
            if start + 1 == len(data):
                raise FlipError("the GIF is cut short inside an extension")
            label = data[start + 1]
            if data[start + 2 : start + 3] == b"\0" and label != _COMMENT:
                raise FlipError("the GIF is damaged: an extension is empty")  # readers disagree where it ends
            at = _skip_blocks(data, start + 2)
            yield start, label, at
        elif data[start] == _IMAGE:
            at = _read_frame(data, start + 1, None).end
            yield start, None, at
        else:
            at += 1


def _read_transparency(data: bytes, at: int, previous: int | None) -> int | None:
    """The transparent index by a graphic control extension (section 23), or by one before it."""
    size, control = data[at : at + 1], data[at + 1 : at + 5]
    if size < b"\4" or len(control) < 4:
        raise FlipError("the GIF is damaged: a graphic control extension is cut short")
    return control[3] if control[0] & 1 else previous


def _read_frame(data: bytes, start: int, transparent: int | None) -> Frame:
    if start + 9 > len(data):
        raise FlipError("the GIF is cut short inside a frame's header")
    left, top, width, height, flags = struct.unpack_from("<HHHHB", data, start)
    codes = start + 9 + _colour_table_size(flags)
    if codes >= len(data):
        raise FlipError("the GIF is cut short inside a frame's colour table")
    end = _skip_blocks(data, codes + 1)
    return Frame(left, top, width, height, bool(flags & _INTERLACED), transparent, start, codes, end)


def _colour_table_size(flags: int) -> int:
    """Bytes of the colour table that the flags announce."""
    return 3 << (flags & 7) + 1 if flags & _COLOUR_TABLE else 0


def _skip_blocks(data: bytes, at: int) -> int:
    """Where a chain of data sub-blocks ends, behind its terminator if it has one (section 15)."""
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return min(at + 1, len(data))
