"""A few seeds; the command plays as many as one likes."""

from __future__ import annotations

import pytest

from tests.simulation.simulation import simulate
from tests.simulation.workers import simulate_workers


@pytest.mark.parametrize("start", range(0, 100, 20))
def test_nothing_goes_wrong_in_twenty_worlds(start: int) -> None:
    for seed in range(start, start + 20):
        world = simulate(seed)
        assert not world.wrong, "\n".join([f"seed {seed}", *world.trace, *world.wrong])


def test_nothing_goes_wrong_in_a_hundred_runs_over_workers() -> None:
    for seed in range(100):
        world = simulate_workers(seed)
        assert not world.wrong, "\n".join([f"seed {seed}", *world.trace, *world.wrong])


@pytest.mark.parametrize("seed", range(5))
def test_the_same_seed_is_the_same_world(seed: int) -> None:
    world, again, another = simulate(seed), simulate(seed), simulate(seed + 1)

    assert world.trace == again.trace
    assert world.fingerprint == again.fingerprint != another.fingerprint
