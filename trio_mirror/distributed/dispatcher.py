"""Slices handed out to workers: how many at once, again after a loss, and at which rate.

It knows nothing of Ray, nor of pictures: an `Engine` works on slices, and a `Slice` knows what is left of it.
Slices end in any order, so that a slow one keeps its own place and nobody else's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Generic, Protocol, TypeVar

import trio

from trio_mirror.errors import GalleryError

_STARTING = 10.0  # seconds
MAX_LOSSES = 3  # how often a slice is lost with its worker before what is left of it fails
_S = TypeVar("_S", bound="Slice")
_S_contra = TypeVar("_S_contra", bound="Slice", contravariant=True)


class Slice(Protocol):
    """Part of the list, and what is left of it."""

    @property
    def left(self) -> int:
        """How many names have no result yet."""

    async def take(self, results: Any) -> None:
        """Takes results; those of names that have theirs count for nothing."""

    async def lose(self, reason: str) -> None:
        """Ends what may not be handed out again: it was lost with its worker."""

    async def give_up(self, reason: str) -> None:
        """Ends all that is left."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What all workers are to know, at any moment."""

    rate: float | None  # requests that each may start a second; None for no bound
    draining: bool = False  # no new pictures; those in flight have drain seconds


@dataclass(frozen=True, slots=True)
class Reported:
    """A worker gave results of its slice."""

    attempt: int
    results: Any


@dataclass(frozen=True, slots=True)
class Ended:
    """A worker is done with its slice, all results of which are reported."""

    attempt: int
    error: GalleryError | None = None  # what makes the run as a whole pointless, if anything


@dataclass(frozen=True, slots=True)
class Lost:
    """A slice came to no end: its worker, or the whole node, is gone."""

    attempt: int
    reason: str


class Engine(Protocol[_S_contra]):
    """Workers, wherever they are."""

    @property
    def workers(self) -> int:
        """How many slices can be worked on at once, as of the last news."""

    async def start(self, attempt: int, work: _S_contra) -> None:
        """Hands out what is left of a slice, to be worked on when a worker is free."""

    async def news(self, orders: Orders) -> Sequence[Reported | Ended | Lost]:
        """Passes on the orders, and gives what happened since the last call; waits a second at most if nothing did.

        What a worker reports comes before its end or its loss. By the next call it is taken, and remembered.

        Raises:
            GalleryError: the workers cannot be reached any more.
        """


class Dispatcher(Generic[_S]):
    """Hands out slices, each until it has all its results.

    All workers together start ``rate`` requests a second, or any number of them for None. Each has ``each_worker``
    slices in flight: what it works on, and so much that it need not wait for more. ``on_error`` is called with what
    makes the run as a whole pointless.
    """

    def __init__(
        self,
        engine: Engine[_S],
        *,
        rate: float | None,
        on_error: Callable[[GalleryError], None],
        each_worker: int = 2,
    ) -> None:
        self._engine = engine
        self._rate = rate
        self._each_worker = each_worker
        self._on_error = on_error
        self._draining = False
        self._attempts = count()
        self._in_flight: dict[int, _S] = {}
        self._losses: Counter[_S] = Counter()
        self._left: list[_S] = []
        self._taking = trio.CancelScope()
        self._all_taken = False
        self._places = trio.CapacityLimiter(1)
        self._count_workers()

    @property
    def in_flight(self) -> list[_S]:
        """The slices that are handed out."""
        return [*self._in_flight.values()]

    @property
    def left(self) -> list[_S]:
        """The slices that did not come to their end, when all is over."""
        return [*self._left, *self.in_flight]

    @property
    def places(self) -> int:
        """How many slices may be in flight now."""
        return int(self._places.total_tokens)

    def drain(self) -> None:
        """Takes no new slices, and has the workers take no new pictures of theirs."""
        self._draining = True
        self._taking.cancel()

    async def run(self, slices: trio.MemoryReceiveChannel[_S]) -> None:
        """Hands out all slices, and returns when the last of them has its end."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._take, slices)
            while self._in_flight or not self._all_taken:
                try:
                    for event in await self._engine.news(self._orders()):
                        await self._take_event(event)
                except GalleryError as error:
                    # The workers are gone, or what they report cannot be remembered: nobody is to go on as if it were.
                    self._on_error(error)
                    self._left = self.left
                    self._in_flight.clear()
                    break
                self._count_workers()
            self._taking.cancel()

    async def _take(self, slices: trio.MemoryReceiveChannel[_S]) -> None:
        with slices, self._taking:
            async for work in slices:
                try:
                    await self._places.acquire_on_behalf_of(work)
                except trio.Cancelled:
                    self._left.append(work)
                    raise
                await self._start(work)
        self._all_taken = True

    async def _start(self, work: _S) -> None:
        attempt = next(self._attempts)
        self._in_flight[attempt] = work
        # A drain does not keep it from what it counts as begun. Engines only pass it on, so that it ends at once.
        with trio.move_on_after(_STARTING, shield=True):
            await self._engine.start(attempt, work)

    async def _take_event(self, event: Reported | Ended | Lost) -> None:
        work = self._in_flight.get(event.attempt)
        if work is None:
            # A worker that was given up for lost still speaks: its slice is in other hands.
            return
        match event:
            case Reported():
                await work.take(event.results)
            case Ended():
                if event.error is not None:
                    self._on_error(event.error)
                await self._end(event.attempt, "its results did not arrive")
            case Lost():
                await self._end(event.attempt, event.reason)

    async def _end(self, attempt: int, reason: str) -> None:
        """Ends an attempt at a slice: what has no result yet is handed out again, or fails for the reason."""
        work = self._in_flight[attempt]
        if work.left:
            await work.lose(reason)
        if work.left and not self._draining:
            self._losses[work] += 1
            if self._losses[work] == MAX_LOSSES:
                await work.give_up(reason)
        # Only now, as whatever cuts the above off leaves it among those in flight.
        del self._in_flight[attempt]
        if work.left and not self._draining:
            await self._start(work)
            return
        del self._losses[work]
        if work.left:
            self._left.append(work)
        self._places.release_on_behalf_of(work)

    def _orders(self) -> Orders:
        if self._rate is None:
            return Orders(None, self._draining)
        # No more slices than these are worked on at once, so that all shares together are never above the rate.
        at_work = min(self._engine.workers, len(self._in_flight)) if self._all_taken else self._engine.workers
        return Orders(self._rate / max(1, at_work), self._draining)

    def _count_workers(self) -> None:
        self._places.total_tokens = max(1, self._each_worker * self._engine.workers)
