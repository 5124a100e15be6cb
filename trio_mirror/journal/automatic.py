"""Where the journal of a run in place lies that names none."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path


def automatic_journal(place: str) -> Path:
    """The path of the journal that every run in one place shares.

    A folder has it beside itself, hidden; any other place, and a folder whose parent takes no files, in the user's
    state folder (XDG Base Directory Specification, ``XDG_STATE_HOME``). The path is relative where the home
    folder is unknown.

    Args:
        place: what identifies the place: a URL, or the real path of a folder.
    """
    if place.startswith("/"):
        folder = Path(place)
        beside = folder.with_name(f".{folder.name}.trio-mirror-journal") if folder.name else folder
        if beside.exists() or (folder.name and os.access(folder.parent, os.W_OK)):
            return beside
    state = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):  # noqa: PTH117 (the specification has such a one ignored)
        state = os.path.expanduser("~/.local/state")  # noqa: PTH111 (there may be no home)
    key = sha256(place.encode("utf-8", "surrogateescape")).hexdigest()[:20]
    return Path(state) / "trio-mirror" / f"{key}.journal"
