"""The one door to Pillow: pictures opened and encoded, and its many exceptions mapped to FlipError."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image, UnidentifiedImageError

from trio_mirror.errors import FlipError
from trio_mirror.flip.limits import check_size
from trio_mirror.model import Limits

# What Pillow raises on damaged input, found by fuzzing: its own errors, and what escapes from parsers that trust a
# length or a tag.
_OWN = (OSError, ValueError, SyntaxError, EOFError, RuntimeError)
_ESCAPED = (TypeError, LookupError, AttributeError, AssertionError, ArithmeticError, struct.error)


@contextmanager
def map_pillow_errors(what: str) -> Iterator[None]:
    """Maps whatever Pillow raises inside to a FlipError that begins with ``what``, such as "the JPEG's raster"."""
    try:
        yield
    except FlipError:
        raise
    except UnidentifiedImageError as error:
        # Its own message names an object in memory.
        raise FlipError(f"{what} cannot be read: it is damaged, or of a kind that Pillow does not know") from error
    except Image.DecompressionBombError as error:
        raise FlipError(f"{what} cannot be read: it is larger than Pillow decodes") from error
    except (*_OWN, *_ESCAPED) as error:
        reason = str(error) or type(error).__name__
        raise FlipError(f"{what} cannot be read: {reason}") from error


def open_image(data: bytes, image_format: str, limits: Limits | None = None) -> Image.Image:
    """Opens encoded bytes as one named format (Pillow's name of it), no other, under the limits of a frame.

    Nothing is decoded yet. Call inside ``with map_pillow_errors(...)``, and decode inside it too. Without limits, the
    size was checked before.

    Raises:
        FlipError: the size in the header is over ``limits.frame_pixels``.
    """
    if image_format not in Image.OPEN:
        Image.init()
    # Not by Image.open, which adds a warning and a limit of its own to ours (Image.MAX_IMAGE_PIXELS).
    factory, accepts = Image.OPEN[image_format]
    accepted = accepts is None or accepts(data[:16])
    if not accepted or isinstance(accepted, str):
        raise UnidentifiedImageError(accepted or "its first bytes are others")
    image = factory(io.BytesIO(data), "")
    if limits:
        check_size(image.width, image.height, limits)
    return image


def encode_image(image: Image.Image, image_format: str, **options: Any) -> bytes:
    """Encodes an image by Pillow's name of the format and its options. Call inside ``with map_pillow_errors(...)``."""
    out = io.BytesIO()
    image.save(out, image_format, **options)
    return out.getvalue()


def crop(image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """A part of an image: left, top, right, bottom, in pixels; the image itself where that is all of it.

    Not by ``Image.crop``, which raises over ``Image.MAX_IMAGE_PIXELS``, and that may be less than our limits.
    """
    if box == (0, 0, *image.size):
        return image
    left, top, right, bottom = box
    part = Image.new(image.mode, (right - left, bottom - top))
    part.paste(image, (-left, -top))
    return part
