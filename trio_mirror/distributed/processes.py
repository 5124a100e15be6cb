"""The same run over several worker processes: one list, cut into slices; one report, one journal.

For small pictures on many cores, where one event loop is the limit. Each slice is mirrored by this very
pipeline in a process of its own, and its results come back as a whole. Slices are sized to take about half a
second, so that progress is seen, a drain ends soon, and no process waits long for the last one; yet no less than
several times as long as one picture, which a distant server makes slow, since towards the end of a slice ever fewer
are under way. A process that is killed takes the results of its slice with it, so a slice should end well within a
drain.
"""

from __future__ import annotations

import multiprocessing
import signal
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import trio
import trio_parallel

from trio_mirror.distributed.slices import SplitRun, open_slice, settings_of_slices, slice_job, stages_passed
from trio_mirror.errors import ClusterError, GalleryError, SettingsError
from trio_mirror.model import Outcome, Result, Stage
from trio_mirror.settings import available_cores

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio_mirror.distributed.slices import SliceJob, Todo
    from trio_mirror.galleries import Gallery, Place
    from trio_mirror.journal import Journal
    from trio_mirror.pipeline.item import Journey
    from trio_mirror.settings import Settings

_LARGEST_SLICE = 2_000
_SLICE_SECONDS = 0.5
_SLICE_PICTURES = 8
"""How many times as long as one picture a slice takes, at least."""
# Seconds that a slice waits for more names before it goes as it is.
_GATHER_SECONDS = 0.05
# How often a process is started that ends before its work begins: Ctrl-C reaches the ones that are starting, too.
_STARTS = 2
_GUARD = "a script must be a file, and call trio-mirror below if __name__ == '__main__': each worker process imports it"


