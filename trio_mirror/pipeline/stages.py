"""What is done to one picture at each stage: fetch, flip, upload; with their attempts and deadlines."""

from __future__ import annotations

import time
from functools import partial
from hashlib import sha256
from secrets import token_hex
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

import trio

from trio_mirror.errors import FlipError, MirrorError, UnknownUploadError
from trio_mirror.flip import flip
from trio_mirror.model import Outcome, Picture, Stage
from trio_mirror.pipeline.attempts import Retrier
from trio_mirror.pipeline.threads import WorkerThreads
from trio_mirror.pipeline.throttle import AdaptiveLimit, Throttle
from trio_mirror.settings import RetryUploads, available_cores

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trio_mirror.galleries import Gallery
    from trio_mirror.journal import Entry
    from trio_mirror.model import Flipped
    from trio_mirror.pipeline.item import Journey
    from trio_mirror.settings import Settings

_T = TypeVar("_T")

Sampler: TypeAlias = "Callable[[str, bytes, bytes], None]"
"""Called in the flip's thread with a picture's name, its bytes, and those of its mirror image."""


class Stages:
    """The three steps of a journey, each to be called by many workers at once.

    A step leaves the journey without an outcome where it goes on to the next, and raises a `PictureError`
    where it failed.

    Args:
        source: where pictures come from.
        target: where they go.
        settings: how.
        tokens: the limiter of the pictures in flight, lowered while a gallery is overloaded.
        sampler: who is shown every flipped picture while it is in memory.
    """

    def __init__(
        self,
        source: Gallery,
        target: Gallery,
        settings: Settings,
        tokens: trio.CapacityLimiter,
        sampler: Sampler | None = None,
    ) -> None:
        self.threads = WorkerThreads(settings.flip_threads or available_cores(), settings.flip_timeout)
        self.limit = AdaptiveLimit(tokens)
        self._source = source
        self._target = target
        self._settings = settings
        self._run_key = token_hex(16)
        self._sampler = sampler
        self._retrier = Retrier(retries=settings.retries, retry_after_max=settings.retry_after_max)
        self._source_throttle = self._throttle()
        self._target_throttle = self._source_throttle if target is source else self._throttle()

    def set_rate(self, rate: float | None) -> None:
        """Changes how many requests may start a second at each gallery."""
        self._source_throttle.set_rate(rate)
        self._target_throttle.set_rate(rate)

    def hold(self) -> None:
        """Keeps to the rate after requests of a run before this one."""
        self._source_throttle.hold()
        self._target_throttle.hold()

    async def open_list(self, opening: Callable[[], Awaitable[_T]]) -> _T:
        """Opens the source's list, in as many attempts as it takes or as are allowed."""
        return await self._retrier.call(partial(self._attempt, self._source_throttle, opening))

    async def fetch(self, journey: Journey) -> None:
        """Reads the picture; with ``update``, only if it is not what the journal knows."""
        known_etag = journey.known.etag if journey.known is not None else None
        picture = await self._request(
            journey, self._source_throttle, partial(self._source.fetch, journey.name, known_etag)
        )
        if picture is None:
            journey.outcome = Outcome.SKIPPED
            return
        journey.picture = picture
        journey.etag = picture.etag
        journey.bytes_in = len(picture.data)

    async def flip(self, journey: Journey) -> None:
        """Mirrors the picture in a worker thread."""
        picture = journey.picture
        assert picture is not None
        work = _Timed(partial(self._flip_in_thread, picture, journey.known))
        try:
            ended = await self.threads.run(work)
        except trio.TooSlowError as error:
            limit = f"{self._settings.flip_timeout:g} s (--flip-timeout)"
            raise FlipError(f"the flip took longer than {limit}") from error
        finally:
            # How long it waited for a thread is no part of it.
            journey.began[Stage.FLIP] += work.waited
            journey.seconds[Stage.FLIP] = work.seconds
        if ended is None:
            journey.outcome = Outcome.SKIPPED
            return
        flipped, journey.sha256 = ended
        journey.lossless, journey.notes = flipped.lossless, flipped.notes
        # What is sent again after a resumed run has the same key, where a digest can tell that it is the same.
        key = sha256(f"{picture.name}\0{journey.sha256 or self._run_key}".encode("utf-8", "surrogatepass")).hexdigest()
        journey.picture = Picture(name=picture.name, data=flipped.data, media_type=flipped.media_type, upload_key=key)

    async def upload(self, journey: Journey) -> None:
        """Stores the mirrored picture."""
        picture = journey.picture
        assert picture is not None

        async def attempt() -> None:
            before, journey.maybe_stored = journey.maybe_stored, True
            try:
                await self._target.store(picture)
            except UnknownUploadError as error:
                if self._settings.retry_uploads is RetryUploads.NEVER:
                    error.transient = False
                raise
            except MirrorError:
                # This attempt was refused for certain; an earlier one may have been taken all the same.
                journey.maybe_stored = before
                raise

        await self._request(journey, self._target_throttle, attempt)
        journey.outcome = Outcome.MIRRORED
        journey.bytes_out = len(picture.data)

    def _flip_in_thread(self, picture: Picture, known: Entry | None) -> tuple[Flipped, str | None] | None:
        """The flip, and the digest where a journal is kept; None for a picture that we stored ourselves."""
        settings = self._settings
        if known is not None and known.sha256 == sha256(picture.data).hexdigest():
            # It changed because we stored it: mirroring it again would undo the work.
            return None
        flipped = flip(picture.data, limits=settings.limits, lossless=settings.lossless)
        if self._sampler is not None:
            self._sampler(picture.name, picture.data, flipped.data)
        digest = sha256(flipped.data).hexdigest() if settings.journal else None
        return flipped, digest

    async def _request(self, journey: Journey, throttle: Throttle, attempt: Callable[[], Awaitable[_T]]) -> _T:
        """Makes as many attempts as it takes, or as are allowed, and counts them."""
        before, came = journey.attempts, trio.current_time()

        async def counted() -> _T:
            if journey.attempts == before:
                # How long it waited for its turn is no part of the stage, as with a flip's wait for a thread.
                journey.began[journey.stage] += trio.current_time() - came
            journey.attempts += 1
            return await attempt()

        try:
            return await self._retrier.call(partial(self._attempt, throttle, counted))
        finally:
            journey.retries += max(0, journey.attempts - before - 1)

    async def _attempt(self, throttle: Throttle, attempt: Callable[[], Awaitable[_T]]) -> _T:
        """Makes one attempt when its gallery's throttle admits it, and tells the throttle how it went."""
        started = await throttle.admit()
        try:
            value = await attempt()
        except MirrorError as error:
            if error.overload or error.retry_after is not None:
                throttle.overloaded(started, str(error), error.retry_after)
            # One that may not be sent again says nothing good of its gallery either.
            elif error.transient or isinstance(error, UnknownUploadError):
                throttle.failed(started, str(error))
            else:
                throttle.succeeded()
            raise
        throttle.succeeded()
        return value

    def _throttle(self) -> Throttle:
        settings = self._settings
        limit = self.limit if settings.adaptive else None
        return Throttle(limit, rate=settings.rate_here, retry_after_max=settings.retry_after_max)


class _Timed(Generic[_T]):
    """A call that notes how long it waited for its thread, and how long it has taken, in seconds."""

    def __init__(self, call: Callable[[], _T]) -> None:
        self._call = call
        self._made = time.perf_counter()
        self._began: float | None = None
        self._ended: float | None = None

    def __call__(self) -> _T:
        self._began = time.perf_counter()
        try:
            return self._call()
        finally:
            self._ended = time.perf_counter()

    @property
    def waited(self) -> float:
        """Until it began, or until now."""
        return (self._began or time.perf_counter()) - self._made

    @property
    def seconds(self) -> float:
        """Until it ended, or until now; 0 for one that has not begun."""
        return 0.0 if self._began is None else (self._ended or time.perf_counter()) - self._began
