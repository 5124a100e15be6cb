"""What a worker process does: one run over the names that its driver hands it, for as long as the driver lives.

It takes names as they come and sends each result as soon as it is there. A name that comes again while it is in
flight waits for its first result.
"""

from __future__ import annotations

import gc
import os
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, suppress

import trio

from trio_mirror.distributed.frames import Frames
from trio_mirror.distributed.job import Job, open_worker
from trio_mirror.distributed.slices import Todo
from trio_mirror.errors import GalleryError, JournalError
from trio_mirror.model import Result
from trio_mirror.pipeline.heap import keep_heap
from trio_mirror.pipeline.run import Run
from trio_mirror.pipeline.state import State


class _Driver:
    """The driver, as the memory of this run."""

    # So long a driver may be without a result; one message costs both as much as some results.
    wait, intend = 0.03, None

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._handed, self._todo = trio.open_memory_channel[tuple[int, "Todo"]](float("inf"))
        self._attempts: dict[str, int] = {}
        self._known: dict[str, Result | None] = {}
        self._confirmed = trio.Event()
        self._ended = trio.lowlevel.ParkingLot()

    def names(self) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """Opens the names that are handed out."""
        return aclosing(self._names())

    async def _names(self) -> AsyncGenerator[str, None]:
        async for attempt, todo in self._todo:
            for name, known in todo.items():
                while name in self._attempts:
                    await self._ended.park()
                self._attempts[name], self._known[name] = attempt, known
                yield name

    def find(self, name: str) -> Result | None:
        """What the driver knows of a picture."""
        return self._known[name]

    async def write(self, results: list[Result]) -> None:
        """Sends intents and results, and waits until the driver has remembered them.

        Raises:
            JournalError: the driver is gone.
        """
        by_attempt = defaultdict(list)
        for result in results:
            by_attempt[self._attempts[result.name]].append(result)
        confirmed = self._confirmed = trio.Event()
        try:
            await self._frames.send(("results", dict(by_attempt)))
        except trio.BrokenResourceError as error:
            raise JournalError("the driver of this worker process is gone") from error
        await confirmed.wait()
        for result in results:
            if not result.is_intent:
                del self._attempts[result.name], self._known[result.name]
        self._ended.unpark_all()

    async def follow(self, run: Run, state: State) -> None:
        """Does what the driver says, until it is gone."""
        while (message := await self._frames.receive()) is not None:
            match message:
                case ("slice", attempt, todo):
                    self._handed.send_nowait((attempt, todo))
                case ("confirmed",):
                    self._confirmed.set()
                case ("orders", orders):
                    state.set_rate(orders.rate)
                    if orders.draining:
                        run.drain()


async def _work(incoming: int, outgoing: int) -> None:
    frames = Frames(trio.lowlevel.FdStream(incoming), trio.lowlevel.FdStream(outgoing))
    job = await frames.receive()
    if not isinstance(job, Job):
        return
    driver = _Driver(frames)
    async with trio.open_nursery() as nursery:
        async with open_worker(job, driver.names, driver) as (run, state):
            # Where the driver is gone by now, `follow` hears of it.
            with suppress(trio.BrokenResourceError):
                await frames.send(("ready",))

            async def follow() -> None:
                await driver.follow(run, state)
                # The driver is gone: what is on its way is cut off.
                nursery.cancel_scope.cancel()

            nursery.start_soon(follow)
            error: GalleryError | None = None
            try:
                async for _ in run:
                    pass
            except GalleryError as ended_with:
                error = ended_with
        with suppress(trio.BrokenResourceError):
            await frames.send(("ended", error))
        nursery.cancel_scope.cancel()


def main() -> None:
    """Runs a worker process: messages come by standard input, and go by what was standard output."""
    incoming, outgoing = os.dup(0), os.dup(1)
    # Whatever a library prints goes with the errors, and never between two messages.
    os.dup2(2, 1)
    gc.freeze()
    gc.enable()
    keep_heap()
    trio.run(_work, incoming, outgoing)
