"""The simple raster formats."""

from trio_mirror.flip.simple.file import flip, is_simple

__all__ = ["flip", "is_simple"]
