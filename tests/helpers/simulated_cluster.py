"""A cluster that works on slices by Trio's clock alone, and the slices that it works on."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any

import trio

from tests.helpers.memory_gallery import MemoryGallery
from trio_mirror.distributed import GRACE
from trio_mirror.distributed.dispatcher import Ended, Lost, Orders, Reported
from trio_mirror.distributed.driver import Driver
from trio_mirror.model import Outcome, Result, Stage
from trio_mirror.pipeline.run import Run
from trio_mirror.pipeline.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trio_mirror.distributed.slices import NamedSlice
    from trio_mirror.pipeline.recorder import Memory
    from trio_mirror.settings import Settings


class CountedSlice:
    """A slice of so many names, which have no names: results are counts."""

    def __init__(self, names: int) -> None:
        self.names = self.left = names
        self.failed = 0
        self.reason: str | None = None

    async def take(self, results: int) -> None:
        self.left -= results

    async def lose(self, reason: str) -> None:
        pass

    async def give_up(self, reason: str) -> None:
        self.failed, self.left, self.reason = self.left, 0, reason


class SimulatedCluster:
    """Workers that need a time for each name, and lose slices.

    Args:
        workers: how many there are at first.
        pace: names that a worker does a second, were it not for the rate; called for each attempt.
        requests: requests made for each name, for the rate in the orders to bound.
        fails_after: seconds after which an attempt is lost; called for each attempt, `math.inf` for never.
        every: seconds between two reports of a worker.
        notices: seconds after which a loss is noticed.
    """

    def __init__(
        self,
        workers: int,
        pace: Callable[[CountedSlice], float],
        *,
        requests: int = 1,
        fails_after: Callable[[CountedSlice], float] = lambda _: math.inf,
        every: float = math.inf,
        notices: float = 0.0,
    ) -> None:
        self.workers = workers
        self.starts = 0
        self.calls = 0
        self.lost_seconds = 0.0
        self.orders = Orders(None)
        self._at_work: dict[int, trio.CancelScope] = {}
        self.idle_seconds = 0.0
        self._pace, self._requests, self._fails_after = pace, requests, fails_after
        self._every, self._notices = every, notices
        self._counted_at = trio.current_time()
        self._waiting: deque[tuple[int, CountedSlice]] = deque()
        self._happened: list[Reported | Ended | Lost] = []
        self._news = trio.Event()
        self._nursery: trio.Nursery

    async def run_in(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Has its workers work until it is cancelled."""
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.sleep_forever()

    async def start(self, attempt: int, work: CountedSlice) -> None:
        self.starts += 1
        self.calls += 1
        self._waiting.append((attempt, work))
        self._hand_out()

    async def news(self, orders: Orders) -> Sequence[Reported | Ended | Lost]:
        self.calls += 1
        self.orders = orders
        with trio.move_on_after(1.0):
            await self._news.wait()
        # Workers speak once in a while, so that the driver hears many of them at once.
        await trio.sleep(0.1)
        self._news = trio.Event()
        happened, self._happened = self._happened, []
        self.calls += len(happened)
        return happened

    def employ(self, workers: int) -> None:
        """Has so many workers from now on; if that is fewer, slices are lost with the others."""
        self.workers = workers
        for scope in list(self._at_work.values())[workers:]:
            scope.cancel()
        self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting and len(self._at_work) < self.workers:
            self._count_idle()
            attempt, work = self._waiting.popleft()
            self._at_work[attempt] = trio.CancelScope()
            self._nursery.start_soon(self._work, attempt, work)

    async def _work(self, attempt: int, work: CountedSlice) -> None:
        pace, todo = self._pace(work), work.left
        done, reported, reported_at = 0.0, 0, 0.0
        began = trio.current_time()
        with self._at_work[attempt] as scope:
            scope.deadline = began + self._fails_after(work)
            while reported < todo and not self.orders.draining:
                rate = math.inf if self.orders.rate is None else self.orders.rate / self._requests
                speed = min(pace, rate)
                step = min((todo - done) / speed, self._every)
                await trio.sleep(step)
                done += step * speed
                news, reported = round(done) - reported, round(done)
                reported_at = trio.current_time()
                self._say(Reported(attempt, news))
        if scope.cancelled_caught:
            await trio.sleep(self._notices)
            self.lost_seconds += trio.current_time() - max(began, reported_at)
            self._say(Lost(attempt, "the node went away"))
        else:
            self._say(Ended(attempt))
        self._count_idle()
        del self._at_work[attempt]
        self._hand_out()

    def _count_idle(self) -> None:
        """Counts the time since the last change of the workers that had nothing to do."""
        now = trio.current_time()
        self.idle_seconds += (now - self._counted_at) * max(0, self.workers - len(self._at_work))
        self._counted_at = now

    def _say(self, event: Reported | Ended | Lost) -> None:
        self._happened.append(event)
        self._news.set()


class AtOnce:
    """An engine that makes up the results: what is left is the driver's own time.

    Args:
        pause: seconds that it lets pass before it gives them.
    """

    workers = 4

    def __init__(self, pause: float = 0.0) -> None:
        self.happened: list[Reported | Ended | Lost] = []
        self._pause = pause

    async def start(self, attempt: int, work: NamedSlice) -> None:
        seconds = dict.fromkeys((Stage.FETCH, Stage.FLIP, Stage.UPLOAD), 0.1)
        results = [
            Result(name=name, outcome=Outcome.MIRRORED, stage=Stage.UPLOAD, attempts=2, seconds=seconds)
            for name in work.todo
        ]
        self.happened += [Reported(attempt, results), Ended(attempt)]

    async def news(self, orders: Orders) -> list[Any]:
        await trio.sleep(self._pause)
        happened, self.happened = self.happened, []
        return happened


def driven(engine: AtOnce, source: MemoryGallery, settings: Settings, memory: Memory | None = None) -> Run:
    """A run whose workers are an engine in this process."""
    state = State(source, MemoryGallery(), settings, memory, in_place=False, intents=False, grace=GRACE)
    driver = Driver(engine, state, size=settings.slice, each_worker=2, gather=1.0)
    return Run(source.names, state.source_throttle, driver, state)
