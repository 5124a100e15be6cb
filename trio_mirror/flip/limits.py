"""Checks of a picture's size, its frames and all its pixels against the limits, before anything is decoded.

Each raises a FlipError that names the limit.
"""

from __future__ import annotations

from collections.abc import Sequence

from trio_mirror.errors import FlipError
from trio_mirror.model import Limits

DEFLATE_RATIO = 1032
"""How many bytes one deflated byte can stand for at most: two bits stand for 258 (RFC 1951, section 3.2.5)."""
_SMALL_RASTER = 1 << 26  # bytes; such a raster is decoded however densely it is stored


def check_density(raster: int, stored: int, *, cost: int = 1) -> None:
    """Refuses a large raster (bytes) that is stored more densely than deflate could.

    To decode one of its bytes takes ``cost`` times as long as to inflate it, and as many fewer of them are decoded.
    """
    if cost * raster > max(_SMALL_RASTER, DEFLATE_RATIO * stored):
        raise FlipError(
            f"the picture packs {raster:,} bytes of pixels into {stored:,}, more densely than is decoded here"
        )


def check_frames(sizes: Sequence[tuple[int, int]], limits: Limits) -> None:
    """Refuses too many frames, and frames (width and height, pixels) that are too large alone or together."""
    check_count(len(sizes), limits)
    for width, height in sizes:
        check_size(width, height, limits)
    check_total(sum(width * height for width, height in sizes), limits)


def check_count(frames: int, limits: Limits) -> None:
    """Refuses a picture of more frames or pages than the limit allows."""
    if frames > limits.frames:
        raise FlipError(f"the picture has more than {limits.frames:,} frames or pages (--max-frames)")


def check_total(pixels: int, limits: Limits) -> None:
    """Refuses a picture whose frames or pages together have more pixels than the limit allows."""
    if pixels > limits.total_pixels:
        allowed = f"{limits.total_pixels:,} (--max-total-pixels)"
        raise FlipError(f"the picture's frames or pages have {pixels:,} pixels in all, over the limit of {allowed}")


def check_size(width: int, height: int, limits: Limits) -> None:
    """Refuses a frame of no pixels, or of more than the limit allows (pixels)."""
    if width < 1 or height < 1:
        raise FlipError(f"the picture is {width} × {height} pixels: there is nothing to mirror")
    if width * height > limits.frame_pixels:
        raise FlipError(
            f"the picture is {width} × {height} pixels, over the limit of "
            f"{limits.frame_pixels:,} a frame (--max-frame-pixels)"
        )
