"""The nursery and the channels: the one place that knows how the stages are joined.

    names ──▶ fetch ×N ──▶ flip ×N ──▶ upload ×N ──▶ results
                             ╎
                      worker threads

N pictures are in flight at most. A picture takes one token before its name enters the first channel, and
gives it back when its result is out; channel buffers are 0, so that the token is the only bound on memory
and connections. No stage ever waits for a token: a limiter shared by the stages themselves, held while one
of them sends downstream, would deadlock with few tokens.

Every task owns the channel ends that it closes, and closes them by plain ``with``. When the list ends, the
producer's end closes, so the fetchers' loops end, their ends close, and so on downstream by itself.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import trio

from trio_mirror.errors import GalleryError, ListError, NameRefusedError, PictureError, UploadError
from trio_mirror.galleries.listing import each
from trio_mirror.model import Outcome, Report, Result, Stage
from trio_mirror.names import check_name
from trio_mirror.pipeline.item import Journey
from trio_mirror.pipeline.nurseries import open_nursery_beside
from trio_mirror.pipeline.recorder import Keeper
from trio_mirror.pipeline.stages import Stages

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from trio_mirror.galleries import Gallery
    from trio_mirror.journal import Journal
    from trio_mirror.pipeline.stages import Sampler
    from trio_mirror.settings import Settings

_Sender: TypeAlias = trio.MemorySendChannel[Journey]
_Receiver: TypeAlias = trio.MemoryReceiveChannel[Journey]
Opening: TypeAlias = "Callable[[], AbstractAsyncContextManager[AsyncIterator[str]]]"
"""Opens the names of a list."""

_Step: TypeAlias = "Callable[[Journey], Awaitable[None]]"

# How many names go by, where none of them is taken, before other tasks have their turn.
_NAMES_AT_ONCE = 500


class Run:
    """A run under way: an async iterator of its results as they finish.

    The run goes no faster than its results are taken. When something ends it as a whole (the list breaks off,
    a disk is full), the pictures in flight still get their results, and the iteration ends with the
    `GalleryError`.

    Attributes:
        report: the sum of the results so far.
        passed: how many pictures have passed each stage.
    """

    def __init__(
        self,
        source: Gallery,
        target: Gallery,
        settings: Settings,
        journal: Journal | None,
        *,
        sampler: Sampler | None = None,
        tokens: int | None = None,
    ) -> None:
        self.report = Report(source=str(source), target=str(target))
        self.passed: Counter[Stage] = Counter()
        self._source = source
        self._settings = settings
        self._journal = journal
        self._tokens = trio.CapacityLimiter(tokens or settings.concurrency)
        self._stages = Stages(source, target, settings, self._tokens, sampler)
        self._started = trio.current_time()
        self._started_at = time.time()
        self._listing = trio.CancelScope()
        self._working = trio.CancelScope()
        if settings.deadline is not None:
            self._listing.deadline = self._started + settings.deadline
            self._working.deadline = self._listing.deadline + settings.drain
        self._fatal: GalleryError | None = None
        self._keeper = Keeper(journal, self._end_with)
        self._outlet, self._results = trio.open_memory_channel[Result](0)

    def __aiter__(self) -> Run:
        return self

    async def __anext__(self) -> Result:
        try:
            return await self._results.receive()
        except trio.EndOfChannel:
            if self._fatal is not None:
                raise self._fatal from None
            raise StopAsyncIteration from None

    @property
    def in_flight(self) -> int:
        """Pictures between the list and their result."""
        return self._tokens.borrowed_tokens

    @property
    def in_flight_limit(self) -> int:
        """How many may be in flight now: the concurrency, or less while a gallery is overloaded."""
        return int(self._tokens.total_tokens)

    @property
    def slowed_by(self) -> str | None:
        """Why fewer than the concurrency may be in flight now."""
        return self._stages.limit.reason

    @property
    def counting(self) -> Opening | None:
        """Opens the names once more, to count them; None where that would take other names, or these from the run."""
        if self._settings.retry_failed or not getattr(self._source, "can_be_listed_again", True):
            return None
        return partial(open_picked, self._source, self._settings)

    def drain(self, reason: str = "drain") -> None:
        """Takes no more names. What is in flight has ``drain`` seconds to end, then it is cancelled."""
        if self.report.stopped_by is None:
            self.report.stopped_by = reason
        self._listing.cancel()
        self._working.deadline = min(self._working.deadline, trio.current_time() + self._settings.drain)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Does the work while the block lasts; an error of the block comes out as it is, not in a group."""
        async with open_nursery_beside() as nursery:
            nursery.start_soon(self._work)
            yield
            nursery.cancel_scope.cancel()

    async def _work(self) -> None:
        # The results end last, so that whoever takes them learns that the journal could not be written.
        with self._outlet:
            try:
                with self._working:
                    await self._join_stages()
                if self._working.cancelled_caught and self.report.stopped_by is None:
                    # The list had ended in time, but not what was in flight.
                    self.report.stopped_by = "deadline"
            finally:
                self.report.seconds = trio.current_time() - self._started
                await self._keeper.settle()

    async def _join_stages(self) -> None:
        steps = self._stages
        async with steps.threads.working(), trio.open_nursery() as nursery:
            listed, to_fetch = trio.open_memory_channel[Journey](0)
            fetched, to_flip = trio.open_memory_channel[Journey](0)
            flipped, to_upload = trio.open_memory_channel[Journey](0)
            ended, to_record = trio.open_memory_channel[Journey](0)
            stages: list[tuple[Stage, _Step, _Receiver, _Sender]] = [
                (Stage.FETCH, steps.fetch, to_fetch, fetched),
                (Stage.FLIP, steps.flip, to_flip, flipped),
                (Stage.UPLOAD, steps.upload, to_upload, ended),
            ]
            nursery.start_soon(self._produce, listed, ended.clone())
            for stage, step, arriving, leaving in stages:
                with arriving, leaving:
                    for _ in range(self._settings.concurrency):
                        ends = arriving.clone(), leaving.clone(), ended.clone()
                        nursery.start_soon(self._serve, stage, step, *ends)
            nursery.start_soon(self._record, to_record)
            nursery.start_soon(self._keeper.keep)

    async def _produce(self, listed: _Sender, ended: _Sender) -> None:
        with listed, ended, self._listing:
            try:
                async with self._names() as names:
                    async for name in names:
                        journey = Journey(name)
                        await self._tokens.acquire_on_behalf_of(journey)
                        # Its life begins here: however long the others took, it has its whole time.
                        journey.deadline = trio.current_time() + self._settings.picture_timeout
                        journey.began[Stage.LIST] = trio.current_time() - self._started
                        try:
                            await (listed if self._is_to_do(journey) else ended).send(journey)
                        except trio.Cancelled:
                            self._tokens.release_on_behalf_of(journey)
                            raise
                        # Counted once it is on its way: a drain may have cut off the waits above.
                        self.report.listed += 1
            except GalleryError as error:
                self._end_with(error)
        if self._listing.cancelled_caught and self.report.stopped_by is None:
            self.report.stopped_by = "deadline"

    @asynccontextmanager
    async def _names(self) -> AsyncIterator[AsyncIterator[str]]:
        """The names to take: of the list, or with ``retry_failed`` of the journal."""
        if self._settings.retry_failed:
            assert self._journal is not None
            names, shard = self._journal.names((Outcome.FAILED, Outcome.UNKNOWN)), self._settings.shard
            async with aclosing(each(name for name in names if shard is None or shard.holds(name))) as failed:
                yield failed
            return
        async with AsyncExitStack() as stack:
            opened = await self._stages.open_list(lambda: stack.enter_async_context(self._source.names()))
            yield await stack.enter_async_context(aclosing(_picked(opened, self._settings)))

    def _is_to_do(self, journey: Journey) -> bool:
        """Whether a picture goes on to be fetched; if not, it has its outcome now."""
        try:
            check_name(journey.name, self._settings.max_name_bytes)
        except NameRefusedError as error:
            journey.fail(error)
            return False
        if self._journal is None:
            return True
        # Read here and not in a thread: it takes microseconds, and in WAL mode a reader never waits for the writer.
        entry = self._journal.find(journey.name)
        if entry is None or entry.outcome is not Outcome.MIRRORED:
            return True
        # What this run has mirrored is not looked at twice. A time yet to come is of a clock that was wrong.
        if not self._settings.update or self._started_at <= entry.time <= time.time():
            journey.outcome = Outcome.SKIPPED
            return False
        journey.known = entry
        return True

    async def _serve(self, stage: Stage, step: _Step, arriving: _Receiver, leaving: _Sender, ended: _Sender) -> None:
        """One worker of one stage."""
        with arriving, leaving, ended:
            async for journey in arriving:
                journey.stage = stage
                try:
                    await self._take(step, journey)
                    await _hand_over(journey, leaving if journey.outcome is None else ended)
                except BaseException:
                    # Cancelled, which comes in a group where a gallery had a nursery open.
                    self._cut_off(journey)
                    raise

    async def _take(self, step: _Step, journey: Journey) -> None:
        journey.began[journey.stage] = trio.current_time() - self._started
        try:
            with trio.CancelScope(deadline=journey.deadline) as life:
                await step(journey)
                self.passed[journey.stage] += 1
        except PictureError as error:
            journey.fail(error)
        except GalleryError as error:
            journey.fail(error)
            self._end_with(error)
        except trio.TooSlowError:
            # Of a gallery that is not ours and bounds its own waits.
            journey.fail(PictureError("its gallery gave up on it: it took too long", transient=True))
        else:
            if life.cancelled_caught:
                limit = f"{self._settings.picture_timeout:g} s in all (--picture-timeout)"
                journey.fail(PictureError(f"it took longer than {limit}", transient=True))
        finally:
            # The flip has noted it by itself.
            journey.seconds.setdefault(
                journey.stage, trio.current_time() - self._started - journey.began[journey.stage]
            )

    def _cut_off(self, journey: Journey) -> None:
        """A cancelled run counts what it owes at once: no channel would take it any more."""
        if journey.outcome is None and journey.maybe_stored:
            journey.fail(UploadError("the run was stopped during its upload: the target may have it or not"))
        if journey.outcome is not None:
            result = journey.result()
            self.report.add(result)
            self._keeper.owe(result)

    def _end_with(self, error: GalleryError) -> None:
        """Ends the run as a whole, once what is in flight has ended."""
        if self._fatal is None:
            self._fatal = error
            self.drain("error")

    async def _record(self, to_record: _Receiver) -> None:
        with to_record:
            async for journey in to_record:
                result = journey.result()
                self.report.add(result)
                self.report.seconds = trio.current_time() - self._started
                self._stop_at_limits()
                await self._keeper.add(result)
                # Not handed over at once: whoever takes it is to see the report as it was then.
                await self._outlet.send(result)
                self._tokens.release_on_behalf_of(journey)
        self._keeper.end()

    def _stop_at_limits(self) -> None:
        report, settings = self.report, self._settings
        if settings.max_failures is not None and report.failed + report.unknown >= settings.max_failures:
            self.drain("max_failures")
        if settings.max_bytes_total is not None and report.bytes_in >= settings.max_bytes_total:
            self.drain("max_bytes_total")


