"""What a task of Ray does: one run over a slice, whose results go to the driver by way of the desk."""

from __future__ import annotations

import base64
import os
import pickle
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from trio_mirror.distributed.job import open_worker
from trio_mirror.errors import GalleryError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from trio_mirror.distributed.job import Job
    from trio_mirror.distributed.slices import Todo
    from trio_mirror.model import Result
    from trio_mirror.pipeline.run import Run
    from trio_mirror.pipeline.state import State

JOB_VARIABLE = "TRIO_MIRROR_SLICE_JOB"
"""Holds what all tasks have in common, pickled, in base64."""
# Seconds between two talks with the desk: while an intent waits to be remembered, and otherwise.
_WAITING, _INTERVAL = 0.1, 1.0


def mirror(desk: Any, attempt: int, todo: Todo) -> tuple[list[Result], GalleryError | None]:
    """Mirrors the pictures of a slice in this process.

    Returns:
        The results that the desk has not taken, and what makes the run as a whole pointless, if anything.
    """
    job: Job = pickle.loads(base64.b64decode(os.environ[JOB_VARIABLE]))  # noqa: S301 (our own driver wrote it)
    return trio.run(_mirror, job, _Desk(desk, attempt, todo))


async def _mirror(job: Job, desk: _Desk) -> tuple[list[Result], GalleryError | None]:
    while not desk.has_orders:
        await desk.talk()
        await trio.sleep(_WAITING)
    if desk.draining:
        return [], None
    fatal: GalleryError | None = None
    job = replace(job, settings=replace(job.settings, rate=desk.rate))
    async with open_worker(job, desk.names, desk) as (run, state), trio.open_nursery() as nursery:
        nursery.start_soon(desk.talk_on, run, state)
        try:
            async for _ in run:
                pass
        except GalleryError as error:
            fatal = error
        nursery.cancel_scope.cancel()
    return desk.untold, fatal


class _Desk:
    """The actor between the tasks and the driver, as the memory of this run."""

    wait = _WAITING

    def __init__(self, actor: Any, attempt: int, todo: Todo) -> None:
        self.untold: list[Result] = []
        self.rate: float | None = None
        self.draining = False
        self.has_orders = False
        self._actor = actor
        self._attempt = attempt
        self._todo = todo
        self._talks = trio.Lock()
        self._given = 0
        self._remembered = 0

    @asynccontextmanager
    async def names(self) -> AsyncIterator[AsyncIterator[str]]:
        """Opens the names of the slice."""

        async def each() -> AsyncGenerator[str, None]:
            for name in self._todo:
                yield name

        async with aclosing(each()) as names:
            yield names

    def find(self, name: str) -> Result | None:
        """What the driver knows of a picture."""
        return self._todo[name]

    async def write(self, results: list[Result]) -> None:
        """Takes intents and results; where there are intents, waits until the driver has remembered them."""
        self.untold += results
        if not any(result.is_intent for result in results):
            await trio.lowlevel.checkpoint()
            return
        await self.talk()
        given = self._given
        while self._remembered < given:
            await trio.sleep(_WAITING)
            await self.talk()

    async def talk_on(self, run: Run, state: State) -> None:
        """Talks again and again, and has the run follow the orders."""
        while True:
            await trio.sleep(_INTERVAL)
            await self.talk()
            state.set_rate(self.rate)
            if self.draining:
                run.drain()

    async def talk(self) -> None:
        """Gives the results that it has, and gets the orders."""
        import ray

        async with self._talks:
            giving = list(self.untold)
            try:
                # Not abandoned: what has been given must be known for given.
                orders, remembered = await trio.to_thread.run_sync(partial(self._exchange, giving))
            except ray.exceptions.RayError:
                # The desk is away with its node; the next talk is with another one, which has been given nothing.
                self._given = self._remembered = 0
                return
            del self.untold[: len(giving)]
            self._given += bool(giving)
            self._remembered = remembered
        if orders is not None:
            self.has_orders = True
            self.rate, self.draining = orders

    def _exchange(self, results: list[Result]) -> tuple[tuple[float | None, bool] | None, int]:
        import ray

        answer: tuple[tuple[float | None, bool] | None, int]
        answer = ray.get(self._actor.exchange.remote(self._attempt, results))
        return answer
