"""How close a re-encoded raster is to its original."""

from __future__ import annotations

from math import inf, log10
from typing import TYPE_CHECKING

from PIL import ImageChops

from trio_mirror.flip.pillow import crop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

# Pixels of a raster that are compared at once.
_STRIP = 1 << 20


def closeness(one: Image.Image, other: Image.Image) -> float:
    """The peak signal-to-noise ratio, in decibels over all samples, of two rasters of one mode and size, of 8 bits."""
    squares = samples = 0
    for ours, theirs in zip(_strips(one), _strips(other), strict=True):
        histogram = ImageChops.difference(ours, theirs).histogram()
        squares += sum((value % 256) ** 2 * count for value, count in enumerate(histogram))
        samples += sum(histogram)
    return 10 * log10(255**2 / (squares / samples)) if squares else inf


def _strips(raster: Image.Image) -> Iterator[Image.Image]:
    """Cuts a raster into strips of rows, so that its difference from another need not be held as a whole."""
    rows = max(1, _STRIP // raster.width)
    if rows >= raster.height:
        yield raster
        return
    for top in range(0, raster.height, rows):
        yield crop(raster, (0, top, raster.width, min(top + rows, raster.height)))
