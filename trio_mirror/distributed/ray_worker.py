"""What a task of Ray does: one run over a slice, whose results go to the driver by way of the desk."""

from __future__ import annotations

import base64
import os
import pickle
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

import trio

from trio_mirror.distributed.job import Job, open_worker
from trio_mirror.distributed.slices import Todo
from trio_mirror.errors import GalleryError
from trio_mirror.galleries.listing import each
from trio_mirror.model import Result
from trio_mirror.pipeline.run import Run
from trio_mirror.pipeline.state import State

JOB_VARIABLE = "TRIO_MIRROR_SLICE_JOB"  # holds what all tasks have in common, pickled, in base64
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
    return desk.unremembered, fatal


class _Desk:
    """The actor between the tasks and the driver, as the memory of this run."""

    wait, intend = _WAITING, None

    def __init__(self, actor: Any, attempt: int, todo: Todo) -> None:
        self.unreported: list[Result] = []
        self.rate: float | None = None
        self.draining = False
        self.has_orders = False
        self._actor = actor
        self._attempt = attempt
        self._todo = todo
        self._talks = trio.Lock()
        self._identity: bytes | None = None
        self._given: deque[list[Result]] = deque()
        self._remembered = 0

    @property
    def unremembered(self) -> list[Result]:
        """The results that the driver may not have."""
        return [*chain.from_iterable(self._given), *self.unreported]

    def names(self) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """Opens the names of the slice."""
        return aclosing(each(self._todo))

    def find(self, name: str) -> Result | None:
        """What the driver knows of a picture."""
        return self._todo[name]

    async def write(self, results: list[Result]) -> None:
        """Takes intents and results; where there are intents, waits until the driver has remembered them."""
        self.unreported += results
        if not any(result.is_intent for result in results):
            await trio.lowlevel.checkpoint()
            return
        await self.talk()
        while self.unremembered:
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
            # What is given again, as its desk did not answer, has the same number.
            giving, number = list(self.unreported), self._remembered + len(self._given) + 1
            try:
                # Not abandoned: what has been given must be known for given.
                identity, orders, remembered = await trio.to_thread.run_sync(partial(self._exchange, number, giving))
            except ray.exceptions.RayError:
                # The desk is away with its node; the next talk is with another one.
                return
            del self.unreported[: len(giving)]
            if identity != self._identity:
                # A desk that knows nothing of what another one was given.
                self._identity, self._remembered = identity, number - 1
                self.unreported = [*chain.from_iterable(self._given), *self.unreported]
                self._given.clear()
            if giving:
                self._given.append(giving)
            while self._remembered < remembered:
                self._given.popleft()
                self._remembered += 1
        if orders is not None:
            self.has_orders = True
            self.rate, self.draining = orders

    def _exchange(self, number: int, results: list[Result]) -> tuple[bytes, tuple[float | None, bool] | None, int]:
        import ray

        answer: tuple[bytes, tuple[float | None, bool] | None, int]
        answer = ray.get(self._actor.exchange.remote(self._attempt, number, results))
        return answer
