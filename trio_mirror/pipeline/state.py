"""What the parts of one run share."""

from __future__ import annotations

from collections import Counter
from dataclasses import KW_ONLY, dataclass, field
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


@dataclass(eq=False)
class State:
    """The state of a run, made before its parts."""

    source: Gallery
    target: Gallery
    settings: Settings
    memory: Memory | None  # what is remembered of pictures beyond the run; None for nothing
    hooks: Hooks = Hooks()
    _: KW_ONLY
    in_place: bool  # whether the target is where the pictures come from
    intents: bool  # whether each upload is remembered before it leaves, with the digests before and after the flip
    grace: float = 0.0  # seconds beyond ``drain`` in which the last results of other machines come in

    started: float = field(default_factory=trio.current_time)
    list_attempts: int = 0  # how often it was tried to open the list
    list_ended: bool = False  # whether it was taken to its end
    passed: Counter[Stage] = field(default_factory=Counter)  # how many pictures have passed each stage
    at_work: dict[Item, float] = field(default_factory=dict)
    """The pictures that a stage of this process is at, and since when, those of longest first."""

    def __post_init__(self) -> None:
        settings = self.settings
        self.run_id = token_hex(8)
        self.report = Report(source=str(self.source), target=str(self.target))
        self.in_flight = InFlight(within_descriptors(settings.concurrency))
        self.stop = Stop(self.report, settings, self.grace)
        self.recorder = Recorder(
            self.report,
            settings,
            self.in_flight,
            self.stop,
            self.memory,
            self.run_id,
            self.hooks.on_result,
            lambda: self.skips_others,
        )
        self.attempts = Attempts(retries=settings.retries, retry_after_max=settings.retry_after_max)
        self.source_throttle = self._throttle()
        self.target_throttle = self.source_throttle if self.target is self.source else self._throttle()

    @property
    def skips_others(self) -> bool:
        """Whether what is not a picture is skipped: the list has whatever lies in a place."""
        lists_all = getattr(self.source, "lists_all", False)
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
