"""The two ways to stop a run: a drain, which lets what is in flight end, and a cancellation, which does not."""

from __future__ import annotations

import trio

from trio_mirror.errors import GalleryError
from trio_mirror.model import Report
from trio_mirror.settings import Settings


class Stop:
    """When and why a run stops.

    Args:
        report: gets the reason.
        settings: ``deadline`` and ``drain`` count.
        grace: seconds beyond ``drain`` in which the last results of other machines come in.

    Attributes:
        listing: the scope of the producer; a drain cancels it.
        working: the scope of all stages; it ends with the drain's time.
        draining: set by a drain.
        error: what ended the run as a whole, if anything.
    """

    def __init__(self, report: Report, settings: Settings, grace: float = 0.0) -> None:
        self.listing = trio.CancelScope()
        self.working = trio.CancelScope()
        self.draining = trio.Event()
        self.error: GalleryError | None = None
        self._report = report
        self._drain_seconds = settings.drain + grace
        if settings.deadline is not None:
            self.listing.deadline = trio.current_time() + settings.deadline
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