class ProcessRun(SplitRun):
    """A run whose stages work in other processes.

    Raises:
        SettingsError: the source or the target is an object, which stays in its process; or this process may not
            start others.
    """

    def __init__(
        self,
        source: Gallery,
        target: Gallery,
        settings: Settings,
        journal: Journal | None,
        places: tuple[Place, Place | None],
    ) -> None:
        _check_this_process()
        # What is in flight here are names: two slices for each process. Pictures are bounded where they are.
        super().__init__(source, target, settings, journal, tokens=2 * settings.processes * _LARGEST_SLICE)
        self._job = slice_job(places, _settings_of_one_process(settings), "--processes")
        # By default there are as many at once as cores, however many were asked for.
        self._limiter = trio.CapacityLimiter(settings.processes)
        self._workers: trio_parallel.WorkerContext

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Does the work while the block lasts, and ends the processes with it."""
        # A signal to the whole group is for the parent, who drains; SIGINT is left to it by trio-parallel.
        opening = trio_parallel.open_worker_context(init=partial(signal.signal, signal.SIGTERM, signal.SIG_IGN))
        self._workers = await opening.__aenter__()
        try:
            async with super().working():
                yield
        finally:
            # One that was killed while it had nothing to do is no error, and hides none.
            with suppress(trio_parallel.BrokenWorkerError):
                await opening.__aexit__(None, None, None)

    async def _join_stages(self) -> None:
        async with trio.open_nursery() as nursery:
            listed, to_mirror = trio.open_memory_channel["Journey"](0)
            ended, to_record = trio.open_memory_channel["Journey"](0)
            nursery.start_soon(self._produce, listed, ended.clone())
            with to_mirror, ended:
                for _ in range(self._settings.processes):
                    nursery.start_soon(self._mirror_slices, to_mirror.clone(), ended.clone())
            nursery.start_soon(self._record, to_record)
            nursery.start_soon(self._keeper.keep)

    async def _mirror_slices(
        self, to_mirror: trio.MemoryReceiveChannel[Journey], ended: trio.MemorySendChannel[Journey]
    ) -> None:
        # As many as are in flight in one process: of the first slice nobody knows how long it takes.
        size = smallest = self._job.settings.concurrency
        with to_mirror, ended:
            async for journey in to_mirror:
                journeys = [journey]
                with trio.move_on_after(_GATHER_SECONDS), suppress(trio.EndOfChannel):
                    while len(journeys) < size:
                        journeys.append(await to_mirror.receive())
                started = trio.current_time()
                await self._give_out(await self._results_of(journeys), ended.send)
                pace = len(journeys) / max(trio.current_time() - started, 0.001)
                seconds = max(_SLICE_SECONDS, _SLICE_PICTURES * _seconds_of_one(journeys))
                seconds = min(seconds, self._settings.drain / 2)
                size = min(max(smallest, int(pace * seconds)), _LARGEST_SLICE)

    async def _results_of(self, journeys: list[Journey]) -> list[Journey]:
        """Gives those of the journeys that have a result: all, unless the run as a whole came to its end."""
        if not await self._worker_is_ready():
            return []
        todo = [(journey.name, journey.known) for journey in journeys]
        error: GalleryError | None = None
        try:
            # A cancelled run kills its processes; what they had under way is counted as left in flight.
            results, error = await self._workers.run_sync(
                mirror_slice, self._job, todo, kill_on_cancel=True, limiter=self._limiter
            )
        except trio_parallel.BrokenWorkerError:
            died = "its worker process died, out of memory or killed: the target may have it or not"
            how: dict[str, Any] = {"outcome": Outcome.UNKNOWN, "stage": Stage.UPLOAD, "error": died, "transient": True}
            results = [Result(name=name, **how) for name, _ in todo]
        if error is not None:
            self._end_with(error)
        by_name = {result.name: result for result in results}
        for journey in journeys:
            journey.given = by_name.get(journey.name)
            if journey.given is not None:
                journey.outcome = journey.given.outcome
                self.passed.update(stages_passed(journey.given))
        return [journey for journey in journeys if journey.given is not None]

    async def _worker_is_ready(self) -> bool:
        """Makes sure that a worker has started, so that of one that dies later the slice may have been begun.

        If none can be started, that ends the run as a whole.
        """
        for _ in range(_STARTS):
            try:
                await self._workers.run_sync(bool, kill_on_cancel=True, limiter=self._limiter)
            except trio_parallel.BrokenWorkerError as error:
                exit_code = error.args[-1].exitcode
                why = f"it ended with exit code {exit_code} before its work began; {_GUARD}"
            except OSError as error:
                why = f"{error.strerror}; lower --processes"
            else:
                return True
        self._end_with(ClusterError(f"--processes: a worker process cannot be started: {why}"))
        return False


def _check_this_process() -> None:
    process = multiprocessing.current_process()
    # Set, if at all, while a worker imports the main module of its parent.
    if getattr(process, "_inheriting", False):
        raise SettingsError(f"--processes: {_GUARD}", field="processes")
    if process.daemon:
        raise SettingsError("--processes: a daemonic process may not start others; run in it with 1", field="processes")


def mirror_slice(job: SliceJob, todo: Todo) -> tuple[list[Result], GalleryError | None]:
    """Mirrors some pictures in this process.

    Returns:
        Their results, and what ended the run as a whole, if anything; then some results are missing.
    """
    return trio.run(_mirror_slice, job, todo)


async def _mirror_slice(job: SliceJob, todo: Todo) -> tuple[list[Result], GalleryError | None]:
    results: list[Result] = []
    async with open_slice(job, todo) as run:
        try:
            async for result in run:
                results.append(result)  # noqa: PERF401 (what came before an error counts)
        except GalleryError as error:
            return results, error
    return results, None


def _seconds_of_one(journeys: list[Journey]) -> float:
    """How long a picture of a slice was on its way, on average."""
    given = [journey.given for journey in journeys if journey.given is not None]
    return sum(sum(result.seconds.values()) for result in given) / max(1, len(given))


def _settings_of_one_process(settings: Settings) -> Settings:
    processes = settings.processes
    return settings_of_slices(
        settings,
        concurrency=-(-settings.concurrency // processes),
        flip_threads=settings.flip_threads or -(-available_cores() // processes),
        rate=None if settings.rate_here is None else settings.rate_here / processes,
    )
