"""Views of one scene from places beside each other. Mirrored, the leftmost is the rightmost, and they change places.

Only the rasters do: what stands around them, such as the index and its numbers, belongs to the place and not the view.
"""

from __future__ import annotations

import base64

from trio_mirror.errors import FlipError
from trio_mirror.flip.jpeg.extended_xmp import extended_xmp
from trio_mirror.flip.jpeg.file import File
from trio_mirror.flip.jpeg.metadata import XMP
from trio_mirror.flip.jpeg.reencode import coding_of
from trio_mirror.flip.jpeg.segments import Jpeg, parse
from trio_mirror.flip.jpeg.surroundings import displayed_as
from trio_mirror.flip.positions import not_mirrored
from trio_mirror.flip.positions.properties import read_properties

_GOOGLE = "http://ns.google.com/photos/1.0/"
_IMAGE, _DEPTH, _PANORAMA = f"{_GOOGLE}image/", f"{_GOOGLE}depthmap/", f"{_GOOGLE}panorama/"
_STAY = not_mirrored({"the order of stereo views that differ in size or kind"})


def stereo_sources(file: File) -> tuple[dict[int, Jpeg], tuple[str, ...]]:
    """The source of each view's raster, by its offset in the file, and a note if views cannot change places."""
    entries = zip(file.index.entries, file.index.places, strict=True) if file.index else ()
    starts = [start for entry, start in entries if entry.is_stereo and start is not None]
    if len(starts) < 2:
        return {}, ()
    images = {image.start: image for image in file.images}
    views = [images[start] for start in starts]
    if not _can_change_places(views):
        return {}, _STAY
    return dict(zip(starts, reversed(views), strict=True)), ()


def right_eye(file: File) -> tuple[Jpeg | None, tuple[str, ...]]:
    """The right eye's image of a panorama, in its XMP, and a note if it cannot change places with the first image.

    A photo that a depth map goes with is the same view again (Google's Cardboard Camera, VR photo format; GDepth).
    """
    extensions = extended_xmp(file.first.segments)
    if not any(_IMAGE.encode() in it for it in extensions):
        return None, ()
    packets = [it.payload[len(XMP) :] for it in file.first.segments if it.payload.startswith(XMP)]
    try:
        structures = [it for packet in (*packets, *extensions) for it in read_properties(packet)]
    except ValueError:
        return None, ()
    values = {name: value.text for structure in structures for name, value in structure.fields.items()}
    is_panorama = any(name.startswith(_PANORAMA) for name in values)
    if not is_panorama or f"{_IMAGE}Data" not in values or f"{_DEPTH}Data" in values:
        return None, ()
    try:
        eye = parse(base64.b64decode(values[f"{_IMAGE}Data"]))
    except (ValueError, FlipError):
        return None, _STAY
    return (eye, ()) if _can_change_places([file.first, eye]) else (None, _STAY)


def _can_change_places(views: list[Jpeg]) -> bool:
    """Whether the raster of each may stand among the segments of any other."""
    # A view that states no orientation is shown like the first.
    first = displayed_as(views[0].segments) or 1
    kinds = {
        (jpeg.frame.width, jpeg.frame.height, coding_of(jpeg), displayed_as(jpeg.segments) or first) for jpeg in views
    }
    return len(kinds) == 1
