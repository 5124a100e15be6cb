"""The raster of one JPEG: its coefficients rearranged where that is exact, else decoded and encoded again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trio_mirror.errors import FlipError
from trio_mirror.flip.jpeg import turbojpeg
from trio_mirror.flip.jpeg.encode import decoded, mirrored_by_encoding
from trio_mirror.flip.jpeg.segments import SOI, coded_part, joined, parse
from trio_mirror.flip.jpeg.turbojpeg import Operation
from trio_mirror.flip.raster import check_size, pillow
from trio_mirror.model import Limits, Lossless

if TYPE_CHECKING:
    from trio_mirror.flip.jpeg.segments import Frame, Jpeg

# Larger "thumbnails" exist only in files that mean harm.
_THUMBNAIL_LIMITS = Limits(frame_pixels=4_000_000)
# In blocks of 64 pixels; below it a false claim costs little memory.
_SMALL_FRAME = 1 << 16
# A block takes at least a bit of Huffman coding. Arithmetic coding has no such bound: a blank picture of any size
# takes some 200 bytes, and a false claim as much time and memory as a true one. What is not blank takes more than
# an eighth of a bit but for a few drawings.
_HUFFMAN_BLOCKS_A_BYTE, _ARITHMETIC_BLOCKS_A_BYTE = 8, 64
# T.81, table B.1: what follows SOF0 to SOF2, SOF9 and SOF10, the codings that decoders read.
_RARE_CODINGS = {
    0xC3: "lossless",
    0xC5: "hierarchical",
    0xC6: "hierarchical",
    0xC7: "hierarchical",
    0xCB: "lossless",
    0xCD: "hierarchical",
    0xCE: "hierarchical",
    0xCF: "hierarchical",
}


def check_frame(jpeg: Jpeg, size: int, limits: Limits) -> None:
    """Refuses what no common decoder reads, what is over a limit, and what is too large for its bytes.

    Args:
        jpeg: the JPEG, taken apart.
        size: bytes of the whole JPEG.
        limits: what it may at most ask of this machine.

    Raises:
        FlipError: in words that say which.
    """
    frame = jpeg.frame
    if coding := _RARE_CODINGS.get(frame.marker):
        raise FlipError(f"the JPEG is coded in the {coding} way, which is not supported")
    if frame.precision != 8:
        raise FlipError(f"the JPEG has {frame.precision} bits a sample; only 8 are supported")
    if len(frame.components) not in {1, 3, 4}:
        raise FlipError(f"the JPEG has {len(frame.components)} colour components; only 1, 3 and 4 are supported")
    check_size(frame.width, frame.height, limits)
    blocks = frame.width * frame.height // 64
    densest = _ARITHMETIC_BLOCKS_A_BYTE if jpeg.entropy_coding.arithmetic else _HUFFMAN_BLOCKS_A_BYTE
    if blocks > _SMALL_FRAME and blocks > densest * size:
        raise FlipError(f"the JPEG is truncated: {size:,} bytes cannot hold {frame.width} by {frame.height} pixels")


def mirrored_raster(image: bytes, jpeg: Jpeg, lossless: Lossless, *, rows: bool) -> tuple[bytes, bool, tuple[str, ...]]:
    """Mirrors the raster of a JPEG.

    Args:
        image: the JPEG.
        jpeg: the same, taken apart.
        lossless: whether to rearrange coefficients or to encode again.
        rows: whether to reverse the order of the rows, not each row.

    Returns:
        Its tables, frame and scans; whether they are exact; and notes for people.

    Raises:
        FlipError: it is damaged, or cannot be mirrored exactly though that was asked.
    """
    if lossless is not Lossless.NEVER:
        operation = Operation.REVERSE_ROW_ORDER if rows else Operation.REVERSE_EACH_ROW
        transformed = turbojpeg.transform(image, operation, jpeg.entropy_coding)
        if transformed:
            if not transformed.warning:
                return coded_part(transformed.data), True, ()
            # The library warns of every blemish. Whether rows are missing, only decoding tells.
            with pillow("the JPEG"):
                decoded(image)
            return coded_part(transformed.data), True, (f"the JPEG is damaged: {transformed.warning}",)
    if lossless is Lossless.ALWAYS:
        raise FlipError(f"the JPEG cannot be mirrored exactly: {_why_not_exact(jpeg.frame, rows=rows)}")
    with pillow("the JPEG"):
        return mirrored_by_encoding(image, jpeg, rows=rows), False, ()


def _why_not_exact(frame: Frame, *, rows: bool) -> str:
    side, length, unit = ("height", frame.height, frame.mcu[1]) if rows else ("width", frame.width, frame.mcu[0])
    if length % unit:
        return f"its {side} of {length} pixels is no multiple of {unit}"
    if not turbojpeg.libraries():
        return "libturbojpeg is not installed"
    return "libturbojpeg cannot"


def mirror_thumbnail(data: bytes, *, rows: bool) -> bytes:
    """Mirrors a JPEG thumbnail, exactly where that is possible.

    Args:
        data: the thumbnail; what follows its end is left out of the result.
        rows: whether to reverse the order of the rows, not each row.

    Raises:
        FlipError: it is damaged, or too large for a thumbnail.
    """
    if not data.startswith(SOI):
        raise FlipError("it is no JPEG")
    jpeg = parse(data)
    check_frame(jpeg, jpeg.end, _THUMBNAIL_LIMITS)
    coded, _, _ = mirrored_raster(data[: jpeg.end], jpeg, Lossless.AUTO, rows=rows)
    return joined(jpeg.segments, coded)
