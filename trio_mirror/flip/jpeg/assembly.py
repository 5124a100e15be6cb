"""A JPEG file put together again: its images replaced, all else kept, and every place and length that it states true.

What follows the first image keeps its place as far as it can, unless all of it is found by what is brought up to date
here: makers place previews by numbers of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from trio_mirror.errors import FlipError
from trio_mirror.flip.exif import SIGNATURE as EXIF
from trio_mirror.flip.jpeg.container import with_lengths
from trio_mirror.flip.jpeg.file import File
from trio_mirror.flip.jpeg.layout import Change, Layout
from trio_mirror.flip.jpeg.maker_offsets import Move, patched
from trio_mirror.flip.jpeg.metadata import XMP
from trio_mirror.flip.jpeg.multi_picture import offset_of, with_index, without_gain_map
from trio_mirror.flip.jpeg.previews import filled, shortened
from trio_mirror.flip.jpeg.segments import PAYLOAD_LIMIT, SOI, CodedPart, Segment, coded_part, joined


@dataclass(frozen=True, slots=True)
class Mirrored:
    """One mirrored image of a file."""

    segments: list[Segment]
    coded: CodedPart
    lossless: bool
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(SOI) + sum(map(len, self.segments)) + sum(map(len, self.coded))

    def __bytes__(self) -> bytes:
        return joined(self.segments, self.coded)

    def in_place_of(self, size: int) -> bytes:
        """The image in so many bytes, or in more where it needs them."""
        encoded = shortened(bytes(self), size)
        return filled(encoded, size) if len(encoded) <= size else encoded


def assembled(
    file: File, first: Mirrored, further: dict[int, Mirrored | None], pngs: list[Change]
) -> tuple[bytes, tuple[str, ...]]:
    """Puts a file together.

    ``further`` has its further images by their place in the old file, None for the gain map where it is dropped.

    Returns:
        The file, and a note if something behind the first image has moved that may be sought in its place.

    Raises:
        FlipError: the XMP has no room for a new length.
    """
    end = file.first.end
    if end == len(file.data):
        return bytes(first), ()
    has_dropped = None in further.values()
    is_addressed = file.is_addressed
    layout = _layout(file, further, pngs)
    if has_dropped:
        first = replace(first, segments=without_gain_map(first.segments))
    without_lengths, size = first, 0
    while size != len(first):  # the length of the first image is one of them, and its digits are part of it
        size = len(first)
        first = _with_lengths(without_lengths, layout, size, without_gain_map=has_dropped)
    if not is_addressed:
        first = replace(first, coded=coded_part(first.in_place_of(end)))
    first, notes = _with_moves(file, first, layout)
    if file.index is not None and not has_dropped:
        first = replace(first, segments=_indexed(file, first, layout))
    return joined(first.segments, (*first.coded, layout.new())), () if is_addressed else notes


def _layout(file: File, further: dict[int, Mirrored | None], pngs: list[Change]) -> Layout:
    changes = [*pngs]
    for image in file.further:
        if image.start in further:
            mirrored = further[image.start]
            new = mirrored.in_place_of(len(image.data)) if mirrored else b""
            changes.append(Change(image.start, image.end, new))
    if file.blocks:
        changes.append(file.blocks.change(Layout(file.data, file.first.end, changes)))
    return Layout(file.data, file.first.end, changes)


def _with_lengths(first: Mirrored, layout: Layout, size: int, *, without_gain_map: bool) -> Mirrored:
    """The first image with what its XMP says of the bytes behind it brought up to date."""
    segments = []
    for segment in first.segments:
        if segment.payload.startswith(XMP):
            packet = segment.payload[len(XMP) :]
            payload = XMP + with_lengths(packet, layout, size, without_gain_map=without_gain_map)
            if len(payload) > PAYLOAD_LIMIT:
                raise FlipError("its XMP has no room for the length of a further image")
            segment = segment.with_payload(payload)  # noqa: PLW2901
        segments.append(segment)
    return replace(first, segments=segments)


def _with_moves(file: File, first: Mirrored, layout: Layout) -> tuple[Mirrored, tuple[str, ...]]:
    """The first image with new places and sizes in its EXIF where what follows it could not keep its own."""
    size, segments, found = len(first), list(first.segments), False
    places = [place for image in file.further for place in (image.start, image.end)]
    if size == file.first.end and all(layout.moved(place) == place - size for place in places):
        return first, ()
    position = next((at for at, segment in enumerate(segments) if segment.payload.startswith(EXIF)), None)
    if position is not None:
        # Where the TIFF header of the EXIF block stood and stands; a block keeps its first segment.
        before = next(it.at for it in file.first.segments if it.payload.startswith(EXIF)) + len(EXIF)
        after = offset_of(segments, position) + len(EXIF)
        moves = []
        for image in file.further:
            start, stop = layout.moved(image.start), layout.moved(image.end)
            moves.append(Move(image.start - before, size + start - after, len(image.data), stop - start))
        block, found = patched(segments[position].payload[len(EXIF) :], moves)
        segments[position] = segments[position].with_payload(EXIF + block)
    notes = () if found and file.further else ("what follows the picture has moved, where its maker may not find it",)
    return replace(first, segments=segments), notes


def _indexed(file: File, first: Mirrored, layout: Layout) -> list[Segment]:
    assert file.index is not None
    size = len(first)
    ends = {image.start: image.end for image in file.further}
    entries = [(file.index.entries[0].size + size - file.first.end, 0)]
    for entry, start in zip(file.index.entries[1:], file.index.places[1:], strict=True):
        if start is None:
            entries.append((0, 0))
            continue
        growth = layout.moved(ends[start]) - layout.moved(start) - (ends[start] - start)
        entries.append((entry.size + growth, size + layout.moved(start)))
    return with_index(first.segments, file.index, entries)
