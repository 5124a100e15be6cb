"""JPEG 2000: it knows no orientation, so that it is decoded and encoded again, exactly where it is reversible.

ISO/IEC 15444-1; in a JP2 file (annex I) the codestream alone is replaced, and what the other boxes state of places in
the picture is mirrored.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from uuid import UUID

from PIL import Image

from trio_mirror.errors import FlipError
from trio_mirror.flip.closeness import closeness
from trio_mirror.flip.credentials import credentials
from trio_mirror.flip.edits import Edits
from trio_mirror.flip.isobmff import DAMAGED, Box, whole_boxes
from trio_mirror.flip.jpeg.metadata import Metadata
from trio_mirror.flip.limits import check_density, check_size
from trio_mirror.flip.pillow import encode_image, map_pillow_errors, open_image
from trio_mirror.flip.positions import Mirror, not_mirrored
from trio_mirror.model import Flipped, Limits

_CODESTREAM = b"\xff\x4f\xff\x51"
# Pixels by components: each takes up to 16 bytes, and a million of them, if they are noise, up to a second of CPU.
_MOST_SAMPLES = 60_000_000
# In decibels: what is close enough, and what is asked of the encoder, one after the other, to get there.
_CLOSE = 40
_DECIBELS = (45, 60)
_LOSSY_NOTE = "It was encoded again, within 40 dB, since its JPEG 2000 is not reversible."
# The identifiers of UUID boxes, which stand at their start.
_XMP = UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes
_EXIF = b"JpgTiffExif->JP2"
_PHOTOSHOP = UUID("2c4c0100-8504-40b9-a03e-562148d6dfeb").bytes  # its plug-in's, by ExifTool's Jpeg2000.pm
_GEOGRAPHY = UUID("b14bf8bd-083d-4b43-a5ae-8cd7d5a6ce03").bytes
_GML = b"gml.data"  # in a box that labels its XML (OGC 08-085)
_GEOGRAPHY_NOTE = "not mirrored: the place on earth that it states ({})"

# Of the main header (annex A).
_SIZ, _CAP, _COD, _COC, _SOT = 0xFF51, 0xFF50, 0xFF52, 0xFF53, 0xFF90
_PROGRESSIONS = ("LRCP", "RLCP", "RPCL", "PCRL", "CPRL")
_MCT = 1
_REVERSIBLE = 1
_MOST_LAYERS = 32
_COST = 4  # times as long as to inflate a sample takes its decoding, also where nothing was coded
_MOST_TILES = 4096  # each takes OpenJPEG some 40 µs, however few pixels it has
# The encoder takes some 10 KB for each code block: what is cut into more of them gets the usual ones. Samples, count.
_LEAST_BLOCK, _FEW_BLOCKS = 1024, 4096
_DEFAULT_BLOCK = (64, 64)
# Of a component: unsigned, 8 or 16 bits, not subsampled.
_EIGHT, _SIXTEEN = (7, 1, 1), (15, 1, 1)


def flip(data: bytes, *, limits: Limits, keep_credentials: bool = False) -> Flipped:
    """Mirrors a codestream or a JP2 file, exactly where its wavelet is reversible, and else within 40 dB.

    Raises:
        FlipError: damaged, over a limit, or of a kind that Pillow cannot keep.
    """
    if data.startswith(_CODESTREAM):
        mirrored, coding = _mirrored_stream(data, limits)
        return Flipped(mirrored, "image/j2c", lossless=coding.reversible, notes=_notes(coding))
    top = whole_boxes(data)
    streams = [box for box in top if box.kind == b"jp2c"]
    if len(streams) != 1:
        raise FlipError(f"{DAMAGED}: the JPEG 2000 has {len(streams)} codestreams instead of one")
    [stream] = streams
    mirrored, coding = _mirrored_stream(stream.content, limits)
    headers = [box for box in top if box.kind == b"jp2h"]
    if not coding.reversible and any(header.child(b"pclr") for header in headers):
        raise FlipError("the picture is a JPEG 2000 with a palette that is not reversible, which cannot be kept")
    edits = Edits(data)
    edits.splice(stream, stream.body, stream.end, mirrored)
    metadata = Metadata(Mirror(*coding.size), keep_credentials=keep_credentials)
    notes = _notes(coding) + _mirror_metadata(top, metadata, edits)
    notes += credentials(top, edits, keep=keep_credentials)
    return Flipped(edits.apply(), "image/jp2", lossless=coding.reversible, notes=notes)


def _notes(coding: Coding) -> tuple[str, ...]:
    return () if coding.reversible else (_LOSSY_NOTE,)


def _mirrored_stream(stream: bytes, limits: Limits) -> tuple[bytes, Coding]:
    coding = read_coding(stream)
    width, height = coding.size
    check_size(width, height, limits)
    samples = width * height * coding.components
    if samples > _MOST_SAMPLES:
        raise FlipError(f"the JPEG 2000 has {samples:,} samples, more than the {_MOST_SAMPLES:,} decoded here")
    # A code block costs the same, however little of it a narrow picture fills.
    covered = _blocks(coding.size, _DEFAULT_BLOCK, None) * prod(_DEFAULT_BLOCK)
    check_density(samples * coding.sample_bytes, len(stream), cost=_COST * covered // (width * height))
    with map_pillow_errors("the JPEG 2000"):
        image = open_image(stream, "JPEG2000", limits)
        wanted = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        comment = {"comment": image.info["comment"]} if "comment" in image.info else {}
        del image  # as large as what it was made into
        for quality in ({},) if coding.reversible else ({"quality_layers": [each]} for each in _DECIBELS):
            mirrored = encode_image(wanted, "JPEG2000", **coding.options, **quality, **comment)
            got = open_image(mirrored, "JPEG2000")
            got.load()
            if got.tobytes() == wanted.tobytes() or (quality and closeness(got, wanted) >= _CLOSE):
                return mirrored, coding
    raise FlipError("the JPEG 2000 cannot be encoded again closely enough")


def _mirror_metadata(top: Sequence[Box], metadata: Metadata, edits: Edits) -> tuple[str, ...]:
    notes: tuple[str, ...] = ()
    mirrors = {_XMP: metadata.xmp, _EXIF: metadata.exif, _PHOTOSHOP: metadata.photoshop}
    for box in top:
        kind = box.data[box.body : box.body + 16] if box.kind == b"uuid" else b""
        if kind in mirrors:
            content, more = mirrors[kind](box.data[box.body + 16 : box.end])
            edits.splice(box, box.body + 16, box.end, content)
            notes += more
        elif kind == _GEOGRAPHY:
            notes += (_GEOGRAPHY_NOTE.format("GeoJP2"),)
        elif box.kind == b"roid":  # ISO/IEC 15444-2, annex M
            notes += not_mirrored({"regions of interest"})
        elif box.kind == b"asoc" and box.data.find(_GML, box.body, box.end) >= 0:
            notes += (_GEOGRAPHY_NOTE.format("GMLJP2"),)
    return notes


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
    # OpenJPEG 2.5.4 misses the quality that is asked of narrow tiles, and aborts the process where a level leaves
    # nothing of one. Not the place on the reference grid, which nothing shows: Pillow 13 crashes where it lies beyond
    # the picture.
    if transform == _REVERSIBLE and tile != (width, height):
        options["tile_size"] = tile
    if transform != _REVERSIBLE:
        options["quality_mode"] = "dB"
    elif 1 < layers <= _MOST_LAYERS:  # the last one with all that is left
        options["quality_layers"] = [*range(layers, 1, -1), 1]
    block = (1 << block_width + 2, 1 << block_height + 2)
    # The size of precincts at the highest resolution; lower ones have half of it each time.
    precinct = (1 << (cod[-1] & 15), 1 << (cod[-1] >> 4)) if style & 1 and len(cod) > 10 else None
    if _blocks((width, height), block, precinct) <= max(_FEW_BLOCKS, width * height // _LEAST_BLOCK):
        if block != _DEFAULT_BLOCK:  # where it is named, Pillow takes no precincts that are smaller
            options["codeblock_size"] = block
        if precinct:
            options["precinct_size"] = precinct
    sample_bytes = components[0][0] // 8 + 1
    return Coding((width, height), len(components), sample_bytes, transform == _REVERSIBLE, options)


def _blocks(size: tuple[int, int], block: tuple[int, int], precinct: tuple[int, int] | None) -> int:
    """How many code blocks the picture has, about; each is at most half a precinct (ISO/IEC 15444-1, B.7)."""
    if precinct:
        block = min(block[0], max(1, precinct[0] // 2)), min(block[1], max(1, precinct[1] // 2))
    return -(-size[0] // block[0]) * -(-size[1] // block[1])


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
