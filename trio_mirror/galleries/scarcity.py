"""What the system lets us have less of than we want: the run slows down, and says so once."""

from __future__ import annotations

import errno
import logging
from functools import cache
from typing import TypedDict

_log = logging.getLogger(__name__)
_LACKING = {
    errno.EMFILE: "open files (ulimit -n)",
    errno.ENFILE: "open files",
    errno.ENOMEM: "memory",
    errno.EAGAIN: "threads (ulimit -u, pids.max)",
}


class _Traits(TypedDict):
    transient: bool
    overload: bool


def traits_of(error: OSError) -> _Traits:
    """Whether an error passes when less is done at once, as arguments of a `MirrorError`."""
    lacking = _LACKING.get(error.errno or 0)
    if lacking is not None:
        say_once(lacking)
    return {"transient": lacking is not None, "overload": lacking is not None}


@cache
def say_once(what: str) -> None:
    """Logs that something has run out."""
    _log.warning("the system gives us no more %s: less is done at once", what)
