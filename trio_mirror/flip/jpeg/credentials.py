"""Content credentials in a JPEG: C2PA manifests, whose digests the mirroring breaks, in APP11 segments of JUMBF."""

from __future__ import annotations

from collections.abc import Sequence

from trio_mirror.flip.jpeg.segments import APP, Segment
from trio_mirror.flip.positions.xmp import credentials_note


def without_credentials(segments: Sequence[Segment], *, keep: bool) -> tuple[list[Segment], tuple[str, ...]]:
    """The segments without C2PA manifests, unless these are kept, and a note if there are any.

    A box runs over all segments with its number (ISO/IEC 19566-5, annex D). C2PA's is of the type ``c2pa``.
    """
    manifests = {_box(segment) for segment in segments if _box(segment) and b"c2pa" in segment.payload[8:64]}
    kept = [segment for segment in segments if keep or _box(segment) not in manifests]
    return kept, (credentials_note("a C2PA manifest", kept=keep),) if manifests else ()


def _box(segment: Segment) -> bytes:
    """The number of the JUMBF box of which the segment holds a part; empty for other segments."""
    return segment.payload[2:4] if segment.holds(APP[11], b"JP") else b""
