"""The nursery and the channels: the one place that knows how the parts of a run are joined.

    names ──▶ producer ──▶ work ──▶ recorder

The work is the stages on this machine (`stages`), or a driver of many workers (`trio_mirror.distributed`): items in,
ended items out. The recorder works in the turn of whoever iterates.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from math import inf
from typing import Protocol

import trio

from trio_mirror.model import Result
from trio_mirror.pipeline.item import Item, Receiver, Sender
from trio_mirror.pipeline.nurseries import open_nursery_beside
from trio_mirror.pipeline.producer import Opening, Producer
from trio_mirror.pipeline.state import State
from trio_mirror.pipeline.throttle import Throttle


class Work(Protocol):
    """What is done to items between the list and their result."""

    @property
    def ahead(self) -> int:
        """How many items may wait before it: more than none where it hands them on in groups."""

    async def work(self, items: Receiver, ended: Sender) -> None:
        """Takes items to their end; closes both channels."""


class Run:
    """A run under way: an async iterator of its results as they finish.

    The run goes no faster than its results are taken. When something ends it as a whole (the list breaks off,
    a disk is full), the pictures in flight still get their results, and the iteration ends with the
    `GalleryError`.

    Args:
        names: opens the list.
        throttle: of the place that it is read from.
        work: what is done to each picture.
        state: what the parts of the run share.
        counting: opens the names once more, to count them; None where they can be read once only.

    Attributes:
        report: the sum of the results so far.
        passed: how many pictures have passed each stage.
        at_work: the pictures that a stage of this process is at, and since when, those of longest first.
        late: the results of what was cut off as the block was left, which the iteration could not give.
    """

    def __init__(
        self, names: Opening, throttle: Throttle, work: Work, state: State, counting: Opening | None = None
    ) -> None:
        self.counting = counting
        self.report = state.report
        self.passed = state.passed
        self.at_work = state.at_work
        self.late = state.recorder.late
        self._producer = Producer(names, throttle, state)
        self._work = work
        self._state = state
        # What waits here has no picture any more, and still has its token: there are N at most.
        self._ended, self._to_record = trio.open_memory_channel[Item](inf)

    def __aiter__(self) -> Run:
        return self

    async def __anext__(self) -> Result:
        recorder, stop = self._state.recorder, self._state.stop
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
            try:
                item = self._to_record.receive_nowait()
            except trio.WouldBlock:
                item = await self._to_record.receive()
            return recorder.record(item)
        except trio.EndOfChannel:
            if (result := recorder.next_cut_off()) is not None:
                return result
            # Whoever iterates learns that the journal could not be written.
            await recorder.flush()
            recorder.check_access()
            if stop.error is not None:
                raise stop.error from None
            raise StopAsyncIteration from None

    @property
    def in_flight(self) -> int:
        """Pictures between the list and their result."""
        return self._state.in_flight.count

    @property
    def in_flight_limit(self) -> int:
        """How many may be in flight now: the concurrency, or less while a gallery is overloaded."""
        return self._state.in_flight.limit

    @property
    def slowed_by(self) -> str | None:
        """Why fewer than the concurrency may be in flight now."""
        return self._state.in_flight.slowed_by

    @property
    def list_attempt(self) -> tuple[int, int] | None:
        """Until the list gives its first name: which attempt to open it is made, and how many there are at most."""
        if self.report.listed or self._state.list_ended or self._state.stop.listing.cancel_called:
            return None
        return self._state.list_attempts, self._state.settings.retries + 1

    @property
    def is_whole(self) -> bool:
        """Whether the list was taken to its end, and every picture of it is mirrored."""
        report = self.report
        return (
            self._state.list_ended
            and report.listed == report.finished
            and not (report.failed or report.unknown or report.stopped_by)
        )

    def drain(self, reason: str = "drain") -> None:
        """Takes no more names. What is in flight has ``drain`` seconds to end, then it is cancelled."""
        self._state.stop.drain(reason)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Does the work while the block lasts; an error of the block comes out as it is, not in a group."""
        try:
            async with open_nursery_beside() as nursery:
                nursery.start_soon(self._state.recorder.keep)
                nursery.start_soon(self._join)
                yield
                nursery.cancel_scope.cancel()
        finally:
            with self._to_record, suppress(trio.WouldBlock, trio.EndOfChannel):
                while True:
                    self._state.recorder.cut_off(self._to_record.receive_nowait())
            await self._state.recorder.flush_at_exit()

    async def _join(self) -> None:
        """Joins producer and work; the channel of ended items closes when both have ended."""
        stop = self._state.stop
        with self._ended:
            with stop.working:
                async with trio.open_nursery() as nursery:
                    listed, to_work = trio.open_memory_channel[Item](self._work.ahead)
                    nursery.start_soon(self._producer.produce, listed, self._ended.clone())
                    nursery.start_soon(self._work.work, to_work, self._ended.clone())
            if stop.working.cancelled_caught:
                # The list had ended in time, but not what was in flight.
                stop.because("deadline")
            self.report.seconds = trio.current_time() - self._state.started
