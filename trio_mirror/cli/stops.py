"""The two ways to stop a run by signals: drain it, or cancel it."""

from __future__ import annotations

import logging
import signal
from dataclasses import dataclass, field

import trio

from trio_mirror.pipeline.run import Run

_log = logging.getLogger(__name__)
# Seconds that the last writes have after the second signal.
_LAST = 1.0


@dataclass(eq=False)
class Stops:
    """Watches for signals: the first one drains the run, the second one cancels it."""

    signal: int | None = None  # the number of the first one
    run: Run | None = None  # what it drains; without a run it cancels, too
    at_once: trio.CancelScope = field(default_factory=trio.CancelScope)  # what the second one cancels
    writing: trio.CancelScope = field(default_factory=trio.CancelScope)  # of the last writes; the second one bounds it

    async def watch(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Waits for signals, until it is cancelled."""
        watched = [signal.SIGINT, signal.SIGTERM]
        # Under nohup it stays ignored.
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            watched.append(signal.SIGHUP)
        with trio.open_signal_receiver(*watched) as signals:
            task_status.started()
            async for number in signals:
                if self.signal is None and self.run is not None:
                    _log.warning("stopping: %d in flight; a second signal stops at once", self.run.in_flight)
                    self.run.drain("signal")
                else:
                    self.at_once.cancel()
                    self.writing.deadline = trio.current_time() + _LAST
                self.signal = self.signal or number
