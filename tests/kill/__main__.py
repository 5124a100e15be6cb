"""``python -m tests.kill``: ends runs in place at random moments, and looks for pictures that were not mirrored once.

Each round draws how it runs and when it is killed; an option fixes what it names. The first round that goes wrong ends
the command, which prints how to repeat it, and exits with 1.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time

import trio

from tests.kill.rounds import Count, Kind, Round

# Rounds between two lines of progress, and kills in a round at most.
_BATCH, _MOST = 10, 5
_SIGNALS = ("KILL", "HUP", "INT")

parser = argparse.ArgumentParser(prog="python -m tests.kill", description=str(__doc__).partition("\n\n")[2])
parser.add_argument("--times", type=int, default=200, help="kills in all (default: %(default)s)")
parser.add_argument("--place", choices=("folder", "http"), help="where the pictures are")
parser.add_argument("--signal", choices=_SIGNALS, help="what ends a run")
parser.add_argument("--script", action=argparse.BooleanOptionalAction, help="whether a script is killed")
parser.add_argument("--processes", type=int, choices=(1, 2), help="of a run")
parser.add_argument("--lose", type=float, metavar="SHARE", help="of uploads over HTTP: stored, and no answer comes")
parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="draws all that is drawn")
parser.add_argument("--minutes", type=float, default=30, help="minutes to go on for at most (default: %(default)s)")
options = parser.parse_args()


def drawn(seed: int) -> tuple[Kind, int]:
    """How a round runs, and how often it is killed at most. What an option fixes leaves the other draws as they are."""
    chance = random.Random(seed)
    place, number = chance.choice(("folder", "http")), chance.choice(_SIGNALS)
    processes, lose, script = chance.choice((1, 2)), chance.choice((0.0, 0.05)), chance.choice((False, True))
    kind = Kind(
        place=options.place or place,
        number=signal.Signals[f"SIG{options.signal or number}"],
        processes=options.processes or processes,
        lose=lose if options.lose is None else options.lose,
        delay=chance.choice((0.0, 0.03)),
        script=script if options.script is None else options.script,
    )
    return kind, chance.randint(1, _MOST)


async def main() -> bool:
    """Plays rounds; whether all was right."""
    count, lengths, end = Count(), dict[tuple[object, ...], float](), trio.current_time() + 60 * options.minutes
    for seed in range(options.seed, sys.maxsize):
        kind, most = drawn(seed)
        speed = (kind.place, kind.processes, kind.lose, kind.delay)
        if speed not in lengths:
            whole = Round(kind, seed, most=0)
            count.add(await whole.play())
            lengths[speed] = whole.seconds
        one = await Round(kind, seed, most=min(most, options.times - count.kills), length=lengths[speed]).play()
        count.add(one)
        if not one.is_right:
            print(f"seed {seed}: {one}", *one.faults, sep="\n")
            print("to repeat it:", *repeated(kind, seed))
        is_over = count.kills >= options.times or trio.current_time() > end or not count.is_right
        if is_over or count.rounds % _BATCH == 0:
            print(f"seed {options.seed}: {count}", flush=True)
        if is_over:
            return count.is_right
    raise AssertionError


def repeated(kind: Kind, seed: int) -> list[str]:
    """The command that begins with one round."""
    fixed = {"place": kind.place, "signal": kind.number.name[3:], "processes": kind.processes, "lose": kind.lose}
    script = "--script" if kind.script else "--no-script"
    return [
        f"python -m tests.kill --seed {seed} --times {_MOST} {script}",
        *(f"--{it} {value}" for it, value in fixed.items()),
    ]


sys.exit(not trio.run(main))
