"""The same in a few kills; the command goes on for as many as one likes."""

from __future__ import annotations

import signal

import pytest

from tests.kill.rounds import Count, Kind, Round

# Seconds of work into which kills fall: about as long as a whole run takes.
_LENGTH = 0.6


@pytest.mark.slow
@pytest.mark.parametrize("place", ["folder", "http"])
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(("number", "seed"), [(signal.SIGKILL, 1), (signal.SIGHUP, 2), (signal.SIGINT, 3)])
async def test_a_run_in_place_that_is_killed_and_started_again_mirrors_each_picture_once(
    place: str, processes: int, number: signal.Signals, seed: int
) -> None:
    kind = Kind(place=place, number=number, processes=processes, lose=0.02)
    count = await Round(kind, seed, most=2, length=_LENGTH).play()

    assert count.is_right, f"{count}\n{count.faults}"


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
async def test_a_script_in_place_that_is_interrupted_and_started_again_mirrors_each_picture_once(
    processes: int,
) -> None:
    kind = Kind(number=signal.SIGINT, processes=processes, script=True)
    count = await Round(kind, 4, most=3, length=_LENGTH).play()

    assert count.is_right, f"{count}\n{count.faults}"


@pytest.mark.slow
@pytest.mark.parametrize("place", ["folder", "http"])
@pytest.mark.parametrize("options", [(), ("--no-journal",), ("--journal", "JOURNAL")])
@pytest.mark.parametrize("seed", [1, 2])
async def test_a_run_in_place_that_loses_workers_mirrors_each_picture_once(
    place: str, options: tuple[str, ...], seed: int
) -> None:
    kind = Kind(place=place, processes=2, lose=0.02, workers_only=True, options=options)
    count = Count()
    # A run that ends before its first kill shows nothing.
    while not count.kills and count.rounds < 9:
        count.add(await Round(kind, seed + 2 * count.rounds, most=2, length=_LENGTH).play())

    # The temporary file of a worker that was killed lies there until the next run removes it.
    count.left_over = 0
    assert count.is_right, f"{count}\n{count.faults}"
    assert count.kills
