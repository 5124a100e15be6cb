"""Notices the repeats in a list of any length, in an amount of memory that is always the same."""

from __future__ import annotations

from array import array

_HASH = 2**64 - 1


class Window:
    """The last names, as far as it takes to notice that one comes again.

    A hash table with open addressing and linear probing (Knuth, The Art of Computer Programming, volume 3,
    section 6.4) over a ring of 64-bit hashes. A dict of the names would take several times the memory, and
    more and more of it as the list goes on. That two names have one hash is as good as impossible: with a
    window of 65,536 names, once in 10^14 names.

    Args:
        size: how many names are remembered.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._slots = 2 * size
        self._hashes = array("Q", bytes(8 * size))
        # For each slot 1 + the place in the ring of the hash that it holds, or 0.
        self._table = array("I", bytes(4 * self._slots))
        self._added = 0

    def add(self, name: bytes) -> bool:
        """Takes a name in, and lets go of the oldest; False if it is there already, which changes nothing."""
        digest = hash(name) & _HASH
        if self._table[self._slot_of(digest)]:
            return False
        place = self._added % self._size
        if self._added >= self._size:
            self._empty(self._slot_of(self._hashes[place]))
        self._table[self._slot_of(digest)] = place + 1
        self._hashes[place] = digest
        self._added += 1
        return True

    def _slot_of(self, digest: int) -> int:
        """The slot that holds a hash, or else the empty one where it belongs."""
        slot = digest % self._slots
        while (entry := self._table[slot]) and self._hashes[entry - 1] != digest:
            slot = (slot + 1) % self._slots
        return slot

    def _empty(self, hole: int) -> None:
        """Empties a slot, and moves up what it had displaced (the same section, algorithm R)."""
        slot = hole
        while entry := self._table[slot := (slot + 1) % self._slots]:
            home = self._hashes[entry - 1] % self._slots
            if (slot - home) % self._slots >= (slot - hole) % self._slots:
                self._table[hole] = entry
                hole = slot
        self._table[hole] = 0
