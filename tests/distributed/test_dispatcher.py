"""How slices are handed out, on a cluster that is simulated in virtual time."""

from __future__ import annotations

import math
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from tests.helpers.simulated_cluster import CountedSlice, SimulatedCluster
from trio_mirror import AccessError, ClusterError, GalleryError
from trio_mirror.distributed.dispatcher import Dispatcher, Ended, Orders, Reported

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence


async def hand_out(dispatcher: Dispatcher[CountedSlice], slices: Iterable[CountedSlice]) -> None:
    send, receive = trio.open_memory_channel[CountedSlice](0)

    async def feed() -> None:
        # A drained dispatcher takes no more.
        with send, suppress(trio.BrokenResourceError):
            for each in slices:
                await send.send(each)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(feed)
        nursery.start_soon(dispatcher.run, receive)


@asynccontextmanager
async def dispatching(
    cluster: SimulatedCluster, *, rate: float | None = None
) -> AsyncIterator[Dispatcher[CountedSlice]]:
    async with trio.open_nursery() as nursery:
        await nursery.start(cluster.run_in)
        errors: list[GalleryError] = []
        yield Dispatcher(cluster, rate=rate, on_error=errors.append)
        nursery.cancel_scope.cancel()
    assert not errors


async def test_every_slice_comes_to_its_end(autojump_clock: trio.testing.MockClock) -> None:
    slices = [CountedSlice(100) for _ in range(50)]
    async with dispatching(SimulatedCluster(4, lambda _: 10.0)) as dispatcher:
        await hand_out(dispatcher, slices)

    assert all(it.left == it.failed == 0 for it in slices)
    # 13 rounds of 10 s, had by four workers that hardly wait for one another.
    assert trio.current_time() == pytest.approx(130, rel=0.05)


async def test_no_more_than_two_slices_a_worker_are_taken_from_the_list(autojump_clock: trio.testing.MockClock) -> None:
    cluster, taken = SimulatedCluster(3, lambda _: 10.0), 0

    def listed() -> Iterable[CountedSlice]:
        nonlocal taken
        for _ in range(100):
            taken += 1
            yield CountedSlice(1_000)

    async with dispatching(cluster) as dispatcher, trio.open_nursery() as nursery:
        nursery.start_soon(hand_out, dispatcher, listed())
        await trio.sleep(50)
        assert (dispatcher.places, cluster.starts) == (6, 6)
        # One more waits for a place, and the next is on its way to it.
        assert taken <= 8
        nursery.cancel_scope.cancel()


async def test_a_lost_slice_goes_on_with_what_it_has_not_told(autojump_clock: trio.testing.MockClock) -> None:
    work, begun = CountedSlice(100), list[int]()

    def fails_after(work: CountedSlice) -> float:
        begun.append(work.left)
        return math.inf if len(begun) > 2 else 3.5

    async with dispatching(SimulatedCluster(1, lambda _: 10.0, fails_after=fails_after, every=1.0)) as dispatcher:
        await hand_out(dispatcher, [work])

    assert begun == [100, 70, 40]
    assert (work.left, work.failed) == (0, 0)


async def test_what_is_left_of_a_slice_that_is_lost_three_times_fails(autojump_clock: trio.testing.MockClock) -> None:
    bad, good = CountedSlice(100), [CountedSlice(100) for _ in range(5)]
    cluster = SimulatedCluster(2, lambda _: 10.0, fails_after=lambda work: 2.5 if work is bad else math.inf, every=1.0)
    async with dispatching(cluster) as dispatcher:
        await hand_out(dispatcher, [bad, *good])

    assert (bad.failed, bad.reason) == (40, "the node went away")
    assert cluster.starts == 3 + 5
    assert all(it.left == it.failed == 0 for it in good)


async def test_a_straggler_holds_nobody_up(autojump_clock: trio.testing.MockClock) -> None:
    slow, quick = CountedSlice(100), [CountedSlice(100) for _ in range(40)]
    cluster = SimulatedCluster(2, lambda work: 0.1 if work is slow else 10.0)
    async with dispatching(cluster) as dispatcher, trio.open_nursery() as nursery:
        nursery.start_soon(hand_out, dispatcher, [slow, *quick])
        await trio.sleep(500)
        assert not any(it.left for it in quick)
        assert slow.left == 100
    assert slow.left == 0


