"""What the system lets us have less of than we want: the run slows down, and says so once."""

from __future__ import annotations

import errno
import logging
import resource
from functools import cache

_log = logging.getLogger(__name__)
_LACKING = {
    errno.EMFILE: "open files (ulimit -n)",
    errno.ENFILE: "open files",
    errno.ENOMEM: "memory",
    errno.EAGAIN: "threads (ulimit -u, pids.max)",
}
# Descriptors that a run has beside those of its pictures: the journal's, the log's, the event loop's.
_OTHER_FILES = 32


def traits_of(error: OSError) -> dict[str, bool]:
    """Whether an error passes when less is done at once, as arguments of a `MirrorError`."""
    lacking = _LACKING.get(error.errno or 0)
    if lacking is not None:
        say_once(lacking)
    return {"transient": lacking is not None, "overload": lacking is not None}


def within_descriptors(count: int) -> int:
    """How many pictures of so many may be in flight: each may have a connection to both ends, kept or in use.

    Were all descriptors connections, not even a module could be imported that a first picture of a format needs.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = max(1, (limit - _OTHER_FILES) // 2)
    if limit == resource.RLIM_INFINITY or count <= allowed:
        return count
    say_once(_LACKING[errno.EMFILE])
    return allowed


@cache
def say_once(what: str) -> None:
    """Logs that something has run out."""
    _log.warning("the system gives us no more %s: less is done at once", what)
