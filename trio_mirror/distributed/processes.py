"""Worker processes on this machine as an engine: for small pictures on many cores, where one event loop is the limit.

Each worker is a Python of its own (`process_worker`) that is handed names over a pipe and streams results back. It
starts no script of the caller's, and ends with its driver, however that ends. Signals of the terminal are for the
driver: a worker never sees them.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

import trio

from trio_mirror.distributed.dispatcher import MAX_LOSSES, Ended, Lost, Orders, Reported
from trio_mirror.distributed.frames import Frames
from trio_mirror.distributed.job import Job
from trio_mirror.distributed.slices import NamedSlice, Todo
from trio_mirror.errors import ClusterError
from trio_mirror.pipeline.flip_process import python_command
from trio_mirror.pipeline.nurseries import open_nursery_beside

SLICE = 8  # names that are handed to a worker at once
GATHER = 0.01  # seconds that they wait for one another
# Seconds until a drain reaches the workers, though nothing happens.
_LOOK = 0.2
_MAIN = (
    "from trio_mirror.__main__ import import_less; import_less(); "
    "from trio_mirror.distributed.process_worker import main; main()"
)
_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def slices_in_flight(concurrency: int) -> int:
    """How many slices each worker may have: even where one slow picture of each is left, it is kept busy."""
    return max(8, concurrency)


@asynccontextmanager
async def open_processes(count: int, job: Job) -> AsyncIterator[ProcessEngine]:
    """Starts worker processes; leaving the block ends them."""
    engine = ProcessEngine(count, job)
    async with open_nursery_beside() as nursery:
        for worker in engine.slots:
            nursery.start_soon(engine.employ, worker)
        yield engine
        nursery.cancel_scope.cancel()


_Outbox: TypeAlias = "trio.MemorySendChannel[Any]"


class _Worker:
    """One of the workers, whichever process it is now."""

    def __init__(self) -> None:
        self.left: dict[int, set[str]] = {}
        """Names without a result, by attempt."""
        self.is_over = False
        self.open_outbox()

    def open_outbox(self) -> None:
        """Begins with no messages for a new process."""
        self.outbox, self.to_send = trio.open_memory_channel[Any](float("inf"))
        self.is_ready = False

    @property
    def load(self) -> int:
        """How many names it has."""
        return sum(map(len, self.left.values()))


class ProcessEngine:
    """Worker processes, each of which gets the job once."""

    def __init__(self, count: int, job: Job) -> None:
        self.workers = count
        self.slots = [_Worker() for _ in range(count)]
        self._job = job
        self._orders: Orders | None = None
        self._happened: list[Reported | Ended | Lost] = []
        # Where to confirm what happened, and what the last call of `news` gave.
        self._to_confirm: list[_Outbox] = []
        self._given: list[_Outbox] = []
        self._error: ClusterError | None = None
        self._news = trio.Event()

    async def start(self, attempt: int, work: NamedSlice) -> None:
        """Hands a slice to the worker that has the least to do. Not a checkpoint: it only passes it on."""
        at_work = [it for it in self.slots if not it.is_over]
        if not at_work:
            self._note(Ended(attempt))
            return
        worker = min(at_work, key=lambda it: it.load)
        todo: Todo = dict(work.todo)
        worker.left[attempt] = set(todo)
        worker.outbox.send_nowait(("slice", attempt, todo))

    async def news(self, orders: Orders) -> list[Reported | Ended | Lost]:
        """Passes on the orders, and gives what happened since the last call.

        Raises:
            ClusterError: a worker cannot be started.
        """
        for outbox in self._given:
            outbox.send_nowait(("confirmed",))
        self._given.clear()
        if orders != self._orders:
            self._orders = orders
            for worker in self.slots:
                worker.outbox.send_nowait(("orders", orders))
        with trio.move_on_after(_LOOK):
            await self._news.wait()
        self._news = trio.Event()
        if self._error is not None:
            raise self._error
        happened, self._happened = self._happened, []
        # What is reported from now on is not taken yet when the next call begins.
        self._given, self._to_confirm = self._to_confirm, []
        return happened

    async def employ(self, worker: _Worker) -> None:
        """Keeps one worker at work: where its process is lost, another one takes its place."""
        killed_early = 0
        while True:
            try:
                process = await trio.to_thread.run_sync(_start_process)
                try:
                    ended = await self._talk(process, worker)
                finally:
                    process.kill()
                    # It was killed, and ends at once.
                    with trio.move_on_after(1, shield=True):
                        await trio.to_thread.run_sync(process.wait, abandon_on_cancel=True)
            except OSError as error:
                self._fail(f"{error.strerror}; lower --processes")
                return
            if ended:
                return
            killed_early = 0 if worker.is_ready else killed_early + 1
            if killed_early and (process.returncode >= 0 or killed_early == MAX_LOSSES):
                self._fail(f"it ended with exit code {process.returncode} before its work began")
                return
            self._note(*(Lost(attempt, "its worker process died, out of memory or killed") for attempt in worker.left))
            worker.left.clear()
            worker.open_outbox()
            if self._orders is not None:
                worker.outbox.send_nowait(("orders", self._orders))

    async def _talk(self, process: subprocess.Popen[bytes], worker: _Worker) -> bool:
        """Passes messages on, both ways; whether the worker came to its own end."""
        assert process.stdin is not None
        assert process.stdout is not None
        incoming, outgoing = (os.dup(pipe.fileno()) for pipe in (process.stdout, process.stdin))
        process.stdin.close()
        process.stdout.close()
        frames = Frames(trio.lowlevel.FdStream(incoming), trio.lowlevel.FdStream(outgoing))
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send, frames, worker)
                ended = await self._receive(frames, worker)
                nursery.cancel_scope.cancel()
            return ended
        finally:
            with trio.move_on_after(1, shield=True):
                await frames.aclose()

    async def _send(self, frames: Frames, worker: _Worker) -> None:
        # A worker that is gone is noticed where its messages end.
        with suppress(trio.BrokenResourceError):
            await frames.send(self._job)
            async for message in worker.to_send:
                await frames.send(message)

    async def _receive(self, frames: Frames, worker: _Worker) -> bool:
        while True:
            match await frames.receive():
                case None:
                    return False
                case ("ready",):
                    worker.is_ready = True
                case ("results", by_attempt):
                    self._take(by_attempt, worker)
                case ("ended", error):
                    worker.is_over = True
                    self._note(*(Ended(attempt, error) for attempt in worker.left))
                    worker.left.clear()
                    return True

    def _take(self, by_attempt: dict[int, list[Any]], worker: _Worker) -> None:
        for attempt, results in by_attempt.items():
            left = worker.left.get(attempt)
            if left is None:
                # A run that ends writes once more what it was about to write.
                continue
            self._note(Reported(attempt, results))
            left.difference_update(result.name for result in results if not result.is_intent)
            if not left:
                del worker.left[attempt]
                self._note(Ended(attempt))
        # Of this very process: the next one has reported nothing.
        self._to_confirm.append(worker.outbox)

    def _note(self, *events: Reported | Ended | Lost) -> None:
        self._happened += events
        self._news.set()

    def _fail(self, why: str) -> None:
        self._error = ClusterError(f"--processes: a worker process cannot be started: {why}")
        self._news.set()


def _start_process() -> subprocess.Popen[bytes]:
    """Starts a worker; in a thread, whose blocked signals it inherits."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        command = python_command("-c", _MAIN)
        return subprocess.Popen(**command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
