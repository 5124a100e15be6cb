"""A JPEG XL written without an encoder: it predicts nothing, and spends eight bits on each sample (ISO/IEC 18181-1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trio_mirror.flip.jxl.bits import bytes_of, text
from trio_mirror.flip.jxl.header import SIGNATURE

if TYPE_CHECKING:
    from PIL import Image

# 8 bits a sample, no extra channels, sRGB and not XYB (annex D).
_METADATA = "00 000 1 00 0 1 00 1"
# One frame, coded by the modular mode in groups of 1,024 pixels a side, not filtered (annex F).
_FRAME = "0 00 1 00 0 00 11 00 0 00 1 00 0000 00 00 0"
# A tree that is one leaf and adds 128 (annex H): of its five numbers, that one is written 1 and eight bits, others 0.
_TREE = f"0 100 1 0000 1 {text(3, 4)} {text(1, 3)} 10 10 {text(0, 4)} {text(9, 4)} 0 0 1 00000000 0 0"
# Samples are numbers from 0 to 255, whose codes have eight bits each (annex C).
_CODES = f"0 1 1111 1 {text(7, 4)} {text(127, 7)} 00 {10 * '00'} 01 {7 * '00'}"
_GLOBAL = f"1 1 {_TREE} {_CODES} 11 00"  # default quantization, the tree, no transforms (annex G)


def write_jxl(image: Image.Image) -> bytes:
    """Writes an RGB picture with sides that are multiples of 8 and at most 256, of at least 6,000 pixels."""
    width, height = (text(side // 8 - 1, 5) for side in image.size)
    # What a sample is above 128 is written as twice that; below, as twice that less 1.
    codes = [f"{2 * it if it >= 0 else -2 * it - 1:08b}" for it in range(-128, 128)]
    samples = b"".join(band.tobytes() for band in image.split())
    coded = _packed(_GLOBAL + "".join(codes[sample] for sample in samples))
    header, contents = f"1 {height} 000 {width} {_METADATA}", f"01 {text(len(coded) - 17_408, 22)}"
    return SIGNATURE + _packed(header) + _packed(_FRAME) + _packed(contents) + coded


def _packed(fields: str) -> bytes:
    return bytes_of(fields.replace(" ", ""))
