"""Run-length packets of TGA and PCX, decoded by Pillow's codecs as one long row of bytes."""

from __future__ import annotations

from bisect import bisect_left

from PIL import Image

from trio_mirror.errors import FlipError

_DAMAGED = "the file is damaged: its run-length data do not fill the picture"
_LONGEST_ROW = (1 << 28) - 8  # bytes that Pillow takes as one row
_MOST_FROM_ONE_BYTE = 103  # a TGA's packet of five bytes stands for 128 pixels of four


def unpack(data: bytes, size: int, tail: int, codec: str, *how: int | str) -> tuple[bytes, int]:
    """Decodes a raster of ``size`` bytes from packets, which anything may follow.

    Where they end, Pillow's decoders do not say: it is the last byte that they cannot lack. That takes ten times as
    long where not ``tail`` bytes follow. Returns also how many bytes the packets take.
    """
    if size > _MOST_FROM_ONE_BYTE * len(data):
        raise FlipError(_DAMAGED)
    if size > _LONGEST_ROW:
        raise FlipError(f"a run-length coded raster of more than {_LONGEST_ROW:,} bytes is not mirrored")
    raster = Image.new("L", (size, 1))

    def fills(length: int) -> bool:
        try:
            raster.frombytes(data[:length], codec, *how)
        except ValueError:
            return False
        return True

    used = max(0, len(data) - tail)
    if not fills(used) or fills(used - 1):
        if not fills(len(data)):
            raise FlipError(_DAMAGED)
        used = bisect_left(range(len(data)), 1, key=fills)
    return raster.tobytes(), used
