"""The pictures of a world, in a format whose flip undoes itself: how each may look, and how it may never look again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trio_mirror import flip

if TYPE_CHECKING:
    from tests.simulation.world import World

NAMES = ("a.ppm", "b.ppm", "c d.ppm", "ü.ppm", "e/f.ppm", "100%.ppm", "g.ppm", "big.ppm")
# Larger than what the program sends as one piece.
_BIG = 160


def _original(name: str) -> bytes:
    side = _BIG if name == "big.ppm" else 2
    return f"P6 {side} {side} 255\n".encode() + bytes((it * 7 + len(name)) % 251 for it in range(side * side * 3))


ORIGINALS = {name: _original(name) for name in NAMES}
MIRRORED = {name: flip(data).data for name, data in ORIGINALS.items()}


class Stored:
    """What a place stores, which must be mirrored pictures, once and for all."""

    def __init__(self, world: World, place: str) -> None:
        self._world = world
        self._place = place

    def check(self, name: str, data: bytes) -> None:
        """Checks what is about to be stored."""
        self._world.note(f"{self._place} stores {name}")
        if data != MIRRORED.get(name):
            what = "the original again" if data == ORIGINALS.get(name) else "something else"
            self._world.is_wrong(f"{self._place} is sent {what} as {name}")
