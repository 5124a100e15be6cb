"""The orientation in a HEIF file's EXIF block, mirrored where it agreed with the file's own.

Readers are to ignore it (ISO/IEC 23000-22, 7.3.6.7); some programs read EXIF alone. It is one number in its place,
so that nothing moves.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from trio_mirror.flip.exif import mirrored, orientation_field
from trio_mirror.flip.heif.items import exif_of_primary
from trio_mirror.flip.heif.offsets import FROM_FILE, IN_IDAT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trio_mirror.flip.heif.items import Items
    from trio_mirror.flip.heif.offsets import Location
    from trio_mirror.flip.heif.orientation import Orientation
    from trio_mirror.flip.isobmff import Edits


def mirror_exif(data: bytes, items: Items, locations: Iterable[Location], shown: Orientation, edits: Edits) -> None:
    """Notes the edit of the orientation that the primary image's EXIF block states, if that is how it was shown."""
    item = exif_of_primary(items)
    location = next((each for each in locations if each.item == item), None)
    idat = items.meta.child(data, b"idat", skip=4)
    starts = {FROM_FILE: 0} | ({IN_IDAT: idat.body} if idat else {})
    start = starts.get(location.method) if location else None
    if location and start is not None and len(location.extents) == 1:
        [(offset, length)] = location.extents
        start += location.base.value + offset.value
        _mirror_block(data, start, start + length, shown, edits)


def _mirror_block(data: bytes, start: int, end: int, shown: Orientation, edits: Edits) -> None:
    # The block is preceded by how many bytes lie before its TIFF header (ISO/IEC 23008-12, A.2.1).
    start += 4 + int.from_bytes(data[start : start + 4])
    stated = orientation_field(data[start:end])
    if stated and stated.value == shown.exif():
        new = struct.pack(stated.kind, mirrored(stated.value))
        edits.patch(start + stated.at, len(new), int.from_bytes(new))
