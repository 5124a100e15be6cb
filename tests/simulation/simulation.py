"""One seed: processes that end in all kinds of ways, one after the other; the last one, let alone, mirrors the rest."""

from __future__ import annotations

import os
import tempfile
import traceback
from pathlib import Path
from unittest.mock import patch

import trio

from tests.simulation.invariants import faults_of, faults_of_disk
from tests.simulation.life import Life
from tests.simulation.machine import FlipThreads, Machine, open_files
from tests.simulation.network import Network
from tests.simulation.places import Places
from tests.simulation.plan import Plan
from tests.simulation.world import World
from trio_mirror.journal import Journal
from trio_mirror.pipeline import stages

_MOST_LIVES = 3
_MEMORY = Path("/dev/shm")


def simulate(seed: int) -> World:
    """Plays one seed, and gives its world: nothing is `wrong` in it."""
    world = World(seed)
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.exists() else None) as folder:
        disk = Path(folder, "disk")
        disk.mkdir()
        # Straight to the servers, and with nothing remembered elsewhere.
        with patch.dict(os.environ, XDG_STATE_HOME=str(disk / "state"), no_proxy="*"):
            try:
                world.run(lambda world: _play(world, disk))
            except Exception:  # noqa: BLE001 (whatever it is, it is a finding)
                world.wrong.append(traceback.format_exc())
    return world


async def _play(world: World, disk: Path) -> None:
    async with trio.open_nursery() as nursery:
        network, machine = Network(world, nursery), Machine(world, nursery, disk)
        FlipThreads.machine = machine
        with (
            patch.object(trio.to_thread, "run_sync", machine.run_sync),
            patch.object(stages, "WorkerThreads", FlipThreads),
            # A function becomes a method of the journal, which a bound method does not.
            patch.object(Journal, "intend", lambda *call: machine.intend(*call)),  # noqa: PLW0108
        ):
            places = Places(world, network, machine)
            await _live(world, network, machine, places)
        nursery.cancel_scope.cancel()


async def _live(world: World, network: Network, machine: Machine, places: Places) -> None:
    # Without a journal nobody knows what an earlier run has done in place.
    goes_on = places.kind.target is not None or places.journal is not None
    plans = [places.drawn_plan() for _ in range(world.chance.randint(1, _MOST_LIVES) if goes_on else 1)]
    for plan in [*plans, *([Plan()] if goes_on else [])]:
        before, files = places.rows(), open_files()
        tasks = trio.lowlevel.current_statistics().tasks_living
        life = Life(world, places, machine, network, plan)
        await life.live()
        await machine.finish()
        await network.settle()
        faults = [*faults_of(life, places, before)]
        if life.killed:
            machine.reboot()
            faults += faults_of_disk(places)
        if left := open_files() - files:
            faults.append(f"files are left open: {left}")
        if trio.lowlevel.current_statistics().tasks_living != tasks:
            faults.append("tasks are left")
        for fault in faults:
            world.is_wrong(fault)
        if world.wrong or (places.is_whole and places.kind.journal == "automatic"):
            # One more run in a place that is whole would flip all back.
            return
    if goes_on and places.mirrored() != set(places.names):
        world.is_wrong(f"mirrored are {sorted(places.mirrored())} alone, of {sorted(places.names)}")
