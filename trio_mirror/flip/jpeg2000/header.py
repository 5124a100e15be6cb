"""The main header of a JPEG 2000 codestream (ISO/IEC 15444-1, annex A): what a second encoding has to keep."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from trio_mirror.errors import FlipError
from trio_mirror.flip.isobmff import DAMAGED

_SIZ, _CAP, _COD, _COC, _SOT = 0xFF51, 0xFF50, 0xFF52, 0xFF53, 0xFF90
_PROGRESSIONS = ("LRCP", "RLCP", "RPCL", "PCRL", "CPRL")
_MCT = 1
_REVERSIBLE = 1
_MOST_LAYERS = 32
_MOST_TILES = 4096  # each takes OpenJPEG some 40 µs, however few pixels it has
_DEFAULT_BLOCK = (64, 64)
# Of a component: unsigned, 8 or 16 bits, not subsampled.
_EIGHT, _SIXTEEN = (7, 1, 1), (15, 1, 1)


@dataclass(frozen=True, slots=True)
class Coding:
    """How a codestream is coded, of what Pillow's encoder can do."""

    size: tuple[int, int]
    components: int
    sample_bytes: int
    reversible: bool
    options: dict[str, object]  # Pillow's options by which it is coded again in the same way


def read_coding(stream: bytes) -> Coding:
    """Reads the main header.

    Raises:
        FlipError: it is damaged, or says what Pillow could not keep.
    """
    segments = _segments(stream)
    siz, cod = segments.get(_SIZ, b""), segments.get(_COD, b"")
    if len(siz) < 36 or len(cod) < 10:
        raise FlipError(f"{DAMAGED}: the JPEG 2000 does not say how it is coded")
    right, bottom, left, top, tile_width, tile_height = struct.unpack_from(">6I", siz, 2)
    width, height = right - left, bottom - top
    components = [tuple(siz[at : at + 3]) for at in range(36, len(siz), 3)]
    style, progression, layers, mct, levels, block_width, block_height = struct.unpack_from(">BBHBBBB", cod)
    transform = cod[9]
    _refuse_what_pillow_lacks(components, segments)
    tile = (min(tile_width, width), min(tile_height, height))
    tiles = -(-width // tile[0]) * -(-height // tile[1]) if all(tile) else 0
    if progression >= len(_PROGRESSIONS) or levels > 32 or block_width + block_height > 8 or not tiles:
        raise FlipError(f"{DAMAGED}: the JPEG 2000 does not say how it is coded")
    if tiles > _MOST_TILES:
        raise FlipError(f"the JPEG 2000 has {tiles:,} tiles, more than the {_MOST_TILES:,} decoded here")
    options: dict[str, object] = {
        "no_jp2": True,
        "irreversible": transform != _REVERSIBLE,
        "num_resolutions": levels + 1,
        "progression": _PROGRESSIONS[progression],
        "mct": int(mct == _MCT),
    }
    block = (1 << block_width + 2, 1 << block_height + 2)
    if block != _DEFAULT_BLOCK:  # where it is named, Pillow takes no precincts that are smaller
        options["codeblock_size"] = block
    # Not the place on the reference grid, which nothing shows: Pillow 13 crashes where it lies beyond the picture.
    if tile != (width, height):
        options["tile_size"] = tile
    if transform != _REVERSIBLE:
        options["quality_mode"] = "dB"
    elif 1 < layers <= _MOST_LAYERS:  # the last one with all that is left
        options["quality_layers"] = [*range(layers, 1, -1), 1]
    if style & 1 and len(cod) > 10:  # of the highest resolution; lower ones have half of it each time
        options["precinct_size"] = (1 << (cod[-1] & 15), 1 << (cod[-1] >> 4))
    sample_bytes = components[0][0] // 8 + 1
    return Coding((width, height), len(components), sample_bytes, transform == _REVERSIBLE, options)


def _refuse_what_pillow_lacks(components: list[tuple[int, ...]], segments: dict[int, bytes]) -> None:
    if _CAP in segments:
        raise FlipError("the picture is a high-throughput JPEG 2000, which Pillow cannot encode")
    if _COC in segments:
        raise FlipError("the picture is a JPEG 2000 with components coded differently, which Pillow cannot encode")
    if not ((set(components) == {_EIGHT} and len(components) <= 4) or components == [_SIXTEEN]):
        raise FlipError("the picture is a JPEG 2000 of a depth, sign or subsampling that Pillow cannot keep")


def _segments(stream: bytes) -> dict[int, bytes]:
    """The marker segments of the main header, the first of each kind, without their lengths."""
    found: dict[int, bytes] = {}
    at = 2
    while at + 4 <= len(stream):
        marker, length = struct.unpack_from(">HH", stream, at)
        if marker == _SOT or length < 2:
            break
        found.setdefault(marker, stream[at + 4 : at + 2 + length])
        at += 2 + length
    return found
