from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from trio_mirror.errors import FetchError
from trio_mirror.pipeline.in_flight import InFlight
from trio_mirror.pipeline.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

RESET = FetchError("the connection failed", transient=True)


def throttle_of(*, limit: InFlight | None = None, rate: float | None = None, retry_after_max: float = 300) -> Throttle:
    return Throttle(limit, rate=rate, retry_after_max=retry_after_max)


def in_virtual_time(play: Callable[[], Awaitable[None]]) -> None:
    trio.run(play, clock=trio.testing.MockClock(autojump_threshold=0))


@pytest.fixture
def longest_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda _, longest: longest)


async def seconds_to_admit(throttle: Throttle) -> float:
    asked = trio.current_time()
    return await throttle.admit() - asked


# The rate


async def test_starts_are_evenly_spaced(autojump_clock: trio.testing.MockClock) -> None:
    throttle = throttle_of(rate=50)
    first = await throttle.admit()

    starts = [await throttle.admit() - first for _ in range(100)]

    assert starts == pytest.approx([0.02 * n for n in range(1, 101)])


async def test_idleness_saves_up_no_burst(autojump_clock: trio.testing.MockClock) -> None:
    throttle = throttle_of(rate=2)
    await throttle.admit()
    await trio.sleep(60)

    waits = [await seconds_to_admit(throttle) for _ in range(3)]

    assert waits == pytest.approx([0, 0.5, 0.5])


async def test_no_rate_is_no_wait(autojump_clock: trio.testing.MockClock) -> None:
    throttle = throttle_of()

    assert [await seconds_to_admit(throttle) for _ in range(100)] == [0] * 100


async def test_a_late_wake_does_not_slow_the_rate_down(mock_clock: trio.testing.MockClock) -> None:
    throttle = throttle_of(rate=1)
    starts: list[float] = []

    async def ask() -> None:
        starts.append(await throttle.admit())

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
        for step in (1.25, 0.75, 1):
            mock_clock.jump(step)
            await trio.testing.wait_all_tasks_blocked()

    assert starts == [0, 1.25, 2]


arrivals = st.lists(
    st.tuples(
        st.floats(0, 3).map(lambda gap: round(gap, 3)),
        st.none() | st.floats(0, 3).map(lambda patience: round(patience, 3)),
    ),
    max_size=30,
)
pauses = st.lists(st.tuples(st.floats(0, 20), st.floats(0, 10)), max_size=4)


@given(rate=st.floats(0.1, 100), arrivals=arrivals, pauses=pauses)
def test_the_rate_is_never_exceeded_nor_a_pause_broken_nor_the_order_changed(
    rate: float, arrivals: list[tuple[float, float | None]], pauses: list[tuple[float, float]]
) -> None:
    starts: list[float] = []
    order: list[int] = []
    quiet: list[tuple[float, float]] = []

    async def play() -> None:
        throttle = throttle_of(rate=rate)

        async def ask(number: int, patience: float | None) -> None:
            with trio.move_on_after(float("inf") if patience is None else patience):
                starts.append(await throttle.admit())
                order.append(number)

        async def pause(delay: float, seconds: float) -> None:
            await trio.sleep(delay)
            began = trio.current_time()
            throttle.overloaded(began, "busy", seconds)
            quiet.append((began, began + seconds))

        async with trio.open_nursery() as nursery:
            for delay, seconds in pauses:
                nursery.start_soon(pause, delay, seconds)
            for number, (gap, patience) in enumerate(arrivals):
                await trio.sleep(gap)
                nursery.start_soon(ask, number, patience)
                await trio.testing.wait_all_tasks_blocked()

    in_virtual_time(play)

    gaps = [after - before for before, after in pairwise(starts)]
    assert all(gap >= (1 / rate) * (1 - 1e-9) for gap in gaps)
    assert not [(start, pause) for start in starts for pause in quiet if pause[0] < start < pause[1]]
    assert order == sorted(order)
    assert {number for number, (_, patience) in enumerate(arrivals) if patience is None} <= set(order)


