"""Functions of the caller's that a run calls on the way of each picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from trio_mirror.model import Flipped, Result

Sampler: TypeAlias = "Callable[[str, bytes, Flipped | None], None]"
"""Called in the thread of the flip with a picture's name, its bytes, and what is stored; None if the flip failed."""


class Hooks(NamedTuple):
    """Each may be left out."""

    transform: Callable[[bytes], bytes] | None = None
    """Makes of a picture's bytes those that are stored, in a worker thread, in place of the flip."""
    sampler: Sampler | None = None
    """Is shown each picture while it is in memory."""
    before_flip: Callable[[], object] | None = None
    """Called in the thread of each flip."""
    on_result: Callable[[Result], None] | None = None
    """Gets each result when it is counted, in the event loop; also those that nobody iterates over any more."""
