"""JPEG files: every image in one mirrored, and all that stands around the rasters kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from trio_mirror.errors import FlipError
from trio_mirror.flip.exif import flips_rows
from trio_mirror.flip.jpeg.metadata import displayed_as, mirrored_segments
from trio_mirror.flip.jpeg.mirror_image import mirrored_raster, thumbnail_mirror
from trio_mirror.flip.jpeg.multi_picture import (
    has_gain_map,
    indexed_parts,
    read_index,
    trailing_parts,
    with_index,
    with_lengths,
    without_index,
)
from trio_mirror.flip.jpeg.segments import joined, parse
from trio_mirror.flip.jpeg.validate import check_frame
from trio_mirror.flip.limits import check_count, check_total
from trio_mirror.flip.positions import Mirror
from trio_mirror.model import Flipped, Limits, Lossless

if TYPE_CHECKING:
    from trio_mirror.flip.jpeg.multi_picture import Index, Part
    from trio_mirror.flip.jpeg.segments import CodedPart, Jpeg, Segment


@dataclass(frozen=True, slots=True)
class _Mirrored:
    """One mirrored image of a file."""

    segments: list[Segment]
    coded: CodedPart
    lossless: bool
    notes: tuple[str, ...]

    def __bytes__(self) -> bytes:
        return joined(self.segments, self.coded)


class _Move(NamedTuple):
    """What became of a further image's place."""

    at: int
    """Its new offset in bytes behind the first image."""
    growth: int
    """Bytes that it is longer than before."""


def flip(data: bytes, *, limits: Limits, lossless: Lossless = Lossless.AUTO, keep_credentials: bool = False) -> Flipped:
    """Mirrors a JPEG, and every further image and thumbnail in the file, left to right as it is displayed.

    Args:
        data: the file.
        limits: what it may cost at most.
        lossless: whether to rearrange coefficients or to encode again.
        keep_credentials: whether signatures over the picture stay.

    Raises:
        FlipError: it is damaged, over a limit, of a kind that common decoders do not read, or cannot be
            mirrored exactly though that is required.
    """
    jpeg = parse(data)
    index = read_index(jpeg.segments)
    try:
        return _flip_all(data, jpeg, index, limits, lossless, keep_credentials=keep_credentials)
    except FlipError as error:
        if index is None or not has_gain_map(jpeg.segments) or lossless is Lossless.ALWAYS:
            raise
        alone = replace(jpeg, segments=tuple(without_index(jpeg.segments)))
        flipped = _flip_all(data[: jpeg.end], alone, None, limits, lossless, keep_credentials=keep_credentials)
        return replace(flipped, notes=(*flipped.notes, f"the gain map for HDR displays was dropped: {error}"))


def _flip_all(
    data: bytes, jpeg: Jpeg, index: Index | None, limits: Limits, lossless: Lossless, *, keep_credentials: bool
) -> Flipped:
    if index is None:
        parts = list(islice(trailing_parts(data, jpeg.end), limits.frames))
    else:
        parts = indexed_parts(data, jpeg.end, index)
    _check_all(jpeg, parts, limits)
    orientation = displayed_as(jpeg.segments) or 1
    first = _mirrored(data[: jpeg.end], jpeg, orientation, lossless, keep_credentials=keep_credentials)
    further: list[tuple[Part, _Mirrored]] = []
    notes: tuple[str, ...] = ()
    for part in parts:
        # An image that states no orientation is shown like the first: previews and gain maps state none.
        shown = displayed_as(part.jpeg.segments) or orientation
        try:
            image = data[part.start : part.jpeg.end]
            further.append((part, _mirrored(image, part.jpeg, shown, lossless, keep_credentials=keep_credentials)))
        except FlipError as error:
            if index is not None:
                raise
            notes = (f"a further JPEG behind the picture was left as it was: {error}",)
            break
    images = [first, *(image for _, image in further)]
    return Flipped(
        _assembled(data, jpeg, first, further, index),
        "image/jpeg",
        all(image.lossless for image in images),
        tuple(note for image in images for note in image.notes) + notes,
    )


def _assembled(
    data: bytes, jpeg: Jpeg, first: _Mirrored, further: list[tuple[Part, _Mirrored]], index: Index | None
) -> bytes:
    """The file with its images replaced, all bytes between and behind them kept, and its index made right."""
    behind, moves = _behind_first(data, jpeg.end, further)
    segments = first.segments
    if index is not None:
        named = [(size, moves[index.base + offset]) for size, offset in index.entries[1:]]
        segments = with_lengths(segments, {size: size + move.growth for size, move in named})
        end = len(joined(segments, first.coded))
        entries = [(size + move.growth, end + move.at) for size, move in named]
        segments = with_index(segments, index, [(index.entries[0][0] + end - jpeg.end, 0), *entries])
    return joined(segments, (*first.coded, *behind))


def _behind_first(data: bytes, end: int, further: list[tuple[Part, _Mirrored]]) -> tuple[list[bytes], dict[int, _Move]]:
    """The pieces that follow the first image, and where each further image went, by its offset in the old file."""
    pieces: list[bytes] = []
    moves: dict[int, _Move] = {}
    length = 0
    for part, image in further:
        size = part.jpeg.end - part.start
        # Other metadata may state an image's length, so it stays the same where it can.
        encoded = bytes(image).ljust(size, b"\0")
        length += part.start - end
        moves[part.start] = _Move(length, len(encoded) - size)
        length += len(encoded)
        pieces += [data[end : part.start], encoded]
        end = part.jpeg.end
    return [*pieces, data[end:]], moves


def _check_all(jpeg: Jpeg, parts: list[Part], limits: Limits) -> None:
    check_count(1 + len(parts), limits)
    check_frame(jpeg, jpeg.end, limits)
    pixels = jpeg.frame.width * jpeg.frame.height
    for part in parts:
        check_frame(part.jpeg, part.jpeg.end - part.start, limits)
        pixels += part.jpeg.frame.width * part.jpeg.frame.height
    check_total(pixels, limits)


def _mirrored(image: bytes, jpeg: Jpeg, orientation: int, lossless: Lossless, *, keep_credentials: bool) -> _Mirrored:
    mirror = Mirror(jpeg.frame.width, jpeg.frame.height, flips_rows(orientation))
    coded, exact, notes = mirrored_raster(image, jpeg, lossless, rows=mirror.rows)
    thumbnails = thumbnail_mirror(rows=mirror.rows)
    segments, more = mirrored_segments(jpeg.segments, thumbnails, mirror, keep_credentials=keep_credentials)
    return _Mirrored(segments, coded, exact, notes + more)
