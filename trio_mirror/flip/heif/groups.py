"""Groups of items of a HEIF file: the two views of a stereo pair change places when they are mirrored.

ISO/IEC 14496-12, 8.15.3 (``grpl``) and ISO/IEC 23008-12, 6.8 (``ster``: the left view, then the right one).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trio_mirror.flip.isobmff import Reader

if TYPE_CHECKING:
    from trio_mirror.flip.isobmff import Box, Edits


def swap_stereo_pairs(data: bytes, meta: Box, edits: Edits) -> None:
    """Notes the edits by which the right view becomes the left one.

    Raises:
        FlipError: a group is damaged.
    """
    groups = meta.child(data, b"grpl", skip=4)
    for group in groups.children(data) if groups else ():
        if group.kind != b"ster":
            continue
        reader = Reader(data, group.body + 8, group.end)
        views = [reader.number(4) for _ in range(reader.number(4))]
        for number, view in enumerate(reversed(views)):
            edits.patch(group.body + 12 + 4 * number, 4, view)
