"""Views of one scene from places beside each other. Mirrored, the leftmost is the rightmost, and they change places.

Only the rasters do: what stands around them, such as the index and its numbers, belongs to the place and not the view.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from trio_mirror.flip.jpeg.metadata import displayed_as
from trio_mirror.flip.jpeg.reencode import coding_of
from trio_mirror.flip.positions import not_mirrored

if TYPE_CHECKING:
    from trio_mirror.flip.jpeg.file import File
    from trio_mirror.flip.jpeg.segments import Jpeg


class Source(NamedTuple):
    """An image, and the same taken apart."""

    data: bytes
    jpeg: Jpeg


def stereo_sources(file: File) -> tuple[dict[int, Source], tuple[str, ...]]:
    """The source of each view's raster, by its offset in the file, and a note if views cannot change places."""
    entries = file.index.entries if file.index else ()
    base = file.index.base if file.index else 0
    starts = [base + entry.offset if number else 0 for number, entry in enumerate(entries) if entry.is_stereo]
    if len(starts) < 2:
        return {}, ()
    jpegs = {0: file.jpeg, **{part.start: part.jpeg for part in file.parts}}
    kinds = {
        (jpegs[it].frame.width, jpegs[it].frame.height, coding_of(jpegs[it]), displayed_as(jpegs[it].segments) or 1)
        for it in starts
    }
    if len(kinds) > 1:
        return {}, not_mirrored({"the order of stereo views that differ in size or kind"})
    views = [Source(file.data[it : jpegs[it].end], jpegs[it]) for it in starts]
    return dict(zip(starts, reversed(views), strict=True)), ()
