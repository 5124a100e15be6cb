"""A sample of a raster, which shows how close an encoding of the whole comes."""

from __future__ import annotations

from functools import lru_cache

from PIL import Image

from trio_mirror.flip.pillow import crop

MARGIN = 4.0  # decibels that a sample has to be closer than the whole must be, since the rest was not seen

# Pixels of a side of the largest MCU that Pillow writes.
_MCU = 16
_STRIPS, _SHARE, _SHORTEST = 8, 8, 5
_GOLDEN_RATIO = 0.618034


def sample(raster: Image.Image) -> Image.Image | None:
    """8 strips, each of 5 MCUs or an 8th of the raster's width, spread over it from its top to its bottom.

    An MCU is encoded alike wherever it stands, and decoded alike but for pixels at its edge, whose chroma is
    interpolated with that of its neighbours. So inside its strips a sample shows exactly what becomes of the raster.
    What differs from the rest on a small part of it only may go unseen.

    Returns:
        None where they would be more than a 16th of the raster, or MCUs are cut off by its right side.
    """
    length = max(_SHORTEST, -(-raster.width // (_MCU * _SHARE))) * _MCU
    if raster.width % _MCU or raster.width * raster.height < 16 * length * _MCU * _STRIPS:
        return None
    last = (raster.height - 1) // _MCU
    strips = Image.new(raster.mode, (length, raster.height - _MCU * (last - _STRIPS + 1)))
    for number in range(_STRIPS):
        left = _MCU * int(number * _GOLDEN_RATIO % 1 * ((raster.width - length) // _MCU + 1))
        top = _MCU * (number * last // (_STRIPS - 1))
        box = (left, top, left + length, min(top + _MCU, raster.height))
        strips.paste(crop(raster, box), (0, _MCU * number))
    return strips


@lru_cache(8)
def inside(size: tuple[int, int]) -> Image.Image:
    """A mask for a sample of this size that leaves the edges of its strips out."""
    width, height = size
    edge, between = bytes(width), b"\0" + b"\xff" * (width - 2) + b"\0"
    return Image.frombytes("L", size, ((edge + between * (_MCU - 2) + edge) * _STRIPS)[: width * height])
