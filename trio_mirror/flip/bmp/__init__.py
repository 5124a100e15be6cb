"""BMP and DIB: the rows reversed in place, run-length coded rasters coded anew; every other byte stays.

The headers are Microsoft's BITMAPFILEHEADER, BITMAPCOREHEADER and BITMAPINFOHEADER (and its versions 2 to 5),
and OS/2's BITMAPINFOHEADER2. A bitmap has no orientation but its row order, which mirroring does not touch.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from trio_mirror.errors import FlipError
from trio_mirror.flip.bmp.rle import mirror_rle
from trio_mirror.flip.limits import check_size
from trio_mirror.flip.rows import reverse_rows, row_bytes
from trio_mirror.model import Flipped, Limits

_FILE_HEADER = 14
_CORE_HEADER, _INFO_HEADER = 12, 40
_V5_HEADER = 124
_OS2_HEADERS = {16, 64}
_HEADER_SIZES = {_CORE_HEADER, 40, 52, 56, 64, 108, _V5_HEADER}
# Bits a pixel by compression: none, masks without and with alpha, CMYK; and those with run lengths, CMYK's too.
_BIT_FIELDS, _ALPHA_BIT_FIELDS = 3, 6
_DEPTHS = {0: {1, 2, 4, 8, 16, 24, 32, 64}, _BIT_FIELDS: {16, 32}, _ALPHA_BIT_FIELDS: {16, 32}, 11: {32}}
_RUN_LENGTHS = {1: 8, 2: 4, 12: 8, 13: 4}
_RLE4 = 2
_MASKS = {_BIT_FIELDS: 12, _ALPHA_BIT_FIELDS: 16}  # bytes
_PRINTERS = {4: "a whole JPEG", 5: "a whole PNG"}
_PROFILES = (b"DEBM", b"KNIL")  # PROFILE_EMBEDDED, PROFILE_LINKED, in the file's byte order


@dataclass(frozen=True, slots=True)
class Bitmap:
    """What the headers of a bitmap say of its raster."""

    header: int  # where the bitmap's own header begins: 14 in a BMP, 0 in a DIB
    header_size: int
    width: int
    height: int  # rows, whichever comes first
    bits: int
    compression: int
    raster: int  # where the raster begins

    @property
    def stride(self) -> int:
        """Bytes from one row to the next: rows are padded to 32 bits."""
        return (self.width * self.bits + 31) // 32 * 4


def flip(data: bytes, *, limits: Limits) -> Flipped:
    """Mirrors a BMP (or a DIB, a BMP without its file header) exactly, at its own depth and compression.

    Raises:
        FlipError: damaged, over a limit, or of a kind that nothing defines.
    """
    is_dib = not data.startswith(b"BM")
    bitmap = read_bitmap(data, header=0 if is_dib else _FILE_HEADER)
    check_size(bitmap.width, bitmap.height, limits)
    _check_kind(bitmap)
    mirrored = _flip_rle(data, bitmap) if bitmap.compression in _RUN_LENGTHS else _flip_rows(data, bitmap)
    return Flipped(mirrored, "image/bmp", lossless=True)


def _check_kind(bitmap: Bitmap) -> None:
    of_os2 = bitmap.header_size in _OS2_HEADERS
    if bitmap.compression in _PRINTERS and not of_os2:
        raise FlipError(f"the BMP holds {_PRINTERS[bitmap.compression]} for a printer: such a BMP is not mirrored")
    if bitmap.header_size not in _HEADER_SIZES | _OS2_HEADERS:
        raise FlipError(f"the BMP cannot be read: nothing defines a header of {bitmap.header_size} bytes")
    code = bitmap.compression
    # OS/2 has other codes under the numbers from 3 on.
    if (of_os2 and code > _RLE4) or (code not in _RUN_LENGTHS and bitmap.bits not in _DEPTHS.get(code, ())):
        raise FlipError(f"the BMP cannot be read: nothing defines compression {code} with {bitmap.bits} bits a pixel")


def matches(data: bytes) -> bool:
    """Whether the first bytes are a BMP's, or a DIB's, which has no signature but a plausible header."""
    if data.startswith(b"BM"):
        return True
    if len(data) < 16:
        return False
    (size,) = struct.unpack_from("<I", data)
    planes, bits = struct.unpack_from("<HH", data, 8 if size == _CORE_HEADER else 12)
    return size in _HEADER_SIZES and planes == 1 and bits in _DEPTHS[0]


def read_bitmap(data: bytes, *, header: int) -> Bitmap:
    """Reads the header of a bitmap, which begins at ``header``, and the offset of its raster.

    The offset is in the file header, if there is one.
    """
    try:
        (size,) = struct.unpack_from("<I", data, header)
        if size == _CORE_HEADER:
            width, height, _, bits = struct.unpack_from("<HHHH", data, header + 4)
            compression = colors = 0
        else:
            width, height, _, bits = struct.unpack_from("<IiHH", data, header + 4)
            compression, colors = (
                struct.unpack_from("<I", data, header + at)[0] if size > at else 0 for at in (16, 32)
            )
        raster = struct.unpack_from("<I", data, 10)[0] if header == _FILE_HEADER else 0
    except struct.error as error:
        raise FlipError("the BMP is damaged: its header is cut short") from error
    after_header = header + size
    if size == _INFO_HEADER:
        after_header += _MASKS.get(compression, 0)  # the masks follow the oldest header, later ones hold them
    palette = (colors or 1 << bits) * (3 if size == _CORE_HEADER else 4) if bits <= 8 else 0
    # An offset of the palette's own place is a common slip of writers.
    if raster == 0 or (raster == header + size and palette):
        raster = after_header + palette
    if raster < after_header:
        raise FlipError("the BMP is damaged: its raster is said to begin inside its header")
    return Bitmap(header, size, width, abs(height), bits, compression, raster)


def _flip_rows(data: bytes, bitmap: Bitmap) -> bytes:
    end = bitmap.raster + bitmap.stride * bitmap.height
    padding = bitmap.stride - row_bytes(bitmap.width, bitmap.bits)
    if len(data) < end - padding:
        raise FlipError("the BMP is damaged: its raster ends before the last row")
    rows = reverse_rows(data[bitmap.raster : end], bitmap.width, bitmap.height, bitmap.bits, stride=bitmap.stride)
    return data[: bitmap.raster] + rows + data[end:]


def _flip_rle(data: bytes, bitmap: Bitmap) -> bytes:
    bits = _RUN_LENGTHS[bitmap.compression]
    if bitmap.bits != bits:
        raise FlipError(f"the BMP is damaged: {bitmap.bits} bits a pixel do not go with its compression")
    mirrored, used = mirror_rle(data[bitmap.raster :], bitmap.width, bitmap.height, bits)
    end = bitmap.raster + used
    out = bytearray(data[: bitmap.raster] + mirrored + data[end:])
    growth = len(mirrored) - used
    fields = [(bitmap.header + 20, bitmap.raster)]  # the raster's size
    if bitmap.header == _FILE_HEADER:
        fields.append((2, 0))  # the file's size
    if bitmap.header_size >= _V5_HEADER and data[bitmap.header + 56 :][:4] in _PROFILES:
        fields.append((bitmap.header + 112, bitmap.header))  # the profile's offset
    for at, base in fields:
        (value,) = struct.unpack_from("<I", data, at)
        # Writers often get these wrong; a value that means nothing stays as it is.
        if end <= base + value <= len(data):
            struct.pack_into("<I", out, at, value + growth)
    return bytes(out)
