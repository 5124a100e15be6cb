from __future__ import annotations

import random
import subprocess
import sys
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import pytest
import trio
import trio.testing

from trio_mirror.errors import FetchError, ListError, MirrorError
from trio_mirror.galleries.http.retry_after import parse_retry_after
from trio_mirror.pipeline.attempts import Attempts
from trio_mirror.pipeline.throttle import Throttle, full_jitter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_T = TypeVar("_T")

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


class Flaky:
    """Fails with each of the given errors in turn, then succeeds; notes when it was called."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.called_at: list[float] = []

    async def __call__(self) -> str:
        self.called_at.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if self.errors:
            raise self.errors.pop(0)
        return "done"

    @property
    def waits(self) -> list[float]:
        return [after - before for before, after in pairwise(self.called_at)]


def transient(retry_after: float | None = None) -> FetchError:
    return FetchError("the server answered 503", transient=True, retry_after=retry_after)


class Unthrottled(Throttle):
    """Admits every attempt at once, whatever became of those before."""

    def __init__(self) -> None:
        super().__init__(None, rate=None, retry_after_max=300)

    def failed(self, started: float, error: MirrorError) -> None:
        pass


async def call(attempts: Attempts, attempt: Callable[[], Awaitable[_T]]) -> _T:
    return await attempts.make(Unthrottled(), attempt)


@pytest.fixture
def longest_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda _, longest: longest)


async def test_a_transient_failure_is_tried_again(autojump_clock: trio.testing.MockClock) -> None:
    flaky = Flaky(transient(), ListError("cut short", transient=True))

    assert await call(Attempts(retries=4, retry_after_max=300), flaky) == "done"

    assert len(flaky.called_at) == 3


async def test_the_backoff_doubles_up_to_twenty_seconds(
    autojump_clock: trio.testing.MockClock, longest_jitter: None
) -> None:
    flaky = Flaky(*(transient() for _ in range(9)))

    await call(Attempts(retries=9, retry_after_max=300), flaky)

    assert flaky.waits == pytest.approx([0.25, 0.5, 1, 2, 4, 8, 16, 20, 20])


def test_the_jitter_is_full_and_never_overflows() -> None:
    drawn = [full_jitter(4) for _ in range(2000)]

    assert 0 <= min(drawn) < 0.1
    assert 1.9 < max(drawn) <= 2
    assert 0 <= full_jitter(100_000) <= 20


@pytest.mark.parametrize("retries", [0, 1, 4])
async def test_the_last_error_is_raised_as_it_was_when_no_retry_is_left(
    autojump_clock: trio.testing.MockClock, retries: int
) -> None:
    cause = OSError("reset")
    errors = [transient() for _ in range(9)]
    for error in errors:
        error.__cause__ = cause
    flaky = Flaky(*errors)

    with pytest.raises(FetchError) as raised:
        await call(Attempts(retries=retries, retry_after_max=300), flaky)

    assert len(flaky.called_at) == retries + 1
    assert raised.value is errors[retries]
    assert raised.value.__cause__ is cause
    assert str(raised.value) == "the server answered 503"
    assert raised.traceback[-1].name == "__call__"


@pytest.mark.parametrize("error", [FetchError("404"), FetchError("404", retry_after=1), ValueError("a bug")])
async def test_what_trying_again_cannot_help_is_tried_once(error: Exception) -> None:
    flaky = Flaky(error)

    with pytest.raises(type(error)) as raised:
        await call(Attempts(retries=4, retry_after_max=300), flaky)

    assert raised.value is error
    assert len(flaky.called_at) == 1


async def test_retry_after_is_waited_for_in_full_plus_jitter(
    autojump_clock: trio.testing.MockClock, longest_jitter: None
) -> None:
    flaky = Flaky(transient(retry_after=120), transient(retry_after=300), transient())

    await call(Attempts(retries=4, retry_after_max=300), flaky)

    assert flaky.waits == pytest.approx([120.25, 300.5, 1])


async def test_too_long_a_retry_after_is_not_waited_for_and_the_error_says_so(
    autojump_clock: trio.testing.MockClock,
) -> None:
    error = transient(retry_after=3600)
    flaky = Flaky(error)

    with pytest.raises(FetchError, match=r"503.* 3,600 s.* 300 s \(--retry-after-max\)") as raised:
        await call(Attempts(retries=4, retry_after_max=300), flaky)

    assert raised.value is error
    assert raised.value.transient
    assert len(flaky.called_at) == 1
    assert trio.current_time() - flaky.called_at[0] == 0


async def test_an_absurd_retry_after_is_an_error_for_people_too() -> None:
    seconds = parse_retry_after("9" * 5000, NOW)

    with pytest.raises(FetchError, match="--retry-after-max"):
        await call(Attempts(retries=4, retry_after_max=300), Flaky(transient(retry_after=seconds)))


async def test_a_cancelled_attempt_is_not_tried_again(autojump_clock: trio.testing.MockClock) -> None:
    attempts = 0

    async def hang() -> None:
        nonlocal attempts
        attempts += 1
        try:
            await trio.sleep_forever()
        except trio.Cancelled as cancelled:
            seen.append(cancelled)
            raise

    seen: list[trio.Cancelled] = []
    with trio.move_on_after(5) as scope:
        try:
            await call(Attempts(retries=4, retry_after_max=300), hang)
        except trio.Cancelled as cancelled:
            seen.append(cancelled)
            raise

    assert scope.cancelled_caught
    assert attempts == 1
    assert len(seen) == 2
    assert seen[0] is seen[1]


async def test_a_backoff_can_be_cancelled(autojump_clock: trio.testing.MockClock) -> None:
    flaky = Flaky(transient(retry_after=200))
    started = trio.current_time()

    with trio.move_on_after(5) as scope:
        await call(Attempts(retries=4, retry_after_max=300), flaky)

    assert scope.cancelled_caught
    assert trio.current_time() - started == pytest.approx(5)
    assert len(flaky.called_at) == 1


async def call_failing(attempts_of_run: Attempts, attempts: list[float]) -> None:
    async def fail() -> None:
        attempts.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        raise transient()

    with pytest.raises(FetchError):
        await call(attempts_of_run, fail)


async def test_a_dead_server_gets_a_hundred_retries_and_then_one_a_second(
    autojump_clock: trio.testing.MockClock, longest_jitter: None
) -> None:
    attempts_of_run = Attempts(retries=1, retry_after_max=300)
    attempts: list[float] = []
    started = trio.current_time()

    async with trio.open_nursery() as nursery:
        for _ in range(150):
            nursery.start_soon(call_failing, attempts_of_run, attempts)

    retried = [at - started for at in attempts[150:]]
    assert retried[:100] == pytest.approx([0.25] * 100)
    assert retried[100:] == pytest.approx([1.25 + n for n in range(50)])


async def test_ten_successes_pay_for_a_retry(autojump_clock: trio.testing.MockClock, longest_jitter: None) -> None:
    attempts_of_run = Attempts(retries=1, retry_after_max=300)
    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(call_failing, attempts_of_run, [])
    for _ in range(50):
        await call(attempts_of_run, Flaky())
    attempts: list[float] = []
    started = trio.current_time()

    async with trio.open_nursery() as nursery:
        for _ in range(7):
            nursery.start_soon(call_failing, attempts_of_run, attempts)

    # 5 tokens came back by successes; 0.25 of one by time.
    assert [at - started for at in attempts[7:]] == pytest.approx([0.25] * 5 + [1, 2], abs=0.01)


async def test_a_cancelled_retry_that_waits_for_its_token_leaves_the_budget_in_order(
    autojump_clock: trio.testing.MockClock, longest_jitter: None
) -> None:
    attempts_of_run = Attempts(retries=1, retry_after_max=300)
    attempts: list[float] = []
    with trio.move_on_after(5):
        async with trio.open_nursery() as nursery:
            for _ in range(150):
                nursery.start_soon(call_failing, attempts_of_run, attempts)
    started = trio.current_time()
    attempts.clear()

    await call_failing(attempts_of_run, attempts)

    assert attempts[1] - started <= 1.25


def test_retries_print_nothing_where_no_logging_is_set_up() -> None:
    script = """
import trio
from trio_mirror.errors import FetchError
from trio_mirror.pipeline.attempts import Attempts
from trio_mirror.pipeline.throttle import Throttle, full_jitter

errors = [FetchError("503", transient=True)]

async def attempt():
    if errors:
        raise errors.pop()

async def main():
    throttle = Throttle(None, rate=None, retry_after_max=300)
    await Attempts(retries=1, retry_after_max=300).make(throttle, attempt)

trio.run(main)
assert not errors
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout + done.stderr == ""


def test_an_error_is_not_transient_unless_it_says_so() -> None:
    error = MirrorError("no")

    assert not error.transient
    assert error.retry_after is None
