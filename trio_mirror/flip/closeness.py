"""How close a re-encoded raster is to its original."""

from __future__ import annotations

from itertools import cycle
from math import inf, log10
from operator import mul

from PIL import Image, ImageChops

from trio_mirror.flip.pillow import crop

# Pixels that are compared at once, so that the difference need not be held as a whole.
_STRIP = 1 << 20
_SQUARES = [value * value for value in range(256)]


def closeness(one: Image.Image, other: Image.Image, mask: Image.Image | None = None) -> float:
    """The peak signal-to-noise ratio, in decibels over all samples, of two rasters of one mode and size, of 8 bits.

    Where there is a mask, the pixels count that are not 0 in it.
    """
    squares = samples = 0
    rows = max(1, _STRIP // one.width)
    for top in range(0, one.height, rows):
        box = (0, top, one.width, min(top + rows, one.height))
        histogram = ImageChops.difference(crop(one, box), crop(other, box)).histogram(mask and crop(mask, box))
        squares += sum(map(mul, cycle(_SQUARES), histogram))
        samples += sum(histogram)
    return 10 * log10(255**2 / (squares / samples)) if squares else inf
