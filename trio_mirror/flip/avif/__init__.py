"""AVIF."""

from trio_mirror.flip.avif.file import flip

__all__ = ["flip"]
