"""PNG and APNG."""

from trio_mirror.flip.png.file import flip

__all__ = ["flip"]
