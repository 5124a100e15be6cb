"""WebP."""

from trio_mirror.flip.webp.file import flip

__all__ = ["flip"]
