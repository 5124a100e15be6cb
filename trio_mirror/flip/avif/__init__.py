"""AVIF: mirrored by a property, so that nothing is coded again and no pixel changes.

Every displayed image of the file gets the property ``imir``, or loses it; what the file says of colours,
depth and brightness stays, and so does the coded picture. An EXIF orientation means nothing here: AVIF has
properties of its own for that.
"""

from __future__ import annotations

import contextlib
import struct

from trio_mirror.errors import FlipError
from trio_mirror.flip.avif.isobmff import DAMAGED, Box, Edits, boxes
from trio_mirror.flip.avif.items import computed, displayed, read_items
from trio_mirror.flip.avif.offsets import move_chunks, move_item_locations
from trio_mirror.flip.avif.properties import Properties
from trio_mirror.flip.avif.tracks import check_frames, mirror_tracks, sample_tables
from trio_mirror.flip.limits import check_size
from trio_mirror.flip.pillow import map_pillow_errors, open_image
from trio_mirror.model import Flipped, Limits

_BRANDS = {b"avif", b"avis"}
_REFUSED = {b"moof": "in fragments, as a stream", b"mini": "with a condensed header"}
# In pixels. Decoding takes up to 16 bytes for each, and a decoder believes the stated size, whatever was coded.
_DECODED_FOR_PROOF = 25_000_000
_UNPROVEN_NOTE = "It is too large to be decoded for a proof that it is whole."
_SEQUENCE_NOTE = "The animation is mirrored by a property of its tracks; a viewer that ignores it shows it as it was."


def flip(data: bytes, *, limits: Limits) -> Flipped:
    """Mirrors an AVIF picture or image sequence exactly, by the orientation of its images.

    Raises:
        FlipError: damaged, over a limit, HEIC or another relative of AVIF, or not to be kept whole.
    """
    top = _top_level(data)
    meta, moov = top.get(b"meta"), top.get(b"moov")
    if meta is None and moov is None:
        raise FlipError(f"{DAMAGED}: the AVIF has no description of its images")
    edits = Edits(data)
    if meta:
        _mirror_items(data, meta, edits, limits)
    if moov:
        check_frames(data, moov, limits)
        mirror_tracks(data, moov, edits)
    _move_offsets(data, meta, moov, edits)
    mirrored = edits.apply()
    notes = (_SEQUENCE_NOTE,) if moov else ()
    return Flipped(mirrored, "image/avif", lossless=True, notes=notes + _check_decodes(mirrored, limits))


def _is_avif(data: bytes) -> bool:
    """Whether the file type box names a brand of AVIF; HEIC and video files have others."""
    if len(data) < 16 or data[4:8] != b"ftyp":
        return False
    (size,) = struct.unpack_from(">I", data)
    brands = data[8:12] + data[16 : min(size, len(data))]
    return any(brands[at : at + 4] in _BRANDS for at in range(0, len(brands), 4))


def _top_level(data: bytes) -> dict[bytes, Box]:
    if not _is_avif(data):
        raise FlipError("the picture is HEIC, or another relative of AVIF that is not mirrored here")
    found: dict[bytes, Box] = {}
    # What follows the last whole box does not matter; missing image data show when they are decoded.
    with contextlib.suppress(FlipError):
        for box in boxes(data, 0, len(data)):
            found.setdefault(box.kind, box)
    for kind, description in _REFUSED.items():
        if kind in found:
            raise FlipError(f"the AVIF is written {description}, which is not mirrored here")
    return found


def _mirror_items(data: bytes, meta: Box, edits: Edits, limits: Limits) -> None:
    items = read_items(data, meta)
    properties = Properties(data, meta)
    for kind, body in properties.of(items.primary):
        if kind == b"ispe" and len(body) >= 12:
            width, height = struct.unpack_from(">II", body, 4)
            check_size(width, height, limits)
    properties.refuse_own_shape(computed(items))
    properties.mirror(displayed(items), edits)


def _move_offsets(data: bytes, meta: Box | None, moov: Box | None, edits: Edits) -> None:
    metas = [meta] if meta else []
    if moov:
        metas += [box for box in moov.children(data) if box.kind == b"meta"]
        for table in sample_tables(data, moov):
            for box in table.children(data):
                if box.kind in {b"stco", b"co64"}:
                    move_chunks(data, edits, box)
            track = table.parent and table.parent.parent and table.parent.parent.parent
            metas += [box for box in track.children(data) if box.kind == b"meta"] if track else []
    for each in metas:
        for box in each.children(data, skip=4):
            if box.kind == b"iloc":
                move_item_locations(data, edits, box)


def _check_decodes(data: bytes, limits: Limits) -> tuple[str, ...]:
    """Keeps a damaged picture from passing for a mirrored one; the mirroring itself needs no pixel.

    Returns:
        A note on what was too large for that.
    """
    with map_pillow_errors("the AVIF"):
        image = open_image(data, "AVIF", limits)
        if image.width * image.height > _DECODED_FOR_PROOF:
            return (_UNPROVEN_NOTE,)
        for frame in range(getattr(image, "n_frames", 1)):
            image.seek(frame)
            image.load()
    return ()
