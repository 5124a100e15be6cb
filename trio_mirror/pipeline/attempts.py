"""When a failed attempt is tried again: backoff with full jitter, Retry-After, and a budget for the run.

What an attempt is, and whether a failure is transient, is known to those who raise the errors.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import TypeVar, TypeVarTuple, Unpack

import trio

from trio_mirror.errors import MirrorError
from trio_mirror.pipeline.item import Item
from trio_mirror.pipeline.throttle import Throttle, full_jitter

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


class Attempts:
    """Makes attempts: admitted by their gallery's throttle, counted, and made again while a failure may pass.

    There are at most ``retries`` further ones of one thing, and all the pictures of a run share one budget of them. No
    ``Retry-After`` is waited for that is longer than ``retry_after_max`` seconds.
    """

    def __init__(self, *, retries: int, retry_after_max: float) -> None:
        self._retries = retries
        self._retry_after_max = retry_after_max
        self._budget = _RetryBudget()

    async def make(
        self,
        throttle: Throttle,
        attempt: Callable[[Unpack[_Ts]], Awaitable[_T]],
        *args: *_Ts,
        item: Item | None = None,
    ) -> _T:
        """Awaits ``attempt(*args)`` until it succeeds, fails for good, or has no retry left.

        The throttle is that of the gallery that is asked. In the result of the item, attempts and retries are counted.

        Raises:
            MirrorError: the last attempt's error, as it was raised; one that asked for a longer wait than
                ``retry_after_max`` says so.
        """
        failures, came = 0, trio.current_time()
        while True:
            if item is not None:
                item.waits_for = throttle.waits_for
            started = await throttle.admit()
            if item is not None:
                item.waits_for = None
                if not failures:
                    # How long it waited for its turn is not part of the stage, as with a flip's wait for a thread.
                    item.result.began[item.result.stage] += started - came
                item.result.attempts += 1
            try:
                value = await attempt(*args)
            except MirrorError as error:
                throttle.failed(started, error)
                failures += 1
                await self.wait_after(error, failures)
            else:
                throttle.succeeded()
                self._budget.succeeded()
                return value
            if item is not None:
                item.result.retries += 1

    async def wait_after(self, error: MirrorError, failures: int) -> None:
        """Waits before the next attempt of what has failed so many times.

        Raises:
            MirrorError: the error itself: there is no next attempt.
        """
        if not error.transient or failures > self._retries:
            raise error
        asked = error.retry_after or 0.0
        if asked > self._retry_after_max:
            # Said in the error itself: another one in its place would lose its traceback.
            limit = f"{self._retry_after_max:,g} s (--retry-after-max)"
            error.args = (f"{error}; it asks us to wait {asked:,.0f} s, longer than the limit of {limit}",)
            raise error
        await trio.sleep(asked + full_jitter(failures))
        await self._budget.take()


class _RetryBudget:
    """A token bucket over the whole run, so that retries stay a fraction of what succeeds.

    A hundred retries may go at once. From then on every ten successes, or a second, pay for one.
    """

    _CAPACITY = 100
    _PER_SUCCESS = 0.1

    def __init__(self) -> None:
        # Time is the one thing kept. As a token comes back each second, the bucket holds as many tokens as
        # seconds have passed since it was empty. A sum of tokens would need rounding to tell when one is whole.
        self._empty_at = -math.inf
        self._turn = trio.Lock()

    def succeeded(self) -> None:
        self._empty_at -= self._PER_SUCCESS

    async def take(self) -> None:
        async with self._turn:
            self._empty_at = max(self._empty_at, trio.current_time() - self._CAPACITY)
            await trio.sleep_until(self._empty_at + 1)
            self._empty_at += 1
