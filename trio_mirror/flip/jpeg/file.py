"""A JPEG file taken apart: its first image, and what follows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from trio_mirror.flip.jpeg.container import read_directory
from trio_mirror.flip.jpeg.metadata import XMP
from trio_mirror.flip.jpeg.multi_picture import Index, has_gain_map, is_directed, read_index, without_index
from trio_mirror.flip.jpeg.samsung import Blocks, read_blocks
from trio_mirror.flip.jpeg.segments import Jpeg
from trio_mirror.flip.jpeg.trailer import read_trailer
from trio_mirror.model import Limits

# Bytes; what is smaller holds no raster to speak of.
_SMALL = 1_024


@dataclass(frozen=True, slots=True)
class File:
    """A file and its parts."""

    data: bytes
    first: Jpeg  # the first image, without an index that is wrong
    index: Index | None
    further: list[Jpeg]  # the further images
    videos: list[slice]
    pngs: list[slice]
    blocks: Blocks | None  # Samsung's directory
    items: list[slice]  # the places, in bytes, of what the XMP names behind the first image

    @property
    def images(self) -> tuple[Jpeg, ...]:
        """The images in their order."""
        return (self.first, *self.further)

    @property
    def gain_map(self) -> Jpeg | None:
        """The image that only brightens the first on HDR displays, which is whole without it."""
        if not has_gain_map(self.first.segments):
            return None
        marked = (image for image in self.further if has_gain_map(image.segments))
        return next(marked, self.further[0] if self.further else None)

    @property
    def unmirrored(self) -> set[str]:
        """The names of what is left as it was, since we read no picture in it."""
        if self.first.end == len(self.data):
            return set()
        known = [*(slice(image.start, image.end) for image in self.further), *self.pngs, *self.videos, *self._blocks]
        named = {
            "the video behind the picture": self.videos,
            "Samsung's depth map": self.blocks and self.blocks.has_depth_map,
            "the directions of views": any(is_directed(image.segments) for image in self.images),
            "unknown data behind the picture": any(len(gap) > _SMALL for gap in self._between(known)),
        }
        return {what for what, is_there in named.items() if is_there}

    @property
    def is_addressed(self) -> bool:
        """Whether all behind the first image is found by what we bring up to date, so that it may move."""
        starts = self.index.starts if self.index else []
        indexed = [slice(image.start, image.end) for image in self.further if image.start in starts]
        return not any(self._between([*indexed, *self.videos, *self.items, *self._blocks]))

    @property
    def _blocks(self) -> list[slice]:
        return [slice(self.blocks.start, len(self.data))] if self.blocks else []

    def _between(self, known: list[slice]) -> Iterator[bytes]:
        """What stands around these places behind the first image, without zeros at its ends."""
        at = self.first.end
        for place in sorted([*known, slice(len(self.data), len(self.data))], key=lambda it: it.start):
            yield self.data[at : place.start].strip(b"\0")
            at = max(at, place.stop)


def read_file(data: bytes, first: Jpeg, limits: Limits) -> tuple[File, tuple[str, ...]]:
    """Takes a file apart, whose first image was; returns it, and a note if its index is wrong."""
    index = read_index(first.segments)
    notes: tuple[str, ...] = ()
    trailer = read_trailer(data, first.end, index.starts if index else [], limits.frames)
    if index and not {image.start for image in trailer.images}.issuperset(index.starts):
        index = index.repaired(trailer.images)
        what = "dropped" if index is None else "repaired"
        notes = (f"the multi-picture index was {what}: it named images where none are",)
        if index is None:
            first = replace(first, segments=tuple(without_index(first.segments)))
    items: list[slice] = []
    if first.end < len(data):
        packet = next((s.payload[len(XMP) :] for s in first.segments if s.payload.startswith(XMP)), b"")
        items = read_directory(packet).places(data, first.end)
    return File(data, first, index, *trailer, read_blocks(data, first.end), items), notes
