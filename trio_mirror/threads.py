"""Threads for work that would keep the event loop busy, each taking one job after the other.

`trio.to_thread.run_sync` lends a thread for one call. Between two calls it waits until the event loop comes
round to it, which for small pictures takes as long as a flip. Here it lends each thread for the whole run, and
the jobs wait in a queue, so that a thread whose job has ended goes on with the next at once.
"""

from __future__ import annotations

import math
from collections import deque
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar, cast

import outcome
import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_T = TypeVar("_T")


@dataclass(slots=True, eq=False)
class _Job:
    work: Callable[[], object]
    task: trio.lowlevel.Task | None
    """Who waits for its end; None once nobody does."""
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    taken: bool = False
    """Whether a thread has it; threads write this, and nothing else."""
    lost: bool = False
    """Whether its thread was given up."""


class WorkerThreads:
    """So many threads, for as long as the block of `working` lasts.

    Args:
        count: threads that work at the same time, beside those that were given up.
        timeout: seconds that a job may take from when it begins.
    """

    def __init__(self, count: int, timeout: float) -> None:
        self._count = count
        self._timeout = timeout
        self._free = count
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        # Jobs that no thread has taken yet, as far as the event loop knows.
        self._waiting: deque[_Job] = deque()
        # Trio's own limit is for calls that end soon.
        self._lent = trio.CapacityLimiter(math.inf)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Lends the threads; leaving the block sends them home."""
        async with trio.open_nursery() as self._nursery:
            for _ in range(self._count):
                self._nursery.start_soon(self._lend)
            try:
                yield
            finally:
                # One for each; those that never come home are not waited for.
                for _ in range(int(self._lent.borrowed_tokens) + self._count):
                    self._jobs.put(None)
                self._nursery.cancel_scope.cancel()

    async def run(self, work: Callable[[], _T]) -> _T:
        """Calls ``work`` in one of the threads; a cancelled call is given up together with its thread.

        Raises:
            trio.TooSlowError: it took longer than the timeout.
        """
        job = _Job(work, trio.lowlevel.current_task())
        self._jobs.put(job)
        if self._free:
            self._began(job)
        else:
            self._waiting.append(job)

        def give_up(_: object) -> trio.lowlevel.Abort:
            self._give_up(job)
            return trio.lowlevel.Abort.SUCCEEDED

        with job.scope:
            return cast("_T", await trio.lowlevel.wait_task_rescheduled(give_up))
        raise trio.TooSlowError

    def _began(self, job: _Job) -> None:
        self._free -= 1
        job.scope.deadline = trio.current_time() + self._timeout

    def _ended(self, job: _Job, result: outcome.Outcome[object]) -> None:
        if job.task is not None:
            trio.lowlevel.reschedule(job.task, result)
        self._next()

    def _next(self) -> None:
        """Counts one thread as free, and on to what it takes next."""
        self._free += 1
        if self._waiting:
            self._began(self._waiting.popleft())

    def _give_up(self, job: _Job) -> None:
        job.task = None
        if job.taken:
            # Its thread comes home when its work ends, if ever. Another one takes its place.
            job.lost = True
            self._nursery.start_soon(self._lend)
        if job in self._waiting:
            self._waiting.remove(job)
        else:
            self._next()

    async def _lend(self) -> None:
        token = trio.lowlevel.current_trio_token()
        await trio.to_thread.run_sync(self._work, token, abandon_on_cancel=True, limiter=self._lent)

    def _work(self, token: trio.lowlevel.TrioToken) -> None:
        """What a thread does: one job after the other, until it is sent home or given up."""
        with suppress(trio.RunFinishedError):
            while (job := self._jobs.get()) is not None:
                job.taken = True
                result = None if job.task is None else outcome.capture(job.work)
                if job.lost:
                    return
                if result is not None:
                    token.run_sync_soon(self._ended, job, result)
                # While it waits for the next one it keeps no picture in memory.
                del job, result
