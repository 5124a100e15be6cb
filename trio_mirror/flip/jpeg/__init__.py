"""JPEG files: every image in one mirrored, and all that stands around the rasters kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from trio_mirror.errors import FlipError
from trio_mirror.flip.exif import flips_rows
from trio_mirror.flip.jpeg.assembly import Mirrored, assembled
from trio_mirror.flip.jpeg.file import File, read_file
from trio_mirror.flip.jpeg.layout import Change
from trio_mirror.flip.jpeg.mirror_image import mirrored_raster, thumbnail_mirror
from trio_mirror.flip.jpeg.segments import Jpeg, joined, parse
from trio_mirror.flip.jpeg.stereo import right_eye, stereo_sources
from trio_mirror.flip.jpeg.surroundings import displayed_as, is_plain, mirrored_segments
from trio_mirror.flip.jpeg.validate import check_frame
from trio_mirror.flip.limits import check_count, check_total
from trio_mirror.flip.positions import Mirror, not_mirrored
from trio_mirror.model import Flipped, Limits, Lossless


class _Choices(NamedTuple):
    """What the caller wants."""

    limits: Limits
    lossless: Lossless
    keep_credentials: bool


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
    if jpeg.end == len(data) and all(map(is_plain, jpeg.segments)):
        return _flip_plain(jpeg, limits, lossless)
    file, notes = read_file(data, jpeg, limits)
    _check_all(file, limits)
    orientation = displayed_as(file.first.segments) or 1
    choices = _Choices(limits, lossless, keep_credentials)
    sources, unswapped_views = stereo_sources(file)
    eye, unswapped_eye = right_eye(file)
    first = _mirrored(file.first, sources.get(0), orientation, choices, eye)
    further, dropped = _mirrored_further(file, orientation, sources, choices)
    pngs, left = _mirrored_pngs(file, orientation)
    flipped, moved = assembled(file, first, further, pngs)
    images = [first, *filter(None, further.values())]
    notes += tuple(note for image in images for note in image.notes)
    return Flipped(
        flipped,
        "image/jpeg",
        all(image.lossless for image in images),
        (*notes, *unswapped_views, *unswapped_eye, *dropped, *left, *not_mirrored(file.unmirrored), *moved),
    )


def _flip_plain(jpeg: Jpeg, limits: Limits, lossless: Lossless) -> Flipped:
    """Mirrors a file of one image whose metadata stay as they are."""
    check_frame(jpeg, limits)
    check_total(jpeg.frame.width * jpeg.frame.height, limits)
    coded, exact, notes = mirrored_raster(jpeg, lossless, rows=False)
    return Flipped(joined(jpeg.segments, coded), "image/jpeg", exact, notes)


def _check_all(file: File, limits: Limits) -> None:
    check_count(len(file.images), limits)
    check_frame(file.first, limits)
    sizes = [image.frame.width * image.frame.height for image in file.images]
    # A further image that is too large by itself is not mirrored.
    check_total(sum(pixels for pixels in sizes if pixels <= limits.frame_pixels), limits)


def _mirrored_further(
    file: File, orientation: int, sources: dict[int, Jpeg], choices: _Choices
) -> tuple[dict[int, Mirrored | None], tuple[str, ...]]:
    """Mirrors the further images: by their places in the file, None for the gain map where it cannot be; and notes."""
    mirrored: dict[int, Mirrored | None] = {}
    notes: tuple[str, ...] = ()
    gain_map = file.gain_map
    for image in file.further:
        # An image that states no orientation is shown like the first: previews and gain maps state none.
        shown = displayed_as(image.segments) or orientation
        try:
            check_frame(image, choices.limits)
            mirrored[image.start] = _mirrored(image, sources.get(image.start), shown, choices)
        except FlipError as error:
            if image is gain_map:
                if choices.lossless is Lossless.ALWAYS:
                    raise FlipError(f"the gain map for HDR displays cannot be mirrored: {error}") from error
                mirrored[image.start] = None
                what = "the gain map for HDR displays was dropped, with its XMP and its entry in the index"
            elif file.index and image.start in file.index.starts:
                raise
            else:
                what = "a further JPEG behind the picture was left as it was"
            notes += (f"{what}: {error}",)
    return mirrored, notes


def _mirrored_pngs(file: File, orientation: int) -> tuple[list[Change], tuple[str, ...]]:
    """The PNGs behind the first image, such as depth maps, in no fewer bytes than before."""
    pixels = file.first.frame.width * file.first.frame.height
    mirror_png = thumbnail_mirror(rows=flips_rows(orientation), largest=pixels)
    changes: list[Change] = []
    notes: tuple[str, ...] = ()
    for place in file.pngs:
        old = file.data[place]
        try:
            changes.append(Change(place.start, place.stop, mirror_png(old).ljust(len(old), b"\0")))
        except FlipError as error:
            notes = (f"a PNG behind the picture was left as it was: {error}",)
    return changes, notes


def _mirrored(
    image: Jpeg, source: Jpeg | None, orientation: int, choices: _Choices, eye: Jpeg | None = None
) -> Mirrored:
    """Mirrors an image that is displayed by an orientation.

    ``source`` is that of its raster, where it takes that of another view; ``eye`` a view inside its metadata, with
    which its raster changes places.
    """
    frame = image.frame
    mirror = Mirror(frame.width, frame.height, flips_rows(orientation))
    coded, exact, notes = mirrored_raster(eye or source or image, choices.lossless, rows=mirror.rows)
    pictures = thumbnail_mirror(rows=mirror.rows, largest=frame.width * frame.height)
    if eye is not None:
        other, _, _ = mirrored_raster(image, choices.lossless, rows=mirror.rows)
        pictures = _with_other(pictures, eye.data, joined(eye.segments, other))
    segments, more = mirrored_segments(image.segments, pictures, mirror, keep_credentials=choices.keep_credentials)
    return Mirrored(segments, coded, exact, notes + more)


def _with_other(pictures: Callable[[bytes], bytes], eye: bytes, other: bytes) -> Callable[[bytes], bytes]:
    return lambda picture: other if picture.startswith(eye) else pictures(picture)
