"""Camera raws in TIFF's clothes, known by what they hold and not by their suffix.

Their previews could be mirrored, but not what matters: sensor data in the maker's own code, with maps of bad pixels
and crops beside it. A TIFF that the same camera's software developed holds none of that, and is not one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trio_mirror.errors import FlipError

if TYPE_CHECKING:
    from trio_mirror.flip.tiff.ifd import Ifd, Structure

_COMPRESSION, _PHOTOMETRIC, _MAKE = 259, 262, 271
_OFFSETS = {273, 324}  # of strips and of tiles
_SENSOR_DATA = {32803, 34892}  # CFA and LinearRaw (TIFF/EP; DNG 1.4, PhotometricInterpretation)
# Makers' own compressions, as ExifTool names them: Sony, Epson and Samsung, Samsung, Kodak, Nikon, Kodak, Pentax.
_MAKERS_CODES = {32767, 32769, 32770, 32772, 262, 32867, 34713, 65000, 65535}
_MAKERS_TAGS = {50706: "Adobe DNG", 34310: "Leaf MOS", 33424: "Kodak DCR", 65024: "Kodak KDC"}
_MARKS = {b"CR\2\0": "Canon CR2", b"IIII": "Phase One IIQ", b"MMMM": "Phase One IIQ"}  # at byte 8
_BY_MAKE = {
    "nikon": "Nikon NEF or NRW",
    "canon": "Canon CR2",
    "sony": "Sony ARW or SR2",
    "pentax|ricoh": "Pentax PEF",
    "olympus|om digital": "Olympus ORF",
    "panasonic|leica": "Panasonic RW2 or RWL",
    "phase one": "Phase One IIQ",
    "hasselblad": "Hasselblad 3FR",
    "samsung": "Samsung SRW",
    "epson|seiko": "Epson ERF",
    "eastman|kodak": "Kodak DCR or KDC",
    "leaf": "Leaf MOS",
    "mamiya": "Mamiya MEF",
}


def refuse_raw(structure: Structure, images: list[Ifd]) -> None:
    """Refuses a camera's raw file.

    Args:
        structure: the file.
        images: all its images.

    Raises:
        FlipError: it is one; the message names its kind.
    """
    first = images[0]
    kind = next((name for tag, name in _MAKERS_TAGS.items() if tag in first.entries), None)
    mark = _MARKS.get(structure.data[8:12])
    # Where a raster begins at byte 8, these are some of its pixels.
    if mark and not any(
        8 in structure.numbers(image, tag) for image in images for tag in _OFFSETS & image.entries.keys()
    ):
        kind = kind or mark
    if kind is None and any(_holds_sensor_data(structure, image) for image in images):
        make = structure.octets(first, _MAKE).rstrip(b"\0").decode("latin-1").strip()
        kind = next(
            (name for makes, name in _BY_MAKE.items() if re.match(makes, make, re.IGNORECASE)),
            make or "of unknown make",
        )
    if kind is not None:
        raise FlipError(f"this is a camera's raw file ({kind}), and raw data is not mirrored: develop it first")


def _holds_sensor_data(structure: Structure, image: Ifd) -> bool:
    compression, photometric = (structure.number(image, tag, 0) for tag in (_COMPRESSION, _PHOTOMETRIC))
    return photometric in _SENSOR_DATA or compression in _MAKERS_CODES
