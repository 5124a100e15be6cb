"""``python -m tests.strace``: makes each kind of system call fail once, at its first, second … call, in a run.

Whatever fails, the run ends by itself, says so, and its report and the pictures are true; the next run does the rest.
All together that is about 300 runs of a few seconds, some 10 minutes where the three places are played side by side.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter

import trio

from tests.strace.rounds import CALLS, PLACES, Injection, missing, play

parser = argparse.ArgumentParser(prog="python -m tests.strace", description=str(__doc__).partition("\n\n")[2])
parser.add_argument("--calls", nargs="+", choices=CALLS, default=list(CALLS), metavar="CALL", help="which calls fail")
parser.add_argument("--places", nargs="+", choices=PLACES, default=PLACES, help="where the pictures are")
parser.add_argument("--most", type=int, default=6, help="of a call that fail, one a run (default: %(default)s)")
parser.add_argument("--first", type=int, default=1, help="which of them fails first (default: %(default)s)")
options = parser.parse_args()


async def main() -> bool:
    """Plays all runs; whether all was right."""
    count = Counter[str]()
    for place in options.places:
        for call, errors in ((call, CALLS[call]) for call in options.calls):
            for error in errors:
                for when in range(options.first, options.first + options.most):
                    faults = await play(Injection(place, call, error, when))
                    if faults is None:
                        break
                    count["calls"] += 1
                    count["wrong"] += bool(faults)
                    if faults:
                        print(f"{place}, {error} of {call} at its call {when}:", *faults, sep="\n    ", flush=True)
        print(f"{place}: {count['calls']} calls failed, after which {count['wrong']} runs were wrong", flush=True)
    return not count["wrong"]


if (reason := missing()) is not None:
    sys.exit(f"skipped: {reason}")
sys.exit(not trio.run(main))
