"""GIF: each frame's colour indices are mirrored and its place on the canvas; all else stays as it is.

Source of the rules: GIF89a Specification (CompuServe, 1990). Where files break them, Pillow decides.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from trio_mirror.errors import FlipError
from trio_mirror.flip.raster import check_size, pillow
from trio_mirror.model import Flipped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio_mirror.model import Limits

_EXTENSION, _IMAGE, _TRAILER = b"!,;"
_GRAPHIC_CONTROL, _COMMENT = 0xF9, 0xFE
_COLOUR_TABLE = 0x80
_INTERLACED = 0x40
_WIDEST = 0xFFFF  # pixels: offsets and sizes are 16-bit


@dataclass(frozen=True, slots=True)
class _Frame:
    """One image of the file: its rectangle on the canvas, and where its bytes lie."""

    left: int
    top: int
    width: int
    height: int
    interlaced: bool
    transparent: int | None
    """The index that is not painted."""
    start: int
    """Where the image descriptor begins, behind its separator."""
    codes: int
    """Where the LZW data begins, with the byte of its minimum code size."""
    end: int
    """Behind the LZW data."""

    @property
    def right(self) -> int:
        """The column behind its last, pixels from the canvas's left."""
        return self.left + self.width

    @property
    def unpainted(self) -> int:
        """The index of pixels that the frame leaves out."""
        return self.transparent or 0


def flip(data: bytes, *, limits: Limits) -> Flipped:
    """Mirrors a GIF exactly, frame by frame.

    A frame that reaches beyond the canvas widens it from there on, as Pillow shows it. Pixels that a frame
    leaves out at its end are transparent, or of the first colour where the frame has no transparent one.

    Raises:
        FlipError: damaged, over a limit, or a later frame widens the canvas while earlier ones still show
            and would have to move.
    """
    if len(data) < 13:
        raise FlipError("the GIF is cut short: its header is not whole")
    frames = list(_read_frames(data))
    if not frames:
        raise FlipError("the GIF is damaged or cut short: it holds no picture")
    width, height = struct.unpack_from("<HH", data, 6)
    _check_frames(frames, width, height, limits)
    parts: list[bytes | memoryview] = []
    view = memoryview(data)
    at = 0
    for frame in frames:
        indices = _decode(view, frame)
        margin = 0
        if frame.right > width:
            if frame is not frames[0] and not _hides(frame, indices, frame.right, height):
                raise FlipError(
                    "the GIF widens its canvas after the first frame, which cannot be mirrored exactly"
                )
            width = frame.right
            margin = frame.left  # only a frame that ends at the new edge makes the mirrored canvas as wide
        parts += [
            view[at : frame.start],
            struct.pack("<HHHH", width - frame.right, frame.top, frame.width + margin, frame.height),
            view[frame.start + 8 : frame.codes],
            _encode(indices.transpose(Image.Transpose.FLIP_LEFT_RIGHT), view[frame.codes], frame, margin),
        ]
        height = max(height, frame.top + frame.height)
        at = frame.end
    return Flipped(b"".join([*parts, view[at:]]), "image/gif", lossless=True)


def _hides(frame: _Frame, indices: Image.Image, width: int, height: int) -> bool:
    """Whether a frame covers all of a canvas of this size (pixels) without a hole."""
    covers = frame.left == frame.top == 0 and frame.width >= width and frame.height >= height
    return covers and (frame.transparent is None or not indices.histogram()[frame.transparent])


def _read_frames(data: bytes) -> Iterator[_Frame]:
    """Walks the blocks of a file; bytes between them that begin none are skipped, as viewers do."""
    at = 13 + _colour_table_size(data[10])
    transparent: int | None = None
    while at < len(data) and data[at] != _TRAILER:
        if data[at] == _EXTENSION:
            if at + 1 == len(data):
                raise FlipError("the GIF is cut short inside an extension")
            label, at = data[at + 1], at + 2
            if data[at : at + 1] == b"\0" and label != _COMMENT:
                raise FlipError("the GIF is damaged: an extension is empty")  # readers disagree where it ends
            if label == _GRAPHIC_CONTROL:
                transparent = _read_transparency(data, at, transparent)
            at = _skip_blocks(data, at)
        elif data[at] == _IMAGE:
            frame = _read_frame(data, at + 1, transparent)
            yield frame
            transparent = None
            at = frame.end
        else:
            at += 1


def _read_transparency(data: bytes, at: int, previous: int | None) -> int | None:
    """The transparent index by a graphic control extension (section 23), or by one before it."""
    size, control = data[at : at + 1], data[at + 1 : at + 5]
    if size < b"\4" or len(control) < 4:
        raise FlipError("the GIF is damaged: a graphic control extension is cut short")
    return control[3] if control[0] & 1 else previous


def _read_frame(data: bytes, start: int, transparent: int | None) -> _Frame:
    if start + 9 > len(data):
        raise FlipError("the GIF is cut short inside a frame's header")
    left, top, width, height, flags = struct.unpack_from("<HHHHB", data, start)
    codes = start + 9 + _colour_table_size(flags)
    if codes >= len(data):
        raise FlipError("the GIF is cut short inside a frame's colour table")
    end = _skip_blocks(data, codes + 1)
    return _Frame(left, top, width, height, bool(flags & _INTERLACED), transparent, start, codes, end)


def _colour_table_size(flags: int) -> int:
    """Bytes of the colour table that the flags announce."""
    return 3 << (flags & 7) + 1 if flags & _COLOUR_TABLE else 0


def _skip_blocks(data: bytes, at: int) -> int:
    """Where a chain of data sub-blocks ends, behind its terminator if it has one (section 15)."""
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return min(at + 1, len(data))


def _check_frames(frames: list[_Frame], width: int, height: int, limits: Limits) -> None:
    if len(frames) > limits.frames:
        raise FlipError(
            f"the GIF has {len(frames):,} frames, over the limit of {limits.frames:,} (--max-frames)"
        )
    for frame in frames:
        check_size(frame.width, frame.height, limits)
        width, height = max(width, frame.right), max(height, frame.top + frame.height)
    check_size(width, height, limits)
    if width > _WIDEST:
        raise FlipError(f"the GIF's frames reach to column {width:,}: their mirror has no place in a GIF")
    pixels = sum(frame.width * frame.height for frame in frames)
    if pixels > limits.total_pixels:
        raise FlipError(
            f"the GIF's frames have {pixels:,} pixels, over the limit of "
            f"{limits.total_pixels:,} in all (--max-total-pixels)"
        )


def _decode(data: memoryview, frame: _Frame) -> Image.Image:
    """The indices of a frame, as a grey picture."""
    indices = Image.new("L", (frame.width, frame.height), frame.unpainted)
    with pillow("a frame of the GIF"):
        indices.frombytes(data[frame.codes + 1 : frame.end], "gif", data[frame.codes], frame.interlaced, -1)
    return indices


def _encode(indices: Image.Image, bits: int, frame: _Frame, margin: int) -> bytes:
    """LZW data behind its minimum code size, ``bits`` or more; a margin (pixels) is left at the right."""
    whole = Image.new("L", (indices.width + margin, indices.height), frame.unpainted)
    whole.paste(indices, (0, 0))
    highest = max(index for index, count in enumerate(whole.histogram()) if count)
    bits = max(2, min(bits, 8), highest.bit_length())  # 2 to 8 by section 22; what is unpainted may need more
    return bytes([bits]) + whole.tobytes("gif", "L", bits, frame.interlaced) + b"\0"
