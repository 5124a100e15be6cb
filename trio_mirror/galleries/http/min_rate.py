"""The slowest that a body may come."""

from __future__ import annotations

import trio

from trio_mirror.galleries.http.errors import ExchangeError
from trio_mirror.settings.units import format_size

# Seconds over which the slowest rate of a body is measured.
_RATE_WINDOW = 30.0


class Pace:
    """Tells when a body comes in slower than the slowest rate, measured over windows of 30 s of waiting for it.

    Args:
        min_rate: bytes a second.
    """

    def __init__(self, min_rate: float) -> None:
        self._min_rate = min_rate
        self._bytes = 0
        self._waited = 0.0
        self.resume()

    def resume(self) -> None:
        """Leaves out the time that the reader took since the last chunk."""
        self._since = trio.current_time()

    def saw(self, size: int) -> None:
        """Counts a chunk.

        Raises:
            ExchangeError: fewer bytes came in the window than the slowest rate allows.
        """
        now = trio.current_time()
        self._waited += now - self._since
        self._since = now
        self._bytes += size
        if self._waited < _RATE_WINDOW:
            return
        if self._bytes < self._min_rate * self._waited:
            slowest = f"{format_size(self._min_rate)}/s"
            raise ExchangeError(f"the body came slower than {slowest} (--min-rate)", transient=True, overload=True)
        self._bytes, self._waited = 0, 0.0
