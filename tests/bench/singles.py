"""The single measurements: what one number of trio-mirror is, or how two runs of it compare."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.lineup import DRY_RUN, LIMIT, LOSSLESS, PILLOW_ONLY, trio_mirror
from tests.bench.timing import BenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.bench.lineup import Command
    from tests.bench.runner import Runner
    from tests.bench.timing import Cost
    from tests.bench.workloads import Sizes

    Measured = Mapping[str, float]

# How much smaller the run is that start-up is read off, where only the pictures' own share is wanted.
_FRACTION = 8
_FEW_NAMES = 100  # times fewer than many


def cpu_by_concurrency(runner: Runner, sizes: Sizes) -> Measured:
    """CPU seconds a picture, start-up left out, at 16 in flight and at 256."""
    costs: dict[int, list[float]] = {16: [], 256: []}
    for _ in range(sizes.rounds):
        for concurrency, measured in costs.items():
            run = partial(runner.run, LOSSLESS, "small", concurrency=concurrency)
            measured.append(_a_picture(_cpu, run, sizes.small))
    return {f"cpu_per_picture_c{concurrency}": median(measured) for concurrency, measured in costs.items()}


def cpu_beyond_the_flip(runner: Runner, sizes: Sizes) -> Measured:
    """CPU seconds a photo, start-up left out, of the whole run and of its flip alone."""
    whole, alone = [], []
    for _ in range(sizes.rounds):
        whole.append(_a_picture(_cpu, partial(runner.run, LOSSLESS, "photo", concurrency=16), sizes.photos))
        alone.append(_a_picture(_cpu, partial(runner.run, LIMIT, "photo", concurrency=16), sizes.photos))
    return {"cpu_per_photo": median(whole), "cpu_per_photo_flip_alone": median(alone)}


def peak_by_names(runner: Runner, sizes: Sizes) -> Measured:
    """Bytes at the peak for a long list and for one of a hundredth, only read and wholly mirrored."""
    return {
        f"peak_{what}_{length}": runner.run(contender, "tiny", count, 16).peak
        for contender, what, many in ((DRY_RUN, "dry_run", sizes.names), (LOSSLESS, "mirrored", sizes.mirrored_names))
        for length, count in (("few_names", many // _FEW_NAMES), ("many_names", many))
    }


def peak_with_photos(runner: Runner, sizes: Sizes) -> Measured:
    """Bytes at the peak while photos are mirrored, 16 in flight, exactly and by Pillow."""
    return {
        "peak_photos": runner.run(LOSSLESS, "photo", sizes.photos, 16).peak,
        "peak_photos_pillow": runner.run(PILLOW_ONLY, "photo", sizes.photos, 16).peak,
    }


def seconds_alone(runner: Runner, sizes: Sizes) -> Measured:
    """Seconds of one picture alone over the long line, start-up, the list and opening the connection left out."""
    run = partial(runner.run, LOSSLESS, "small", concurrency=1, delayed=True)
    return {"seconds_alone": _a_picture(_seconds, run, sizes.alone)}


def cost_of_what_is_seen(runner: Runner, sizes: Sizes) -> Measured:
    """CPU and time of whole runs, in seconds, with progress on a terminal, events and contact sheet and without."""
    sheet, events = runner.work / "sheet.html", runner.work / "events.jsonl"
    unseen = replace(LOSSLESS, command=trio_mirror("--no-progress"))
    seen = replace(LOSSLESS, command=_in_color(trio_mirror("--sheet", str(sheet), "--events", str(events))))
    costs: dict[str, list[Cost]] = {"unseen": [], "seen": []}
    for _ in range(sizes.rounds):
        costs["unseen"].append(runner.run(unseen, "small", sizes.small, 16))
        costs["seen"].append(runner.run(seen, "small", sizes.small, 16, on_terminal=True))
        drawn = b"in flight" in (runner.work / "stderr").read_bytes()
        if not (drawn and sheet.exists() and len(events.read_bytes().splitlines()) == sizes.small + 1):
            raise BenchError("a run that was to show progress, events and sheet has left one of them out")
        sheet.unlink()
    return {
        f"{part}_{what}": median(measure(cost) for cost in measured)
        for part, measure in (("cpu", _cpu), ("seconds", _seconds))
        for what, measured in costs.items()
    }


SINGLES: Mapping[str, Callable[[Runner, Sizes], Measured]] = {
    "cpu-by-concurrency": cpu_by_concurrency,
    "cpu-beyond-the-flip": cpu_beyond_the_flip,
    "peak-by-names": peak_by_names,
    "peak-with-photos": peak_with_photos,
    "seconds-alone": seconds_alone,
    "cost-of-what-is-seen": cost_of_what_is_seen,
}
"""By the name under which each is asked for."""


def _a_picture(part: Callable[[Cost], float], run: Callable[[int], Cost], count: int) -> float:
    """What one picture more costs: the difference of a long run and a short one, so that start-up drops out."""
    fewer = max(1, count // _FRACTION)
    return (part(run(count)) - part(run(fewer))) / (count - fewer)


def _in_color(command: Command) -> Command:
    return lambda task: ["env", "TERM=xterm-256color", *command(task)]


def _cpu(cost: Cost) -> float:
    return cost.cpu


def _seconds(cost: Cost) -> float:
    return cost.seconds
