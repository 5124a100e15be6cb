"""Content credentials (C2PA) in the boxes of a file, which vouch for bytes that the mirroring changes."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from trio_mirror.flip.edits import Edits
from trio_mirror.flip.isobmff import Box
from trio_mirror.flip.positions.xmp import credentials_note

# How the box of a manifest begins in HEIF and JP2 (C2PA technical specification 2.2, A.5.3).
_MANIFEST = UUID("d8fec3d6-1b0e-483c-9297-5828877ec481").bytes
# In JPEG XL the box describes itself: a type (16 bytes behind a header), flags and a label (ISO/IEC 19566-5).
_LABEL, _LABEL_END = b"c2pa\0", 64


def credentials(top: Sequence[Box], edits: Edits, *, keep: bool) -> tuple[str, ...]:
    """Adds the edits that take manifests out of a file, unless they are kept; returns a note if there are any."""
    manifests = [
        box
        for box in top
        if (box.kind == b"uuid" and box.data.startswith(_MANIFEST, box.body))
        or (box.kind == b"jumb" and _LABEL in box.data[box.body : min(box.body + _LABEL_END, box.end)])
    ]
    for box in () if keep else manifests:
        edits.splice(None, box.start, box.end, b"")
    return (credentials_note("a C2PA manifest", kept=keep),) if manifests else ()