async def test_a_cancelled_waiter_leaves_its_place_to_the_next(autojump_clock: trio.testing.MockClock) -> None:
    throttle = throttle_of(rate=0.1)
    began = await throttle.admit()
    starts: list[float] = []

    async def ask(patience: float) -> None:
        with trio.move_on_after(patience):
            starts.append(await throttle.admit() - began)

    async with trio.open_nursery() as nursery:
        for patience in (5, 5, 100, 9, 100):
            nursery.start_soon(ask, patience)
            await trio.testing.wait_all_tasks_blocked()

    assert starts == pytest.approx([10, 20])


# Pauses


async def test_retry_after_pauses_every_request_of_the_gallery(autojump_clock: trio.testing.MockClock) -> None:
    throttle = throttle_of()
    began = await throttle.admit()
    starts: list[float] = []

    async def ask() -> None:
        starts.append(await throttle.admit() - began)

    throttle.overloaded(began, "429", 120)
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(ask)

    assert starts == pytest.approx([120] * 5)


async def test_a_pause_that_begins_while_others_wait_for_their_turn_holds_them_too(
    autojump_clock: trio.testing.MockClock,
) -> None:
    throttle = throttle_of(rate=1)
    began = await throttle.admit()
    starts: list[float] = []

    async def ask() -> None:
        starts.append(await throttle.admit() - began)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(ask)
        await trio.sleep(0.5)
        throttle.overloaded(began, "503", 10)

    assert starts == pytest.approx([10.5, 11.5, 12.5])


async def test_a_shorter_retry_after_does_not_end_a_longer_pause(autojump_clock: trio.testing.MockClock) -> None:
    throttle = throttle_of()
    began = await throttle.admit()

    throttle.overloaded(began, "429", 60)
    throttle.overloaded(began, "429", 1)

    assert await seconds_to_admit(throttle) == pytest.approx(60)


async def test_no_pause_is_longer_than_the_limit_for_retry_after(autojump_clock: trio.testing.MockClock) -> None:
    throttle = throttle_of(retry_after_max=30)

    throttle.overloaded(await throttle.admit(), "429", 1e6)

    assert await seconds_to_admit(throttle) == pytest.approx(30)


async def test_one_failure_alone_pauses_nothing(autojump_clock: trio.testing.MockClock, longest_jitter: None) -> None:
    throttle = throttle_of()

    for _ in range(5):
        throttle.overloaded(await throttle.admit(), "reset")
        throttle.succeeded()

    assert await seconds_to_admit(throttle) == 0


async def test_a_dead_server_is_asked_further_and_further_apart(
    autojump_clock: trio.testing.MockClock, longest_jitter: None
) -> None:
    throttle = throttle_of(limit=InFlight(1))
    waits = []

    for _ in range(11):
        waits.append(await seconds_to_admit(throttle))
        throttle.overloaded(trio.current_time(), "connection refused")

    assert waits == pytest.approx([0, 0, 0.25, 0.5, 1, 2, 4, 8, 16, 20, 20])


async def test_a_server_that_only_resets_is_asked_further_and_further_apart(
    autojump_clock: trio.testing.MockClock, longest_jitter: None
) -> None:
    throttle = throttle_of()
    for _ in range(10):
        throttle.failed(await throttle.admit(), RESET)

    waits = []
    for _ in range(4):
        throttle.failed(await throttle.admit(), RESET)
        waits.append(await seconds_to_admit(throttle))

    assert waits == pytest.approx([0.25, 0.5, 1, 2])


async def test_resets_among_successes_slow_nothing_down(
    autojump_clock: trio.testing.MockClock, longest_jitter: None
) -> None:
    limit = InFlight(8)
    throttle = throttle_of(limit=limit)
    for _ in range(20):
        for _ in range(9):
            throttle.failed(await throttle.admit(), RESET)
        throttle.succeeded()

    assert await seconds_to_admit(throttle) == 0
    assert limit.limit == 8


async def test_a_dead_server_that_answers_retry_after_0_is_not_hammered_either(
    autojump_clock: trio.testing.MockClock, longest_jitter: None
) -> None:
    throttle = throttle_of()
    began = trio.current_time()

    for _ in range(11):
        throttle.overloaded(await throttle.admit(), "503", 0)

    assert trio.current_time() - began == pytest.approx(71.75)


