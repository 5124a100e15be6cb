"""The nursery and the channels: the one place that knows how the stages are joined.

    names ──▶ fetch ×N ──▶ flip ×threads ──▶ upload ×N ──▶ results

N pictures are in flight at most. A picture takes one token before its name enters the first channel, and
gives it back when its result is out; channel buffers are 0, so that the token is the only bound on memory
and connections. No stage ever waits for a token: a limiter shared by the stages themselves, held while one
of them sends downstream, would deadlock with few tokens.

Every task owns the channel ends that it closes, and closes them by plain ``with``. When the list ends, the
producer's end closes, so the fetchers' loops end, their ends close, and so on downstream by itself.
"""

from __future__ import annotations

from collections import Counter
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import trio

from trio_mirror.errors import FlipError, GalleryError, NameRefusedError, PictureError, UnknownUploadError
from trio_mirror.flip import flip
from trio_mirror.galleries import open_galleries
from trio_mirror.model import Outcome, Picture, Report, Result, Stage
from trio_mirror.names import check_name
from trio_mirror.settings import Settings, available_cores

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
    from typing import Unpack

    from trio_mirror.galleries import Gallery, Place
    from trio_mirror.settings import Choices


async def mirror(source: Place, target: Place | None = None, **choices: Unpack[Choices]) -> Report:
    """Mirrors every picture of a gallery, and gives the report.

    Args:
        source: a URL, a folder, or any object with the `Gallery` protocol.
        target: the same; none means back to the source.
        choices: the fields of `Settings`, by keyword.

    Raises:
        SettingsError: a choice that cannot work, or a target that cannot store.
        GalleryError: the list of the source cannot be read, or the source refuses us.
    """
    async with open_mirror(source, target, **choices) as results:
        async for _ in results:
            pass
        return results.report


def run(source: Place, target: Place | None = None, **choices: Unpack[Choices]) -> Report:
    """Does what `mirror` does, for scripts that have no event loop."""
    return trio.run(partial(mirror, source, target, **choices))


@asynccontextmanager
async def open_mirror(source: Place, target: Place | None = None, **choices: Unpack[Choices]) -> AsyncIterator[Run]:
    """Opens a run: results as they finish. Leaving the block early cancels what is in flight.

    Args:
        source: a URL, a folder, or any object with the `Gallery` protocol.
        target: the same; none means back to the source.
        choices: the fields of `Settings`, by keyword.

    Raises:
        SettingsError: a choice that cannot work, or a target that cannot store.
    """
    async with open_run(source, target, Settings(**choices)) as opened:
        yield opened


@asynccontextmanager
async def open_run(source: Place, target: Place | None, settings: Settings) -> AsyncIterator[Run]:
    """Does what `open_mirror` does, with the settings at hand."""
    async with open_galleries(source, target, settings) as (source_gallery, target_gallery):
        await target_gallery.prepare()
        opened = Run(source_gallery, target_gallery, settings)
        error_of_the_block = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(opened._work)  # noqa: SLF001 (one module, one thing in two parts)
            try:
                yield opened
            except Exception as error:  # noqa: BLE001 (raised again below, outside of the nursery's group)
                error_of_the_block = error
            nursery.cancel_scope.cancel()
        if error_of_the_block is not None:
            raise error_of_the_block


@asynccontextmanager
async def open_names(source: Place, settings: Settings) -> AsyncIterator[AsyncIterator[str]]:
    """Opens the names that a run would take, those that it would refuse included."""
    picked = _Picker(settings)

    async def chosen(names: AsyncIterator[str]) -> AsyncGenerator[str, None]:
        taken = 0
        async for name in names:
            if picked(name):
                yield name
                taken += 1
                if taken == settings.limit:
                    return

    async with (
        open_galleries(source, None, settings) as (gallery, _),
        gallery.names() as names,
        aclosing(chosen(names)) as chosen_names,
    ):
        yield chosen_names


