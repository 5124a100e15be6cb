"""The header of a JPEG XL codestream, and the orientation in it mirrored (ISO/IEC 18181-1, annex D).

The three bits of the orientation are there only where the header has extra fields. Where it has none, they are added
with exactly as much else, written out with its default, as makes whole bytes: all that follows keeps its phase.
"""

from __future__ import annotations

from typing import NamedTuple

from trio_mirror.errors import FlipError
from trio_mirror.flip.isobmff import DAMAGED
from trio_mirror.flip.jxl.bits import Bits, Change, bytes_of, changed, text, text_of

SIGNATURE = b"\xff\x0a"  # how a codestream begins

# Extra fields: an orientation of 2, no intrinsic size, no preview, no animation.
_EXTRA = "1" + text(2 - 1, 3) + "000"
# What follows in a header that is all default: 8 bits a sample (integers, the selector 3, 1 + 7), modular buffers of 16
# bits, no extra channels, XYB, default colours and tone mapping, no extensions.
_DEFAULTS = "0" + text(3, 2) + text(7, 6) + "1" + "00" + "1" + "1" + "1" + "00"
# Not all default, the intensity target 255 (as a half-precision number), no minimum, absolute, and linear below 0.
_TONE_MAPPING = "0" + text(0x5BF8, 16) + text(0, 16) + "0" + text(0, 16)

# The distributions of U32 that numbers of a header have.
_DIMENSION = ((9, 1), (13, 1), (18, 1), (30, 1))
_PREVIEW_EIGHTHS = ((0, 16), (0, 32), (5, 1), (9, 33))
_PREVIEW = ((6, 1), (8, 65), (10, 321), (12, 1345))
_ENUM = ((0, 0), (0, 1), (4, 2), (6, 18))
_COORDINATE = ((19, 0), (19, 1 << 19), (20, 1 << 20), (21, 1 << 21))
# Width to height, by the number of the ratio.
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_GREY, _XYB = 1, 2
_CUSTOM = 2


class Header(NamedTuple):
    """What a header says, and where."""

    width: int
    height: int
    channels: int
    animated: bool
    extra: int | None  # the bit that says whether there are extra fields; None where the last bit says all default
    has_extra: bool
    colour_end: int  # the bit behind the colour encoding


def mirrored_header(stream: bytes) -> tuple[Header, int, bytes]:
    """What the header at a codestream's start says, how many bytes at the start to replace, and by which ones."""
    header = read_header(stream)
    bits = text_of(stream[: header.colour_end // 8 + len(_TONE_MAPPING) // 8 + 2])
    changes = _changes(bits, header)
    # No further than necessary: the stream may be cut behind its header.
    size = -(-changes[-1].end // 8)
    return header, size, bytes_of(changed(bits[: 8 * size], changes))


def _changes(bits: str, header: Header) -> list[Change]:
    extra, end = header.extra, header.colour_end
    if extra is None:
        return [Change(end - 1, end, "0" + _EXTRA + _DEFAULTS)]
    if not header.has_extra:
        return [Change(extra, extra + 1, _EXTRA), Change(end, end, _TONE_MAPPING)]
    # What was added by an earlier mirroring, and is written by no encoder, since it says nothing.
    if bits.startswith(_EXTRA + _DEFAULTS, extra):
        return [Change(extra - 1, extra + len(_EXTRA + _DEFAULTS), "1")]
    if bits.startswith(_EXTRA, extra) and bits.startswith(_TONE_MAPPING, end):
        return [Change(extra, extra + len(_EXTRA), "0"), Change(end, end + len(_TONE_MAPPING), "")]
    lowest = extra + 1  # of the orientation less 1: 1 and 2, 3 and 4, … change places
    return [Change(lowest, lowest + 1, str(1 - int(bits[lowest])))]


def read_header(stream: bytes) -> Header:
    """Reads a header as far as its colours, before which all is of a fixed form."""
    if stream[:2] != SIGNATURE:
        raise FlipError(f"{DAMAGED}: the JPEG XL has no codestream")
    bits = Bits(stream, 16)
    width, height = _size(bits)
    if bits.number(1):
        return Header(width, height, 3, animated=False, extra=None, has_extra=False, colour_end=bits.at)
    extra = bits.at
    has_extra = bits.number(1) == 1
    animated = False
    if has_extra:
        bits.skip(3)
        if bits.number(1):
            _size(bits)
        if bits.number(1):
            _preview(bits)
        animated = bits.number(1) == 1
        if animated:
            bits.choice((0, 100), (0, 1000), (10, 1), (30, 1))
            bits.choice((0, 1), (0, 1001), (8, 1), (10, 1))
            bits.choice((0, 0), (3, 0), (16, 0), (32, 0))
            bits.skip(1)
    _depth(bits)
    bits.skip(1)
    channels = bits.choice((0, 0), (0, 1), (4, 2), (12, 1))
    for _ in range(channels):
        _extra_channel(bits)
    bits.skip(1)
    _colours(bits)
    return Header(width, height, 3 + channels, animated, extra, has_extra, bits.at)


def _size(bits: Bits) -> tuple[int, int]:
    def dimension() -> int:
        return 8 * (bits.number(5) + 1) if small else bits.choice(*_DIMENSION)

    small = bits.number(1)
    height = dimension()
    ratio = _RATIOS.get(bits.number(3))
    return (height * ratio[0] // ratio[1] if ratio else dimension()), height


def _preview(bits: Bits) -> None:
    distribution = _PREVIEW_EIGHTHS if bits.number(1) else _PREVIEW
    bits.choice(*distribution)
    if bits.number(3) == 0:
        bits.choice(*distribution)


def _depth(bits: Bits) -> None:
    floating = bits.number(1)
    bits.choice((0, 8), (0, 10), (0, 12), (6, 1))
    bits.skip(4 * floating)


def _extra_channel(bits: Bits) -> None:
    if bits.number(1):
        return
    kind = bits.choice(*_ENUM)
    _depth(bits)
    bits.choice((0, 0), (0, 3), (0, 4), (3, 1))
    bits.skip(8 * bits.choice((0, 0), (4, 0), (5, 16), (10, 48)))
    if kind == 0:  # alpha
        bits.skip(1)
    elif kind == 2:  # a spot colour
        bits.skip(4 * 16)
    elif kind == 5:  # a colour filter array
        bits.choice((0, 1), (2, 0), (4, 3), (8, 19))


def _colours(bits: Bits) -> None:
    if bits.number(1):
        return
    profile = bits.number(1)
    space = bits.choice(*_ENUM)
    if profile:
        return
    if space != _XYB and bits.choice(*_ENUM) == _CUSTOM:
        _point(bits)
    if space not in {_GREY, _XYB} and bits.choice(*_ENUM) == _CUSTOM:
        for _ in range(3):
            _point(bits)
    if space != _XYB:
        if bits.number(1):
            bits.skip(24)
        else:
            bits.choice(*_ENUM)
    bits.choice(*_ENUM)


def _point(bits: Bits) -> None:
    bits.choice(*_COORDINATE)
    bits.choice(*_COORDINATE)
