"""Compares the flip of each format with what people would write: Pillow opens, mirrors and saves the same file."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.contenders import pillow_flip
from tests.bench.pictures import every_format
from trio_mirror import flip

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    parser.add_argument("--rounds", type=int, default=9, metavar="COUNT", help="flips of each [%(default)s]")
    parser.add_argument("--side", type=int, default=1000, metavar="PIXELS", help="of a picture [%(default)s]")
    parser.add_argument("--only", default="", metavar="TEXT", help="in the names of the rows")


def run(options: argparse.Namespace) -> int:
    """Prints a row a format: CPU time of both, medians in one thread, and what ours takes of Pillow's time and size."""
    print(f"{'CPU ms a megapixel':26} {'trio-mirror':>12} {'Pillow':>8} {'ratio':>7} {'size':>7}")
    for title, picture, megapixels, saving in every_format(options.side):
        if options.only not in title:
            continue
        ours, theirs = [], []
        for _ in range(options.rounds):  # A B A B, so that whatever else the machine does meets them alike
            ours.append(_timed(lambda data: flip(data).data, picture))
            theirs.append(_timed(pillow_flip.flip, picture, **saving))
        one, other = (1000 * median(seconds for seconds, _ in runs) / megapixels for runs in (ours, theirs))
        size = ours[0][1] / theirs[0][1]
        print(f"{title:26} {one:12.1f} {other:8.1f} {one / other:7.2f} {size:7.2f}", flush=True)
    return 0


def _timed(mirror: Callable[..., bytes], picture: bytes, **saving: object) -> tuple[float, int]:
    """The seconds of CPU that it takes, and how many bytes come out."""
    start = time.process_time()
    out = mirror(picture, **saving)
    return time.process_time() - start, len(out)
