"""The frames of an APNG (PNG, third edition, sections 4.9 and 11.3.6): found, checked and moved."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from trio_mirror.errors import FlipError
from trio_mirror.flip.png.chunks import RASTER_KINDS, Chunk

_MOST_FRAMES = 1 << 31


@dataclass(frozen=True, slots=True)
class Frame:
    """One raster of a file."""

    width: int  # pixels
    height: int  # pixels
    chunks: list[int] = field(default_factory=list)  # the chunks it lies in, by their place in the file; they adjoin


def count_frames(chunks: list[Chunk]) -> int | None:
    """The number of frames that the animation control promises; None for a still picture."""
    count = None
    for chunk in chunks:
        if chunk.kind in RASTER_KINDS:
            break
        if chunk.kind == b"acTL":
            if len(chunk.body) < 8:
                raise FlipError("the APNG is damaged: its animation control is cut short")
            (promised,) = struct.unpack_from(">I", chunk.body)
            # A senseless number, or a second control, leaves a still picture: so viewers take it.
            count = promised if count is None and 0 < promised <= _MOST_FRAMES else None
    return count


def find_frames(chunks: list[Chunk], width: int, height: int) -> list[Frame]:
    """Finds the rasters of a picture of this size: a still one's, or those of an animation and its default image."""
    promised = count_frames(chunks)
    frames: list[Frame] = []
    control: Frame | None = None
    sequence = hidden = 0
    for index, chunk in enumerate(chunks):
        if chunk.kind in {b"fcTL", b"fdAT"}:
            if bytes(chunk.body[:4]) != struct.pack(">I", sequence):
                raise FlipError("the APNG is damaged: its frames are out of sequence")
            sequence += 1
        if chunk.kind == b"fcTL":
            if control is not None and promised is not None:
                raise FlipError("the APNG is damaged: a frame has no raster")
            control = _controlled(chunk, width, height)
        elif chunk.kind in RASTER_KINDS:
            if not frames or frames[-1].chunks[-1] != index - 1:
                if frames and (promised is None or control is None or chunk.kind != b"fdAT"):
                    continue
                hidden |= control is None
                frames.append(control or Frame(width, height))
                control = None
            frames[-1].chunks.append(index)
    if promised is not None and len(frames) < promised + hidden:
        raise FlipError(f"the APNG is damaged or cut short: {len(frames) - hidden} of {promised:,} frames are there")
    return frames


def _controlled(chunk: Chunk, width: int, height: int) -> Frame:
    """The frame that a frame control chunk announces."""
    if len(chunk.body) < 26:
        raise FlipError("the APNG is damaged: a frame control is cut short")
    w, h, x, y = struct.unpack_from(">4I", chunk.body, 4)
    if x + w > width or y + h > height:
        raise FlipError("the APNG is damaged: a frame reaches beyond the picture")
    return Frame(w, h)


def mirrored_control(body: bytes, width: int, height: int, *, rows: bool) -> bytes:
    """Moves the frame of a frame control, which :func:`find_frames` has checked, to its place in the mirrored picture.

    ``rows`` says that the order of the rows is reversed, not the rows themselves.
    """
    w, h, x, y = struct.unpack_from(">4I", body, 4)
    place = (x, height - y - h) if rows else (width - x - w, y)
    return body[:12] + struct.pack(">2I", *place) + body[20:]