async def _hand_over(journey: Journey, leaving: _Sender) -> None:
    """Sends at once to a task that waits for it, without a turn of the event loop in which nothing would happen."""
    # A cancelled run has nobody left who would take it.
    await trio.lowlevel.checkpoint_if_cancelled()
    try:
        leaving.send_nowait(journey)
    except trio.WouldBlock:
        await leaving.send(journey)


@asynccontextmanager
async def open_picked(gallery: Gallery, settings: Settings) -> AsyncIterator[AsyncIterator[str]]:
    """Opens the names of a gallery that a run takes, those that it refuses included."""
    async with gallery.names() as names, aclosing(_picked(names, settings)) as picked:
        yield picked


async def _picked(names: AsyncIterator[str], settings: Settings) -> AsyncGenerator[str, None]:
    """The names that a run takes."""
    taken = seen = 0
    async for name in names:
        seen += 1
        if seen % _NAMES_AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
        if not isinstance(name, str):
            raise ListError(f"the list gives {name!r}, and a name is a text")
        if settings.include and not any(fnmatchcase(name, pattern) for pattern in settings.include):
            continue
        if any(fnmatchcase(name, pattern) for pattern in settings.exclude):
            continue
        if settings.shard is not None and not settings.shard.holds(name):
            continue
        yield name
        taken += 1
        if taken == settings.limit:
            return
