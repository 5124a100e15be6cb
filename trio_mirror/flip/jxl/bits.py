"""The bits of JPEG XL: the lowest of each byte first, numbers likewise (ISO/IEC 18181-1, 4.2 and 9.2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from trio_mirror.errors import FlipError
from trio_mirror.flip.isobmff import DAMAGED


class Bits:
    """Reads numbers one after the other; a FlipError says that there are no more."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data = data
        self.at = at
        """How many bits were read."""

    def skip(self, size: int) -> None:
        """Leaves out ``size`` bits."""
        self.at += size
        if self.at > 8 * len(self._data):
            raise FlipError(f"{DAMAGED}: it ends inside a header")

    def number(self, size: int) -> int:
        """The next number, of ``size`` bits."""
        at = self.at
        self.skip(size)
        return int.from_bytes(self._data[at // 8 : (at + size + 7) // 8], "little") >> at % 8 & (1 << size) - 1

    def choice(self, *choices: tuple[int, int]) -> int:
        """The next number of the type U32: two bits choose how many more there are, and what is added to them."""
        size, offset = choices[self.number(2)]
        return self.number(size) + offset


def text_of(data: bytes) -> str:
    """The bits as ``0`` and ``1`` in their order, to be edited as text."""
    return f"{int.from_bytes(data, 'little'):0{8 * len(data)}b}"[::-1] if data else ""


def text(number: int, size: int) -> str:
    """A number of ``size`` bits as such a text."""
    return f"{number:0{size}b}"[::-1]


def bytes_of(bits: str) -> bytes:
    """The bytes of such a text, filled up with zeros."""
    size = -(-len(bits) // 8)
    return int(bits[::-1] or "0", 2).to_bytes(size, "little")


class Change(NamedTuple):
    """Some bits by their places, and those to put for them."""

    start: int
    end: int
    new: str


def changed(bits: str, changes: Iterable[Change]) -> str:
    """Such a text after changes, which are in the order of their places."""
    parts, at = [], 0
    for start, end, new in changes:
        parts += [bits[at:start], new]
        at = end
    return "".join([*parts, bits[at:]])
