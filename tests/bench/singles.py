"""The single measurements: what one number of trio-mirror is, or how two runs of it compare."""

from __future__ import annotations

from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.lineup import DRY_RUN, LIMIT, LOSSLESS, PILLOW_ONLY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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


SINGLES: Mapping[str, Callable[[Runner, Sizes], Measured]] = {
    "cpu-by-concurrency": cpu_by_concurrency,
    "cpu-beyond-the-flip": cpu_beyond_the_flip,
    "peak-by-names": peak_by_names,
    "peak-with-photos": peak_with_photos,
    "seconds-alone": seconds_alone,
}
"""By the name under which each is asked for."""


def _a_picture(part: Callable[[Cost], float], run: Callable[[int], Cost], count: int) -> float:
    """What one picture more costs: the difference of a long run and a short one, so that start-up drops out."""
    fewer = max(1, count // _FRACTION)
    return (part(run(count)) - part(run(fewer))) / (count - fewer)


def _cpu(cost: Cost) -> float:
    return cost.cpu


def _seconds(cost: Cost) -> float:
    return cost.seconds
