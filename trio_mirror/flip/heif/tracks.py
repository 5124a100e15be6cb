"""The tracks of an AVIF image sequence shown mirrored.

Their sample entries carry the same ``irot`` and ``imir`` boxes that items have as properties. That is how
libavif writes and reads a turned sequence (its ``write.c`` and ``read.c``).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from trio_mirror.errors import FlipError
from trio_mirror.flip.edits import Edits
from trio_mirror.flip.heif.offsets import move_chunks, move_item_locations, read_locations
from trio_mirror.flip.heif.orientation import ORIENTING, read_orientation
from trio_mirror.flip.isobmff import DAMAGED, Box
from trio_mirror.flip.limits import check_count, check_size, check_total
from trio_mirror.model import Limits

_PICTURES = {b"pict", b"auxv", b"vide"}
_SAMPLE_ENTRY_FIELDS = 78  # of a VisualSampleEntry (ISO/IEC 14496-12, 12.1.3), before the boxes in it


def mirror_tracks(moov: Box, limits: Limits, edits: Edits) -> None:
    """Notes the edits that show every picture track mirrored; checks their frames, as they state them."""
    for track in _tracks(moov):
        media = _inside(track, b"mdia")
        if _inside(media, b"hdlr").content[8:12] not in _PICTURES:
            continue
        table = _inside(media, b"minf", b"stbl")
        frames = _inside(table, b"stsz").reader(skip=8).number(4)
        check_count(frames, limits)
        for entry in _inside(table, b"stsd").children(skip=8):
            size = entry.reader(skip=24)
            width, height = size.number(2), size.number(2)
            check_size(width, height, limits)
            check_total(frames * width * height, limits)
            if entry.kind != b"av01":
                raise FlipError(f"the AVIF holds a track of the kind {entry.kind.decode('latin-1')!r}, not AV1")
            properties = list(entry.children(skip=_SAMPLE_ENTRY_FIELDS))
            orientation = read_orientation((box.kind, box.content) for box in properties)
            for box in properties:
                if box.kind in ORIENTING:
                    edits.splice(entry, box.start, box.end, b"")
            edits.splice(entry, entry.end, entry.end, b"".join(orientation.mirrored().property_boxes()))


def move_track_offsets(moov: Box, edits: Edits) -> None:
    """Notes the patches of all offsets in the description of tracks; call after the last splice."""
    for track in _tracks(moov):
        for box in _inside(track, b"mdia", b"minf", b"stbl").children():
            if box.kind in {b"stco", b"co64"}:
                move_chunks(box, edits)
    for box in chain.from_iterable(parent.children() for parent in (moov, *_tracks(moov))):
        if box.kind == b"meta":
            move_item_locations(read_locations(box), edits)


def _tracks(moov: Box) -> Iterator[Box]:
    return (box for box in moov.children() if box.kind == b"trak")


def _inside(box: Box, *path: bytes) -> Box:
    for kind in path:
        inner = box.child(kind)
        if inner is None:
            raise FlipError(f"{DAMAGED}: a track of the file has no {kind.decode('latin-1')!r}")
        box = inner
    return box
