"""A JPEG file taken apart: its first image, and what follows it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from trio_mirror.flip.jpeg.container import read_directory
from trio_mirror.flip.jpeg.extended_xmp import XMP
from trio_mirror.flip.jpeg.multi_picture import has_gain_map, read_index, without_index
from trio_mirror.flip.jpeg.samsung import read_blocks
from trio_mirror.flip.jpeg.segments import parse
from trio_mirror.flip.jpeg.trailer import read_trailer

if TYPE_CHECKING:
    from trio_mirror.flip.jpeg.multi_picture import Index
    from trio_mirror.flip.jpeg.samsung import Blocks
    from trio_mirror.flip.jpeg.segments import Jpeg
    from trio_mirror.flip.jpeg.trailer import Part
    from trio_mirror.model import Limits


@dataclass(frozen=True, slots=True)
class File:
    """A file and its parts."""

    data: bytes
    jpeg: Jpeg
    """The first image, without an index that is wrong."""
    index: Index | None
    parts: list[Part]
    """The further images."""
    videos: list[slice]
    pngs: list[slice]
    blocks: Blocks | None
    """Samsung's directory."""
    items: list[slice]
    """The places, in bytes, of what the XMP names behind the first image."""

    @property
    def gain_map(self) -> Part | None:
        """The image that only brightens the first on HDR displays, which is whole without it."""
        if not has_gain_map(self.jpeg.segments):
            return None
        marked = (part for part in self.parts if has_gain_map(part.jpeg.segments))
        return next(marked, self.parts[0] if self.parts else None)

    @property
    def unmirrored(self) -> set[str]:
        """What is left as it was, since it is no picture to us."""
        video = {"the video behind the picture"} if self.videos else set()
        return video | ({"Samsung's depth map"} if self.blocks and self.blocks.has_depth_map else set())

    @property
    def is_addressed(self) -> bool:
        """Whether all behind the first image is found by what we bring up to date, so that it may move."""
        starts = self.index.starts if self.index else []
        known = [slice(part.start, part.jpeg.end) for part in self.parts if part.start in starts]
        known += [*self.videos, *self.items]
        if self.blocks:
            known.append(slice(self.blocks.start, len(self.data)))
        at = self.jpeg.end
        for place in sorted(known, key=lambda it: it.start):
            if self.data[at : place.start].strip(b"\0"):
                return False
            at = max(at, place.stop)
        return not self.data[at:].strip(b"\0")


def read_file(data: bytes, limits: Limits) -> tuple[File, tuple[str, ...]]:
    """Takes a file apart.

    Returns:
        The file, and a note if its index is wrong.

    Raises:
        FlipError: its first image is not a JPEG, or is cut off before its raster.
    """
    jpeg = parse(data)
    index = read_index(jpeg.segments)
    notes: tuple[str, ...] = ()
    trailer = read_trailer(data, jpeg.end, index.starts if index else [], limits.frames)
    if index and not {part.start for part in trailer.parts}.issuperset(index.starts):
        index = index.repaired(trailer.parts)
        what = "dropped" if index is None else "repaired"
        notes = (f"the multi-picture index was {what}: it named images where none are",)
        if index is None:
            jpeg = replace(jpeg, segments=tuple(without_index(jpeg.segments)))
    items: list[slice] = []
    if jpeg.end < len(data):
        packet = next((s.payload[len(XMP) :] for s in jpeg.segments if s.payload.startswith(XMP)), b"")
        items = read_directory(packet).places(data, jpeg.end)
    return File(data, jpeg, index, *trailer, read_blocks(data, jpeg.end), items), notes
