"""``python -m tests.simulation``: plays seeds of the real program in a simulated world, until something is wrong.

The first seed that goes wrong ends the command, which prints its trace and how to repeat it, and exits with 1.
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.simulation.simulation import simulate
from tests.simulation.workers import simulate_workers

# Seeds between two lines of progress.
_BATCH = 1_000

parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=str(__doc__).partition("\n\n")[2])
parser.add_argument("--workers", action="store_true", help="of runs over workers, which get lost")
parser.add_argument("--seeds", type=int, default=1_000, help="how many (default: %(default)s)")
parser.add_argument("--start", type=int, default=0, help="the first of them (default: %(default)s)")
parser.add_argument("--seed", type=int, help="plays this one alone, and prints its trace")
options = parser.parse_args()

seeds = range(options.start, options.start + options.seeds) if options.seed is None else [options.seed]
began = time.perf_counter()
for count, seed in enumerate(seeds, 1):
    world = simulate_workers(seed) if options.workers else simulate(seed)
    if world.wrong or options.seed is not None:
        print(*world.trace, *world.wrong, sep="\n")
    if world.wrong:
        kind = "--workers " if options.workers else ""
        sys.exit(f"seed {seed} is wrong; to repeat it: python -m tests.simulation {kind}--seed {seed}")
    if count % _BATCH == 0 or count == len(seeds):
        print(f"{count:,} seeds, nothing is wrong; {count / (time.perf_counter() - began):.0f} a second", flush=True)
