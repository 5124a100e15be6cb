"""One run over many workers: processes on this machine, or a Ray cluster.

One driver hands out slices of the list, by one dispatcher, to one of two engines behind the same protocol. Every worker
runs the pipeline itself, over the names that it is handed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from os import PathLike

from trio_mirror.distributed.driver import Driver
from trio_mirror.distributed.job import make_job
from trio_mirror.galleries import Place
from trio_mirror.pipeline.state import State
from trio_mirror.settings import Settings, available_cores

GRACE, _GRACE_HERE = 10.0, 2.0
"""Seconds beyond ``drain`` in which the last results of the workers come in: from a cluster, and from this machine."""


def grace_of(settings: Settings) -> float:
    """Seconds beyond ``drain`` in which the last results of a run's workers come in."""
    return GRACE if settings.cluster is not None else _GRACE_HERE


@asynccontextmanager
async def open_driver(
    places: tuple[Place, Place | None], state: State, own_files: Collection[str | PathLike[str]] = ()
) -> AsyncIterator[Driver]:
    """Opens the workers of a run, and what hands its pictures to them.

    Raises:
        SettingsError: the source or the target is an object, which stays in its process; or Ray is not installed.
        ClusterError: the cluster cannot be reached.
    """
    settings = state.settings
    # On a cluster a worker is one core, and shares nothing with others: what is in flight waits for the network.
    workers, cores = (settings.processes, available_cores()) if settings.cluster is None else (1, 1)
    job = make_job(
        places,
        settings,
        in_place=state.in_place,
        intents=state.intents,
        workers=workers,
        concurrency=-(-settings.concurrency // workers),
        flip_threads=settings.flip_threads or -(-cores // workers),
        option="--processes" if settings.cluster is None else "--cluster",
        own_files=own_files,
    )
    if settings.cluster is not None:
        from trio_mirror.distributed.ray_engine import open_ray

        async with open_ray(settings.cluster, job) as ray_engine:
            yield Driver(ray_engine, state, size=settings.slice, each_worker=2, gather=1.0)
        return
    from trio_mirror.distributed.processes import GATHER, SLICE, open_processes, slices_in_flight

    async with open_processes(workers, job) as engine:
        each_worker = slices_in_flight(job.settings.concurrency)
        yield Driver(engine, state, size=SLICE, each_worker=each_worker, gather=GATHER)
