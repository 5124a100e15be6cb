"""The frames of an animated WebP (RFC 9649, section 2.7.1.1), each mirrored at its mirrored place.

A frame's offsets are even by format. Where mirroring would make one odd, the frame grows by a pixel, and what it
gains shows exactly what the canvas shows there.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, ImageChops

from trio_mirror.errors import FlipError
from trio_mirror.flip.webp_container import Chunk, read_chunks
from trio_mirror.flip.webp_image import Coded, encode, read_coded, replace_coded

if TYPE_CHECKING:
    from collections.abc import Iterator

_FRAME_HEADER = 16
_DISPOSE_TO_BACKGROUND, _DO_NOT_BLEND = 1, 2
_TRANSPARENT = (0, 0, 0, 0)


class Rectangle(NamedTuple):
    """A part of the canvas, in pixels, as Pillow boxes count."""

    left: int
    top: int
    right: int
    bottom: int

    def mirrored(self, width: int, height: int, method: Image.Transpose) -> Rectangle:
        """Where it comes to lie on the mirrored canvas."""
        if method is Image.Transpose.FLIP_LEFT_RIGHT:
            return Rectangle(width - self.right, self.top, width - self.left, self.bottom)
        return Rectangle(self.left, height - self.bottom, self.right, height - self.top)

    def with_even_corner(self) -> Rectangle:
        """The smallest rectangle around it that a frame can have."""
        return self._replace(left=self.left - self.left % 2, top=self.top - self.top % 2)

    def around(self, other: tuple[int, int, int, int] | None) -> Rectangle:
        """The smallest rectangle around both."""
        if other is None:
            return self
        left, top, right, bottom = other
        return Rectangle(
            min(self.left, left), min(self.top, top), max(self.right, right), max(self.bottom, bottom)
        )


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame as its ``ANMF`` chunk holds it."""

    rectangle: Rectangle
    timing: bytes
    """The duration and the flags, as they stand."""
    chunks: list[Chunk]

    @property
    def coded(self) -> Coded:
        """The frame's image."""
        return read_coded(self.chunks)

    @property
    def blends(self) -> bool:
        """Whether its transparent pixels let the canvas through."""
        return not self.timing[-1] & _DO_NOT_BLEND

    @property
    def is_disposed(self) -> bool:
        """Whether its part of the canvas is cleared after it was shown."""
        return bool(self.timing[-1] & _DISPOSE_TO_BACKGROUND)

    def to_chunk(self) -> Chunk:
        """The ``ANMF`` chunk."""
        left, top, right, bottom = self.rectangle
        numbers = (left // 2, top // 2, right - left - 1, bottom - top - 1)
        header = b"".join(number.to_bytes(3, "little") for number in numbers) + self.timing
        return Chunk(b"ANMF", header + b"".join(chunk.to_bytes() for chunk in self.chunks))


def read_frame(chunk: Chunk, canvas: tuple[int, int]) -> Frame:
    """Reads an ``ANMF`` chunk of an animation whose canvas has this width and height, in pixels.

    Raises:
        FlipError: the chunk is damaged, or says that the frame reaches beyond the canvas.
    """
    if len(chunk.payload) < _FRAME_HEADER:
        raise FlipError("the WebP is damaged: a frame of it is cut short")
    left, top, width, height = (
        int.from_bytes(chunk.payload[at : at + 3], "little") for at in range(0, 12, 3)
    )
    rectangle = Rectangle(2 * left, 2 * top, 2 * left + width + 1, 2 * top + height + 1)
    frame = Frame(rectangle, chunk.payload[12:_FRAME_HEADER], read_chunks(chunk.payload[_FRAME_HEADER:]))
    if rectangle.right > canvas[0] or rectangle.bottom > canvas[1] or frame.coded.size() != (width + 1, height + 1):
        raise FlipError("the WebP is damaged: a frame of it has another size than its place")
    return frame


def mirror_frames(
    frames: list[Frame], size: tuple[int, int], shown: Iterator[Image.Image], method: Image.Transpose
) -> Iterator[Frame]:
    """Mirrors the frames of an animation.

    Args:
        frames: the frames.
        size: width and height of the canvas, in pixels.
        shown: the canvas as each frame shows it, mirrored; only taken from where a frame has to grow.
        method: how to mirror, by the picture's orientation.

    Raises:
        FlipError: a frame is damaged.
    """
    places = [frame.rectangle.mirrored(*size, method) for frame in frames]
    if all(place == place.with_even_corner() for place in places):
        for frame, place in zip(frames, places, strict=True):
            coded = frame.coded
            mirrored = encode(coded.decode().transpose(method), coded)
            yield replace(frame, rectangle=place, chunks=replace_coded(frame.chunks, mirrored))
        return
    before = canvas = Image.new("RGBA", size)  # what a frame should find, and what it does find
    for frame, place, picture in zip(frames, places, shown, strict=True):
        # An earlier frame that grew may have cleared more of the canvas than it should: that is drawn again.
        lost = _differing(before, canvas)
        grown = place.around(lost.getbbox()).with_even_corner()
        coded = frame.coded
        pixels = coded.decode().transpose(method)
        if grown != place or lost.getbbox():
            pixels = _grow(pixels, place, grown, picture, lost if frame.blends else None)
        mirrored = encode(pixels, coded)
        yield replace(frame, rectangle=grown, chunks=replace_coded(frame.chunks, mirrored))
        before, canvas = picture.copy(), picture.copy()
        if frame.is_disposed:
            before.paste(_TRANSPARENT, place)
            canvas.paste(_TRANSPARENT, grown)


def _grow(
    pixels: Image.Image, place: Rectangle, grown: Rectangle, picture: Image.Image, lost: Image.Image | None
) -> Image.Image:
    """Lays a frame's pixels into a larger frame that shows the same picture.

    Args:
        pixels: the frame's own.
        place: where they lie on the canvas.
        grown: the larger frame.
        picture: the canvas with the frame.
        lost: a mask of what was cleared of the canvas and should not have been, for a frame that blends.

    Raises:
        FlipError: half transparent pixels were lost, which viewers round when they blend them again.
    """
    shown = picture.crop(grown)
    corner = (place.left - grown.left, place.top - grown.top)
    opaque = pixels.mode == "RGB" and shown.getextrema()[3] == (255, 255)
    if lost is None or opaque:
        shown.paste(pixels.convert("RGBA"), corner)
        return shown.convert("RGB") if opaque else shown
    mask = lost.crop(grown)
    if any(shown.getchannel("A").histogram(mask)[1:255]):
        raise FlipError("the WebP's frames, cleared and half transparent, cannot be mirrored exactly")
    blended = Image.new("RGBA", shown.size)
    blended.paste(pixels.convert("RGBA"), corner)
    blended.paste(shown, mask=mask)
    return blended


def _differing(one: Image.Image, other: Image.Image) -> Image.Image:
    """A mask, of mode 1, of the pixels in which two RGBA images differ."""
    bands = ImageChops.difference(one, other).split()
    return functools.reduce(ImageChops.lighter, bands).point(lambda value: value and 255, "1")
