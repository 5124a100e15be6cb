"""The slowest that a body may come."""

from __future__ import annotations

import trio

from trio_mirror.galleries.http.errors import ExchangeError
from trio_mirror.settings import format_size

# Seconds of waiting over which the rate of a body is measured.
_PERIOD = 30.0


class MinRate:
    """Fails a body that comes slower than a rate in bytes a second, measured over periods of 30 s of waiting for it."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._bytes = 0
        self._waited = 0.0
        self.resume()

    def resume(self) -> None:
        """Leaves out the time that the reader took since the last chunk."""
        self._since = trio.current_time()

    def count(self, chunk: bytes) -> None:
        """Counts a chunk.

        Raises:
            ExchangeError: fewer bytes came in the period than the rate allows.
        """
        now = trio.current_time()
        self._waited += now - self._since
        self._since = now
        self._bytes += len(chunk)
        if self._waited < _PERIOD:
            return
        if self._bytes < self._rate * self._waited:
            slowest = f"{format_size(self._rate)}/s"
            raise ExchangeError(f"the body came slower than {slowest} (--min-rate)", transient=True, overload=True)
        self._bytes, self._waited = 0, 0.0
