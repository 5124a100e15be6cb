"""PNG's row filters (PNG, third edition, section 9), taken off and put on for a band of rows at once.

A filter predicts each byte from the byte of the same kind in the pixel to the left and in the row above: the
high byte of red from high bytes of red. So the bytes of a pixel fall into lanes that never meet, and a raster
of any depth and colour type is a few 8-bit grey pictures, which Pillow filters at the speed of C.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from PIL import Image, ImageChops

from trio_mirror.flip.pillow import crop, map_pillow_errors

_NONE, _SUB, _UP, _AVERAGE, _PAETH = range(5)


@dataclass(frozen=True, slots=True)
class Band:
    """Adjoining rows of a raster, unfiltered."""

    filters: Image.Image
    """The filter type of each row, one pixel wide."""
    lanes: list[Image.Image]
    """A grey picture for each byte of a pixel (for one byte of a row, where pixels are smaller)."""

    def last_row(self) -> list[Image.Image]:
        """The lowest row of each lane: what the filters of the next band refer to."""
        return [crop(lane, (0, lane.height - 1, lane.width, lane.height)) for lane in self.lanes]

    def standing_alone(self, starts: list[int]) -> Band:
        """The same rows, of which those at ``starts`` have filters that do not refer to the row above."""
        filters = bytearray(self.filters.tobytes())
        for row in starts:
            filters[row] = min(filters[row], _SUB)
        return Band(Image.frombytes("L", self.filters.size, bytes(filters)), self.lanes)


def unfilter(scanlines: bytes, rows: int, lanes: int, above: list[Image.Image]) -> Band:
    """Takes the filters off.

    Args:
        scanlines: whole rows, each behind the byte of its filter type.
        rows: their number.
        lanes: bytes of a pixel, at least 1.
        above: the lanes' unfiltered row above, empty where there is none.

    Raises:
        FlipError: a filter type is not one of PNG's.
    """
    stride = len(scanlines) // rows
    picture = Image.frombytes("L", (stride, rows), scanlines)
    filters = crop(picture, (0, 0, 1, rows))
    filtered = crop(picture, (1, 0, stride, rows)).tobytes()
    return Band(filters, [_unfilter_lane(filtered[i::lanes], filters, above[i : i + 1]) for i in range(lanes)])


def _unfilter_lane(filtered: bytes, filters: Image.Image, above: list[Image.Image]) -> Image.Image:
    rows = filters.height
    width = len(filtered) // rows
    # The row above goes first, under filter type None, so that a band decodes like a picture of its own.
    coded = Image.new("L", (1 + width, 1 + rows), _NONE)
    for row in above:
        coded.paste(row, (1, 0))
    coded.paste(filters, (0, 1))
    coded.paste(Image.frombytes("L", (width, rows), filtered), (1, 1))
    lane = Image.new("L", (width, 1 + rows))
    with map_pillow_errors("the PNG's raster"):
        lane.frombytes(zlib.compress(coded.tobytes(), 0), "zip", "L", 0)
    return crop(lane, (0, 1, width, 1 + rows))


def refilter(band: Band, above: list[Image.Image]) -> bytes:
    """Puts the filters on again: the inverse of :func:`unfilter`, with the same ``above``."""
    count = len(band.lanes)
    rows = band.filters.height
    filtered = bytearray(count * band.lanes[0].width * rows)
    for i, lane in enumerate(band.lanes):
        filtered[i::count] = _refilter_lane(lane, band.filters, above[i : i + 1]).tobytes()
    stride = 1 + len(filtered) // rows
    scanlines = Image.new("L", (stride, rows))
    scanlines.paste(band.filters, (0, 0))
    scanlines.paste(Image.frombytes("L", (stride - 1, rows), bytes(filtered)), (1, 0))
    return scanlines.tobytes()


def _refilter_lane(lane: Image.Image, filters: Image.Image, above: list[Image.Image]) -> Image.Image:
    width, rows = lane.size
    context = Image.new("L", (1 + width, 1 + rows))  # what lies outside the raster counts as 0
    for row in above:
        context.paste(row, (1, 0))
    context.paste(lane, (1, 1))
    left = crop(context, (0, 1, width, 1 + rows))
    up = crop(context, (1, 0, 1 + width, rows))
    corner = crop(context, (0, 0, width, rows))
    filtered = lane.copy()
    for kind in set(filters.tobytes()) - {_NONE}:
        difference = ImageChops.subtract_modulo(lane, _prediction(kind, left, up, corner))
        chosen = filters.point([255 * (value == kind) for value in range(256)])
        filtered.paste(difference, mask=chosen.resize(lane.size, Image.Resampling.NEAREST))
    return filtered


def _prediction(kind: int, left: Image.Image, up: Image.Image, corner: Image.Image) -> Image.Image:
    if kind == _SUB:
        return left
    if kind == _UP:
        return up
    if kind == _AVERAGE:
        return ImageChops.add(left, up, scale=2)
    return _paeth(left, up, corner)


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
