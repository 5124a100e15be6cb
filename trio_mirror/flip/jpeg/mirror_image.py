"""The raster of one JPEG: its coefficients rearranged where that is exact, else decoded and encoded again."""

from __future__ import annotations

from collections.abc import Callable

from trio_mirror.errors import FlipError
from trio_mirror.flip.jpeg import turbojpeg
from trio_mirror.flip.jpeg.reencode import decoded, mirrored_by_encoding
from trio_mirror.flip.jpeg.segments import SOI, CodedPart, Frame, Jpeg, coded_part, joined, parse
from trio_mirror.flip.jpeg.turbojpeg import Operation
from trio_mirror.flip.jpeg.validate import check_data, check_frame
from trio_mirror.flip.pillow import map_pillow_errors
from trio_mirror.model import Limits, Lossless

# More pictures inside one, and larger thumbnails, exist only in malicious files.
_PICTURES = 8
_THUMBNAIL_PIXELS = 4_000_000
PNG = b"\x89PNG\r\n\x1a\n"  # how a PNG begins


def mirrored_raster(jpeg: Jpeg, lossless: Lossless, *, rows: bool) -> tuple[CodedPart, bool, tuple[str, ...]]:
    """Mirrors the raster of a JPEG: by the order of its rows, or else each row.

    Returns:
        Its tables, frame and scans; whether they are exact; and notes.

    Raises:
        FlipError: it is damaged, or cannot be mirrored exactly though that is required.
    """
    check_data(jpeg.data, jpeg)
    if lossless is not Lossless.NEVER:
        transformed = turbojpeg.transform(jpeg.data, Operation.mirroring(rows=rows), jpeg.entropy_coding)
        if transformed:
            if not transformed.warning:
                return coded_part(transformed.data), True, ()
            # The library warns of every blemish; only decoding shows whether rows are missing.
            with map_pillow_errors("the JPEG"):
                decoded(jpeg.data)
            return coded_part(transformed.data), True, (f"the JPEG is damaged: {transformed.warning}",)
    if lossless is Lossless.ALWAYS:
        raise FlipError(f"the JPEG cannot be mirrored exactly: {_why_not_exact(jpeg.frame, rows=rows)}")
    with map_pillow_errors("the JPEG"):
        coded, notes = mirrored_by_encoding(jpeg, rows=rows)
        return coded, False, notes


def _why_not_exact(frame: Frame, *, rows: bool) -> str:
    side, length, unit = ("height", frame.height, frame.mcu[1]) if rows else ("width", frame.width, frame.mcu[0])
    if length % unit:
        return f"its {side} of {length} pixels is not a multiple of {unit}"
    if not turbojpeg.libraries():
        return "libturbojpeg is not installed (Debian: libturbojpeg0)"
    return "libturbojpeg cannot"


def thumbnail_mirror(*, rows: bool, largest: int = 0) -> Callable[[bytes], bytes]:
    """A function that mirrors the JPEGs and PNGs inside one picture, each exactly where that is possible.

    What follows a JPEG's end is left out of the result. The function raises FlipError where one is damaged, too large
    (it may have ``largest`` pixels, if that is more than a thumbnail has), or of another kind, or where there are too
    many.
    """
    budget = iter(range(_PICTURES))
    limits = Limits(frame_pixels=max(largest, _THUMBNAIL_PIXELS), total_pixels=max(largest, _THUMBNAIL_PIXELS))

    def mirror(data: bytes) -> bytes:
        is_png = data.startswith(PNG)
        if not is_png and not data.startswith(SOI):
            raise FlipError("it is not a JPEG")
        if next(budget, None) is None:
            raise FlipError("there are too many thumbnails")
        if is_png:
            from trio_mirror.flip import png  # which mirrors the JPEGs inside by this module

            return png.flip(data, limits=limits, rows=rows).data
        jpeg = parse(data)
        check_frame(jpeg, limits)
        coded, _, _ = mirrored_raster(jpeg, Lossless.AUTO, rows=rows)
        return joined(jpeg.segments, coded)

    return mirror
