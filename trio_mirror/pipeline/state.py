"""What the parts of one run share."""

from __future__ import annotations

from collections import Counter
from secrets import token_hex

import trio

from trio_mirror.galleries import Gallery
from trio_mirror.galleries.scarcity import within_descriptors
from trio_mirror.model import Report, Stage
from trio_mirror.pipeline.attempts import Attempts
from trio_mirror.pipeline.hooks import Hooks
from trio_mirror.pipeline.in_flight import InFlight
from trio_mirror.pipeline.item import Item
from trio_mirror.pipeline.recorder import Memory, Recorder
from trio_mirror.pipeline.stop import Stop
from trio_mirror.pipeline.throttle import Throttle
from trio_mirror.settings import Settings

_NO_HOOKS = Hooks()


class State:
    """The state of a run, made before its parts.

    Args:
        source: where pictures come from.
        target: where they go.
        settings: how.
        memory: what is remembered of pictures beyond the run; None for nothing.
        hooks: functions of the caller's.
        in_place: whether the target is where the pictures come from.
        intents: whether each upload is remembered before it leaves, with the digests before and after the flip.
        grace: seconds beyond ``drain`` in which the last results of other machines come in.

    Attributes:
        report: the sum of the results so far.
        passed: how many pictures have passed each stage.
        started: when the run began, by Trio's clock.
        list_attempts: how often it was tried to open the list.
        list_ended: whether it was taken to its end.
        at_work: the pictures that a stage of this process is at, and since when, those of longest first.
    """

    def __init__(
        self,
        source: Gallery,
        target: Gallery,
        settings: Settings,
        memory: Memory | None,
        hooks: Hooks = _NO_HOOKS,
        *,
        in_place: bool,
        intents: bool,
        grace: float = 0.0,
    ) -> None:
        self.settings = settings
        self.memory = memory
        self.hooks = hooks
        self.in_place = in_place
        self.intents = intents
        self.run_id = token_hex(8)
        self.report = Report(source=str(source), target=str(target))
        self.passed: Counter[Stage] = Counter()
        self.started = trio.current_time()
        self.list_attempts = 0
        self.list_ended = False
        self.at_work: dict[Item, float] = {}
        self.in_flight = InFlight(within_descriptors(settings.concurrency))
        self.stop = Stop(self.report, settings, grace)
        self._source = source
        self.recorder = Recorder(
            self.report,
            settings,
            self.in_flight,
            self.stop,
            memory,
            self.run_id,
            hooks.on_result,
            lambda: self.skips_others,
        )
        self.attempts = Attempts(retries=settings.retries, retry_after_max=settings.retry_after_max)
        self.source_throttle = self._throttle()
        self.target_throttle = self.source_throttle if target is source else self._throttle()

    @property
    def skips_others(self) -> bool:
        """Whether what is not a picture is skipped: the list has whatever lies in a place."""
        lists_all = getattr(self._source, "lists_all", False)
        return lists_all and not self.settings.strict and self.hooks.transform is None

    def set_rate(self, rate: float | None) -> None:
        """Changes how many requests may start a second at each gallery."""
        self.source_throttle.set_rate(rate)
        self.target_throttle.set_rate(rate)

    def hold(self) -> None:
        """Keeps to the rate after requests of a run before this one."""
        self.source_throttle.hold()
        self.target_throttle.hold()

    def _throttle(self) -> Throttle:
        settings = self.settings
        limit = self.in_flight if settings.adaptive else None
        return Throttle(limit, rate=settings.rate_here, retry_after_max=settings.retry_after_max)
