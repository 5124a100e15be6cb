"""GIF: each frame's colour indices are mirrored and its place on the canvas; all else stays as it is.

Source of the rules: GIF89a Specification (CompuServe, 1990). Where files break them, Pillow decides.
"""

from __future__ import annotations

import struct

from PIL import Image

from trio_mirror.errors import FlipError
from trio_mirror.flip.edits import Edits
from trio_mirror.flip.gif.extensions import mirror_extensions
from trio_mirror.flip.gif.frames import Frame, read_frames
from trio_mirror.flip.jpeg.metadata import Metadata
from trio_mirror.flip.limits import check_frames, check_size
from trio_mirror.flip.pillow import map_pillow_errors
from trio_mirror.flip.positions import Mirror
from trio_mirror.model import Flipped, Limits

_WIDEST = 0xFFFF  # pixels; offsets and sizes have 16 bits


def flip(data: bytes, *, limits: Limits, keep_credentials: bool = False) -> Flipped:
    """Mirrors a GIF exactly, frame by frame.

    A frame that reaches beyond the canvas widens it from there on, as Pillow shows it.

    Raises:
        FlipError: damaged, over a limit, or a later frame widens the canvas while earlier ones still show
            and would have to move.
    """
    if len(data) < 13:
        raise FlipError("the GIF is cut short: its header is not whole")
    frames = list(read_frames(data))
    if not frames:
        raise FlipError("the GIF is damaged or cut short: it holds no picture")
    width, height = struct.unpack_from("<HH", data, 6)
    _check_frames(frames, width, height, limits)
    view, edits = memoryview(data), Edits(data)
    for frame in frames:
        indices = _decode(view, frame)
        bits = view[frame.codes]
        raster = indices.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if frame.right > width:
            if frame is not frames[0] and not _hides(frame, indices, frame.right, height):
                raise FlipError("the GIF widens its canvas after the first frame: earlier ones would have to move")
            width = frame.right
            # Only a frame that ends at the new edge makes the mirrored canvas as wide.
            raster = _widen(raster, frame.left, frame.unpainted)
            bits = max(bits, frame.unpainted.bit_length())
        place = struct.pack("<4H", width - frame.right, frame.top, *raster.size)
        edits.splice(None, frame.start, frame.start + 8, place)
        edits.splice(None, frame.codes, frame.end, _encode(raster, bits, interlaced=frame.interlaced))
        height = max(height, frame.top + frame.height)
    metadata = Metadata(Mirror(width, height), keep_credentials=keep_credentials)
    notes = mirror_extensions(data, metadata, edits)
    return Flipped(edits.apply(), "image/gif", lossless=True, notes=notes)


def _hides(frame: Frame, indices: Image.Image, width: int, height: int) -> bool:
    """Whether a frame covers all of a canvas of this size (pixels) without a hole."""
    covers = frame.left == frame.top == 0 and frame.width >= width and frame.height >= height
    return covers and (frame.transparent is None or not indices.histogram()[frame.transparent])


def _check_frames(frames: list[Frame], width: int, height: int, limits: Limits) -> None:
    check_frames([(frame.width, frame.height) for frame in frames], limits)
    width = max(width, *(frame.right for frame in frames))
    height = max(height, *(frame.top + frame.height for frame in frames))
    check_size(width, height, limits)
    if width > _WIDEST:
        raise FlipError(f"the GIF's frames reach to column {width:,}: mirrored, they do not fit into a GIF")


def _widen(indices: Image.Image, margin: int, unpainted: int) -> Image.Image:
    wider = Image.new("L", (indices.width + margin, indices.height), unpainted)
    wider.paste(indices, (0, 0))
    return wider


def _decode(data: memoryview, frame: Frame) -> Image.Image:
    """The indices of a frame, as a grey picture."""
    indices = Image.new("L", (frame.width, frame.height))
    with map_pillow_errors("a frame of the GIF"):
        indices.frombytes(data[frame.codes + 1 : frame.end], "gif", data[frame.codes], frame.interlaced, -1)
    return indices


def _encode(indices: Image.Image, bits: int, *, interlaced: bool) -> bytes:
    """LZW data behind its minimum code size, which is ``bits``, or the nearest that section 22 allows."""
    bits = max(2, min(bits, 8))
    return bytes([bits]) + indices.tobytes("gif", "L", bits, interlaced) + b"\0"
