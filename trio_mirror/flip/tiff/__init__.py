"""TIFF and BigTIFF: every page and reduced image mirrored strip by strip or tile by tile, all tags kept.

New data goes where the old data was, or to the end of the file; only what says where it is and how long it is
changes with it. The compression, the depth and the layout stay as they are.
"""

from __future__ import annotations

import re

from trio_mirror.errors import FlipError
from trio_mirror.flip.limits import check_total
from trio_mirror.flip.pillow import map_pillow_errors, open_image
from trio_mirror.flip.tiff.edit import Editor
from trio_mirror.flip.tiff.ifd import Ifd, Structure
from trio_mirror.flip.tiff.layout import OLD_JPEG
from trio_mirror.flip.tiff.old_jpeg import read_old_jpeg, with_whole_streams
from trio_mirror.flip.tiff.raw import refuse_raw
from trio_mirror.flip.tiff.space import Space
from trio_mirror.flip.tiff.strips import read_segments
from trio_mirror.flip.tiff.tags import mirror_tags
from trio_mirror.model import Flipped, Limits, Lossless

_READERS = {OLD_JPEG: read_old_jpeg}  # by the compression, where they are not those of strips or tiles
_IMAGE_TAGS = frozenset({256, 513})  # ImageWidth; JPEGInterchangeFormat, which brings a width of its own
# Some writers store blank tiles once. What strips and tiles take may be so many bytes, or so many times the file.
_SHARED, _SHARED_BY = 1 << 26, 16
_PHOTOMETRIC, _DESCRIPTION, _OFFSETS, _ORIENTATION, _COUNTS = 262, 270, 273, 274, 279
_GREY, _MASK = 1, 4  # PhotometricInterpretation (TIFF 6.0 section 8)
_METAMORPH = 33629  # a value for each plane (MetaMorph STK, UIC2Tag)
_BIG_ENDIAN_BIGTIFF = b"MM\0+"  # which Pillow takes for a classic TIFF, and others read
# As ij.io.TiffDecoder of ImageJ reads it.
_IMAGEJ_STACK = re.compile(rb"ImageJ=[^\0]*?\nimages=(\d{1,9})\s")


def flip(data: bytes, *, limits: Limits, lossless: Lossless = Lossless.AUTO, keep_credentials: bool = False) -> Flipped:
    """Mirrors a TIFF as it is displayed: each page and each reduced image after its own orientation.

    Raises:
        FlipError: damaged, over a limit, or of a kind that cannot be kept exactly; the message says which.
    """
    structure = Structure(data)
    directories = structure.images(limits.frames)
    refuse_raw(directories)
    whole = with_whole_streams(directories, limits)
    if whole is not data:
        structure = Structure(data := whole)
        directories = structure.images(limits.frames)
    # A SubIFD without a size is not an image: some writers keep private tags there.
    images = [image for image in directories if image.entries.keys() & _IMAGE_TAGS]
    rasters = [_READERS.get(image.number(259, 1), read_segments)(image, limits) for image in images]
    check_total(sum(raster.layout.pixels for raster in rasters), limits)
    slots = [slot for raster in rasters for slot in raster.slots]
    stored = sum(slot.stop - slot.start for slot in slots)
    if stored > max(_SHARED, _SHARED_BY * len(data)):
        raise FlipError("the TIFF is damaged: its strips or tiles share their bytes")
    _check_readable(structure, images)
    if not images:
        raise FlipError("the TIFF holds no image")
    _check_stack(images)
    out = bytearray(data)
    space = Space(out, structure.occupied(images), slots)
    editor = Editor(directories, slots, out)
    exact = True
    for raster in rasters:
        mirrored = raster.mirrored(lossless)
        raster.store(editor, space.place(raster.slots, mirrored.pieces), mirrored)
        exact &= mirrored.lossless
    notes = mirror_tags(directories, editor, keep_credentials=keep_credentials)
    if len(out) > len(data):
        structure.keep_beyond(out)
    if any(image.rows_first and _ORIENTATION not in image.entries for image in images):
        notes.append("a reduced image that states no orientation was mirrored like its page")
    return Flipped(bytes(out), "image/tiff", exact, tuple(notes))


def _check_readable(structure: Structure, images: list[Ifd]) -> None:
    """Refuses what Pillow cannot show: nobody could look at the result, or compare it with the original."""
    if structure.data.startswith(_BIG_ENDIAN_BIGTIFF):
        return
    shown = structure.data
    if masks := [image for image in images if image.number(_PHOTOMETRIC, 0) == _MASK]:
        grey = bytearray(shown)  # Pillow has no name for masks, which are grey pictures
        for mask in masks:
            Editor([mask], [], grey).store(mask.entries[_PHOTOMETRIC], [_GREY])
        shown = bytes(grey)
    try:
        with map_pillow_errors("the TIFF"), open_image(shown, "TIFF") as picture:
            for page in range(getattr(picture, "n_frames", 1)):
                picture.seek(page)
    except FlipError as error:
        raise FlipError("this TIFF holds pixels of a kind that Pillow cannot show") from error


def _check_stack(images: list[Ifd]) -> None:
    """Refuses a stack of which only the first page has a directory: ImageJ's over 4 GB, and MetaMorph's.

    Its other pages just follow the first, and would be left as they are.
    """
    first = images[0]
    stack, planes = _IMAGEJ_STACK.match(first.octets(_DESCRIPTION)), first.entries.get(_METAMORPH)
    maker, pages = ("a MetaMorph", planes.count) if planes else ("an ImageJ", int(stack[1]) if stack else 1)
    if pages <= len(images) or not first.entries.keys() >= {_OFFSETS, _COUNTS}:
        return
    page = sum(first.numbers(_COUNTS))
    # Other programs keep the description of a stack from which they take a page.
    if first.numbers(_OFFSETS)[0] + pages * page <= len(first.file.data):
        raise FlipError(f"this TIFF is {maker} stack of {pages:,} pages without a directory for each")
