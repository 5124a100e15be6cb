"""The limit: the same flips from memory, on all cores, with no network. Takes a folder of pictures and a count."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path

from trio_mirror import flip


def flip_all(folder: Path, count: int) -> None:
    pictures = [path.read_bytes() for path in sorted(folder.iterdir())]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        # Each result is dropped as the next one is asked for; a list of them all would measure memory.
        for _ in pool.map(flip, islice(cycle(pictures), count)):
            pass


if __name__ == "__main__":
    flip_all(Path(sys.argv[1]), int(sys.argv[2]))