async def test_failures_of_one_round_trip_count_as_one(
    autojump_clock: trio.testing.MockClock, longest_jitter: None
) -> None:
    throttle = throttle_of()
    started = [await throttle.admit() for _ in range(16)]
    await trio.sleep(1)

    for at in started:
        throttle.overloaded(at, "connection refused")

    assert await seconds_to_admit(throttle) == 0


async def test_a_success_ends_the_backoff(autojump_clock: trio.testing.MockClock, longest_jitter: None) -> None:
    throttle = throttle_of()
    for _ in range(8):
        throttle.overloaded(await throttle.admit(), "connection refused")
    await throttle.admit()
    throttle.succeeded()

    throttle.overloaded(trio.current_time(), "reset")

    assert await seconds_to_admit(throttle) == 0


# The adaptive limit


async def test_overload_halves_the_limit_once_a_round_trip(autojump_clock: trio.testing.MockClock) -> None:
    limit = InFlight(16)
    throttle = throttle_of(limit=limit)
    started = await throttle.admit()
    await trio.sleep(1)

    for _ in range(16):
        throttle.overloaded(started, "429")
    assert limit.limit == 8

    throttle.overloaded(await throttle.admit(), "429")
    assert limit.limit == 4


def test_successes_add_back_one_for_each_round_of_them_up_to_the_ceiling() -> None:
    limit = InFlight(4)
    limit.halve("429")
    after_each = []

    for _ in range(9):
        limit.succeeded()
        after_each.append(limit.limit)

    assert after_each == [2, 3, 3, 3, 4, 4, 4, 4, 4]


def test_the_reason_is_told_as_long_as_the_limit_is_lowered() -> None:
    limit = InFlight(2)
    assert limit.slowed_by is None

    limit.halve("429 Too Many Requests")
    assert limit.slowed_by == "429 Too Many Requests"
    limit.halve("timeout")
    assert limit.slowed_by == "timeout"

    limit.succeeded()
    assert limit.slowed_by is None


async def test_a_lowered_limit_holds_back_new_pictures_only(autojump_clock: trio.testing.MockClock) -> None:
    limit = InFlight(4)
    for _ in "abcd":
        await limit.take()

    limit.halve("503")

    limit.give_back()
    limit.give_back()
    with trio.move_on_after(60) as waiting:
        await limit.take()
    assert waiting.cancelled_caught
    limit.give_back()
    await limit.take()
    assert limit.count == limit.limit == 2


async def test_galleries_that_share_a_limit_both_lower_it(autojump_clock: trio.testing.MockClock) -> None:
    limit = InFlight(16)
    source, target = throttle_of(limit=limit), throttle_of(limit=limit)
    started = await source.admit(), await target.admit()
    await trio.sleep(1)

    source.overloaded(started[0], "429")
    target.overloaded(started[1], "timeout")

    assert limit.limit == 4


@given(
    ceiling=st.integers(1, 40),
    endings=st.lists(st.tuples(st.floats(0.001, 5), st.floats(0, 2), st.booleans()), max_size=60),
)
def test_the_limit_stays_in_bounds_and_is_halved_by_requests_newer_than_the_last_halving(
    ceiling: int, endings: list[tuple[float, float, bool]]
) -> None:
    async def play() -> None:
        limit = InFlight(ceiling)
        throttle = throttle_of(limit=limit)
        lowered_at = -1.0
        successes = 0

        async def request(takes: float, succeeds: bool) -> None:
            nonlocal lowered_at, successes
            started = await throttle.admit()
            await trio.sleep(takes)
            before = limit.limit
            if succeeds:
                throttle.succeeded()
                successes += 1
                assert before <= limit.limit <= before + 1
                if limit.limit > before:
                    assert successes >= before
                    successes = 0
            else:
                throttle.overloaded(started, "503")
                if started < lowered_at:
                    assert limit.limit == before
                else:
                    assert limit.limit == max(1, before // 2)
                    lowered_at = trio.current_time()
                    successes = 0
            assert 1 <= limit.limit <= ceiling

        async with trio.open_nursery() as nursery:
            for takes, gap, succeeds in endings:
                nursery.start_soon(request, takes, succeeds)
                await trio.sleep(gap)

    in_virtual_time(play)
