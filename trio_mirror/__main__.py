"""``python -m trio_mirror``, and what our commands start."""

import gc
import os
import signal
import sys
from importlib import import_module
from types import FrameType


def main(command: str = "command") -> None:
    """Runs one of our commands and exits."""
    if sys.platform == "win32":
        sys.stderr.write("error: trio-mirror needs a POSIX system; on Windows, run it in WSL\n")
        sys.exit(2)
    # Outside of a run an interrupt has nothing to say or to undo. Raised while libraries are imported, or while Python
    # takes itself down, it would come out as anything.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _exit_at_once)
    import_less()
    # Imported here, since a worker process imports the main module of its parent too.
    import_module(f"trio_mirror.cli.{command}").main()


def gallery() -> None:
    """Runs ``trio-mirror-gallery`` and exits."""
    main("gallery_command")


def journal() -> None:
    """Runs ``trio-mirror-journal`` and exits."""
    main("journal_command")


def import_less() -> None:
    """Prepares a process of our own for its imports."""
    # httpx imports its own command line where click and rich are installed, as they are here.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    # Nothing of what is imported is garbage; a run looks for it from its beginning on.
    gc.disable()


def _exit_at_once(number: int, _: FrameType | None) -> None:
    os._exit(128 + number)


if __name__ == "__main__":
    main()
