"""A script that mirrors a place by the library and is interrupted: its address, the processes, what kind of place."""

from __future__ import annotations

import os
import signal
import sys

try:
    import trio_mirror

    _, address, processes, place = sys.argv
    report = trio_mirror.run(address, processes=int(processes), timeout=1, in_place=place == "folder")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit("\n".join(f"{it.name}: {it.error}" for it in report.failures) or None)
except KeyboardInterrupt:
    # What a second one does to Python on its way out is not the library's.
    os._exit(128 + signal.SIGINT)
