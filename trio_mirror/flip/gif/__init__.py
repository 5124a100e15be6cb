"""GIF."""

from trio_mirror.flip.gif.file import flip

__all__ = ["flip"]
