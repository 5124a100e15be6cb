"""The simple raster formats beside the great ones: which of them it is, and what is refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trio_mirror.errors import FlipError
from trio_mirror.flip.simple import ico, netpbm, pcx, qoi, tga

if TYPE_CHECKING:
    from trio_mirror.model import Flipped, Limits

# In the order in which they are tried: TGA last, because its first version has no signature.
_FORMATS = (
    (netpbm.is_netpbm, netpbm.flip),
    (qoi.is_qoi, qoi.flip),
    (ico.is_ico, ico.flip),
    (pcx.is_pcx, pcx.flip),
    (tga.is_tga, tga.flip),
)
_JPEG_2000 = (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")


def is_simple(data: bytes) -> bool:
    """Whether the bytes are of one of these formats; ask for the great formats first."""
    return data.startswith(_JPEG_2000) or any(is_format(data) for is_format, _ in _FORMATS)


def flip(data: bytes, *, limits: Limits) -> Flipped:
    """Mirrors a PBM, PGM, PPM, PAM, PFM, QOI, ICO, CUR, PCX or TGA exactly.

    Raises:
        FlipError: damaged, over a limit, JPEG 2000, or none of these.
    """
    if data.startswith(_JPEG_2000):
        raise FlipError("JPEG 2000 is not mirrored: encoding it again would not keep it as it is")
    for is_format, flip_format in _FORMATS:
        if is_format(data):
            return flip_format(data, limits=limits)
    raise FlipError("the picture is of none of the simple formats")
