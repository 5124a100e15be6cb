"""The worker's end of a slice on a Ray cluster: this very pipeline, and its talk with the desk."""

from __future__ import annotations

import base64
import os
import pickle
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from trio_mirror.distributed.slices import open_slice
from trio_mirror.errors import GalleryError

if TYPE_CHECKING:
    from trio_mirror.distributed.slices import SliceJob, SliceRun, Todo
    from trio_mirror.model import Result

JOB_VARIABLE = "TRIO_MIRROR_SLICE_JOB"
"""Holds what all slices have in common, pickled, in base64."""
# Seconds between two talks with the desk, and the age that a worker's orders may reach.
_INTERVAL = 1.0


def mirror(desk: Any, attempt: int, todo: Todo) -> tuple[list[Result], GalleryError | None]:
    """Mirrors the pictures of a slice in this process.

    Returns:
        The results that the desk has not taken, and what makes the run as a whole pointless, if anything.
    """
    job: SliceJob = pickle.loads(base64.b64decode(os.environ[JOB_VARIABLE]))  # noqa: S301 (our own driver wrote it)
    return trio.run(_mirror, job, _Desk(desk, attempt), todo)


async def _mirror(job: SliceJob, desk: _Desk, todo: Todo) -> tuple[list[Result], GalleryError | None]:
    while not desk.has_orders:
        await desk.talk()
        await trio.sleep(_INTERVAL / 10)
    if desk.draining:
        return [], None
    fatal: GalleryError | None = None
    job = replace(job, settings=replace(job.settings, rate=desk.rate))
    async with open_slice(job, todo) as run, trio.open_nursery() as nursery:
        nursery.start_soon(desk.talk_on, run)
        try:
            async for result in run:
                desk.untold.append(result)
        except GalleryError as error:
            fatal = error
        nursery.cancel_scope.cancel()
    return desk.untold + run.cut_off, fatal


class _Desk:
    """The actor between the tasks and the driver."""

    def __init__(self, actor: Any, attempt: int) -> None:
        self.untold: list[Result] = []
        self.rate: float | None = None
        self.draining = False
        self.has_orders = False
        self._actor = actor
        self._attempt = attempt

    async def talk_on(self, run: SliceRun) -> None:
        """Talks again and again, and has the run follow the orders."""
        while True:
            await trio.sleep(_INTERVAL)
            await self.talk()
            run.set_rate(self.rate)
            if self.draining:
                run.drain()

    async def talk(self) -> None:
        """Gives the results that it has, and hears the orders."""
        giving = list(self.untold)
        # Not abandoned: what has been given must be known for given.
        import ray

        try:
            orders = await trio.to_thread.run_sync(partial(self._exchange, giving))
        except ray.exceptions.RayError:
            # The desk is away with its node; the next talk is with another one.
            return
        del self.untold[: len(giving)]
        if orders is not None:
            self.has_orders = True
            self.rate, self.draining = orders

    def _exchange(self, results: list[Result]) -> tuple[float | None, bool] | None:
        import ray

        orders: tuple[float | None, bool] | None = ray.get(self._actor.exchange.remote(self._attempt, results))
        return orders
