"""The work of a run over many workers: the list cut into slices, each handed to one of them.

    items ──▶ slices ──▶ dispatcher ──▶ engine: worker ×N, each with this very pipeline ──▶ ended items

The driver holds names in flight and nothing else, so that its memory does not depend on the list.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import trio

from trio_mirror.distributed.dispatcher import Dispatcher, Engine
from trio_mirror.distributed.slices import NamedSlice
from trio_mirror.model import Result, Stage
from trio_mirror.pipeline.item import Item, Receiver, Sender
from trio_mirror.pipeline.state import State
from trio_mirror.settings import RetryUploads


class Driver:
    """Hands items to workers, and takes them back when they have ended.

    A slice has ``size`` names, and waits ``gather`` seconds for them before it goes as it is.
    """

    def __init__(self, engine: Engine[NamedSlice], state: State, *, size: int, each_worker: int, gather: float) -> None:
        self._state = state
        self.ahead = self._size = size
        self._gather = gather
        self._resends = state.settings.retry_uploads is RetryUploads.ALWAYS
        self._dispatcher = Dispatcher(
            engine, rate=state.settings.rate_here, on_error=state.stop.fail, each_worker=each_worker
        )

    async def work(self, items: Receiver, ended: Sender) -> None:
        """Takes items to their end, on workers."""
        sliced, to_hand_out = trio.open_memory_channel[NamedSlice](0)
        self._admit()
        with ended:
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._slice, items, sliced, ended)
                    nursery.start_soon(self._drain_in_time)
                    await self._dispatcher.run(to_hand_out)
                    nursery.cancel_scope.cancel()
            except BaseException:
                self._state.in_flight.give_back(self._cut_off("the run was stopped during its upload"))
                raise
            # The workers never began what a drained run has no result of.
            self._unlist(self._cut_off("its worker was lost during its upload"))

    async def _slice(self, items: Receiver, sliced: trio.MemorySendChannel[NamedSlice], ended: Sender) -> None:
        async def take(results: list[Result]) -> None:
            await self._take(results, ended)

        with items, sliced, self._giving_back(items), suppress(trio.EndOfChannel):
            first = await items.receive()
            while True:
                todo, repeated = {first.name: first.known}, None
                try:
                    with trio.move_on_after(self._gather), suppress(trio.EndOfChannel):
                        while len(todo) < self._size and repeated is None:
                            try:
                                item = items.receive_nowait()
                            except trio.WouldBlock:
                                item = await items.receive()
                            if item.name in todo:
                                # A name that comes again has a result of its own.
                                repeated = item
                            else:
                                todo[item.name] = item.known
                    self._admit()
                    await sliced.send(NamedSlice(todo, take, resends=self._resends))
                except trio.BrokenResourceError:
                    # A drained dispatcher takes no more slices.
                    self._unlist(len(todo) + (repeated is not None))
                    async for _ in items:
                        self._unlist(1)
                    return
                except trio.Cancelled:
                    self._state.in_flight.give_back(len(todo) + (repeated is not None))
                    raise
                first = repeated or await items.receive()

    @contextmanager
    def _giving_back(self, items: Receiver) -> Iterator[None]:
        """Gives back what still waits when the block is left: a cancelled run takes none of it."""
        try:
            yield
        finally:
            with suppress(trio.WouldBlock, trio.EndOfChannel):
                while items.receive_nowait():
                    self._state.in_flight.give_back()

    async def _take(self, results: list[Result], ended: Sender) -> None:
        """Takes what workers report: intents are remembered before their upload goes on.

        Raises:
            JournalError: they cannot be.
        """
        passed: list[Stage] = []
        intents: list[Result] = []
        for result in results:
            if result.is_intent:
                intents.append(result)
                continue
            passed += result.seconds if result.error is None else result.seconds.keys() - {result.stage}
            ended.send_nowait(Item(result, ended=True))
        self._state.passed.update(passed)
        for intent in intents:
            await self._state.recorder.intend(intent)
        await trio.lowlevel.checkpoint()

    async def _drain_in_time(self) -> None:
        """Has the workers drain with the run, or at its deadline: the list may have ended long before."""
        stop = self._state.stop
        with trio.move_on_at(stop.listing.deadline):
            await stop.draining.wait()
        if not stop.draining.is_set():
            stop.drain("deadline")
        self._dispatcher.drain()

    def _admit(self) -> None:
        """Admits as many names as the slices in flight hold, and two more slices that wait for a place."""
        self._state.in_flight.set_ceiling((self._dispatcher.places + 2) * self._size)

    def _cut_off(self, why: str) -> int:
        """Makes results of what was sent and has no answer, and counts what else is left."""
        left = 0
        for work in self._dispatcher.left:
            unknown = work.unanswered(why)
            left += work.left - len(unknown)
            for result in unknown:
                self._state.recorder.cut_off(Item(result, ended=True))
        return left

    def _unlist(self, count: int) -> None:
        """Leaves names as if they had never been listed."""
        self._state.in_flight.give_back(count)
        self._state.report.listed -= count
