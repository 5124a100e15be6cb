"""Bytes in, mirrored bytes out. Pure: no event loop, no files, no network."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, ImageSequence

from trio_mirror.errors import FlipError
from trio_mirror.flip.raster import check_size, open_image, pillow
from trio_mirror.model import Flipped, Limits, Lossless

__all__ = ["flip"]

_MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
}
_LEFT_RIGHT = Image.Transpose.FLIP_LEFT_RIGHT
_TOP_BOTTOM = Image.Transpose.FLIP_TOP_BOTTOM


def flip(data: bytes, *, limits: Limits | None = None, lossless: Lossless = Lossless.AUTO) -> Flipped:
    """Mirrors one encoded picture left to right, as it is displayed, in the format it came in.

    Args:
        data: the encoded picture.
        limits: what the picture may at most ask of this machine.
        lossless: ``always`` refuses what cannot be mirrored exactly.

    Raises:
        FlipError: damaged, over a limit, not a picture, or not to be mirrored as asked; the message is a sentence.
    """
    limits = limits or Limits()
    image_format = sniff(data)
    exact = image_format in {"PNG", "GIF", "BMP", "TIFF"}
    if lossless is Lossless.ALWAYS and not exact:
        raise FlipError(f"a {image_format} cannot be mirrored exactly (--lossless always)")
    with pillow(f"the {image_format}"):
        image = open_image(data, image_format, limits)
        frames = getattr(image, "n_frames", 1)
        if frames > limits.frames:
            raise FlipError(
                f"the picture has {frames:,} frames, over the limit of {limits.frames:,} (--max-frames)"
            )
        orientation = image.getexif().get(0x0112, 1)
        method = _TOP_BOTTOM if orientation in {5, 6, 7, 8} else _LEFT_RIGHT
        mirrored = []
        for frame in ImageSequence.Iterator(image):
            check_size(frame.width, frame.height, limits)
            flipped = frame.transpose(method)
            flipped.info = dict(frame.info)
            mirrored.append(flipped)
        out = io.BytesIO()
        mirrored[0].save(out, image_format, **_save_options(image, image_format, mirrored))
    return Flipped(out.getvalue(), _MEDIA_TYPES[image_format], exact)


def sniff(data: bytes) -> str:
    """Tells the container (Pillow's name of it) from the first bytes.

    Raises:
        FlipError: the bytes are no picture of a format that is mirrored here.
    """
    head = bytes(data[:16])
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith(b"BM"):
        return "BMP"
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    if not data:
        raise FlipError("the body is empty")
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise FlipError("the body is an HTML or XML page, not a picture")
    raise FlipError("the body is not a picture of a known format")


def _save_options(image: Image.Image, image_format: str, frames: list[Image.Image]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for key in ("exif", "icc_profile", "dpi", "xmp", "comment", "transparency", "loop"):
        if key in image.info:
            options[key] = image.info[key]
    if image_format == "JPEG":
        options |= {
            "qtables": getattr(image, "quantization", None),
            "progressive": "progression" in image.info,
        }
    if image_format == "WEBP":
        options["quality"] = 95
    if image_format == "TIFF" and image.info.get("compression"):
        options["compression"] = image.info["compression"]
    if len(frames) > 1:
        options |= {"save_all": True, "append_images": frames[1:]}
        durations = [frame.info["duration"] for frame in frames if "duration" in frame.info]
        if len(durations) == len(frames):
            options["duration"] = durations
    return options
