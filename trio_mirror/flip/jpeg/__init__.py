"""JPEG."""

from trio_mirror.flip.jpeg.file import flip

__all__ = ["flip"]
