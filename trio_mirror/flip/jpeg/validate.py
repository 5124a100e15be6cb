"""A JPEG's frame header validated: its size is four bytes, and the time and memory of decoding follow them."""

from __future__ import annotations

import io
from dataclasses import replace

from PIL.JpegImagePlugin import JpegImageFile

from trio_mirror.errors import FlipError
from trio_mirror.flip.jpeg.segments import Frame, Jpeg, Scan, first_scan, huffman_tables, joined
from trio_mirror.flip.limits import check_size
from trio_mirror.flip.pillow import map_pillow_errors
from trio_mirror.model import Limits

# In blocks of 64 pixels; below it a false size costs little memory.
_SMALL_FRAME = 1 << 16
# A block takes at least a bit of Huffman coding. Arithmetic coding has no such bound: a blank picture of any size
# takes some 200 bytes, and a false size as much time and memory as a true one. What is not blank, a few drawings
# aside, takes more than an eighth of a bit.
_HUFFMAN_BLOCKS_A_BYTE, _ARITHMETIC_BLOCKS_A_BYTE = 8, 64
# In samples, pixels times components: below it a size may turn out false only once it has been paid for, with 400 MB
# or so at most. Colour photos of 24 megapixels are below it, too.
_LARGE_FRAME = 75_000_000
# T.81, table B.1: the frames that decoders read, Huffman or arithmetic, sequential or progressive; and of the
# others the lossless ones, while the rest are hierarchical.
_READABLE, _LOSSLESS = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}, {0xC3, 0xCB}
# libjpeg-turbo fills a register of 64 bits before it decodes what is left in it.
_LOOKAHEAD = bytes(8)


def check_frame(jpeg: Jpeg, limits: Limits) -> None:
    """Refuses what common decoders do not read, what is over a limit, and what is too large for its bytes.

    Raises:
        FlipError: in words that say which.
    """
    frame, size = jpeg.frame, len(jpeg.data)
    if frame.marker not in _READABLE:
        coding = "lossless" if frame.marker in _LOSSLESS else "hierarchical"
        raise FlipError(f"the JPEG is coded in the {coding} way, which is not supported")
    if frame.precision != 8:
        raise FlipError(f"the JPEG has {frame.precision} bits a sample; only 8 are supported")
    if len(frame.components) not in {1, 3, 4}:
        raise FlipError(f"the JPEG has {len(frame.components)} colour components; only 1, 3 and 4 are supported")
    check_size(frame.width, frame.height, limits)
    blocks = frame.width * frame.height // 64
    densest = _ARITHMETIC_BLOCKS_A_BYTE if jpeg.entropy_coding.arithmetic else _HUFFMAN_BLOCKS_A_BYTE
    if blocks > _SMALL_FRAME and blocks > densest * size:
        raise _truncated(frame, size)
    if jpeg.entropy_coding.arithmetic and _is_large(frame):
        # Nothing marks where arithmetic coding ends, so that a false size would be paid for like a true one.
        stated = f"{frame.width} by {frame.height} pixels"
        raise FlipError(f"the JPEG is coded arithmetically; {stated} are too many for that")


def check_data(image: bytes, jpeg: Jpeg) -> None:
    """Refuses a large JPEG whose first scan cannot hold its rows.

    Decoders fill such rows in as soon as they see the end-of-image marker, at the price of a true picture of that size.
    Sequential data are decoded in hardly any memory. Progressive data, and components in scans of their own, cannot be:
    their length alone is checked, so that a stated size may be a few times too large.

    Where a process sets Pillow's ``ImageFile.LOAD_TRUNCATED_IMAGES``, missing rows are refused all the same, but not
    sequential data that are damaged so that decoders stop: then Pillow keeps that to itself.

    Raises:
        FlipError: rows are missing, or the data are damaged so that decoders stop.
    """
    if not _is_large(jpeg.frame):
        return
    scan = first_scan(image)
    if jpeg.entropy_coding.progressive or len(scan.selectors) != len(jpeg.frame.components):
        _check_length(scan, jpeg)
    else:
        _decode(scan, jpeg.frame)


def _is_large(frame: Frame) -> bool:
    return frame.width * frame.height * len(frame.components) > _LARGE_FRAME


def _check_length(scan: Scan, jpeg: Jpeg) -> None:
    """Refuses a scan of fewer bits than its blocks take at the least.

    A block has a code of its DC coefficient and, unless in the first scan of a progressive JPEG (T.81
    G.1.1.1.1), one of AC coefficients or of the block's end.
    """
    frame = jpeg.frame
    across, down = (8 * max(sides) for sides in zip(*((c.across, c.down) for c in frame.components), strict=True))
    numbers = {number for number, _ in scan.selectors}
    blocks = sum(
        (frame.width * c.across // across) * (frame.height * c.down // down)
        for c in frame.components
        if c.number in numbers
    )
    lengths = (next((bits for bits in range(1, 17) if table[bits]), 1) for table in huffman_tables(scan.tables))
    codes = 1 if jpeg.entropy_coding.progressive else 2
    # Without stuffed zeros, which are a byte each, and restart markers, which are two (T.81 B.1.1.5).
    size = len(scan.data) - 2 * scan.data.count(b"\xff") + scan.data.count(b"\xff\0")
    if blocks * codes * min(lengths, default=1) > 8 * size:
        raise _truncated(frame, size)


def _truncated(frame: Frame, size: int) -> FlipError:
    return FlipError(f"the JPEG is truncated: {size:,} bytes cannot hold {frame.width} by {frame.height} pixels")


def _decode(scan: Scan, frame: Frame) -> None:
    """Decodes a sequential scan, at an eighth of its size and in grey, which takes hardly any memory.

    Without an end-of-image marker the decoder asks for data where rows are missing, and fills none in. The last
    row of MCUs may be missing, for damage may cost a few.
    """
    mcu = frame.mcu[1]
    shorter = replace(frame, height=(frame.height - 1) // mcu * mcu)
    with map_pillow_errors("the JPEG"):
        coded = joined([*scan.tables, shorter.segment(), scan.header], (scan.data, _LOOKAHEAD))
        small = _WithoutEnd(io.BytesIO(coded))
        small.draft("L", (1, 1))
        small.load()


class _WithoutEnd(JpegImageFile):
    """A JPEG that Pillow does not end of its own accord, as it does under ``LOAD_TRUNCATED_IMAGES``."""

    def load_read(self, read_bytes: int) -> bytes:
        """Reads on, for the decoder."""
        data = self.fp.read(read_bytes) if self.fp else b""
        if not data:
            raise EOFError("it is truncated")
        return data
