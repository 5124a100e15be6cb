"""Content credentials in a JPEG: C2PA manifests, whose digests the mirroring breaks, in APP11 segments of JUMBF."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trio_mirror.flip.positions.xmp import credentials_note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trio_mirror.flip.jpeg.segments import Segment

_APP11 = 0xEB


def without_credentials(segments: Sequence[Segment], *, keep: bool) -> tuple[list[Segment], tuple[str, ...]]:
    """The segments without a C2PA manifest, unless it is to be kept, and a note if there is one.

    A box runs over all segments with its number (ISO/IEC 19566-5, annex D). C2PA's is of the type ``c2pa``.
    """
    boxes = {
        segment.payload[2:4]
        for segment in segments
        if segment.marker == _APP11 and segment.payload.startswith(b"JP") and b"c2pa" in segment.payload[8:64]
    }
    if not boxes:
        return list(segments), ()
    kept = [
        segment
        for segment in segments
        if keep
        or segment.marker != _APP11
        or not segment.payload.startswith(b"JP")
        or segment.payload[2:4] not in boxes
    ]
    return kept, (credentials_note("a C2PA manifest", kept=keep),)
