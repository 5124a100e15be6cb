"""Pictures decoded only for the proof that they are whole: the formats that are mirrored without a decoder.

Keeps a damaged picture from passing for a mirrored one. Pillow decodes AVIF, the extra ``proof`` the others; where
nothing is installed that could, or a decoder has limits of its own, a note says that the proof is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

from trio_mirror.errors import FlipError
from trio_mirror.flip.pillow import map_pillow_errors, open_image

if TYPE_CHECKING:
    from trio_mirror.model import Limits

# In pixels. Decoding takes up to 16 bytes for each, and a decoder believes the stated size, whatever was coded.
_MOST_PIXELS = 25_000_000
_HEVC = {b"hvc1", b"hev1", b"lhv1"}
_TOO_LARGE = ("It is too large to be decoded for a proof that it is whole.",)
_FIRST_FRAME = ("Only its first frame was decoded for a proof that it is whole.",)
_NO_DECODER = ("It was not decoded for a proof that it is whole: no decoder of its kind is installed (extra proof).",)


def prove_avif(data: bytes, limits: Limits) -> tuple[str, ...]:
    """Decodes an AVIF; returns a note where it is too large for that.

    Raises:
        FlipError: it cannot be decoded.
    """
    with map_pillow_errors("the AVIF"):
        image = open_image(data, "AVIF", limits)
        if image.width * image.height > _MOST_PIXELS:
            return _TOO_LARGE
        for frame in range(getattr(image, "n_frames", 1)):
            image.seek(frame)
            image.load()
    return ()


def prove_heif(data: bytes, kinds: set[bytes], pixels: int) -> tuple[str, ...]:
    """Decodes the images of a HEIF; returns a note where no decoder can, or they are too large.

    Args:
        data: the file.
        kinds: the types of its coded items; empty where it has a condensed header.
        pixels: how many a decoder goes through; 0 where it has a condensed header.

    Raises:
        FlipError: one of them cannot be decoded.
    """
    try:
        from pi_heif import open_heif
    except ImportError:
        return _NO_DECODER
    if not kinds <= _HEVC:  # of tiles of other codecs the decoder says that they are damaged
        return _NO_DECODER
    if pixels > 2 * _MOST_PIXELS:  # a picture with its gain map and thumbnails
        return _TOO_LARGE
    try:
        images = list(open_heif(data))
        found = len(images)
        for image in images:
            if image.size[0] * image.size[1] > _MOST_PIXELS:
                return _TOO_LARGE
        while images:
            images.pop().load()
    except (ValueError, EOFError) as error:  # invalid input; all else is a limit of the decoder
        raise FlipError(f"the HEIF cannot be read: {str(error).strip() or 'it is cut short'}") from error
    except (SyntaxError, RuntimeError, MemoryError, OSError):
        return _NO_DECODER
    return () if found else _NO_DECODER


def prove_jxl(data: bytes, samples: int, *, animated: bool) -> tuple[str, ...]:
    """Decodes a JPEG XL; returns a note where no decoder is installed, or it is too large.

    Args:
        data: the file.
        samples: pixels by channels.
        animated: whether it is an animation, of which the decoder knows the first frame only.

    Raises:
        FlipError: it cannot be decoded.
    """
    try:
        from pylibjxl import decode
    except ImportError:
        return _NO_DECODER
    if samples > 4 * _MOST_PIXELS:
        return _TOO_LARGE
    try:
        decode(data)
    except (RuntimeError, ValueError) as error:
        raise FlipError(f"the JPEG XL cannot be read: {error}") from error
    return _FIRST_FRAME if animated else ()


def open_by_extra(data: bytes, most_pixels: int) -> Image.Image:
    """Decodes a HEIF or JPEG XL, as it is displayed, by the decoders of the extra ``proof``.

    Call inside ``with map_pillow_errors(...)``.

    Raises:
        FlipError: it is too large, or no decoder is installed.
    """
    try:
        if data[4:8] == b"ftyp":
            from pi_heif import open_heif

            picture = open_heif(data)
            if picture.size[0] * picture.size[1] <= most_pixels:
                opened: Image.Image = picture.to_pillow()
                return opened
        else:
            from pylibjxl import decode, probe

            stated = probe(data)
            if stated["width"] * stated["height"] * stated["channels"] <= 4 * most_pixels:
                return Image.fromarray(decode(data))
    except ImportError as error:
        raise FlipError("no decoder of the picture's kind is installed (extra proof)") from error
    raise FlipError("the picture is too large to be decoded")
