"""What a JPEG's frame claims, held against its bytes: its size is four bytes, and time and memory follow them."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from PIL.JpegImagePlugin import JpegImageFile

from trio_mirror.errors import FlipError
from trio_mirror.flip.jpeg.segments import first_scan, huffman_tables, joined
from trio_mirror.flip.limits import check_size
from trio_mirror.flip.pillow import map_pillow_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio_mirror.flip.jpeg.segments import Frame, Jpeg, Scan
    from trio_mirror.model import Limits

# In blocks of 64 pixels; below it a false claim costs little memory.
_SMALL_FRAME = 1 << 16
# A block takes at least a bit of Huffman coding. Arithmetic coding has no such bound: a blank picture of any size
# takes some 200 bytes, and a false claim as much time and memory as a true one. What is not blank, a few drawings
# aside, takes more than an eighth of a bit.
_HUFFMAN_BLOCKS_A_BYTE, _ARITHMETIC_BLOCKS_A_BYTE = 8, 64
# In samples, pixels times components: below it a claim may turn out false only once it has been paid for, with 400 MB
# or so at most. Colour photos of 24 megapixels are below it, too.
_LARGE_FRAME = 75_000_000
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
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
# libjpeg-turbo fills a register of 64 bits before it decodes what is left in it.
_LOOKAHEAD = bytes(8)
# Bytes of a scan that are spelt out in bits at once.
_PIECE = 1 << 12
# T.81 F.1.2.1 has a symbol for each number of bits that may follow: 12 for samples of 8 bits. Decoders take 16.
_DC_SYMBOLS = 16


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
    if jpeg.entropy_coding.arithmetic and _is_large(frame):
        # Where arithmetic coding ends nothing tells, so that a false claim would be paid for like a true one.
        size_claimed = f"{frame.width} by {frame.height} pixels"
        raise FlipError(f"the JPEG is coded arithmetically; {size_claimed} are too many for that")


def check_rows(image: bytes, jpeg: Jpeg) -> None:
    """Refuses a large JPEG whose data end before its rows do.

    Decoders fill such rows in as soon as they see the end-of-image marker, at the price of a true picture of
    that size. The first scan tells, since it visits every block of its components. Its last row of MCUs may be
    missing, for damage may cost a few.

    Where a process sets Pillow's ``ImageFile.LOAD_TRUNCATED_IMAGES``, missing rows are refused all the same, but
    not sequential data that are damaged so that decoders stop: then Pillow keeps that to itself.

    Args:
        image: the JPEG.
        jpeg: the same, taken apart.

    Raises:
        FlipError: rows are missing, the data are damaged so that decoders stop, or the first scan is one that
            tells nothing.
    """
    frame = jpeg.frame
    if not _is_large(frame):
        return
    scan = first_scan(image)
    coded = _coded_by(scan, frame)
    width, height = coded.mcu
    across, down = -(-coded.width // width), -(-coded.height // height) - 1
    if not jpeg.entropy_coding.progressive:
        _decode(scan, replace(coded, height=down * height))
    elif sum(1 for _ in islice(_mcus(scan, coded), across * down)) < across * down:
        raise FlipError(f"the JPEG is truncated: its data hold less than {frame.width} by {frame.height} pixels")


def _is_large(frame: Frame) -> bool:
    return frame.width * frame.height * len(frame.components) > _LARGE_FRAME


def _coded_by(scan: Scan, frame: Frame) -> Frame:
    """The frame of which a scan would be the only one."""
    if len(scan.selectors) == 1:
        # T.81, A.1.1 and A.2.2: one component is coded block by block, and only as many as it has.
        number = scan.selectors[0][0]
        only = next((component for component in frame.components if component.number == number), None)
        if only is None:
            raise FlipError("the JPEG is damaged: its first scan is of a component that it does not have")
        return replace(
            frame,
            width=-(-frame.width * only.across // max(component.across for component in frame.components)),
            height=-(-frame.height * only.down // max(component.down for component in frame.components)),
            components=(replace(only, across=1, down=1),),
        )
    if len(scan.selectors) != len(frame.components):
        # No encoder is known that writes such a scan first, and Pillow decodes no JPEG of two components.
        part = f"{len(scan.selectors)} of its {len(frame.components)} components"
        size = f"{frame.width} by {frame.height} pixels"
        raise FlipError(f"the JPEG's first scan is of {part}; {size} are too many for that")
    # By their order, not their numbers: some encoders give all components the same one, and decoders take that.
    return frame


def _decode(scan: Scan, frame: Frame) -> None:
    """Decodes a sequential scan, at an eighth of its size and in grey, which takes hardly any memory.

    Without an end-of-image marker the decoder asks for data where rows are missing, and fills none in.
    """
    with map_pillow_errors("the JPEG"):
        coded = joined([*scan.tables, frame.segment(), scan.header], (scan.data, _LOOKAHEAD))
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


def _mcus(scan: Scan, frame: Frame) -> Iterator[str]:
    """Finds the MCUs in the first scan of a progressive JPEG, by a regular expression over its bits.

    Such a scan has DC coefficients alone (T.81 G.1.1.1.1): for each a Huffman code that tells how many bits
    follow it (T.81 F.1.2.1).
    """
    tables = {table[0]: table for table in huffman_tables(scan.tables)}
    try:
        patterns = [_pattern(tables[numbers >> 4]) for _, numbers in scan.selectors]
    except KeyError as error:
        raise FlipError("the JPEG is damaged: a Huffman table is missing") from error
    blocks = zip(patterns, frame.components, strict=True)
    mcu = "".join(f"{pattern}{{{component.across * component.down}}}" for pattern, component in blocks)
    mcu_padding_or_rest = re.compile(f"{mcu}|[01]*(r)|(.+)")
    left = ""
    for bits in _bits(scan.data):
        spelt, left = left + bits, ""
        for found in mcu_padding_or_rest.finditer(spelt):
            if found[2]:
                left = found[2]
            elif not found[1]:
                yield found[0]


def _bits(data: bytes) -> Iterator[str]:
    """Spells entropy-coded data out in bits, piece by piece, with an r for each restart marker."""
    at = 0
    while piece := data[at : at + _PIECE]:
        # What follows 0xFF belongs to it.
        piece = piece.rstrip(b"\xff") or piece
        at += len(piece)
        intervals = (interval.replace(b"\xff\0", b"\xff") for interval in _RESTART.split(piece))
        yield "r".join(bin(int.from_bytes(b"\1" + interval)).removeprefix("0b1") for interval in intervals)


def _pattern(table: bytes) -> str:
    """A DC table as the pattern of a coefficient's bits.

    Codes are counted up, and doubled from one length to the next (T.81 C.2). For what is no code, libjpeg
    takes 17 bits; so does this, and damaged bits cost hardly more time than sound ones. The group is atomic, for
    where one code fits no other does.

    Raises:
        FlipError: it is a table that libjpeg does not take either, or no encoder writes.
    """
    if not 1 <= len(table[17:]) <= _DC_SYMBOLS or max(table[17:]) >= _DC_SYMBOLS:
        raise FlipError("the JPEG is damaged: a Huffman table is none of DC coefficients")
    symbols = iter(table[17:])
    codes: list[tuple[str, int]] = []
    code = 0
    for length, count in enumerate(table[1:17], 1):
        for symbol in islice(symbols, count):
            codes.append((f"{code:0{length}b}", symbol))
            code += 1
        # A code of ones alone is left to be the beginning of longer ones.
        if count and code >= 1 << length:
            raise FlipError("the JPEG is damaged: a Huffman table has more codes than their lengths allow")
        code *= 2
    sound = "|".join(f"{code}[01]{{{symbol}}}" for code, symbol in codes)
    return f"(?>{sound}|(?!{'|'.join(code for code, _ in codes)})[01]{{17}})"
