"""PNG and APNG: the raster is replaced and each frame's place in an animation; all else stays as it is.

Source of the rules: PNG, third edition (W3C, 2025), which includes APNG.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace

from trio_mirror.errors import FlipError
from trio_mirror.flip.exif import flips_rows
from trio_mirror.flip.jpeg.metadata import Metadata
from trio_mirror.flip.limits import check_frames, check_size
from trio_mirror.flip.png import idot
from trio_mirror.flip.png.apng import Frame, count_frames, find_frames, mirrored_control
from trio_mirror.flip.png.chunks import SIGNATURE, Chunk, pack_chunk, read_chunks
from trio_mirror.flip.png.orientation import read_orientation
from trio_mirror.flip.png.scanlines import Shape, mirror_raster
from trio_mirror.flip.png.surroundings import mirrored_surroundings
from trio_mirror.flip.positions import Mirror
from trio_mirror.model import Flipped, Limits

# Section 11.2.1: the samples of a pixel and the bits of a sample that each colour type may have.
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# Pixels; libpng's own limit (PNG_USER_WIDTH_MAX). A row is worked on as a whole.
_LONGEST_SIDE = 1_000_000
_DEPTHS = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}


def flip(data: bytes, *, limits: Limits, keep_credentials: bool = False, rows: bool | None = None) -> Flipped:
    """Mirrors a PNG or an APNG exactly, at its own depth, colour type and interlace.

    ``rows`` says whether to reverse the order of the rows, not each row; None leaves that to how it is displayed.

    Raises:
        FlipError: damaged, or over a limit.
    """
    chunks, tail = read_chunks(data)
    shape = _read_header(chunks)
    check_size(shape.width, shape.height, limits)
    if max(shape.width, shape.height) > _LONGEST_SIDE:
        raise FlipError(f"the PNG is longer than {_LONGEST_SIDE:,} pixels on a side, which viewers do not open")
    frames = find_frames(chunks, shape.width, shape.height)
    check_frames([(frame.width, frame.height) for frame in frames], limits)
    if rows is None:
        rows = flips_rows(read_orientation(chunks, tail))

    stored: list[bytes | memoryview] = [chunk.stored for chunk in chunks]
    if count_frames(chunks) is not None:
        for index, chunk in enumerate(chunks):
            if chunk.kind == b"fcTL":
                control = mirrored_control(bytes(chunk.body), shape.width, shape.height, rows=rows)
                stored[index] = pack_chunk(b"fcTL", control)
    metadata = Metadata(Mirror(shape.width, shape.height, rows=rows), keep_credentials=keep_credentials)
    notes = mirrored_surroundings(chunks, stored, metadata)
    restarts = [] if shape.interlaced else idot.read_restarts(chunks, frames[0].chunks, shape.height)
    for frame in frames:
        own_shape = replace(shape, width=frame.width, height=frame.height)
        own_restarts = restarts if frame is frames[0] else []
        for index, mirrored in _mirrored_chunks(chunks, frame, own_shape, own_restarts, rows=rows):
            stored[index] = mirrored
    if restarts:
        idot.repoint(chunks, stored, restarts)
    return Flipped(b"".join([SIGNATURE, *stored, tail]), "image/png", lossless=True, notes=tuple(notes))


def _read_header(chunks: list[Chunk]) -> Shape:
    headers = [chunk.body for chunk in chunks if chunk.kind == b"IHDR"]
    is_cgbi = chunks[0].kind == b"CgBI"  # Apple's, in apps for iOS: before the header, and the raster is bare deflate
    if len(headers) != 1 or chunks[is_cgbi].kind != b"IHDR" or len(headers[0]) < 13:
        raise FlipError("the PNG is damaged: it does not begin with one whole header")
    width, height, depth, colour, _, _, interlace = struct.unpack_from(">IIBBBBB", headers[0])
    if depth not in _DEPTHS.get(colour, ()):
        raise FlipError(f"the PNG is damaged: its header says colour type {colour} with {depth} bits a sample")
    window = -zlib.MAX_WBITS if is_cgbi else zlib.MAX_WBITS
    return Shape(width, height, depth, _CHANNELS[colour], interlaced=interlace != 0, window=window)


def _mirrored_chunks(
    chunks: list[Chunk], frame: Frame, shape: Shape, restarts: list[idot.Restart], *, rows: bool
) -> Iterator[tuple[int, bytes]]:
    """The mirrored raster of a frame in as many chunks as before, with their places in the file."""
    stream = [_raster_part(chunks[index]) for index in frame.chunks]
    segments = mirror_raster(stream, shape, [restart.row for restart in restarts], rows=rows)
    begins = [frame.chunks[0], *(restart.chunk for restart in restarts), frame.chunks[-1] + 1]
    for segment, (begin, end) in zip(segments, itertools.pairwise(begins), strict=True):
        parts = chunks[begin:end]
        if end > frame.chunks[-1]:
            packed = _share(segment, parts)
        else:
            filled, empty_chunks = idot.fill(segment, sum(len(_raster_part(part)) for part in parts))
            packed = _share(filled, parts)
            packed[-1] += empty_chunks * pack_chunk(b"IDAT", b"")
        yield from zip(range(begin, end), packed, strict=True)


def _share(stream: bytes, parts: list[Chunk]) -> list[bytes]:
    """Lays a stream into as many chunks as there were, each with its sequence number if it has one."""
    cuts = [number * len(stream) // len(parts) for number in range(len(parts) + 1)]
    return [
        pack_chunk(part.kind, bytes(part.body[:4] if part.kind == b"fdAT" else b"") + stream[start:end])
        for part, (start, end) in zip(parts, itertools.pairwise(cuts), strict=True)
    ]


def _raster_part(chunk: Chunk) -> memoryview:
    return chunk.body[4:] if chunk.kind == b"fdAT" else chunk.body  # an fdAT begins with its sequence number
