"""How a run goes: counts, rates, what is left, and the last failures; as lines for a person."""

from __future__ import annotations

from collections import Counter, deque
from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from trio_mirror.errors import MirrorError
from trio_mirror.model import Outcome, Stage
from trio_mirror.names import printable
from trio_mirror.settings import format_duration, format_size

if TYPE_CHECKING:
    from rich.text import Text

    from trio_mirror.model import Result
    from trio_mirror.pipeline.producer import Opening
    from trio_mirror.pipeline.run import Run

_STAGES = (Stage.FETCH, Stage.FLIP, Stage.UPLOAD)
_STYLES = {Stage.FETCH: "blue", Stage.FLIP: "magenta", Stage.UPLOAD: "green"}
_SHOWN_FAILURES = 3
# Over how many ticks rates are measured.
_WINDOW = 60
# Names counted between two checkpoints: well below a millisecond of work.
_COUNTED_AT_ONCE = 200
_MAX_BAR, _MIN_BAR = 60, 8


class Progress:
    """Watches a run.

    Args:
        run: the run.

    Attributes:
        total: how many names the list has, once they are counted.
    """

    def __init__(self, run: Run) -> None:
        self.total: int | None = None
        self._run = run
        self._failures: deque[Result] = deque(maxlen=_SHOWN_FAILURES)
        self._fell_out: Counter[Stage] = Counter()
        self._started = trio.current_time()
        self._ticks: deque[tuple[float, dict[Stage, int], int]] = deque(maxlen=_WINDOW)
        self.tick()

    def add(self, result: Result) -> None:
        """Takes a result as it comes."""
        if result.outcome in (Outcome.FAILED, Outcome.UNKNOWN):
            self._failures.append(result)
        if result.outcome is not Outcome.MIRRORED:
            for stage in _STAGES[_STAGES.index(result.stage) if result.stage in _STAGES else 0 :]:
                # What was skipped has passed the stage that found that there is nothing to do.
                self._fell_out[stage] += result.error is not None or stage is not result.stage

    async def count(self, opening: Opening) -> None:
        """Counts the names of the list, for the bars; a list that cannot be read twice gets none."""
        counted = 0
        with suppress(MirrorError):
            async with opening() as names:
                async for _ in names:
                    counted += 1
                    if not counted % _COUNTED_AT_ONCE:
                        await trio.lowlevel.checkpoint()
            self.total = counted

    def tick(self) -> None:
        """Measures: rates are those of the last 60 ticks."""
        counts = {stage: self._run.passed[stage] for stage in _STAGES}
        self._ticks.append((trio.current_time(), counts, self._run.report.finished))

    def lines(self, width: int, *, ascii_only: bool = False) -> list[Text]:
        """The lines of the live display, none longer than ``width`` cells."""
        from rich.text import Text

        run = self._run
        lines = [*self._stages(width, ascii_only=ascii_only), self._state()]
        if reason := run.slowed_by:
            lines.append(Text(f"slowed to {run.in_flight_limit} in flight: {printable(reason)}", "yellow"))
        for failure in self._failures:
            text = Text().append("x " if ascii_only else "✗ ", "red")
            text.append(f"{printable(failure.name)} ", "bold").append(
                f"{failure.stage}: {printable(str(failure.error))}", ""
            )
            lines.append(text)
        for line in lines:
            line.truncate(width, overflow="ellipsis")
        return lines

    def plain(self) -> str:
        """How it goes in one line, for a log."""
        report = self._run.report
        parts = [
            f"{report.finished:,} of {report.listed:,} listed are done",
            *self._troubles(),
            f"{report.finished / max(self._elapsed, 0.001):.1f}/s",
            f"{format_size(report.bytes_in)} in",
            f"{format_size(report.bytes_out)} out",
            f"{self._run.in_flight} in flight",
            format_duration(self._elapsed),
        ]
        if reason := self._run.slowed_by:
            parts.append(f"slowed to {self._run.in_flight_limit} in flight: {reason}")
        return ", ".join(parts)

    @property
    def _elapsed(self) -> float:
        return trio.current_time() - self._started

    @property
    def _expected(self) -> int | None:
        """How many names there are in all: never fewer than were taken."""
        return None if self.total is None else max(self.total, self._run.report.listed)

    def _stages(self, width: int, *, ascii_only: bool) -> list[Text]:
        from rich.text import Text

        report, expected = self._run.report, self._expected
        volume = {
            Stage.FETCH: f"{format_size(report.bytes_in)} in",
            Stage.UPLOAD: f"{format_size(report.bytes_out)} out",
        }
        heads, tails, bars = [], [], []
        for stage in _STAGES:
            passed = self._run.passed[stage]
            of = "" if expected is None else f" of {expected:,}"
            rate = self._rate(stage)
            heads.append(Text().append(f"{stage:<8}", _STYLES[stage]))
            tails.append(f"{passed:,}{of}".rjust(15) + f"{rate:,.1f}/s".rjust(11) + volume.get(stage, "").rjust(15))
            bars.append(None if expected is None else (passed + self._fell_out[stage]) / max(1, expected))
        room = min(_MAX_BAR, width - 8 - max(map(len, tails)))
        for head, tail, part, stage in zip(heads, tails, bars, _STAGES, strict=True):
            if part is not None and room >= _MIN_BAR:
                full = min(room, round(part * room))
                done, left = "#-" if ascii_only else "━─"
                head.append(done * full, _STYLES[stage]).append(left * (room - full), "dim")
            head.append(tail, "")
        return heads

    def _state(self) -> Text:
        from rich.text import Text

        run = self._run
        text = Text(f"{run.in_flight} of {run.in_flight_limit} in flight")
        for trouble in self._troubles():
            text.append(" · ").append(trouble, "" if trouble.endswith(("skipped", "retries")) else "red")
        text.append(f" · {format_duration(self._elapsed)}")
        if stopped_by := run.report.stopped_by:
            text.append(f" · stopping ({stopped_by}), what is in flight ends", "yellow")
        elif (left := self._seconds_left()) is not None:
            text.append(f" · {format_duration(left)} left")
        return text

    def _troubles(self) -> list[str]:
        report = self._run.report
        counts = {
            "skipped": report.skipped,
            "failed": report.failed,
            "unknown": report.unknown,
            "retries": report.retries,
        }
        return [f"{number:,} {word}" for word, number in counts.items() if number]

    def _rate(self, stage: Stage) -> float:
        (begin, before, _), (end, after, _) = self._ticks[0], self._ticks[-1]
        return (after[stage] - before[stage]) / max(end - begin, 0.001)

    def _seconds_left(self) -> float | None:
        (begin, _, before), (end, _, after) = self._ticks[0], self._ticks[-1]
        if self._expected is None or after == before:
            return None
        return (self._expected - after) * (end - begin) / (after - before)
