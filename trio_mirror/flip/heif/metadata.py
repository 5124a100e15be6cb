"""What a HEIF file's EXIF and XMP state of places in the stored picture, which stays as it is.

Programs that read them combine them with the orientation of EXIF, so that they stay true where that is mirrored with
the file's own. It is mirrored where the two agreed, one number in its place, though viewers must ignore it (ISO/IEC
23000-22, 7.3.6.7). Where it is missing, or said something else, a note says what may be misplaced.
"""

from __future__ import annotations

import struct

from trio_mirror.flip.edits import Edits
from trio_mirror.flip.exif import mirrored, orientation_field
from trio_mirror.flip.heif.items import Items
from trio_mirror.flip.heif.offsets import FROM_FILE, IN_IDAT
from trio_mirror.flip.positions import Mirror
from trio_mirror.flip.positions.left import positions_left


def mirror_metadata(items: Items, edits: Edits) -> tuple[str, ...]:
    """Notes the edit of the orientation that EXIF states, if that is how the picture was shown; returns a note."""
    (exif_at, exif), (_, xmp) = _block(items, b"Exif"), _block(items, b"mime")
    # The block is preceded by how many bytes lie before its TIFF header (ISO/IEC 23008-12, A.2.1).
    before = 4 + int.from_bytes(exif[:4])
    block = exif[before:]
    stated = orientation_field(block)
    if stated and stated.value == items.properties.orientation(items.primary).exif():
        new = struct.pack(stated.kind, mirrored(stated.value))
        edits.patch(exif_at + before + stated.at, len(new), int.from_bytes(new))
        return ()
    return positions_left(block, xmp, Mirror(*(items.properties.size(items.primary) or (0, 0))))


def _block(items: Items, kind: bytes) -> tuple[int, bytes]:
    """Where the first item of a kind that describes the primary image begins, and its data, unless it is in pieces."""
    describing = (item for how, item, masters in items.references if how == b"cdsc" and items.primary in masters)
    item = next((each for each in describing if items.kinds.get(each) == kind), None)
    location = next((each for each in items.locations if each.item == item), None)
    idat = items.meta.child(b"idat", skip=4)
    starts = {FROM_FILE: 0} | ({IN_IDAT: idat.body} if idat else {})
    start = starts.get(location.method) if location else None
    if location is None or start is None or len(location.extents) != 1:
        return 0, b""
    [(offset, length)] = location.extents
    start += location.base.value + offset.value
    return start, items.meta.data[start : start + length]
