"""Rasters of packed pixels, rows one after the other: each row reversed, or their order, whatever the depth."""

from __future__ import annotations

from PIL import Image

from trio_mirror.flip.pillow import crop

_BAND = 1 << 18  # bytes that are worked on at once: a processor's cache holds all copies of them
_LEFT_RIGHT = Image.Transpose.FLIP_LEFT_RIGHT
_TOP_BOTTOM = Image.Transpose.FLIP_TOP_BOTTOM
# Bits of a pixel to a mode whose pixels are as large, whatever they mean.
_WHOLE = {8: "L", 16: "I;16", 24: "RGB", 32: "RGBA"}
# How Pillow names pixels smaller than a byte that are packed from the high bits down: mode, raw mode.
_PACKED = {1: ("1", "1"), 2: ("P", "P;2"), 4: ("P", "P;4")}


def row_bytes(width: int, bits: int) -> int:
    """The bytes that hold a row of ``width`` pixels of ``bits`` bits each, without padding bytes."""
    return (width * bits + 7) // 8


def reverse_raster(raster: bytes, width: int, height: int, bits: int, *, rows: bool) -> bytes:
    """Mirrors a raster without padding bytes: by the order of its rows, or else each row."""
    return reverse_row_order(raster, row_bytes(width, bits)) if rows else reverse_rows(raster, width, height, bits)


def reverse_rows(raster: bytes, width: int, height: int, bits: int, *, stride: int | None = None) -> bytes:
    """Reverses the pixels of each row; padding bits and bytes at the ends of rows stay, and so does what follows them.

    The first pixel of a row is in the high bits of its first byte, of ``stride`` bytes from one row to the next; by
    default the rows have no padding bytes. Those of the last row may be missing.
    """
    size = row_bytes(width, bits)
    if stride is None or stride == size:
        used = size * height
        mirrored = _reverse(raster[:used], width, height, bits)
        return mirrored + raster[used:] if used < len(raster) else mirrored
    # The padding is cut off and laid around the reversed rows again, all rows at once: as an image of bytes.
    whole = Image.frombytes("L", (stride, height), raster[: stride * height].ljust(stride * height, b"\0"))
    pixels = crop(whole, (0, 0, size, height)).tobytes()
    reversed_pixels = _reverse(pixels, width, height, bits)
    whole.paste(Image.frombytes("L", (size, height), reversed_pixels), (0, 0))
    return whole.tobytes()[: len(raster)] + raster[stride * height :]


def reverse_row_order(raster: bytes, stride: int) -> bytes:
    """Reverses the order of the rows, each ``stride`` bytes long, top to bottom."""
    view = memoryview(raster)
    return b"".join(view[at : at + stride] for at in range(len(raster) - stride, -1, -stride))


def _reverse(pixels: bytes, width: int, height: int, bits: int) -> bytes:
    """Reverses rows without padding bytes, some of them at a time: Pillow's copies of them take memory too."""
    size = row_bytes(width, bits)
    step = max(1, _BAND // size)
    if height <= step:
        return _reverse_band(pixels, width, height, bits)
    bands = ((top, min(step, height - top)) for top in range(0, height, step))
    return b"".join(_reverse_band(pixels[top * size : (top + rows) * size], width, rows, bits) for top, rows in bands)


def _reverse_band(pixels: bytes, width: int, height: int, bits: int) -> bytes:
    if bits == 8 and height == 1:
        # A TIFF may have a strip a row, and a small row takes less time than an image of it.
        return pixels[::-1]
    if bits in _PACKED:
        return _reverse_packed(pixels, width, height, bits)
    if bits % 8:
        size = row_bytes(width, bits)
        return b"".join(_reverse_digits(pixels[at : at + size], width, bits) for at in range(0, len(pixels), size))
    if mode := _WHOLE.get(bits):
        return Image.frombytes(mode, (width, height), pixels).transpose(_LEFT_RIGHT).tobytes()
    # Each pixel becomes a row: turned upside down, the pixels are in reverse order, and so are the rows.
    upside_down = Image.frombytes("L", (bits // 8, width * height), pixels).transpose(_TOP_BOTTOM).tobytes()
    return reverse_row_order(upside_down, width * bits // 8)


def _reverse_packed(pixels: bytes, width: int, height: int, bits: int) -> bytes:
    mode, raw_mode = _PACKED[bits]
    image = Image.frombytes(mode, (width, height), pixels, "raw", raw_mode).transpose(_LEFT_RIGHT)
    mirrored = bytearray(image.tobytes("raw", raw_mode))
    padding = -width * bits % 8
    if padding:
        # Pillow packs zeros into what is left of a row's last byte; the original's bits go there.
        size = row_bytes(width, bits)
        kept = (1 << padding) - 1
        filler = pixels[size - 1 :: size].translate(bytes(value & kept for value in range(256)))
        ends = int.from_bytes(mirrored[size - 1 :: size]) | int.from_bytes(filler)
        mirrored[size - 1 :: size] = ends.to_bytes(height)
    return bytes(mirrored)


def _reverse_digits(row: bytes, width: int, bits: int) -> bytes:
    # One character a bit: slices then move whole bit planes, and int() packs them again.
    digits = f"{int.from_bytes(row):0{8 * len(row)}b}".encode()
    mirrored = bytearray(digits)
    for plane in range(bits):
        mirrored[plane : width * bits : bits] = digits[plane : width * bits : bits][::-1]
    return int(mirrored, 2).to_bytes(len(row))
