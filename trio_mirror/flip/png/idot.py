"""Apple's iDOT chunk, in screenshots of Macs: where in the zlib stream bands of rows can be inflated alone.

It is registered nowhere; others read its layout from files (Hacker Factor, "Connecting the iDOTs", 2020): a
count, then for each band its first row, its number of rows, and the bytes from the start of the iDOT chunk to
that of the IDAT chunk that it begins in. No band refers back to bytes or rows of another. Apple's decoder
believes the chunk, so it must stay true.
"""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass

from trio_mirror.flip.png.chunks import Chunk, pack_chunk

_EMPTY_BLOCK = b"\0\0\0\xff\xff"  # a stored block of no bytes (RFC 1951, section 3.2.4)


@dataclass(frozen=True, slots=True)
class Restart:
    """A band behind the first."""

    row: int  # its first row
    chunk: int  # the IDAT chunk that it begins in, by its place in the file


def read_restarts(chunks: list[Chunk], raster: list[int], height: int) -> list[Restart]:
    """Finds where the bands behind the first begin in a picture of so many rows: nowhere without a true iDOT chunk.

    ``raster`` are the places of its chunks in the file, which adjoin.
    """
    index = next((position for position, chunk in enumerate(chunks) if chunk.kind == b"iDOT"), None)
    if index is None or len(chunks[index].body) % 12 != 4:
        return []
    distances = itertools.accumulate((len(chunk.stored) for chunk in chunks[index:]), initial=0)
    at_distance = dict(zip(distances, range(index, len(chunks)), strict=False))
    restarts: list[Restart] = []
    end = 0
    for row, rows, distance in struct.iter_unpack(">3I", chunks[index].body[4:]):
        begin = at_distance.get(distance, index)
        after = restarts[-1].chunk if restarts else index
        if row != end or not rows or begin <= after or not raster[0] <= begin <= raster[-1]:
            return []
        restarts.append(Restart(row, begin))
        end = row + rows
    return restarts[1:] if end == height else []


def repoint(chunks: list[Chunk], stored: list[bytes | memoryview], restarts: list[Restart]) -> None:
    """Makes the iDOT chunk point at where the bands, which are several, begin now.

    ``stored`` are the chunks as they are now, a piece of the file for each.
    """
    index = next(position for position, chunk in enumerate(chunks) if chunk.kind == b"iDOT")
    distances = list(itertools.accumulate((len(piece) for piece in stored[index:]), initial=0))
    body = bytearray(chunks[index].body)
    for band, restart in enumerate(restarts, start=1):
        struct.pack_into(">I", body, 12 + 12 * band, distances[restart.chunk - index])
    stored[index] = pack_chunk(b"iDOT", bytes(body))


def fill(stream: bytes, size: int) -> tuple[bytes, int]:
    """Lengthens the stream of a band, so that with some empty chunks (12 bytes each) it takes ``size`` bytes.

    The next band then begins where it did before. The stream ends at a whole byte, between two blocks. Nothing is done
    where it is longer, or too near to the size.
    """
    for empty_chunks in range(len(_EMPTY_BLOCK)):
        blocks, rest = divmod(size - len(stream) - 12 * empty_chunks, len(_EMPTY_BLOCK))
        if blocks >= 0 and not rest:
            return stream + blocks * _EMPTY_BLOCK, empty_chunks
    return stream, 0
