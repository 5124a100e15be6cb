"""The tags of a TIFF that depend on where things lie in the image: mirrored, or named in a note.

They are one table. Each image has its own axis: its rows change places where it is displayed turned by a quarter.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from trio_mirror.errors import FlipError
from trio_mirror.flip.jpeg.metadata import Metadata, Mirrored
from trio_mirror.flip.positions import Mirror, not_mirrored
from trio_mirror.flip.positions.exif import mirrored_subject
from trio_mirror.flip.positions.photoshop import IPTC_PREVIEW
from trio_mirror.flip.positions.table import EXIF, EXIF_LEFT
from trio_mirror.flip.tiff import georeference
from trio_mirror.flip.tiff.edit import Editor, Value
from trio_mirror.flip.tiff.ifd import Ifd
from trio_mirror.flip.tiff.imagej import mirrored_rois
from trio_mirror.flip.tiff.ome import mirrored_ome

_WIDTH, _DESCRIPTION, _MAKE, _RESOLUTION, _POSITION = 256, 270, 271, 282, 286  # the first of each pair: of x
_FULL_SIZE = 33300  # of the page that the image was cut from (tiff.h, PIXAR_IMAGEFULLWIDTH)
_CLIP_PATH, _XMP, _ANNOTATIONS, _IPTC, _PHOTOSHOP = 343, 700, 32932, 33723, 34377
_MAKER_NOTE, _PHOTOSHOP_LAYERS = 37500, 37724
_GEO_KEYS, _RASTER_TYPE, _BY_POINT = 34735, 1025, 2
_GDAL_METADATA, _IMAGEJ_COUNTS, _IMAGEJ, _CREDENTIALS = 42112, 50838, 50839, 52545
_SHORT, _LONG, _RATIONAL, _DOUBLE = 3, 4, 5, 12
_CODES = {_SHORT: "H", _LONG: "I", _RATIONAL: "I", _DOUBLE: "d"}  # of struct, by field type
_MAX_LONG = (1 << 32) - 1
_GDAL_POSITIONS = re.compile(
    rb"<Item\b[^<>]*(?:domain=\"(?:RPC|GEOLOCATION|xml:[^\"]*)\"|name=\"[^\"]*(?:CORNER|IGEOLO))"
)
# GDAL's note that the tiles of a cloud-optimized GeoTIFF lie in order, with their sizes before them, and how it
# says itself that this no longer holds ("COG driver", section on the header ghost area).
_GHOST_AREA = re.compile(
    rb"(?:.{8}|.{16})GDAL_STRUCTURAL_METADATA_SIZE=.{0,400}?(KNOWN_INCOMPATIBLE_EDITION=)NO\n ", re.DOTALL
)

Changes = tuple[dict[int, Value | None], tuple[str, ...]]  # new values of tags, and notes
Rule = Callable[["_Directory"], Changes]  # what makes tags true again


@dataclass(frozen=True)
class _Directory:
    """A directory of an image, and how the image was mirrored."""

    ifd: Ifd
    image: Ifd
    """The directory of the image that it describes; often itself."""
    metadata: Metadata
    editor: Editor

    @property
    def order(self) -> str:
        """The struct prefix of the file's byte order."""
        return self.ifd.file.order

    @property
    def mirror(self) -> Mirror:
        """The image's raster."""
        return self.metadata.mirror

    def unpacked(self, tag: int, kind: int) -> list[Any]:
        """The numbers of a tag, of a RATIONAL both terms; none where it has another type than ``kind``."""
        entry = self.ifd.entries.get(tag)
        octets = self.ifd.octets(tag) if entry and entry.kind == kind else b""
        return [number for (number,) in struct.iter_unpack(f"{self.order}{_CODES[kind]}", octets)]

    def rational(self, tag: int) -> Fraction | None:
        """The value of a tag of one RATIONAL; None where the tag does not hold a valid one."""
        terms = self.unpacked(tag, _RATIONAL)
        return Fraction(*terms) if len(terms) == 2 and terms[1] else None

    def packed(self, kind: int, numbers: Sequence[float]) -> Value:
        """The value of a tag with these numbers."""
        return Value(kind, len(numbers), struct.pack(f"{self.order}{len(numbers)}{_CODES[kind]}", *numbers))

    def replaced(self, tag: int, octets: bytes) -> dict[int, Value | None]:
        """Other bytes in the place of a tag of bytes; the tag is taken out where there are none."""
        kind = self.ifd.entries[tag].kind
        return {} if octets == self.ifd.octets(tag) else {tag: Value(kind, len(octets), octets) if octets else None}