@dataclass(slots=True, eq=False)
class _Journey:
    """One picture on its way from the list to its result."""

    name: str
    stage: Stage = Stage.LIST
    picture: Picture | None = None
    outcome: Outcome | None = None
    error: str | None = None
    attempts: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    lossless: bool = False
    notes: tuple[str, ...] = ()
    seconds: dict[Stage, float] = field(default_factory=dict)

    def fail(self, error: PictureError) -> None:
        unknown = isinstance(error, UnknownUploadError)
        self.outcome = Outcome.UNKNOWN if unknown else Outcome.FAILED
        self.error = str(error)

    def result(self) -> Result:
        assert self.outcome is not None
        return Result(
            name=self.name,
            outcome=self.outcome,
            stage=self.stage,
            error=self.error,
            attempts=self.attempts,
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
            lossless=self.lossless,
            notes=self.notes,
            seconds=self.seconds,
        )


_Sender: TypeAlias = trio.MemorySendChannel[_Journey]
_Receiver: TypeAlias = trio.MemoryReceiveChannel[_Journey]
_Step: TypeAlias = "Callable[[_Journey], Awaitable[None]]"


class Run:
    """A run under way: an async iterator of its results as they finish.

    The run goes no faster than its results are taken. When the list breaks off, the pictures in flight still
    get their results, and the iteration ends with the `GalleryError`.

    Attributes:
        report: the sum of the results so far.
        passed: how many pictures have passed each stage.
    """

    def __init__(self, source: Gallery, target: Gallery, settings: Settings) -> None:
        self.report = Report(source=str(source), target=str(target))
        self.passed: Counter[Stage] = Counter()
        self._source = source
        self._target = target
        self._settings = settings
        self._tokens = trio.CapacityLimiter(settings.concurrency)
        self._flip_threads = settings.flip_threads or available_cores()
        self._flip_slots = trio.CapacityLimiter(self._flip_threads)
        self._listing = trio.CancelScope()
        self._working = trio.CancelScope()
        self._gallery_error: GalleryError | None = None
        self._outlet, self._results = trio.open_memory_channel[Result](0)
        self._started = trio.current_time()

    def __aiter__(self) -> Run:
        return self

    async def __anext__(self) -> Result:
        try:
            return await self._results.receive()
        except trio.EndOfChannel:
            if self._gallery_error is not None:
                raise self._gallery_error from None
            raise StopAsyncIteration from None

    @property
    def in_flight(self) -> int:
        """Pictures between the list and their result."""
        return self._tokens.borrowed_tokens

    def drain(self) -> None:
        """Takes no more names. What is in flight has ``drain`` seconds to end, then it is cancelled."""
        self._listing.cancel()
        self._working.deadline = trio.current_time() + self._settings.drain

    async def _work(self) -> None:
        try:
            with self._outlet, self._working:
                await self._join_stages()
        finally:
            self.report.seconds = trio.current_time() - self._started

    async def _join_stages(self) -> None:
        settings = self._settings
        async with trio.open_nursery() as nursery:
            listed, to_fetch = trio.open_memory_channel[_Journey](0)
            fetched, to_flip = trio.open_memory_channel[_Journey](0)
            flipped, to_upload = trio.open_memory_channel[_Journey](0)
            ended, to_record = trio.open_memory_channel[_Journey](0)
            stages: list[tuple[int, Stage, _Step, _Receiver, _Sender]] = [
                (settings.concurrency, Stage.FETCH, self._fetch, to_fetch, fetched),
                (self._flip_threads, Stage.FLIP, self._flip, to_flip, flipped),
                (settings.concurrency, Stage.UPLOAD, self._upload, to_upload, ended),
            ]
            nursery.start_soon(self._produce, listed, ended.clone())
            for workers, stage, step, arriving, leaving in stages:
                with arriving, leaving:
                    for _ in range(workers):
                        ends = arriving.clone(), leaving.clone(), ended.clone()
                        nursery.start_soon(self._serve, stage, step, *ends)
            nursery.start_soon(self._record, to_record)

    async def _produce(self, listed: _Sender, ended: _Sender) -> None:
        picked = _Picker(self._settings)
        with listed, ended, self._listing:
            try:
                async with self._source.names() as names:
                    async for name in names:
                        if not picked(name):
                            continue
                        journey = _Journey(name)
                        await self._tokens.acquire_on_behalf_of(journey)
                        await (listed if _is_acceptable(journey) else ended).send(journey)
                        # Counted once it is on its way: a drain may have cut off the waits above.
                        self.report.listed += 1
                        if self.report.listed == self._settings.limit:
                            break
            except GalleryError as error:
                self._gallery_error = error

    async def _serve(self, stage: Stage, step: _Step, arriving: _Receiver, leaving: _Sender, ended: _Sender) -> None:
        """One worker of one stage."""
        with arriving, leaving, ended:
            async for journey in arriving:
                journey.stage = stage
                try:
                    passed = await self._passes(journey, step)
                    await (leaving if passed else ended).send(journey)
                except trio.Cancelled:
                    self._cut_off(journey)
                    raise

    async def _passes(self, journey: _Journey, step: _Step) -> bool:
        started = trio.current_time()
        try:
            await step(journey)
        except PictureError as error:
            journey.fail(error)
            return False
        finally:
            journey.seconds[journey.stage] = trio.current_time() - started
        self.passed[journey.stage] += 1
        return True

    def _cut_off(self, journey: _Journey) -> None:
        """A cancelled run counts what it owes at once: no channel would take it any more."""
        if journey.outcome is None and journey.stage is Stage.UPLOAD:
            journey.fail(UnknownUploadError("the run was stopped during its upload: the target may have it or not"))
        if journey.outcome is not None:
            self.report.add(journey.result())

    async def _fetch(self, journey: _Journey) -> None:
        journey.attempts += 1
        journey.picture = await self._source.fetch(journey.name)
        journey.bytes_in = len(journey.picture.data)

    async def _flip(self, journey: _Journey) -> None:
        picture = journey.picture
        assert picture is not None
        work = partial(flip, picture.data, limits=self._settings.limits, lossless=self._settings.lossless)
        with trio.move_on_after(self._settings.flip_timeout) as scope:
            flipped = await trio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._flip_slots)
        if scope.cancelled_caught:
            # The abandoned thread keeps its slot until it ends; the worker that left it goes on with another.
            # There are only as many workers as there were slots, so no more flips than that are waited for.
            self._flip_slots.total_tokens += 1
            raise FlipError(f"the flip took longer than {self._settings.flip_timeout:g} s (--flip-timeout)")
        journey.picture = Picture(name=picture.name, data=flipped.data, media_type=flipped.media_type)
        journey.lossless = flipped.lossless
        journey.notes = flipped.notes

    async def _upload(self, journey: _Journey) -> None:
        assert journey.picture is not None
        journey.attempts += 1
        await self._target.store(journey.picture)
        journey.outcome = Outcome.MIRRORED
        journey.bytes_out = len(journey.picture.data)

    async def _record(self, to_record: _Receiver) -> None:
        with to_record:
            async for journey in to_record:
                result = journey.result()
                self.report.add(result)
                self.report.seconds = trio.current_time() - self._started
                await self._outlet.send(result)
                self._tokens.release_on_behalf_of(journey)


class _Picker:
    """Tells which names of the list a run takes."""

    def __init__(self, settings: Settings) -> None:
        self._include = settings.include
        self._exclude = settings.exclude

    def __call__(self, name: str) -> bool:
        if self._include and not any(fnmatchcase(name, pattern) for pattern in self._include):
            return False
        return not any(fnmatchcase(name, pattern) for pattern in self._exclude)


def _is_acceptable(journey: _Journey) -> bool:
    try:
        check_name(journey.name)
    except NameRefusedError as error:
        journey.fail(error)
        return False
    return True
