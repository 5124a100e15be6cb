"""TIFF and BigTIFF."""

from trio_mirror.flip.tiff.file import flip

__all__ = ["flip"]