def mirror_tags(images: list[Ifd], editor: Editor, *, keep_credentials: bool) -> list[str]:
    """Makes the tags of a file whose images were mirrored true again.

    ``images`` are all its directories of images. The notes name tags that are no longer true, or were taken out.
    """
    # What describes an image, by its place in the file: pages may share the directory of their EXIF.
    found = {ifd.at: (ifd, image) for image in images for ifd in (image, *image.private)}
    data = images[0].file.data
    ghost = _GHOST_AREA.match(data[:1024])
    if not ghost and not any(ifd.entries.keys() & _TAGS for ifd, _ in found.values()):
        return []
    values = (entry for ifd, _ in found.values() for tag, entry in ifd.entries.items() if tag in _TAGS)
    if sum(entry.size for entry in values) > 2 * len(data):
        raise FlipError("the TIFF is damaged: its directories share their bytes")
    notes: list[str] = []
    if ghost:
        editor.out[ghost.end(1) : ghost.end()] = b"YES\n"
        notes.append("the file is marked as no longer laid out as a cloud-optimized GeoTIFF")
    for ifd, image in found.values():
        width, height = (image.number(tag, 0) for tag in (_WIDTH, _WIDTH + 1))
        metadata = Metadata(Mirror(width, height, rows=image.rows_first), keep_credentials=keep_credentials)
        directory = _Directory(ifd, image, metadata, editor)
        changes: dict[int, Value | None] = {}
        for tags, rule in _RULES:
            if ifd.entries.keys() & set(tags):
                more, said = rule(directory)
                changes |= more
                notes += said
        if changes:
            editor.change(ifd, changes)
    return list(dict.fromkeys(notes))


def _georeference(directory: _Directory) -> Changes:
    present = [tag for tag in georeference.TAGS if tag in directory.ifd.entries]
    values = {tag: directory.unpacked(tag, _DOUBLE) for tag in present}
    keys = directory.unpacked(_GEO_KEYS, _SHORT)[4:]
    raster_types = {(keys[at], keys[at + 3]) for at in range(0, len(keys) - 3, 4)}
    by_point = (_RASTER_TYPE, _BY_POINT) in raster_types
    room = georeference.MATRIX in present and directory.editor.has_room(directory.ifd)
    try:
        new = georeference.mirrored(values, directory.mirror, by_point=by_point, room=room)
    except ValueError as error:
        return dict.fromkeys(present), (f"the georeference was taken out: {error}",)
    return {tag: directory.packed(_DOUBLE, new[tag]) if tag in new else None for tag in {*values, *new}}, ()


def _position(directory: _Directory) -> Changes:
    """Moves an image on the page that it was cut from (TIFF 6.0 section 12, XPosition)."""
    axis, length = directory.metadata.axis, directory.mirror.length
    full = directory.ifd.number(_FULL_SIZE + axis, 0)
    resolution, old = directory.rational(_RESOLUTION + axis), directory.rational(_POSITION + axis)
    if old is None and any(directory.ifd.octets(_POSITION + axis)):
        return {}, not_mirrored({"the place on a page, of an unusual form"})
    if full < length or not resolution or old is None:
        return {}, not_mirrored({"the place on a page of unknown size"} if old else set())
    new = (Fraction(full - length) / resolution - old).limit_denominator(_MAX_LONG)
    if not 0 <= new.numerator <= _MAX_LONG:
        return {}, not_mirrored({"the place of an image that is not on its page"})
    terms = struct.pack(f"{directory.order}2I", new.numerator, new.denominator)
    return {_POSITION + axis: Value(_RATIONAL, 1, terms)}, ()


