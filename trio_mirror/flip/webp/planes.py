"""The planes of a lossy image: luma, and colour at half of its width and height (RFC 6386, section 2)."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageChops

from trio_mirror.flip.pillow import crop

_LEFT_RIGHT = Image.Transpose.FLIP_LEFT_RIGHT

# ITU-R BT.601, as WebP uses it (RFC 6386, section 9.2): luma from 16 to 235, colour 224 steps wide around 128.
_RED, _GREEN, _BLUE = 0.299, 0.587, 0.114
_LUMA, _COLOUR = 255 / 219, 255 / 224
_RED_OF_RED, _BLUE_OF_BLUE = 2 * (1 - _RED) * _COLOUR, 2 * (1 - _BLUE) * _COLOUR
_GREEN_OF_BLUE, _GREEN_OF_RED = -_BLUE_OF_BLUE * _BLUE / _GREEN, -_RED_OF_RED * _RED / _GREEN
# As Pillow takes a matrix: row by row, with what is added to each at its end.
_TO_RGB = tuple(
    factor
    for blue, red in ((0.0, _RED_OF_RED), (_GREEN_OF_BLUE, _GREEN_OF_RED), (_BLUE_OF_BLUE, 0.0))
    for factor in (_LUMA, blue, red, -16 * _LUMA - 128 * (blue + red))
)
# For differences, which stand around 128 on both sides.
_TO_PLANES = (
    *(_RED / _LUMA, _GREEN / _LUMA, _BLUE / _LUMA, 128 - 128 / _LUMA),
    *(-_RED / _BLUE_OF_BLUE, -_GREEN / _BLUE_OF_BLUE, (1 - _BLUE) / _BLUE_OF_BLUE, 128.0),
    *((1 - _RED) / _RED_OF_RED, -_GREEN / _RED_OF_RED, -_BLUE / _RED_OF_RED, 128.0),
)


@dataclass(frozen=True, slots=True)
class Planes:
    """A lossy image as VP8 holds it; each plane is an image of mode ``L``."""

    luma: Image.Image
    blue: Image.Image  # Cb, or U: of half the width and height, rounded up
    red: Image.Image  # Cr, or V

    def mirrored(self, method: Image.Transpose) -> Planes:
        """Mirrors the planes; where a side is odd, colour comes as close as its samples can.

        Colour samples stand between pixels 0 and 1, 2 and 3, and so on. Mirroring an even side keeps them
        there. An odd side brings them between 1 and 2, 3 and 4, so that new ones have to be found.
        """
        luma, blue, red = (plane.transpose(method) for plane in (self.luma, self.blue, self.red))
        if (luma.width if method is _LEFT_RIGHT else luma.height) % 2 == 0:
            return Planes(luma, blue, red)
        planes = Planes(luma, _moved(blue, method), _moved(red, method))
        wanted = self.to_rgb().transpose(method)
        for _ in range(4):  # the error hardly falls further
            planes = planes.closer_to(wanted)
        return planes

    def to_rgb(self) -> Image.Image:
        """The image in RGB, as decoders show it: colour spread smoothly."""
        blue, red = (self._spread(plane) for plane in (self.blue, self.red))
        return Image.merge("RGB", (self.luma, blue, red)).convert("RGB", _TO_RGB)

    def closer_to(self, wanted: Image.Image) -> Planes:
        """Adds to each sample what is missing, on average, in the pixels that it stands for."""
        missing = ImageChops.subtract(wanted, self.to_rgb(), 1, 128).convert("RGB", _TO_PLANES)
        luma, blue, red = missing.split()
        return Planes(
            ImageChops.add(self.luma, luma, 1, -128),
            ImageChops.add(self.blue, blue.reduce(2), 1, -128),
            ImageChops.add(self.red, red.reduce(2), 1, -128),
        )

    def _spread(self, plane: Image.Image) -> Image.Image:
        # A pixel takes three quarters of the nearest sample and one of the next, in libwebp and in this filter.
        doubled = plane.resize((2 * plane.width, 2 * plane.height), Image.Resampling.BILINEAR)
        return crop(doubled, (0, 0, *self.luma.size))


def _moved(plane: Image.Image, method: Image.Transpose) -> Image.Image:
    """The plane with each sample half way to the next one."""
    following = plane.copy()
    step = (1, 0) if method is _LEFT_RIGHT else (0, 1)
    following.paste(crop(plane, (*step, *plane.size)), (0, 0))
    return ImageChops.add(plane, following, 2)
