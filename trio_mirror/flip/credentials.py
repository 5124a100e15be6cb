"""Content credentials (C2PA) in the boxes of a file, which vouch for bytes that the mirroring changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trio_mirror.flip.positions.xmp import credentials_note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trio_mirror.flip.isobmff import Box, Edits


def credentials(manifests: Sequence[Box], edits: Edits, *, keep: bool) -> tuple[str, ...]:
    """Notes the edits that take the manifests out, unless they are to stay; returns a note on that."""
    if not keep:
        for box in manifests:
            edits.splice(None, box.start, box.end, b"")
    return (credentials_note("a C2PA manifest", kept=keep),) if manifests else ()
