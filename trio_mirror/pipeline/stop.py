"""The two ways to stop a run: a drain, which lets what is in flight end, and a cancellation, which does not."""

from __future__ import annotations

from dataclasses import dataclass, field

import trio

from trio_mirror.errors import GalleryError
from trio_mirror.model import Report
from trio_mirror.settings import Settings


@dataclass(eq=False)
class Stop:
    """When and why a run stops."""

    _report: Report  # gets the reason
    _settings: Settings  # its ``deadline`` and ``drain`` count
    _grace: float = 0.0  # seconds beyond ``drain`` in which the last results of other machines come in

    listing: trio.CancelScope = field(default_factory=trio.CancelScope)  # of the producer; a drain cancels it
    working: trio.CancelScope = field(default_factory=trio.CancelScope)  # of all stages; it ends with the drain's time
    draining: trio.Event = field(default_factory=trio.Event)  # set by a drain
    error: GalleryError | None = None  # what ended the run as a whole, if anything

    def __post_init__(self) -> None:
        self._drain_seconds = self._settings.drain + self._grace
        if self._settings.deadline is not None:
            self.listing.deadline = trio.current_time() + self._settings.deadline
            self.working.deadline = self.listing.deadline + self._drain_seconds

    def because(self, reason: str) -> None:
        """Notes why the run stops; the first reason counts."""
        self._report.stopped_by = self._report.stopped_by or reason

    def drain(self, reason: str) -> None:
        """Takes no more names. What is in flight has ``drain`` seconds to end, then it is cancelled."""
        self.because(reason)
        self.draining.set()
        self.listing.cancel()
        self.working.deadline = min(self.working.deadline, trio.current_time() + self._drain_seconds)

    def fail(self, error: GalleryError) -> None:
        """Ends the run as a whole, as a drain; the first error counts."""
        if self.error is None:
            self.error = error
            self.drain("error")
