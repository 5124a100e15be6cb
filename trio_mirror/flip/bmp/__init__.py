"""BMP and DIB."""

from trio_mirror.flip.bmp.file import flip, is_bmp

__all__ = ["flip", "is_bmp"]
