"""How a run goes: what is done, how fast, what is left, and the last failures; as lines for a person."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import trio

from trio_mirror.errors import MirrorError
from trio_mirror.model import Outcome, Result
from trio_mirror.names import printable
from trio_mirror.pipeline.producer import Opening
from trio_mirror.pipeline.run import Run
from trio_mirror.settings import format_duration, format_size

if TYPE_CHECKING:
    from rich.text import Text

_SHOWN_FAILURES = 3
# Seconds over which speeds are measured.
_WINDOW = 15.0
# Seconds in one stage from which a picture is worth a line, and how many such lines there are.
_LONG, _SHOWN_LONG = 5.0, 3
# Names counted between two checkpoints: well below a millisecond of work.
_COUNTED_AT_ONCE = 200
_MAX_BAR, _MIN_BAR = 60, 8


class _Tick(NamedTuple):
    """What was done at one time."""

    time: float
    finished: int
    bytes_in: int
    bytes_out: int


class Progress:
    """Watches a run.

    Attributes:
        total: how many names the list has, once they are counted.
    """

    def __init__(self, run: Run) -> None:
        self.total: int | None = None
        self._run = run
        self._has_begun = trio.Event()
        self._failures: deque[Result] = deque(maxlen=_SHOWN_FAILURES)
        self._started = trio.current_time()
        self._ticks: deque[_Tick] = deque()
        self.tick()

    def add(self, result: Result) -> None:
        """Takes a result as it comes."""
        self._has_begun.set()
        if result.outcome in (Outcome.FAILED, Outcome.UNKNOWN):
            self._failures.append(result)

    async def count(self, opening: Opening, seconds: float = 0) -> None:
        """Counts the names of the list once it can be read, and not before so many seconds; or gives no total."""
        await trio.sleep(seconds)
        if self._waiting:
            await self._has_begun.wait()
        counted = 0
        with suppress(MirrorError):
            async with opening() as names:
                async for _ in names:
                    counted += 1
                    if not counted % _COUNTED_AT_ONCE:
                        await trio.lowlevel.checkpoint()
            self.total = counted

    def tick(self) -> None:
        """Measures: speeds are those between the ticks of the last 15 seconds."""
        report, now = self._run.report, trio.current_time()
        self._ticks.append(_Tick(now, report.finished, report.bytes_in, report.bytes_out))
        while len(self._ticks) > 2 and self._ticks[1].time <= now - _WINDOW:
            self._ticks.popleft()

    def lines(self, width: int, *, ascii_only: bool = False) -> list[Text]:
        """The lines of the live display, none longer than ``width`` cells."""
        from rich.text import Text

        lines = [self._bar(width, ascii_only=ascii_only), *_flowing(self._figures(), width, ascii_only=ascii_only)]
        lines += [Text(text, "yellow") for text in self._delays()]
        for failure in self._failures:
            mark, name = ("x " if ascii_only else "✗ ", "red"), (f"{printable(failure.name)} ", "bold")
            lines.append(Text.assemble(mark, name, f"{failure.stage}: {printable(str(failure.error))}"))
        for line in lines:
            line.truncate(width, overflow="ellipsis")
        return lines

    def plain(self) -> str:
        """The same in one line, for a log."""
        report, of = self._run.report, self._expected
        done = f"{report.finished:,} of {report.listed:,} listed" if of is None else f"{report.finished:,} of {of:,}"
        volume = [f"{format_size(report.bytes_in)} in", f"{format_size(report.bytes_out)} out"]
        figures = [self._waiting or f"{done} are done", *self._troubles(), *self._speeds(), *volume, *self._state()]
        return ", ".join([*figures, *self._delays()])

    @property
    def _expected(self) -> int | None:
        """How many names there are in all: never fewer than were taken."""
        return None if self.total is None else max(self.total, self._run.report.listed)

    @property
    def _waiting(self) -> str | None:
        """That there is no list yet, in words."""
        if (attempt := self._run.list_attempt) is None:
            return None
        number, most = attempt
        return "waiting for the list" + (f" (attempt {number} of {most})" if number > 1 else "")

    def _bar(self, width: int, *, ascii_only: bool) -> Text:
        """What is done of what is known."""
        from rich.text import Text

        finished, listed, of = self._run.report.finished, self._run.report.listed, self._expected
        if waiting := self._waiting:
            return Text(waiting)
        if of is None:
            return Text(f"{finished:,} of {listed:,} listed")
        count, share = f"{finished:,} of {of:,}", f" {100 * finished // max(1, of)}%"
        line, room = Text(count), min(_MAX_BAR, width - len(count) - len(share) - 1)
        if room >= _MIN_BAR:
            full, (done, left) = room * finished // max(1, of), "#-" if ascii_only else "━─"
            line.append(" ").append(done * full, "green").append(left * (room - full), "dim")
        return line.append(share)

    def _figures(self) -> Iterator[tuple[str, str]]:
        """What changes all the time, each with its style."""
        yield from ((text, "") for text in (*self._speeds(), *self._state()))
        for trouble in self._troubles():
            yield trouble, "red" if trouble.endswith(("failed", "unknown")) else ""
        if stopped_by := self._run.report.stopped_by:
            yield f"stopping ({stopped_by})", "yellow"

    def _speeds(self) -> Iterator[str]:
        begin, end = self._ticks[0], self._ticks[-1]
        seconds = max(end.time - begin.time, 0.001)
        yield f"{(end.finished - begin.finished) / seconds:,.1f}/s"
        yield f"{format_size(int((end.bytes_in - begin.bytes_in) / seconds))}/s in"
        yield f"{format_size(int((end.bytes_out - begin.bytes_out) / seconds))}/s out"

    def _state(self) -> Iterator[str]:
        begin, end = self._ticks[0], self._ticks[-1]
        yield f"{self._run.in_flight} in flight"
        yield format_duration(trio.current_time() - self._started)
        if self._expected is not None and end.finished > begin.finished and not self._run.report.stopped_by:
            left = (self._expected - end.finished) * (end.time - begin.time) / (end.finished - begin.finished)
            yield f"{format_duration(left)} left"

    def _troubles(self) -> list[str]:
        report = self._run.report
        counts = {
            "skipped": report.skipped,
            "failed": report.failed,
            "unknown": report.unknown,
            "retry" if report.retries == 1 else "retries": report.retries,
        }
        return [f"{number:,} {word}" for word, number in counts.items() if number]

    def _delays(self) -> Iterator[str]:
        """What takes long, and why."""
        if reason := self._run.slowed_by:
            yield f"slowed to {self._run.in_flight_limit} in flight: {printable(reason)}"
        now = trio.current_time()
        # Those that began first come first.
        for item, began in islice(self._run.at_work.items(), _SHOWN_LONG):
            if now - began > _LONG:
                waits = f", waits for {item.waits_for}" if item.waits_for else ""
                yield f"{item.result.stage} for {format_duration(now - began)}{waits}: {printable(item.name)}"


def _flowing(parts: Iterable[tuple[str, str]], width: int, *, ascii_only: bool) -> Iterator[Text]:
    """Parts beside each other, in as many lines as they need."""
    from rich.text import Text

    line, between = Text(), ", " if ascii_only else " · "
    for text, style in parts:
        if line and line.cell_len + len(between) + len(text) > width:
            yield line
            line = Text()
        line.append(between if line else "", "").append(text, style)
    yield line
