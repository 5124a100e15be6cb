"""HEIF (HEIC, AVIF and their relatives): mirrored by a property, so that nothing is coded again and no pixel changes.

Every displayed image of the file gets the property ``imir``, or loses it; what the file says of colours, depth and
brightness stays, and so does the coded picture. Readers ignore an EXIF orientation here, since HEIF has properties
of its own for that; it is mirrored where it agreed with them, for those who read EXIF alone.
"""

from __future__ import annotations

from trio_mirror.errors import FlipError, NotPictureError
from trio_mirror.flip.credentials import credentials
from trio_mirror.flip.edits import Edits
from trio_mirror.flip.heif.items import CODED, COMPUTED, Items, read_items, swap_stereo_pairs
from trio_mirror.flip.heif.metadata import mirror_metadata
from trio_mirror.flip.heif.offsets import Location, move_item_locations
from trio_mirror.flip.heif.tracks import mirror_tracks, move_track_offsets
from trio_mirror.flip.isobmff import DAMAGED, Box, whole_boxes
from trio_mirror.flip.limits import check_size
from trio_mirror.flip.proof import prove_avif, prove_heif
from trio_mirror.model import Flipped, Limits

# The first of which a file names a brand is its own (ISO/IEC 23008-12, 10 and annexes; AV1 image file format, 8).
_MEDIA_TYPES = {
    "image/avif": b"avif avis",
    "image/heic": b"heic heix heim heis",
    "image/heif": b"mif1 mif2 mif3 msf1 hevc hevx hevm hevs avci avcs jpeg jpgs j2ki j2is vvic vvis evbi evbs unif",
}
_IGNORED_NOTE = "It is mirrored by a property; viewers that ignore it (Android 15 and older) show it as it was."
_SEQUENCE_NOTE = "The animation is mirrored by a property of its tracks; a viewer that ignores it shows it as it was."
_CUT_NOTE = "The file ends before its images do: parts of them are missing, before and after."
_MOTION_NOTE = "The video that belongs to the picture is not mirrored."


def flip(data: bytes, *, limits: Limits, keep_credentials: bool = False) -> Flipped:
    """Mirrors a HEIF picture or an AVIF image sequence exactly, by the orientation of its images.

    Raises:
        FlipError: damaged, over a limit, a video, a HEIC image sequence, or of a kind that cannot be kept whole.
    """
    media_type = _media_type(data)
    # What follows the last whole box does not matter; missing image data show when they are decoded.
    every = whole_boxes(data)
    top = _top_level(every)
    meta, moov, mini = (top.get(kind) for kind in (b"meta", b"moov", b"mini"))
    if not (meta or moov or mini):
        raise FlipError(f"{DAMAGED}: the file has no description of its images")
    if moov and media_type != "image/avif":
        raise FlipError("the picture is an image sequence with HEVC, which viewers do not agree on how to mirror")
    edits, kinds, pixels, locations = Edits(data), set[bytes](), 0, list[Location]()
    notes = [_IGNORED_NOTE] if media_type != "image/avif" else []
    if mini:  # whose second byte ends with the orientation of EXIF less 1 (23008-12, annex O)
        edits.patch(mini.body + 1, 1, mini.reader(skip=1).number(1) ^ 1)
    if meta:
        items = read_items(meta)
        kinds, pixels, locations = {*items.kinds.values()} & CODED, items.pixels_decoded(), items.locations
        notes += _mirror_items(items, edits, limits)
    if moov:
        mirror_tracks(moov, limits, edits)
        notes.append(_SEQUENCE_NOTE)
    if b"mpvd" in top:
        notes.append(_MOTION_NOTE)
    notes += credentials(every, edits, keep=keep_credentials)
    move_item_locations(locations, edits)
    if moov:
        move_track_offsets(moov, edits)
    mirrored = edits.apply()
    proof = prove_avif(mirrored, limits) if media_type == "image/avif" else prove_heif(mirrored, kinds, pixels)
    return Flipped(mirrored, media_type, lossless=True, notes=(*notes, *proof))


def _media_type(data: bytes) -> str:
    """The media type, by the brands in the file type box (ISO/IEC 14496-12, 4.3)."""
    size = int.from_bytes(data[:4])
    brands = data[8:12] + data[16 : min(size, len(data))]
    named = {brands[at : at + 4] for at in range(0, len(brands), 4)}
    for media_type, own in _MEDIA_TYPES.items():
        if not named.isdisjoint(own.split()):
            return media_type
    raise NotPictureError("the file is a video or a camera's raw file, not a HEIF picture")


def _top_level(every: list[Box]) -> dict[bytes, Box]:
    """The first box of each kind, not counting ``meta`` boxes that describe something else than pictures."""
    found: dict[bytes, Box] = {}
    for box in every:
        handler = box.child(b"hdlr", skip=4) if box.kind == b"meta" else None
        if box.kind != b"meta" or (handler and handler.content[8:12] == b"pict"):
            found.setdefault(box.kind, box)
    if b"moof" in found:
        raise FlipError("the file is written in fragments, as a stream, which is not mirrored here")
    return found


def _mirror_items(items: Items, edits: Edits, limits: Limits) -> tuple[str, ...]:
    """Mirrors the items; returns notes on what is missing, or misplaced."""
    if size := items.properties.size(items.primary):
        check_size(*size, limits)
    items.properties.refuse_own_shape({item for item, kind in items.kinds.items() if kind in COMPUTED})
    items.properties.mirror(items.displayed(), edits)
    swap_stereo_pairs(items.meta, edits)
    notes = mirror_metadata(items, edits)
    return notes + ((_CUT_NOTE,) if items.cut_short() else ())