def _subject(directory: _Directory) -> Changes:
    """Moves the subject's middle, where it is a pixel of the image: edited files often keep that of a larger one."""
    changes: dict[int, Value | None] = {}
    unmended = set()
    for tag in EXIF.keys() & directory.ifd.entries.keys():
        entry, octets = directory.ifd.entries[tag], directory.ifd.octets(tag)
        try:
            moved = mirrored_subject(octets, entry.kind, directory.order, directory.mirror)
            changes[tag] = Value(entry.kind, entry.count, moved + octets[len(moved) :])
        except ValueError as error:
            unmended.add(f"{EXIF[tag]} {error}")
    return changes, not_mirrored(unmended)


def _imagej(directory: _Directory) -> Changes:
    octets, counts = directory.ifd.octets(_IMAGEJ), directory.unpacked(_IMAGEJ_COUNTS, _LONG)
    try:
        octets, whole = mirrored_rois(octets, counts, directory.mirror, directory.order)
    except (struct.error, IndexError):
        return {}, not_mirrored({"ImageJ's regions, which cannot be read"})
    return directory.replaced(_IMAGEJ, octets), not_mirrored(set() if whole else {"a picture among ImageJ's regions"})


def _block(tag: int, mirrored: Callable[[Metadata, bytes], Mirrored]) -> tuple[tuple[int], Rule]:
    def rule(directory: _Directory) -> Changes:
        block, notes = mirrored(directory.metadata, directory.ifd.octets(tag))
        return directory.replaced(tag, block), notes

    return (tag,), rule


def _maker_note(directory: _Directory) -> Changes:
    entry = directory.ifd.entries[_MAKER_NOTE]
    note, make = directory.ifd.octets(_MAKER_NOTE), directory.image.octets(_MAKE)
    note, notes = directory.metadata.maker_note(note, make, entry.start)
    changes = directory.replaced(_MAKER_NOTE, note)
    if changes and not directory.editor.stays(entry):  # where the offsets in it would no longer be true
        return {}, not_mirrored({"a MakerNote that several directories share"})
    return changes, notes


def _credentials(directory: _Directory) -> Changes:
    kept = directory.metadata.keep_credentials
    return {} if kept else {_CREDENTIALS: None}, directory.metadata.credentials("a C2PA manifest")


def _left(tag: int, what: str, is_stated: Callable[[bytes], object] = lambda _: True) -> tuple[tuple[int], Rule]:
    """The rule of what is only noted, where it is stated by the bytes of its tag."""
    return (tag,), lambda directory: ({}, not_mirrored({what} if is_stated(directory.ifd.octets(tag)) else set()))


# Tags, and the rule that mirrors them.
_RULES: list[tuple[Collection[int], Rule]] = [
    (georeference.TAGS, _georeference),
    ((_POSITION, _POSITION + 1), _position),
    (EXIF, _subject),
    _block(_DESCRIPTION, lambda metadata, text: mirrored_ome(text, metadata.mirror)),
    ((_IMAGEJ,), _imagej),
    _block(_XMP, Metadata.xmp),
    _block(_PHOTOSHOP, Metadata.photoshop),
    ((_MAKER_NOTE,), _maker_note),
    ((_CREDENTIALS,), _credentials),
    *(_left(tag, what) for tag, what in EXIF_LEFT.items()),
    _left(_GDAL_METADATA, "positions in GDAL's metadata", _GDAL_POSITIONS.search),
    _left(_IPTC, "the preview in IPTC", lambda octets: IPTC_PREVIEW in octets),
    _left(_CLIP_PATH, "a clipping path"),
    _left(_ANNOTATIONS, "annotations"),
    _left(_PHOTOSHOP_LAYERS, "the layers among Photoshop's data"),
]
_TAGS = {tag for tags, _ in _RULES for tag in tags}
