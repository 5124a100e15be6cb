"""What becomes of results: counted in the report, remembered in the journal, their token given back.

An upload is remembered before it leaves (`Recorder.intend`) and confirmed after its response (`Recorder.record`).
Results, and intents on their way to a driver, are written in groups, off the event loop: while one group is on its
way, the next one gathers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import trio

from trio_mirror.errors import AccessError, JournalError, UploadError
from trio_mirror.galleries.in_thread import in_thread
from trio_mirror.model import KEPT_FAILURES, Outcome, Report, Result, Stage
from trio_mirror.pipeline.in_flight import InFlight
from trio_mirror.pipeline.item import Item
from trio_mirror.pipeline.stop import Stop
from trio_mirror.settings import Settings

if TYPE_CHECKING:
    from trio_mirror.journal import Journal  # which loads SQLite

# So many refusals, and nothing else, show that there is no access.
_REFUSALS = 100
# So many times the same response to an upload, or as often as there are pictures in flight, show that none is taken.
_UPLOADS_REFUSED = 5
_UPLOAD_REFUSED = {403, 404, 405, 501}
# How many results may wait to be written.
_MANY = 1_000
# Seconds that an intent waits for others while more pictures are on their way: one write costs as much as many rows.
_GATHER = 0.01
# Bytes, one a mark.
_MARKS = 1 << 20
# Seconds that the journal has for one write: during a run, at its end, and once its time is over or it is cancelled.
_PATIENCE, _AT_END, _AT_EXIT = 30.0, 10.0, 1.0


class Memory(Protocol):
    """What is remembered of pictures beyond a run.

    Attributes:
        wait: seconds that a result may wait for others, to be written with them.
    """

    wait: float

    @property
    def intend(self) -> Callable[[Result], None] | None:
        """Remembers an intent at once; None where only `write` can."""

    def find(self, name: str) -> Result | None:
        """What is remembered of a picture; quick enough for the event loop."""

    async def write(self, results: list[Result]) -> None:
        """Remembers results, all or none; the same ones may come again.

        Raises:
            JournalError: it cannot.
        """


class JournalMemory:
    """A journal as the memory of a run: its writes wait for the disk in a thread."""

    wait = 0.2

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.intend = journal.intend
        self._asked = bytearray(_MARKS)

    def find(self, name: str) -> Result | None:
        """Reads one row. It takes 17 µs, in a thread five times that; in WAL mode a reader never waits for the writer.

        Of a new journal, only what this run was asked for before is read: a mark for each name, which it may share
        with others, tells most that were not. So a dead disk can hold the event loop only where a run goes on.
        """
        place = hash(name) % _MARKS
        if self._journal.is_new and not self._asked[place]:
            self._asked[place] = True
            return None
        return self._journal.find(name)

    async def write(self, results: list[Result]) -> None:
        """Writes rows; for what had been mirrored, the row that says so is there already."""
        rows = [it for it in results if it.outcome is not Outcome.SKIPPED or it.not_picture]
        # A cancelled run abandons the thread and writes the same rows once more; the journal takes one write at a time.
        with trio.move_on_after(_PATIENCE):
            await in_thread(self._journal.record, rows)
            return
        raise _silent_for(_PATIENCE)


@dataclass(eq=False)
class Recorder:
    """Takes the results of a run, and stops it where the journal cannot be written or a limit is reached."""

    _report: Report
    _settings: Settings  # its limits on failures and bytes count
    _in_flight: InFlight  # gets a token back for each result
    _stop: Stop
    _memory: Memory | None  # remembers the results; None remembers nothing
    _run: str | None = None  # the id of the run, which its results get
    _on_result: Callable[[Result], None] | None = None  # gets each result
    _skips_others: Callable[[], bool] = lambda: False  # whether what is not a picture is skipped, in place of failing

    late: list[Result] = field(default_factory=list)
    """Results that were recorded when nobody took them any more."""
    expected: set[str] = field(default_factory=set)
    """The names that were taken and whose results have to be remembered, until they are."""
    _started: float = field(default_factory=trio.current_time)
    _cut_off: deque[Item] = field(default_factory=deque)
    _unwritten: list[Result] = field(default_factory=list)
    _unwritable: JournalError | None = None
    _lock: trio.Lock = field(default_factory=trio.Lock)
    _written: trio.Event = field(default_factory=trio.Event)
    _gathering: trio.CancelScope = field(default_factory=trio.CancelScope)
    _intending: int = 0
    _is_silent: bool = False

    async def intend(self, intent: Result) -> None:
        """Remembers, before a picture leaves for its target, its result so far: what it was and what it will be.

        A journal takes it at once, which is no checkpoint: an upload follows, which is one.

        Raises:
            JournalError: it cannot be remembered, so that the picture may not leave.
        """
        memory = self._memory
        if memory is None:
            return
        intent.run = self._run
        if memory.intend is not None:
            try:
                memory.intend(intent)
            except JournalError as error:
                self._stop.fail(error)
                raise
            return
        self._unwritten.append(replace(intent))
        self._intending += 1
        self._write_within(_GATHER if self._intending < self._in_flight.count else 0.0)
        try:
            await self._written.wait()
        finally:
            self._intending -= 1
        if self._unwritable is not None:
            raise self._unwritable

    def record(self, item: Item) -> Result:
        """Counts the result of an item that has ended, and hands it out."""
        result, report = item.result, self._report
        if result.not_picture and result.outcome is Outcome.FAILED and self._skips_others():
            result.outcome = Outcome.SKIPPED
        report.add(result)
        report.seconds = trio.current_time() - self._started
        settings = self._settings
        if settings.max_failures is not None and report.failed + report.unknown >= settings.max_failures:
            self._stop.drain("max_failures")
        if settings.max_bytes_total is not None and report.bytes_in >= settings.max_bytes_total:
            self._stop.drain("max_bytes_total")
        if result.outcome is Outcome.FAILED:
            self.check_access(refusals=_REFUSALS)
            self._check_uploads()
        if self._memory is not None:
            result.run = self._run
            self._unwritten.append(result)
            self._write_within(self._memory.wait)
        self._in_flight.give_back()
        if self._on_result is not None:
            self._on_result(result)
        return result

    def check_access(self, *, refusals: int = 1) -> None:
        """Ends a run of which every picture was refused, once there are so many of them.

        One picture among others may be somebody else's. Where all are refused, it is the credentials.
        """
        report = self._report
        if report.refused and report.refused == report.finished - report.not_pictures >= refusals:
            first = report.failures[0]
            is_upload = first.stage is Stage.UPLOAD
            place = report.target if is_upload else report.source
            # It may be the credentials, or that the server takes none from anybody.
            hint = "; if it takes no uploads, add --to ./mirrored" if is_upload and first.status == 403 else ""
            self._stop.fail(AccessError(f"{place} refuses us: {first.error}{hint}"))

    def _check_uploads(self) -> None:
        """Ends a run whose first uploads have all got one response, of a server that takes none."""
        report = self._report
        enough = min(max(self._settings.concurrency, _UPLOADS_REFUSED), KEPT_FAILURES)
        if report.failed == report.finished - report.not_pictures == enough:
            responses = {(it.stage, it.status) for it in report.failures}
            if any(responses == {(Stage.UPLOAD, status)} for status in _UPLOAD_REFUSED):
                why = f"this server takes no uploads; add --to ./mirrored ({report.failures[0].error})"
                self._stop.fail(AccessError(f"{report.target}: {why}"))

    def cut_off(self, item: Item) -> None:
        """Takes an item of a cancelled task: no channel would take it any more."""
        if not item.ended and item.maybe_stored:
            item.fail(UploadError("the run was stopped during its upload: the target may have it or not"))
        if item.ended:
            self._cut_off.append(item)
        else:
            self.expected.discard(item.name)
            self._in_flight.give_back()

    def next_cut_off(self) -> Result | None:
        """Records one of the items that were cut off, if any is left."""
        return self.record(self._cut_off.popleft()) if self._cut_off else None

    async def keep(self) -> None:
        """Writes what comes, until it is cancelled."""
        while True:
            with self._gathering:
                await trio.sleep_forever()
            await self._write()

    async def room(self) -> None:
        """Waits while very many results are still to be written."""
        if len(self._unwritten) >= _MANY:
            self._write_within(0.0)
            await self._written.wait()

    async def flush(self) -> None:
        """Writes all that is left. A dead disk holds it for some seconds, and no longer than the time of the run."""
        time_left = max(0.0, self._stop.working.deadline - trio.current_time())
        await self._write_in(min(_AT_END, time_left + _AT_EXIT))

    async def flush_at_exit(self) -> None:
        """Writes all that is left as the run's block is left; no cancellation keeps it from that."""
        while (result := self.next_cut_off()) is not None:
            self.late.append(result)
        if not self._is_silent:
            await self._write_in(_AT_EXIT, shield=True)

    async def _write_in(self, seconds: float, *, shield: bool = False) -> None:
        with trio.move_on_after(seconds, shield=shield) as time_limit:
            await self._write()
        if time_limit.cancelled_caught:
            self._is_silent = True
            self._stop.fail(_silent_for(seconds))

    def _write_within(self, seconds: float) -> None:
        """Has the next group written in so many seconds, if it is not sooner."""
        deadline = trio.current_time() + seconds
        if deadline < self._gathering.deadline:
            self._gathering.deadline = deadline

    async def _write(self) -> None:
        """Writes one group; what could not be written stays, for the end of the run to try once more."""
        async with self._lock:
            group, written = list(self._unwritten), self._written
            self._written, self._gathering = trio.Event(), trio.CancelScope()
            try:
                if self._memory is not None and group:
                    await self._memory.write(group)
                self._unwritable = None
            except JournalError as error:
                # What ended the run before may be something else: whoever waits must learn of this.
                self._unwritable = error
                self._stop.fail(error)
            else:
                del self._unwritten[: len(group)]
                self.expected.difference_update(result.name for result in group if not result.is_intent)
            written.set()


def _silent_for(seconds: float) -> JournalError:
    return JournalError(f"the journal took nothing for {seconds:g} s")
