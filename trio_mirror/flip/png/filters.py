"""PNG's row filters (PNG, third edition, section 9), taken off and put on for a band of rows at once.

A filter predicts each byte from the byte of the same kind in the pixel to the left and in the row above. Pillow
takes filters off as it inflates; they are put on by its arithmetic on rasters as grey pictures of their bytes.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from PIL import Image, ImageChops

from trio_mirror.flip.pillow import crop, map_pillow_errors

_NONE, _SUB, _UP, _AVERAGE, _PAETH = range(5)
# Bytes of a pixel to a mode of Pillow, and to the raw modes that read its bytes, or the first and second of each two.
_MODES = {
    1: ("L", ("L",)),
    2: ("LA", ("LA",)),
    3: ("RGB", ("RGB",)),
    4: ("RGBA", ("RGBA",)),
    6: ("RGB", ("RGB;16B", "RGB;16L")),
    8: ("RGBA", ("RGBA;16B", "RGBA;16L")),
}


@dataclass(frozen=True, slots=True)
class Band:
    """Adjoining rows of a raster, unfiltered."""

    filters: bytes  # the filter type of each row
    raster: bytes

    @property
    def size(self) -> int:
        """Bytes of a row."""
        return len(self.raster) // len(self.filters)

    def last_row(self) -> bytes:
        """The lowest row: what the filters of the next band refer to."""
        return self.raster[-self.size :]

    def standing_alone(self) -> Band:
        """The same rows, of which the first has a filter that does not refer to the row above."""
        return Band(bytes([min(self.filters[0], _SUB)]) + self.filters[1:], self.raster)


def unfilter(scanlines: bytes, rows: int, lanes: int, above: bytes) -> Band:
    """Takes the filters off so many whole rows, each behind the byte of its filter type.

    ``lanes`` are the bytes of a pixel, at least 1; ``above`` is the unfiltered row above, empty where there is none.
    """
    stride = len(scanlines) // rows
    size = stride - 1
    # The row above goes first, under filter type None, so that a band decodes like a picture of its own.
    coded = zlib.compress(bytes([_NONE]) + (above or bytes(size)) + scanlines, 0)
    mode, raw_modes = _MODES[lanes]
    raster = bytearray(size * rows)
    for at, raw_mode in enumerate(raw_modes):
        with map_pillow_errors("the PNG's raster"):
            picture = Image.frombytes(mode, (size // lanes, 1 + rows), coded, "zip", raw_mode, 0)
        raster[at :: len(raw_modes)] = picture.tobytes()[size // len(raw_modes) :]
    return Band(scanlines[::stride], bytes(raster))


def refilter(band: Band, lanes: int, above: bytes) -> bytes:
    """Puts the filters on again: the inverse of :func:`unfilter`, with the same ``lanes`` and ``above``."""
    size = band.size
    rows = _rows(band.raster, size)
    rows_above = [above or bytes(size), *rows[:-1]]
    scanlines = [b""] * len(rows)
    for kind in set(band.filters):  # the rows of one filter type together
        places = [place for place, other in enumerate(band.filters) if other == kind]
        raster, raster_above = (b"".join([lines[place] for place in places]) for lines in (rows, rows_above))
        for place, row in zip(places, _rows(_filtered(kind, raster, raster_above, size, lanes), size), strict=True):
            scanlines[place] = bytes([kind]) + row
    return b"".join(scanlines)


def _rows(raster: bytes, size: int) -> list[bytes]:
    return [raster[at : at + size] for at in range(0, len(raster), size)]


def _filtered(kind: int, raster: bytes, raster_above: bytes, size: int, lanes: int) -> bytes:
    if kind == _NONE:
        return raster
    rows = len(raster) // size
    picture, up = (Image.frombytes("L", (size, rows), it) for it in (raster, raster_above))
    # What lies outside the raster counts as 0.
    left, corner = (crop(it, (-lanes, 0, size - lanes, rows)) for it in (picture, up))
    if kind == _SUB:
        prediction = left
    elif kind == _UP:
        prediction = up
    else:
        prediction = ImageChops.add(left, up, scale=2) if kind == _AVERAGE else _paeth(left, up, corner)
    return ImageChops.subtract_modulo(picture, prediction).tobytes()


def _paeth(left: Image.Image, up: Image.Image, corner: Image.Image) -> Image.Image:
    """Predicts by whichever neighbour is nearest to ``left + up - corner``, in this order at a tie.

    That sum leaves the range of a byte, the distances to it need not: the distance to the corner is the other
    two's difference where the corner lies between its neighbours, else their sum, which may stop at 255.
    """
    to_left = ImageChops.difference(up, corner)
    to_up = ImageChops.difference(left, corner)
    between = ImageChops.darker(
        _greater(corner, ImageChops.darker(left, up)), _greater(ImageChops.lighter(left, up), corner)
    )
    to_corner = Image.composite(ImageChops.difference(to_left, to_up), ImageChops.add(to_left, to_up), between)
    not_left = Image.composite(corner, up, _greater(to_up, to_corner))
    return Image.composite(not_left, left, _greater(to_left, ImageChops.darker(to_up, to_corner)))


def _greater(a: Image.Image, b: Image.Image) -> Image.Image:
    """A mask of the pixels where ``a`` is greater than ``b``."""
    return ImageChops.subtract(a, b).point([0] + [255] * 255)
