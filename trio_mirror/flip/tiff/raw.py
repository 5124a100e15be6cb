"""Camera raws whose container is TIFF, known by what they hold and not by their suffix.

Their previews could be mirrored, but not what matters: sensor data in the maker's own coding, with maps of bad pixels
and crops beside it. A TIFF that the same camera's software developed holds none of that, and is mirrored.
"""

from __future__ import annotations

import re

from trio_mirror.errors import FlipError
from trio_mirror.flip.tiff.ifd import Ifd

_COMPRESSION, _PHOTOMETRIC, _MAKE, _CFA_PATTERN = 259, 262, 271, 33422
_OFFSETS = {273, 324}  # of strips and of tiles
_SENSOR_DATA = {32803, 34892}  # CFA and LinearRaw (TIFF/EP; DNG 1.4, PhotometricInterpretation)
# Makers' own compressions, as ExifTool names them: Sony, Epson and Samsung, Samsung, Kodak, Nikon, Kodak, Pentax.
_MAKERS_CODES = {32767, 32769, 32770, 32772, 262, 32867, 34713, 65000, 65535}
_TAGS = {50706: "Adobe DNG", 34310: "Leaf MOS"}
# Tags under which others may keep something else: Kodak's own directories, Sony's SR2Private.
_TAGS_OF_MAKE = {33424: "eastman|kodak", 65024: "eastman|kodak", 50740: "sony"}
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


def refuse_raw(images: list[Ifd]) -> None:
    """Refuses a camera's raw file by the name of its kind."""
    tags = images[0].entries
    make = images[0].octets(_MAKE).rstrip(b"\0").decode("latin-1").strip()
    kind = next((name for tag, name in _TAGS.items() if tag in tags), None) or _by_mark(images)
    own_tags = any(tag in tags and _is_by(makes, make) for tag, makes in _TAGS_OF_MAKE.items())
    if kind is None and (own_tags or any(map(_holds_sensor_data, images))):
        kind = next((name for makes, name in _BY_MAKE.items() if _is_by(makes, make)), make or "of unknown make")
    if kind is not None:
        raise FlipError(f"this is a camera's raw file ({kind}), and raw data is not mirrored: develop it first")


def _by_mark(images: list[Ifd]) -> str | None:
    mark = _MARKS.get(images[0].file.data[8:12])
    lists = (image.numbers(tag) for image in images for tag in _OFFSETS & image.entries.keys())
    # Where a raster begins at byte 8, these are some of its pixels.
    return None if mark is None or any(8 in offsets for offsets in lists) else mark


def _is_by(makes: str, make: str) -> bool:
    return re.match(makes, make, re.IGNORECASE) is not None


def _holds_sensor_data(image: Ifd) -> bool:
    compression, photometric = (image.number(tag, 0) for tag in (_COMPRESSION, _PHOTOMETRIC))
    return photometric in _SENSOR_DATA or compression in _MAKERS_CODES or _CFA_PATTERN in image.entries
