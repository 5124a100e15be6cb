"""Threads for work that would keep the event loop busy, each taking one job after the other.

`trio.to_thread.run_sync` lends a thread for one call. Between two calls it waits until the event loop comes
round to it, which for small pictures takes as long as a flip. Here it lends each thread for the whole run, and
the jobs wait in a queue, so that a thread whose job has ended goes on with the next at once. With one
`run_sync` a flip, bounded by a `CapacityLimiter`, 3,000 JPEGs of 640×480 took 1.21 times as long and 1.14 times
the CPU (two cores, nginx on loopback, whole processes side by side, medians of four pairs).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from queue import SimpleQueue
from threading import Lock
from typing import TypeVar, cast

import outcome
import trio

from trio_mirror.galleries.in_thread import lacks_thread
from trio_mirror.pipeline.heap import share_heap
from trio_mirror.pipeline.nurseries import open_nursery_beside

_T = TypeVar("_T")
# Seconds until a thread is asked for again where there is none.
_ANOTHER_TRY = 1.0


class _State(Enum):
    WAITING = auto()
    TAKEN = auto()
    """By a thread."""
    ENDED = auto()
    """Its thread has reported it, or is about to, and goes on with the next."""
    GIVEN_UP = auto()
    """Nobody waits for it any more. A thread that had taken it by then goes home when its work ends, if ever."""


@dataclass(slots=True, eq=False)
class _Job:
    work: Callable[[], object]
    task: trio.lowlevel.Task
    """Who waits for its end."""
    state: _State = _State.WAITING
    keeps_thread: bool = False
    """Whether it was given up while a thread was at it, which another one replaces."""


class WorkerThreads:
    """So many threads, for as long as the block of `working` lasts.

    Args:
        count: threads that work at the same time, beside those that were given up; fewer where the system has no more.
        timeout: seconds that a job may take from when it begins.
    """

    _nursery: trio.Nursery

    def __init__(self, count: int, timeout: float) -> None:
        self._count = count
        self._timeout = timeout
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        # Held for an instant around each change of a job's state, which a thread and the event loop may want at once.
        self._states = Lock()
        # As far as the event loop knows: how many threads have no job, and which jobs have no thread.
        self._free = count
        self._waiting: deque[_Job] = deque()
        # When each of the others must have ended. All get the same time, so that the first is the next to be over.
        self._deadlines: dict[_Job, float] = {}
        self._ended: deque[tuple[_Job, outcome.Outcome[object]]] = deque()
        self._is_woken = False
        # Trio's own limit is for calls that end soon.
        self._lent = trio.CapacityLimiter(math.inf)
        self._for_short_calls = trio.CapacityLimiter(1)
        # How many of those lent take no more jobs: given up, or on their way home.
        self._leaving = 0

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Lends the threads; leaving the block sends them home."""
        share_heap()
        async with open_nursery_beside() as self._nursery:
            self._nursery.start_soon(self._lend_all)
            self._nursery.start_soon(self._watch)
            try:
                yield
            finally:
                # One for each; those that never come home are not waited for.
                for _ in range(self._lent.borrowed_tokens):
                    self._jobs.put(None)
                self._nursery.cancel_scope.cancel()

    async def run(self, work: Callable[[], _T]) -> _T:
        """Calls ``work`` in one of the threads; a cancelled call is given up together with its thread.

        Raises:
            trio.TooSlowError: it took longer than the timeout.
        """
        job = _Job(work, trio.lowlevel.current_task())
        self._jobs.put(job)
        if self._free > 0:
            self._began(job)
        else:
            self._waiting.append(job)

        def give_up(_: object) -> trio.lowlevel.Abort:
            self._give_up(job)
            return trio.lowlevel.Abort.SUCCEEDED

        try:
            return cast("_T", await trio.lowlevel.wait_task_rescheduled(give_up))
        finally:
            if job.keeps_thread:
                # Not within `give_up`: Trio is going through the tasks that it cancels.
                self._nursery.start_soon(self._lend, 1)

    async def _watch(self) -> None:
        """Gives up what takes too long: one sleep for all jobs costs less than a cancel scope for each."""
        while True:
            now = trio.current_time()
            self._give_up_until(now)
            # What begins while it sleeps is over later.
            await trio.sleep_until(next(iter(self._deadlines.values()), now + self._timeout))

    def _give_up_until(self, now: float) -> None:
        for job in [job for job, deadline in self._deadlines.items() if deadline <= now]:
            self._give_up(job)
            trio.lowlevel.reschedule(job.task, outcome.Error(trio.TooSlowError()))

    def _began(self, job: _Job) -> None:
        self._free -= 1
        self._deadlines[job] = trio.current_time() + self._timeout

    def _take_ended(self) -> None:
        """Takes all jobs that have ended; those of several threads often wake the event loop once."""
        # Before they are taken, so that one that comes meanwhile is taken now or wakes it again.
        self._is_woken = False
        while self._ended:
            job, result = self._ended.popleft()
            self._deadlines.pop(job, None)
            if job.state is _State.ENDED:
                trio.lowlevel.reschedule(job.task, result)
            self._next()

    def _next(self) -> None:
        """Counts one thread as free, and on to what it takes next."""
        self._free += 1
        if self._waiting and self._free > 0:
            self._began(self._waiting.popleft())

    def _give_up(self, job: _Job) -> None:
        with self._states:
            before, job.state = job.state, _State.GIVEN_UP
        had_begun = self._deadlines.pop(job, None)
        if before is _State.ENDED:
            # Its thread is well, and what it has reported is yet to be heard.
            return
        if before is _State.TAKEN:
            self._leaving += 1
            job.keeps_thread = True
        else:
            # A picture that nobody wants is not to stay in memory until a thread comes by.
            job.work = _nothing
        if had_begun is None:
            self._waiting.remove(job)
        else:
            self._next()

    async def _lend_all(self) -> None:
        if await self._lend(self._count):
            try:
                await trio.to_thread.run_sync(_nothing, abandon_on_cancel=True, limiter=self._for_short_calls)
            except RuntimeError as error:
                if not lacks_thread(error):
                    raise
                self._leave_one()

    async def _lend(self, count: int) -> bool:
        """Lends so many threads one after the other. Where the system has fewer, what there are do the work.

        Returns:
            whether it had so many.
        """
        for missing in range(count, 0, -1):
            if not await self._nursery.start(self._lend_one):
                self._free -= missing
                break
        else:
            return True
        self._leave_one()
        while self._at_work <= 0:
            await trio.sleep(_ANOTHER_TRY)
            if await self._nursery.start(self._lend_one):
                self._free += 1
        return False

    async def _lend_one(self, task_status: trio.TaskStatus[int]) -> None:
        """Lends one thread or none: starts with their number, and lasts as long as the thread is at work."""
        token, begin = trio.lowlevel.current_trio_token(), partial(task_status.started, 1)
        try:
            await trio.to_thread.run_sync(self._work, token, begin, abandon_on_cancel=True, limiter=self._lent)
        except RuntimeError as error:
            if not lacks_thread(error):
                raise
            task_status.started(0)
        else:
            self._leaving -= 1

    def _leave_one(self) -> None:
        """Sends a thread home, unless it is the last: short calls, such as those that read pictures, need one, too."""
        if self._at_work > 1:
            self._free -= 1
            self._leaving += 1
            self._jobs.put(None)

    @property
    def _at_work(self) -> int:
        """How many threads take jobs."""
        return self._lent.borrowed_tokens - self._leaving

    def _work(self, token: trio.lowlevel.TrioToken, begin: Callable[[], object]) -> None:
        """What a thread does: one job after the other, until it is sent home or given up."""
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(begin)
            while (job := self._jobs.get()) is not None:
                if self._goes_on(job, _State.TAKEN):
                    result = outcome.capture(job.work)
                    if not self._goes_on(job, _State.ENDED):
                        return
                    self._ended.append((job, result))
                    if not self._is_woken:
                        self._is_woken = True
                        token.run_sync_soon(self._take_ended)
                    del result
                # While it waits for the next one it keeps no picture in memory.
                del job

    def _goes_on(self, job: _Job, state: _State) -> bool:
        """Moves a job on, unless it was given up."""
        with self._states:
            if job.state is _State.GIVEN_UP:
                return False
            job.state = state
            return True


def _nothing() -> None:
    """Takes the place of what is not to be done any more."""
