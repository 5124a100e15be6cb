"""The machine that a process runs on: its threads, which take virtual time, and its disk, which outlives the process.

The functions of threads are called within the event loop, at a drawn moment; whoever waits goes on a moment later.
"""

from __future__ import annotations

import os
import shutil
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

import outcome
import trio

from tests.simulation.pictures import Stored
from trio_mirror import JournalError, StorageError
from trio_mirror.galleries.folder import FolderGallery
from trio_mirror.journal import Journal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.simulation.world import World
    from trio_mirror import Picture, Result

_T = TypeVar("_T")


class Machine:
    """Threads, in a nursery that outlives whoever waits for them, and a disk, which is a folder."""

    def __init__(self, world: World, nursery: trio.Nursery, disk: Path) -> None:
        self.disk = disk
        self.world = world
        self._nursery = nursery
        self._busy = 0
        self._intend = Journal.intend
        self._turn = trio.Lock()
        self._over = trio.Event()
        self._snapshot = disk.with_suffix(".snapshot")

    async def run_sync(
        self,
        call: Callable[..., _T],
        *args: Any,
        thread_name: str | None = None,
        abandon_on_cancel: bool = False,
        limiter: trio.CapacityLimiter | None = None,
    ) -> _T:
        """Stands for `trio.to_thread.run_sync`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        limiter, thread = limiter or trio.to_thread.current_default_thread_limiter(), object()
        await limiter.acquire_on_behalf_of(thread)
        ended, results = trio.Event(), list[outcome.Outcome[_T]]()

        async def work() -> None:
            self._busy += 1
            # A journal has a lock, so that what hangs in it holds up the next.
            async with self._turn if isinstance(getattr(call, "__self__", None), Journal) else nullcontext():
                await self._pass_time(may_hang=abandon_on_cancel)
                results.append(outcome.capture(self._call, call, *args))
            await self._pass_time()
            limiter.release_on_behalf_of(thread)
            self._busy -= 1
            ended.set()

        self._nursery.start_soon(work)
        with trio.CancelScope(shield=not abandon_on_cancel):
            await ended.wait()
        return results[0].unwrap()

    def kill(self) -> None:
        """Keeps the disk as it is: what the process does from now on, it never did."""
        self.world.note("the process is killed")
        shutil.copytree(self.disk, self._snapshot)

    def release(self) -> None:
        """Has the threads that hang go on."""
        self._over.set()

    async def finish(self) -> None:
        """Waits for all threads."""
        self.release()
        while self._busy:  # noqa: ASYNC110 (each ends by itself)
            await trio.sleep(1)
        self._over = trio.Event()

    def reboot(self) -> None:
        """Goes on from where the process was killed, if it was."""
        if self._snapshot.exists():
            shutil.rmtree(self.disk)
            self._snapshot.rename(self.disk)

    def _call(self, call: Callable[..., _T], *args: Any) -> _T:
        if getattr(call, "__func__", None) is Journal.record:
            if self.world.happens(self.world.trouble.locked):
                self.world.note("the journal is locked")
                raise JournalError("the journal is locked")
            self.world.note(f"the journal takes {len(args[0])}")
        return call(*args)

    def intend(self, journal: Journal, intent: Result) -> None:
        """Stands for `Journal.intend`, which needs room for what it keeps."""
        if self.world.happens(self.world.trouble.full):
            self.world.note("the disk is full for an intent")
            raise JournalError("the disk is full")
        self._intend(journal, intent)

    async def _pass_time(self, *, may_hang: bool = False) -> None:
        if may_hang and self.world.happens(self.world.trouble.hangs):
            self.world.note("a thread hangs")
            await self._over.wait()
        await trio.sleep(self.world.chance.choice((0, 0, self.world.chance.uniform(0, self.world.trouble.slowest))))


class Folder(FolderGallery):
    """A folder of a machine, on a disk that may be full."""

    def __init__(self, machine: Machine, path: Path, **options: Any) -> None:
        super().__init__(path, **options)
        self._world = machine.world
        self._stored_here = Stored(machine.world, path.name)

    def _write(self, picture: Picture, name: Any) -> None:
        if self._world.happens(self._world.trouble.full):
            self._world.note("the disk is full")
            raise StorageError("the disk is full")
        self._stored_here.check(name, picture.data)
        super()._write(picture, name)


class FlipThreads:
    """Stands for the threads of flips, which one queue feeds and no call returns from."""

    machine: Machine

    def __init__(self, count: int, timeout: float) -> None:
        self._free = trio.CapacityLimiter(count)
        self._timeout = timeout

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        yield

    async def run(self, work: Callable[[], _T]) -> _T:
        async with self._free:
            with trio.fail_after(self._timeout):
                return await self.machine.run_sync(work, abandon_on_cancel=True)


def open_files() -> set[str]:
    """The descriptors of the files and sockets that this process has open."""
    # One of them is that of the folder itself, and closed by now.
    return {it for it in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{it}")}  # noqa: PTH208 (quicker)