async def test_the_rate_is_shared_anew_as_workers_come_and_go(autojump_clock: trio.testing.MockClock) -> None:
    cluster = SimulatedCluster(4, lambda _: 1e6, every=1.0)
    async with dispatching(cluster, rate=100.0) as dispatcher, trio.open_nursery() as nursery:
        nursery.start_soon(hand_out, dispatcher, [CountedSlice(1_000) for _ in range(20)])
        shares = []
        for workers in (4, 10, 2):
            cluster.employ(workers)
            await trio.sleep(5)
            shares.append(cluster.orders.rate)
        assert shares == [25.0, 10.0, 50.0]
    # All of it took as long as the rate allows, within the second that orders need to arrive.
    assert trio.current_time() == pytest.approx(20 * 1_000 / 100, rel=0.2)


async def test_the_last_slices_have_the_whole_rate(autojump_clock: trio.testing.MockClock) -> None:
    cluster = SimulatedCluster(50, lambda _: 1e6, every=1.0)
    async with dispatching(cluster, rate=100.0) as dispatcher:
        await hand_out(dispatcher, [CountedSlice(1_000), CountedSlice(1_000)])

    assert trio.current_time() == pytest.approx(20, rel=0.2)


async def test_a_drain_hands_out_nothing_more(autojump_clock: trio.testing.MockClock) -> None:
    cluster, slices = SimulatedCluster(2, lambda _: 10.0, every=1.0), [CountedSlice(1_000) for _ in range(20)]
    async with dispatching(cluster) as dispatcher, trio.open_nursery() as nursery:
        nursery.start_soon(hand_out, dispatcher, slices)
        await trio.sleep(10)
        dispatcher.drain()
        await trio.sleep(5)
        assert not dispatcher.in_flight

    assert cluster.starts == 4
    assert sum(it.names - it.left for it in slices) == pytest.approx(2 * 10 * 10, rel=0.3)
    assert not any(it.failed for it in slices)


async def test_a_slice_that_a_drain_finds_on_its_way_comes_to_its_end(
    autojump_clock: trio.testing.MockClock,
) -> None:
    class Draining(SimulatedCluster):
        async def start(self, attempt: int, work: CountedSlice) -> None:
            dispatcher.drain()
            await trio.lowlevel.checkpoint()
            await super().start(attempt, work)

    async with dispatching(Draining(1, lambda _: 10.0)) as dispatcher:
        with trio.fail_after(60):
            await hand_out(dispatcher, [CountedSlice(10)])

    assert not dispatcher.in_flight


class Scripted:
    """An engine that says what it is told to."""

    workers = 1

    def __init__(self, *news: Sequence[Reported | Ended]) -> None:
        self.script = iter(news)
        self.started: list[int] = []

    async def start(self, attempt: int, work: CountedSlice) -> None:
        self.started.append(attempt)

    async def news(self, orders: Orders) -> Sequence[Reported | Ended]:
        await trio.sleep(1)
        try:
            return next(self.script)
        except StopIteration:
            raise ClusterError("the cluster is gone") from None


@pytest.mark.parametrize(
    ("news", "error", "left"),
    [
        ([[Reported(0, 6), Ended(0, AccessError("401"))]], AccessError, 4),
        ([[Reported(0, 3)]], ClusterError, 7),
    ],
    ids=["the gallery", "the cluster"],
)
async def test_what_ends_the_run_as_a_whole_is_told_once(
    autojump_clock: trio.testing.MockClock, news: list[Sequence[Reported | Ended]], error: type[GalleryError], left: int
) -> None:
    work, errors, engine = CountedSlice(10), list[GalleryError](), Scripted(*news)
    dispatcher: Dispatcher[CountedSlice] = Dispatcher(engine, rate=None, on_error=lambda _: None)

    def ended_with(error: GalleryError) -> None:
        errors.append(error)
        dispatcher.drain()

    dispatcher._on_error = ended_with
    await hand_out(dispatcher, [work])

    assert [type(it) for it in errors] == [error]
    assert (work.left, engine.started) == (left, [0])


async def test_results_that_did_not_arrive_are_asked_for_again(autojump_clock: trio.testing.MockClock) -> None:
    work = CountedSlice(10)
    engine = Scripted([Reported(0, 4), Ended(0)], [Reported(0, 6), Reported(1, 6), Ended(1)])
    await hand_out(Dispatcher(engine, rate=None, on_error=lambda _: None), [work])

    assert engine.started == [0, 1]
    assert work.left == 0
