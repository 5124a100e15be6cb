"""The one list of what depends on x: positions, and directions of rotation, that a file states of its raster.

`table` is the list of EXIF and XMP: field, unit, rule; maker notes and Photoshop's resources have theirs beside their
rules. The appliers are pure functions over a `Mirror`, one module a container: `exif` (the EXIF or TIFF block, with
`maker_note`), `xmp` (the packet, as text), `photoshop` (image resources). Each returns the mirrored bytes, and notes
on what it could not mirror. What describes the scene and not the raster, such as the compass direction of the camera,
stays.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mirror:
    """A raster and the axis along which it is mirrored."""

    width: int  # pixels of a stored row
    height: int  # stored rows
    rows: bool = False  # whether the order of the rows is reversed (orientations 5 to 8), so that y changes and not x

    @property
    def length(self) -> int:
        """Pixels along the mirrored axis."""
        return self.height if self.rows else self.width

    @property
    def axis(self) -> str:
        """The coordinate that changes, ``x`` or ``y``."""
        return "y" if self.rows else "x"

    def pixel(self, x: int, y: int) -> tuple[int, int] | None:
        """Where a pixel of the raster goes; None if it lies outside."""
        if not (0 <= x < self.width and 0 <= y < self.height):
            return None
        return (x, self.height - 1 - y) if self.rows else (self.width - 1 - x, y)


def not_mirrored(names: set[str]) -> tuple[str, ...]:
    """The note on what a file states and we could not mirror."""
    return (f"not mirrored: {', '.join(sorted(names))}",) if names else ()


def place_left(x: int) -> tuple[str, ...]:
    """The note on a picture's left edge at ``x`` on a page of which the file does not state the size."""
    return not_mirrored({"the place of the picture on a page of unknown size"} if x else set())
