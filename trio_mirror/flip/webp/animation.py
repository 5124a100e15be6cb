"""The frames of an animated WebP (RFC 9649, section 2.7.1.1), each mirrored at its mirrored place.

A frame's offsets are even by format. Where mirroring would make one odd, the frame grows by a pixel, and what
it gains shows exactly what the canvas shows there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from trio_mirror.errors import FlipError
from trio_mirror.flip.webp.coded_image import Coded, read_coded, replace_coded
from trio_mirror.flip.webp.mirror_image import encode, mirror
from trio_mirror.flip.webp.riff import Chunk, read_chunks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FRAME_HEADER = 16
_DISPOSE_TO_BACKGROUND, _DO_NOT_BLEND = 1, 2


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

    def around(self, other: Rectangle) -> Rectangle:
        """The smallest rectangle around both."""
        left, top, right, bottom = other
        return Rectangle(min(self.left, left), min(self.top, top), max(self.right, right), max(self.bottom, bottom))


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
    def flags(self) -> int:
        """Whether its part of the canvas is cleared after it was shown, and replaced also where it is transparent."""
        return self.timing[-1]

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
    left, top, width, height = (int.from_bytes(chunk.payload[at : at + 3], "little") for at in range(0, 12, 3))
    rectangle = Rectangle(2 * left, 2 * top, 2 * left + width + 1, 2 * top + height + 1)
    frame = Frame(rectangle, chunk.payload[12:_FRAME_HEADER], read_chunks(chunk.payload[_FRAME_HEADER:]))
    if rectangle.right > canvas[0] or rectangle.bottom > canvas[1] or frame.coded.size() != (width + 1, height + 1):
        raise FlipError("the WebP is damaged: a frame of it has another size than its place")
    return frame


@dataclass(frozen=True, slots=True)
class Lost:
    """A part of the canvas that was cleared with a frame that grew, and that should not have been."""

    rectangle: Rectangle
    mask: Image.Image
    """Of the rectangle's size; 255 where a pixel was lost."""


def mirror_frames(
    frames: list[Frame], size: tuple[int, int], shown: Callable[[int, Rectangle], Image.Image], method: Image.Transpose
) -> Iterator[Frame]:
    """Mirrors the frames of an animation.

    Args:
        frames: the frames.
        size: width and height of the canvas, in pixels.
        shown: gives a part of the mirrored canvas, as the frame of this number shows it, in RGBA.
        method: how to mirror, by the picture's orientation.

    Raises:
        FlipError: a frame is damaged, or would have to be blended twice.
    """
    lost: Lost | None = None
    for number, frame in enumerate(frames):
        place = frame.rectangle.mirrored(*size, method)
        grown = (place.around(lost.rectangle) if lost else place).with_even_corner()
        coded = frame.coded
        if grown == place and not lost:
            mirrored = mirror(coded, method, is_frame=True)
        else:
            pixels = coded.decode().transpose(method)
            picture = shown(number, grown)
            corner = (place.left - grown.left, place.top - grown.top)
            mirrored = encode(_grow(pixels, corner, picture, _redrawn(lost, grown, frame)), coded)
            lost = _cleared(picture, place, grown) if frame.flags & _DISPOSE_TO_BACKGROUND else None
        yield replace(frame, rectangle=grown, chunks=replace_coded(frame.chunks, mirrored))


def _redrawn(lost: Lost | None, grown: Rectangle, frame: Frame) -> Image.Image | None:
    """A mask of what a larger frame has to show beyond its own pixels; None if that is all that it covers."""
    if frame.flags & _DO_NOT_BLEND:
        return None
    mask = Image.new("L", (grown.right - grown.left, grown.bottom - grown.top))
    if lost:
        mask.paste(lost.mask, (lost.rectangle.left - grown.left, lost.rectangle.top - grown.top))
    return mask


def _grow(
    pixels: Image.Image, corner: tuple[int, int], picture: Image.Image, redrawn: Image.Image | None
) -> Image.Image:
    """Lays a frame's pixels into a larger frame that shows the same picture.

    Args:
        pixels: the frame's own.
        corner: where they lie in the larger frame.
        picture: what the canvas shows there.
        redrawn: a mask of what the larger frame shows beyond its own pixels; None for all.

    Raises:
        FlipError: half transparent pixels have to be drawn again, which viewers round when they blend them.
    """
    is_opaque = pixels.mode == "RGB" and picture.getchannel("A").getextrema() == (255, 255)
    if redrawn is None or is_opaque:
        whole = picture.copy()
        whole.paste(pixels.convert("RGBA"), corner)
        return whole.convert("RGB") if is_opaque else whole
    if any(picture.getchannel("A").histogram(redrawn)[1:255]):
        raise FlipError("the WebP's frames, cleared and half transparent, cannot be mirrored exactly")
    blended = Image.new("RGBA", picture.size)
    blended.paste(pixels.convert("RGBA"), corner)
    blended.paste(picture, mask=redrawn)
    return blended


def _cleared(picture: Image.Image, place: Rectangle, grown: Rectangle) -> Lost | None:
    """What is lost when all of a larger frame is cleared, not only the frame's own place."""
    left, top = grown.left, grown.top
    alpha = picture.getchannel("A").point(lambda value: value and 255)
    alpha.paste(0, (place.left - left, place.top - top, place.right - left, place.bottom - top))
    box = alpha.getbbox()
    if box is None:
        return None
    rectangle = Rectangle(box[0] + left, box[1] + top, box[2] + left, box[3] + top)
    return Lost(rectangle, alpha.crop(box))
