"""The run-length codes of BMP, BI_RLE8 and BI_RLE4 (Microsoft, "Bitmap Compression").

A stream draws from left to right, row after row. It may skip pixels (a delta, or a row that ends early). What
it skips stays undrawn in the mirrored stream too, because some viewers show those pixels as transparent.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from operator import attrgetter
from typing import NamedTuple

from trio_mirror.errors import FlipError

_END_OF_LINE, _END_OF_BITMAP, _DELTA = 0, 1, 2
_EOL, _EOB = b"\0\0", b"\0\1"
_LONGEST = 255
# A run that is worth its two bytes amid literal pixels: one value in RLE8, two values in turn in RLE4.
_RUNS = {8: re.compile(rb"(.)\1{2,254}", re.DOTALL), 4: re.compile(rb"(.)(.)(?:\1\2){2,126}\1?", re.DOTALL)}
_SHORT_RUNS = {8: re.compile(rb"(.)\1?", re.DOTALL), 4: re.compile(rb"..?", re.DOTALL)}
_TO_NIBBLES = bytes.maketrans(b"0123456789abcdef", bytes(range(16)))
_TO_HEX = bytes.maketrans(bytes(range(16)), b"0123456789abcdef")


class Span(NamedTuple):
    """Pixels drawn side by side, one byte each, whatever the depth."""

    row: int
    column: int
    pixels: bytes


def mirror_rle(stream: bytes, width: int, height: int, bits: int) -> tuple[bytes, int]:
    """The mirrored raster, BI_RLE8 or BI_RLE4 by its bits, and how many bytes of ``stream`` it stands for."""
    reader = _Reader(stream, width, height, bits)
    rows = groupby(reader.spans(), key=attrgetter("row"))
    mirrored = chain.from_iterable(_mirrored_row(number, spans, width) for number, spans in rows)
    return _encode(mirrored, width, height, bits), reader.at


class _Reader:
    """Reads the codes of a stream; ``at`` is how far."""

    def __init__(self, stream: bytes, width: int, height: int, bits: int) -> None:
        self.at = 0
        self._stream = stream
        self._width = width
        self._height = height
        self._bits = bits
        self._row = 0
        self._column = 0

    def spans(self) -> Iterator[Span]:
        """The spans in the order of drawing; what lies beyond the right edge is cut off."""
        while self.at + 2 <= len(self._stream):
            count, value = self._stream[self.at : self.at + 2]
            if self._complete() and (count or value > _END_OF_BITMAP):
                return  # a stream without an end mark: these bytes are something else
            self.at += 2
            if count:
                yield from self._drawn(self._run(count, value))
            elif value == _END_OF_LINE:
                self._row, self._column = self._row + 1, 0
            elif value == _END_OF_BITMAP:
                break
            elif value == _DELTA:
                right, rows = self._take(2)
                self._row, self._column = self._row + rows, self._column + right
                if self._column > self._width:
                    # Viewers differ here: some stop, some cut off. As Pillow shows it, the step goes on in the
                    # next row, and so does what follows.
                    beyond, self._column = divmod(self._column, self._width)
                    self._row += beyond
            else:
                yield from self._drawn(self._literal(value))
        if not self._complete():
            raise FlipError("the BMP is damaged: its run-length data end before the last row")

    def _complete(self) -> bool:
        return self._row >= self._height or (self._row == self._height - 1 and self._column >= self._width)

    def _drawn(self, pixels: bytes) -> Iterator[Span]:
        column = self._column
        self._column += len(pixels)
        if column < self._width:
            yield Span(self._row, column, pixels[: self._width - column])

    def _run(self, count: int, value: int) -> bytes:
        if self._bits == 8:
            return bytes([value]) * count
        return (bytes(divmod(value, 16)) * (count // 2 + 1))[:count]

    def _literal(self, count: int) -> bytes:
        coded = self._take((count * self._bits + 7) // 8)
        self.at += len(coded) % 2  # literals are padded to whole 16-bit words
        return coded if self._bits == 8 else coded.hex().encode().translate(_TO_NIBBLES)[:count]

    def _take(self, count: int) -> bytes:
        taken = self._stream[self.at : self.at + count]
        if len(taken) < count:
            raise FlipError("the BMP is damaged: its run-length data are cut short")
        self.at += count
        return taken


def _mirrored_row(row: int, spans: Iterable[Span], width: int) -> Iterator[Span]:
    """The mirrored spans of a row; those that adjoin are joined. Numbers take less memory than spans."""
    columns, lengths, pixels = array("I"), array("I"), bytearray()
    for span in spans:
        if columns and span.column == columns[-1] + lengths[-1]:
            lengths[-1] += len(span.pixels)
        else:
            columns.append(span.column)
            lengths.append(len(span.pixels))
        pixels += span.pixels
    pixels.reverse()
    at = 0
    for column, length in zip(reversed(columns), reversed(lengths), strict=True):
        yield Span(row, width - column - length, bytes(pixels[at : at + length]))
        at += length


def _encode(spans: Iterable[Span], width: int, height: int, bits: int) -> bytes:
    out = bytearray()
    row = column = 0
    for span in spans:
        if span.row > row and column:
            out += _EOL
            row, column = row + 1, 0
        out += _deltas(span.column - column, span.row - row)
        out += _codes(span.pixels, bits)
        row, column = span.row, span.column + len(span.pixels)
    if row < height - 1 or not out:
        # A picture whose last rows are skipped, or its only one, still has to reach its last row.
        if column:
            out += _EOL
            row, column = row + 1, 0
        out += _deltas(width - 1, height - 1 - row)
    return bytes(out + _EOL + _EOB)


def _deltas(right: int, rows: int) -> bytes:
    out = bytearray()
    while right or rows:
        step_right, step_rows = min(right, _LONGEST), min(rows, _LONGEST)
        out += bytes([0, _DELTA, step_right, step_rows])
        right, rows = right - step_right, rows - step_rows
    return bytes(out)


def _codes(pixels: bytes, bits: int) -> bytes:
    out = bytearray()
    literal_from = 0
    for run in _RUNS[bits].finditer(pixels):
        out += _literals(pixels[literal_from : run.start()], bits)
        out += _run(run.group(), bits)
        literal_from = run.end()
    return bytes(out + _literals(pixels[literal_from:], bits))


def _run(pixels: bytes, bits: int) -> bytes:
    value = pixels[0] if bits == 8 else pixels[0] << 4 | pixels[1 % len(pixels)]
    return bytes([len(pixels), value])


def _literals(pixels: bytes, bits: int) -> bytes:
    out = bytearray()
    for start in range(0, len(pixels), _LONGEST):
        chunk = pixels[start : start + _LONGEST]
        if len(chunk) < 3:  # a literal of one or two pixels would read as an escape
            for run in _SHORT_RUNS[bits].finditer(chunk):
                out += _run(run.group(), bits)
            continue
        coded = chunk if bits == 8 else bytes.fromhex((chunk + b"\0" * (len(chunk) % 2)).translate(_TO_HEX).decode())
        out += bytes([0, len(chunk)]) + coded + b"\0" * (len(coded) % 2)
    return bytes(out)
