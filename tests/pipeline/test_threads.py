from __future__ import annotations

import gc
import threading
import time
import weakref
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from trio_mirror.pipeline.threads import WorkerThreads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def hang() -> Iterator[threading.Event]:
    """What a job that never ends waits for; set when the test is over."""
    event = threading.Event()
    yield event
    event.set()


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(60):
        while not condition():  # noqa: ASYNC110 (threads set no Trio event)
            await trio.sleep(0.005)


async def test_jobs_share_the_threads_and_give_what_they_return() -> None:
    seen = set()
    results = []

    def square(number: int) -> int:
        seen.add(threading.get_ident())
        time.sleep(0.005)
        return number * number

    threads = WorkerThreads(3, timeout=60)

    async def call(number: int) -> None:
        results.append(await threads.run(partial(square, number)))

    async with threads.working(), trio.open_nursery() as nursery:
        for number in range(12):
            nursery.start_soon(call, number)

    assert sorted(results) == [number * number for number in range(12)]
    assert len(seen) <= 3
    assert threading.get_ident() not in seen


async def test_an_error_comes_out_where_the_job_was_asked_for() -> None:
    threads = WorkerThreads(1, timeout=60)
    async with threads.working():
        with pytest.raises(ZeroDivisionError):
            await threads.run(lambda: 1 // 0)
        assert await threads.run(lambda: "on it goes") == "on it goes"


async def test_a_job_that_takes_too_long_costs_its_caller_no_thread(
    hang: threading.Event, mock_clock: trio.testing.MockClock
) -> None:
    def outlast_the_timeout() -> None:
        trio.from_thread.run_sync(mock_clock.jump, 61)
        hang.wait(60)

    threads = WorkerThreads(1, timeout=60)
    async with threads.working():
        for _ in range(3):
            with pytest.raises(trio.TooSlowError):
                await threads.run(outlast_the_timeout)
        assert await threads.run(lambda: "there is one left") == "there is one left"


async def test_a_job_has_its_whole_time_from_when_it_begins(mock_clock: trio.testing.MockClock) -> None:
    threads = WorkerThreads(1, timeout=60)
    async with threads.working(), trio.open_nursery() as nursery:
        for _ in range(6):
            # The last one waits longer than any of them may take.
            nursery.start_soon(threads.run, partial(trio.from_thread.run_sync, mock_clock.jump, 20))


async def test_a_job_that_was_cancelled_while_it_waited_is_never_done(hang: threading.Event) -> None:
    done: list[str] = []
    threads = WorkerThreads(1, timeout=60)
    async with threads.working(), trio.open_nursery() as nursery:
        nursery.start_soon(threads.run, hang.wait)
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(0.01):
            await threads.run(partial(done.append, "cancelled"))
        hang.set()
        await threads.run(partial(done.append, "not cancelled"))

    assert done == ["not cancelled"]


async def test_a_job_that_is_given_up_just_after_it_ended_adds_no_thread(mock_clock: trio.testing.MockClock) -> None:
    at_work, most = 0, 0

    def begin_and_end(begun: trio.Event, may_end: threading.Event) -> None:
        trio.from_thread.run_sync(begun.set)
        may_end.wait()

    def work() -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        trio.from_thread.run_sync(mock_clock.jump, 20)
        at_work -= 1

    threads = WorkerThreads(1, timeout=60)
    async with threads.working(), trio.open_nursery() as nursery:
        for _ in range(3):
            begun, may_end = trio.Event(), threading.Event()
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as inner:
                    inner.start_soon(threads.run, partial(begin_and_end, begun, may_end))
                    await begun.wait()
                    may_end.set()
                    time.sleep(0.02)  # noqa: ASYNC251 (the event loop is not to hear of the end before it gives up)
                    scope.cancel()
        for _ in range(6):
            # Were a thread too many counted as free, the last would run out of time before it begins.
            nursery.start_soon(threads.run, work)

    assert most == 1


async def test_a_job_that_is_given_up_while_it_waits_keeps_nothing(hang: threading.Event) -> None:
    class Picture:
        pass

    threads = WorkerThreads(1, timeout=60)
    async with threads.working(), trio.open_nursery() as nursery:
        nursery.start_soon(threads.run, hang.wait)
        await trio.testing.wait_all_tasks_blocked()
        picture = Picture()
        known = weakref.ref(picture)
        with trio.move_on_after(0.01):
            await threads.run(partial(id, picture))
        del picture
        await trio.lowlevel.checkpoint()  # by then Trio itself has forgotten the cancellation
        gc.collect()
        assert known() is None
        hang.set()


async def test_threads_go_home_when_the_block_ends_and_hung_ones_when_they_can(hang: threading.Event) -> None:
    def is_at_work() -> bool:
        return any(thread.name.startswith("_work") for thread in threading.enumerate())

    threads = WorkerThreads(2, timeout=0.02)
    async with threads.working():
        await until(is_at_work)
        with pytest.raises(trio.TooSlowError):
            await threads.run(hang.wait)
    assert is_at_work()
    hang.set()
    await until(lambda: not is_at_work())


async def test_a_cancelled_block_ends_at_once(hang: threading.Event) -> None:
    threads = WorkerThreads(1, timeout=60)
    with trio.fail_after(60):
        with trio.move_on_after(0.05):
            async with threads.working():
                await threads.run(hang.wait)


async def test_an_idle_thread_keeps_nothing_of_its_last_job() -> None:
    class Picture:
        pass

    threads = WorkerThreads(1, timeout=60)
    async with threads.working():
        picture = Picture()
        known = weakref.ref(picture)
        await threads.run(partial(id, picture))
        del picture
        await until(lambda: known() is None)
