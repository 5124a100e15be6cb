"""How hard the galleries are asked: the rate of requests, pauses that hold them all, and how many are in flight."""

from __future__ import annotations

import math

import trio

from trio_mirror.pipeline.attempts import full_jitter

# How many failures in a row, over all pictures and none of them a sign of overload, make a gallery count as down.
# Where one request in ten fails, so many come in a row once in ten thousand million requests.
_DOWN_AFTER = 10


class AdaptiveLimit:
    """How many may be in flight: halved on overload, one more for each whole round of successes (AIMD).

    Args:
        tokens: the limiter whose ``total_tokens`` is adjusted; what it has now is the ceiling.
    """

    def __init__(self, tokens: trio.CapacityLimiter) -> None:
        self._tokens = tokens
        self._ceiling = tokens.total_tokens
        self._successes = 0
        self._reason: str | None = None

    @property
    def reason(self) -> str | None:
        """Why the limit is below its ceiling; None while it is not."""
        return self._reason if self._tokens.total_tokens < self._ceiling else None

    def halve(self, reason: str) -> None:
        """Halves the limit, down to 1. What is in flight goes on: less is taken up until the limit holds."""
        self._tokens.total_tokens = max(1, self._tokens.total_tokens // 2)
        self._successes = 0
        self._reason = reason

    def succeeded(self) -> None:
        """Counts a success; as many as the limit raise it by one."""
        self._successes += 1
        if self._successes >= self._tokens.total_tokens < self._ceiling:
            self._tokens.total_tokens += 1
            self._successes = 0


class Throttle:
    """Says when the next request to one gallery may start, and learns from how each one ends.

    A gallery that only fails is asked in rounds, further and further apart, whatever the number in flight is
    and however few retries there are: a dead server is never hammered.

    Args:
        limit: what to lower on overload, shared by the galleries of a run; None leaves it alone.
        rate: requests started a second, at most; None for no bound.
        retry_after_max: the longest pause that a server's ``Retry-After`` gets, in seconds.
    """

    def __init__(self, limit: AdaptiveLimit | None, *, rate: float | None, retry_after_max: float) -> None:
        self._limit = limit
        self.set_rate(rate)
        self._retry_after_max = retry_after_max
        self._turn = trio.Lock()
        self._next_start = -math.inf
        self._last_overload = -math.inf
        self._overloads_in_a_row = 0
        self._failures_in_a_row = 0

    def set_rate(self, rate: float | None) -> None:
        """Changes how many requests may start a second; None for no bound."""
        self._interval = 0.0 if rate is None else 1 / rate

    def hold(self) -> None:
        """Lets the time between two requests pass before the first: others before us may just have asked."""
        self._pause(self._interval)

    async def admit(self) -> float:
        """Waits until a request may start, first come, first served.

        Starts are evenly spaced by the rate, and time without requests saves up nothing. A waiter that is
        cancelled leaves its place to the next one.

        Returns:
            The time at which it started, by Trio's clock.
        """
        came = trio.current_time()
        if self._interval == 0 and came >= self._next_start and not self._turn.locked():
            # Nobody waits, and nothing says to: a turn would cost two passes through the scheduler.
            return came
        async with self._turn:
            came = trio.current_time()
            while trio.current_time() < self._next_start:  # noqa: ASYNC110 (a pause may begin during the sleep)
                await trio.sleep_until(self._next_start)
            # Counted from the time due, not from when the sleep ended: it always ends a little late, and a
            # high rate would never be reached.
            self._next_start = max(self._next_start, came) + self._interval
            return trio.current_time()

    def succeeded(self) -> None:
        """Counts an answer that shows no overload."""
        self._overloads_in_a_row = 0
        self._failures_in_a_row = 0
        if self._limit is not None:
            self._limit.succeeded()

    def failed(self, started: float, reason: str) -> None:
        """Counts a failure that is no sign of overload by itself, such as a reset; many in a row are one.

        Args:
            started: when the request had started, from `admit`.
            reason: what happened, in a few words.
        """
        self._failures_in_a_row += 1
        if self._failures_in_a_row >= _DOWN_AFTER:
            self.overloaded(started, reason)

    def overloaded(self, started: float, reason: str, retry_after: float | None = None) -> None:
        """Backs off after a sign of overload: 429, 503, a timeout, or no connection.

        Args:
            started: when the request had started, from `admit`. Of the requests of one round trip only the
                first to fail lowers the limit: the others started before that could help.
            reason: what happened, in a few words.
            retry_after: the seconds that the server asked us to stay away. They pause the whole gallery.
        """
        if retry_after is not None:
            self._pause(min(retry_after, self._retry_after_max))
        if started < self._last_overload:
            return
        self._last_overload = trio.current_time()
        self._overloads_in_a_row += 1
        if self._limit is not None:
            self._limit.halve(reason)
        if self._overloads_in_a_row > 1:
            self._pause(full_jitter(self._overloads_in_a_row - 1))

    def _pause(self, seconds: float) -> None:
        self._next_start = max(self._next_start, trio.current_time() + seconds)
