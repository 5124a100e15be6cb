"""How hard a gallery is asked: the rate of requests, and pauses that hold them all."""

from __future__ import annotations

import math
import random

import trio

from trio_mirror.errors import MirrorError, UnknownUploadError
from trio_mirror.pipeline.in_flight import InFlight

# How many failures in a row, over all pictures and none of them a sign of overload, make a gallery count as down.
# Where one request in ten fails, so many come in a row once in ten thousand million requests.
_DOWN_AFTER = 10
# Seconds.
_FIRST_BACKOFF = 0.25
_MAX_BACKOFF = 20.0
_DOUBLINGS_TO_MAX = math.ceil(math.log2(_MAX_BACKOFF / _FIRST_BACKOFF))


def full_jitter(failures: int) -> float:
    """Draws the seconds to wait after so many failures in a row: from 0 to 0.25 s, then 0.5 s, 1 s, … up to 20 s."""
    longest = min(_MAX_BACKOFF, _FIRST_BACKOFF * 2 ** min(failures - 1, _DOUBLINGS_TO_MAX))
    return random.uniform(0, longest)  # noqa: S311 (no secret depends on it)


class Throttle:
    """Says when the next request to one gallery may start, and learns from how each one ends.

    A gallery that only fails is asked in rounds, further and further apart, whatever the number in flight is
    and however few retries there are: a dead server is never hammered. By default it admits all at once.

    Args:
        limit: the pictures in flight, fewer on overload; shared by the galleries of a run. None leaves it alone.
        rate: requests started a second, at most; None for no bound.
        retry_after_max: the longest pause that a server's ``Retry-After`` gets, in seconds.
    """

    def __init__(
        self, limit: InFlight | None = None, *, rate: float | None = None, retry_after_max: float = 0.0
    ) -> None:
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

    @property
    def waits_for(self) -> str:
        """What `admit` waits for, in words."""
        return "--rate" if self._interval else "the server to recover"

    def succeeded(self) -> None:
        """Counts an answer that shows no overload."""
        self._overloads_in_a_row = 0
        self._failures_in_a_row = 0
        if self._limit is not None:
            self._limit.succeeded()

    def failed(self, started: float, error: MirrorError) -> None:
        """Learns from a failed request.

        A failure that is not a sign of overload by itself, such as a reset, is one where many come in a row.
        ``started`` is what `admit` returned.
        """
        if error.overload or error.retry_after is not None:
            self.overloaded(started, str(error), error.retry_after)
        # An upload that may not be sent again says nothing good of its gallery either.
        elif error.transient or isinstance(error, UnknownUploadError):
            self._failures_in_a_row += 1
            if self._failures_in_a_row >= _DOWN_AFTER:
                self.overloaded(started, str(error))
        else:
            self.succeeded()

    def overloaded(self, started: float, reason: str, retry_after: float | None = None) -> None:
        """Backs off. Of the requests of one round trip only the first to fail lowers the limit.

        The others started before that could help. The server's ``retry_after`` pauses the whole gallery.
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
