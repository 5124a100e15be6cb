"""The same run over the workers of a Ray cluster: one list, cut into slices; one report, one journal.

    names ──▶ slices ──▶ dispatcher ──▶ worker ×N, each with this very pipeline ──▶ results

The driver holds names in flight and nothing else, so that its memory does not depend on the list.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from trio_mirror.distributed.dispatcher import Dispatcher
from trio_mirror.distributed.ray_engine import open_ray
from trio_mirror.distributed.slices import NamedSlice, SliceJob, SplitRun, settings_of_slices, slice_job, stages_passed
from trio_mirror.names import is_url
from trio_mirror.pipeline.item import Journey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from os import PathLike

    from trio_mirror.distributed.dispatcher import Engine
    from trio_mirror.galleries import Gallery, Place
    from trio_mirror.journal import Journal
    from trio_mirror.model import Result
    from trio_mirror.settings import Settings

# Seconds that a slice waits for more names before it goes as it is.
_GATHER_SECONDS = 1.0
# Seconds beyond ``drain`` in which the last results of the workers come in.
_GRACE = 10.0


class ClusterRun(SplitRun):
    """A run whose stages work on a cluster.

    Raises:
        SettingsError: the source or the target is an object, which stays in its process.
    """

    def __init__(
        self,
        source: Gallery,
        target: Gallery,
        settings: Settings,
        journal: Journal | None,
        places: tuple[Place, Place | None],
    ) -> None:
        # Tokens bound what is between the list and its slice, where a slice and one name more can wait for a place,
        # and what is between its slice and the report, which makes that place.
        # No overload lowers them: the workers slow down by themselves.
        super().__init__(source, target, replace(settings, adaptive=False), journal, tokens=settings.slice + 16)
        self._working.deadline += _GRACE
        self._job = _absolute(slice_job(places, _settings_of_one_worker(settings), "--cluster"))
        self._engine: Engine[NamedSlice]
        self._dispatcher: Dispatcher[NamedSlice]

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Reaches the cluster, and does the work while the block lasts.

        Raises:
            SettingsError: Ray is not installed.
            ClusterError: the cluster cannot be reached.
        """
        assert self._settings.cluster is not None
        async with open_ray(self._settings.cluster, self._job) as self._engine:
            self._dispatcher = Dispatcher(self._engine, rate=self._settings.rate_here, on_error=self._end_with)
            async with super().working():
                yield

    @property
    def in_flight(self) -> int:
        """Pictures between the list and their result."""
        return super().in_flight + self._dispatcher.left

    @property
    def in_flight_limit(self) -> int:
        """How many names may be in flight now."""
        return super().in_flight_limit + self._dispatcher.places * self._settings.slice

    def drain(self, reason: str = "drain") -> None:
        """Takes no more names. What the workers have in flight has ``drain`` seconds to end."""
        before = self._working.deadline
        super().drain(reason)
        self._dispatcher.drain()
        self._working.deadline = min(before, trio.current_time() + self._settings.drain + _GRACE)

    async def _join_stages(self) -> None:
        async with trio.open_nursery() as nursery:
            listed, to_slice = trio.open_memory_channel["Journey"](0)
            sliced, to_hand_out = trio.open_memory_channel["NamedSlice"](0)
            ended, to_record = trio.open_memory_channel["Journey"](0)
            nursery.start_soon(self._produce, listed, ended.clone())
            nursery.start_soon(self._slice, to_slice, sliced, partial(self._take_results, ended))
            nursery.start_soon(self._hand_out, to_hand_out, ended)
            nursery.start_soon(self._record, to_record)
            nursery.start_soon(self._keeper.keep)
        # The workers never began what a drained run has no result of.
        self.report.listed = self.report.finished

    async def _slice(
        self,
        to_slice: trio.MemoryReceiveChannel[Journey],
        sliced: trio.MemorySendChannel[NamedSlice],
        take: Callable[[list[Result]], Awaitable[None]],
    ) -> None:
        # A drained dispatcher takes no more slices.
        with to_slice, sliced, suppress(trio.BrokenResourceError):
            async for journey in to_slice:
                journeys = [journey]
                with trio.move_on_after(_GATHER_SECONDS), suppress(trio.EndOfChannel):
                    while len(journeys) < self._settings.slice:
                        journeys.append(await to_slice.receive())
                await sliced.send(NamedSlice([(it.name, it.known) for it in journeys], take))
                for it in journeys:
                    self._tokens.release_on_behalf_of(it)

    async def _hand_out(
        self, to_hand_out: trio.MemoryReceiveChannel[NamedSlice], ended: trio.MemorySendChannel[Journey]
    ) -> None:
        with ended:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._drain_at_deadline)
                await self._dispatcher.run(to_hand_out)
                nursery.cancel_scope.cancel()

    async def _drain_at_deadline(self) -> None:
        # The list may have ended long before, while whole slices of it are still to be worked on.
        await trio.sleep_until(self._listing.deadline)
        self.drain("deadline")

    async def _take_results(self, ended: trio.MemorySendChannel[Journey], results: list[Result]) -> None:
        async def give(journey: Journey) -> None:
            assert journey.given is not None
            self.passed.update(stages_passed(journey.given))
            await self._tokens.acquire_on_behalf_of(journey)
            await ended.send(journey)

        await self._give_out([Journey(it.name, given=it, outcome=it.outcome) for it in results], give)


def _settings_of_one_worker(settings: Settings) -> Settings:
    # A worker is one core. How many pictures it has in flight is its own: what waits for the network is not shared.
    return settings_of_slices(
        settings, concurrency=settings.concurrency, flip_threads=settings.flip_threads or 1, rate=settings.rate_here
    )


def _absolute(job: SliceJob) -> SliceJob:
    """The job with its paths as they are read from any working directory."""
    ca_file = job.settings.ca_file
    settings = job.settings if ca_file is None else replace(job.settings, ca_file=str(Path(ca_file).absolute()))
    return SliceJob(_absolute_place(job.source), job.target and _absolute_place(job.target), settings)


def _absolute_place(place: str | PathLike[str]) -> str | PathLike[str]:
    return place if isinstance(place, str) and is_url(place) else Path(place).absolute()
