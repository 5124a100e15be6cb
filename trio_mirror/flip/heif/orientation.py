"""How an image of a HEIF file is turned and mirrored for display: the properties ``irot`` and ``imir``.

ISO/IEC 23008-12, 6.5.10 and 6.5.12; MIAF (ISO/IEC 23000-22, 7.3.6.7) allows one of each, in the order ``clap``,
``irot``, ``imir``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from trio_mirror.errors import FlipError
from trio_mirror.flip.exif import mirrored

ORIENTING = {b"irot", b"imir"}  # the kinds of these properties

_TOP_BOTTOM, _LEFT_RIGHT = 0, 1
# By quarter turns anticlockwise (Exif 2.32, section 4.6.4, tag Orientation).
_EXIF = (1, 8, 3, 6)


class Orientation(NamedTuple):
    """A rotation by quarter turns anticlockwise, then perhaps a mirroring."""

    turns: int
    axis: int | None  # None, 0 (top and bottom change places) or 1 (left and right change places)

    def mirrored(self) -> Orientation:
        """The orientation that shows the same picture mirrored left to right."""
        if self.axis is None:
            return Orientation(self.turns, _LEFT_RIGHT)
        if self.axis == _LEFT_RIGHT:
            return Orientation(self.turns, None)
        return Orientation((self.turns + 2) % 4, None)  # both mirrorings together are half a turn

    def equivalent(self) -> Orientation:
        """The other way to say the same, if there is one: half a turn more, and the other axis."""
        return self if self.axis is None else Orientation((self.turns + 2) % 4, 1 - self.axis)

    def exif(self) -> int:
        """The orientation, 1 to 8, by which EXIF says the same."""
        if self.axis is None:
            return _EXIF[self.turns]
        return mirrored(self.mirrored().exif())

    def property_boxes(self) -> list[bytes]:
        """The property boxes that say it, in the order in which they are applied."""
        rotation = [_property(b"irot", self.turns)] if self.turns else []
        return rotation if self.axis is None else [*rotation, _property(b"imir", self.axis)]


def read_orientation(properties: Iterable[tuple[bytes, bytes | memoryview]]) -> Orientation:
    """Reads the orientation from properties, each a box's kind and body, in the order in which they are applied.

    Raises:
        FlipError: there are several of a kind, or in an order in which a change of one changes what follows: viewers
            differ there.
    """
    turns: int | None = None
    axis: int | None = None
    cropped_turned = False
    for kind, body in properties:
        if kind == b"irot" and body:
            if turns is not None or (axis is not None and body[0] & 1):
                raise FlipError("the picture is rotated and mirrored in an order that viewers do not agree on")
            turns = body[0] & 3
        elif kind == b"imir" and body:
            if axis is not None:
                raise FlipError("the picture is mirrored twice over, and viewers do not agree on what that means")
            axis = body[0] & 1
        elif kind == b"clap":
            if axis is not None:
                raise FlipError("the picture is mirrored and then cropped, an order that viewers do not agree on")
            cropped_turned = turns is not None
    if cropped_turned and axis == _TOP_BOTTOM:  # it would have to be turned otherwise before it is cropped
        raise FlipError("the picture is rotated, cropped and mirrored in an order that viewers do not agree on")
    return Orientation(turns or 0, axis)


def _property(kind: bytes, value: int) -> bytes:
    return (9).to_bytes(4) + kind + bytes([value])
