"""Settings of glibc's heap for many flips in a row (mallopt(3)); another C library has none of them."""

from __future__ import annotations

import ctypes
import resource
from contextlib import suppress
from functools import cache

# Of malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
# Bytes: of the largest block that comes out of the heap, which glibc bounds, and of what the heap of a thread keeps.
_LARGEST, _KEPT = 32 << 20, 64 << 20


@cache
def keep_heap() -> None:
    """Keeps freed memory in the heap, so that the next picture need not fetch it from the system again.

    That saves 5% of the CPU of a photo, and 8% of that of a small picture where Pillow encodes it. It holds for the
    whole process, so only the command line and its worker processes call it. Where addresses are limited
    (``ulimit -v``), nothing is kept.
    """
    if not _are_addresses_limited():
        _set({_MMAP_THRESHOLD: _LARGEST, _TRIM_THRESHOLD: _KEPT})


def share_heap() -> None:
    """Keeps glibc from reserving 64 MB of addresses for each thread, where those are limited."""
    if _are_addresses_limited():
        _set({_ARENA_MAX: 1})


def _are_addresses_limited() -> bool:
    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


def _set(parameters: dict[int, int]) -> None:
    with suppress(AttributeError):  # another C library
        for parameter, value in parameters.items():
            ctypes.CDLL(None).mallopt(parameter, value)
