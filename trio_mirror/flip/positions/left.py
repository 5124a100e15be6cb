"""Positions that stay as they are, as the stored raster does: noted where nothing beside them says how it is turned."""

from __future__ import annotations

from trio_mirror.errors import FlipError
from trio_mirror.flip.positions import Mirror, not_mirrored
from trio_mirror.flip.positions.exif import mirrored_fields
from trio_mirror.flip.positions.xmp import mirrored_packet


def positions_left(exif: bytes, xmp: bytes, mirror: Mirror) -> tuple[str, ...]:
    """The note on the positions that an EXIF block and an XMP packet state, either of them perhaps empty."""
    names = set()
    if mirrored_fields(exif, mirror, _left, keep_credentials=True)[0] != exif:
        names.add("positions in EXIF")
    if mirrored_packet(xmp, mirror, _left, keep_credentials=True)[0] != xmp:
        names.add("positions in XMP")
    return not_mirrored(names)


def _left(_: bytes) -> bytes:
    raise FlipError("it stays as it is")
