"""Rows of pixels of any depth, reversed without a loop over pixels."""

from __future__ import annotations

REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
"""A table for ``bytes.translate``: from one fill order to the other (TIFF 6.0 section 8)."""


def reverse_rows(raster: bytes, width: int, bits: int, places: tuple[int, ...] | None = None) -> bytes:
    """Reverses each row of a raster, left to right.

    Args:
        raster: rows of pixels, each row filled up to whole bytes.
        width: pixels of a row.
        bits: bits of a pixel, all its samples together.
        places: where each byte of a pixel goes inside the mirrored pixel; as it was, if none.
    """
    stride = (width * bits + 7) // 8
    if bits % 8:
        rows = (raster[at : at + stride] for at in range(0, len(raster), stride))
        return b"".join(_reverse_packed(row, width, bits) for row in rows)
    size = bits // 8
    mirrored = bytearray(len(raster))
    for place, target in enumerate(places or range(size)):
        mirrored[target::size] = raster[place::size][::-1]
    # The whole raster was turned round, so its rows now stand in reverse.
    return reverse_order(bytes(mirrored), stride)


def rearrange(raster: bytes, places: tuple[int, ...] | None) -> bytes:
    """Moves the bytes inside each pixel: that at index ``i`` goes to ``places[i]``."""
    if places is None:
        return raster
    moved = bytearray(len(raster))
    for place, target in enumerate(places):
        moved[target :: len(places)] = raster[place :: len(places)]
    return bytes(moved)


def reverse_order(raster: bytes, stride: int) -> bytes:
    """Reverses the order of the rows, each ``stride`` bytes long, top to bottom."""
    view = memoryview(raster)
    return b"".join(view[at : at + stride] for at in range(len(raster) - stride, -1, -stride))


def _reverse_packed(row: bytes, width: int, bits: int) -> bytes:
    # One character a bit: slices then move whole bit planes, and int() packs them again.
    digits = f"{int.from_bytes(row):0{8 * len(row)}b}".encode()[: width * bits]
    mirrored = bytearray(digits)
    for plane in range(bits):
        mirrored[plane::bits] = digits[plane::bits][::-1]
    return (int(mirrored, 2) << 8 * len(row) - width * bits).to_bytes(len(row))
