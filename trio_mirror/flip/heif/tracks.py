"""The tracks of an AVIF image sequence shown mirrored.

Their sample entries carry the same ``irot`` and ``imir`` boxes that items have as properties. That is how
libavif writes and reads a turned sequence (its ``write.c`` and ``read.c``).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from trio_mirror.errors import FlipError
from trio_mirror.flip.heif.orientation import ORIENTING, read_orientation
from trio_mirror.flip.isobmff import DAMAGED, Box, Edits
from trio_mirror.flip.limits import check_count, check_size, check_total
from trio_mirror.model import Limits

_PICTURES = {b"pict", b"auxv", b"vide"}
_SAMPLE_ENTRY_FIELDS = 78  # of a VisualSampleEntry (ISO/IEC 14496-12, 12.1.3), before the boxes in it


def check_frames(moov: Box, limits: Limits) -> None:
    """Checks the number of frames and their size, as the tracks state them."""
    for table, entries in _picture_tracks(moov):
        frames = _inside(table, b"stsz").reader(skip=8).number(4)
        check_count(frames, limits)
        for entry in entries:
            size = entry.reader(skip=24)
            width, height = size.number(2), size.number(2)
            check_size(width, height, limits)
            check_total(frames * width * height, limits)


def mirror_tracks(moov: Box, edits: Edits) -> None:
    """Notes the edits that show every picture track mirrored."""
    for entry in chain.from_iterable(entries for _, entries in _picture_tracks(moov)):
        if entry.kind != b"av01":
            raise FlipError(f"the AVIF holds a track of the kind {entry.kind.decode('latin-1')!r}, not AV1")
        properties = list(entry.children(skip=_SAMPLE_ENTRY_FIELDS))
        orientation = read_orientation((box.kind, box.content) for box in properties)
        for box in properties:
            if box.kind in ORIENTING:
                edits.splice(entry, box.start, box.end, b"")
        edits.splice(entry, entry.end, entry.end, b"".join(orientation.mirrored().property_boxes()))


def sample_tables(moov: Box) -> Iterator[Box]:
    """The ``stbl`` boxes of all tracks."""
    for track in moov.children():
        if track.kind == b"trak":
            yield _inside(track, b"mdia", b"minf", b"stbl")


def _picture_tracks(moov: Box) -> Iterator[tuple[Box, Iterator[Box]]]:
    """The ``stbl`` box of each picture track, and its sample entries."""
    for table in sample_tables(moov):
        media = table.parent and table.parent.parent
        if media and _inside(media, b"hdlr").content[8:12] in _PICTURES:
            yield table, _inside(table, b"stsd").children(skip=8)


def _inside(box: Box, *path: bytes) -> Box:
    for kind in path:
        inner = box.child(kind)
        if inner is None:
            raise FlipError(f"{DAMAGED}: a track of the file has no {kind.decode('latin-1')!r}")
        box = inner
    return box
