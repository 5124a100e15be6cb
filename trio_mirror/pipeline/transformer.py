"""The transformer: the flip of one picture, in a worker thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from hashlib import sha256
from secrets import token_hex
from typing import Generic, TypeVar

import trio

from trio_mirror.errors import FlipError, MemoryLimitError, UnknownUploadError
from trio_mirror.flip import flip
from trio_mirror.galleries.scarcity import say_once
from trio_mirror.model import Flipped, Outcome, Picture, Result, Stage
from trio_mirror.pipeline.digest import digest
from trio_mirror.pipeline.flip_process import flip_apart
from trio_mirror.pipeline.item import Item
from trio_mirror.pipeline.state import State
from trio_mirror.pipeline.threads import WorkerThreads

_T = TypeVar("_T")


class Transform:
    """The flip.

    Args:
        threads: where it runs.
        places: how many flips run in this process at once, those included that were given up.
        state: of the run.
    """

    def __init__(self, threads: WorkerThreads, places: int, state: State) -> None:
        self._threads = threads
        self._settings = state.settings
        self._intents = state.intents
        self._in_place = state.in_place
        self._hooks = state.hooks
        self._run_key = token_hex(16)
        self._places = threading.Semaphore(places)

    async def __call__(self, item: Item) -> None:
        """Mirrors the picture of an item."""
        assert item.picture is not None
        work = _Timed(partial(self._flip, item.picture, item.known))
        try:
            flipped = await self._threads.run(work)
        except (trio.TooSlowError, TimeoutError) as error:
            limit = f"{self._settings.flip_timeout:g} s (--flip-timeout)"
            raise FlipError(f"the flip took longer than {limit}") from error
        finally:
            # How long it waited for a thread is not part of it.
            item.result.began[Stage.FLIP] += work.waited
            item.result.seconds[Stage.FLIP] = work.seconds
        if flipped is None:
            self._take_over(item)
            return
        if self._in_place:
            # It was looked at: what an earlier run has sent is not there.
            item.known = None
        result = item.result
        mirrored, result.digest_in, result.digest = flipped
        result.lossless, result.notes = mirrored.lossless, mirrored.notes
        # What is sent again after a resumed run has the same key, where a digest can tell that it is the same.
        key = sha256(f"{item.name}\0{result.digest or self._run_key}".encode("utf-8", "surrogatepass")).hexdigest()
        item.picture = replace(item.picture, data=mirrored.data, media_type=mirrored.media_type, upload_key=key)

    def _flip(self, picture: Picture, known: Result | None) -> tuple[Flipped, str | None, str | None] | None:
        """The flip, and the digests before and after it; None for a picture that we stored ourselves.

        Raises:
            UnknownUploadError: nothing tells whether it is the original or its mirror image.
        """
        if self._hooks.before_flip is not None:
            self._hooks.before_flip()
        before = digest(picture.data) if self._intents else None
        notes: tuple[str, ...] = ()
        if known is not None:
            # Mirroring it again would undo the work. Elsewhere, its own mirror image shows nothing of the target.
            if before == known.digest and (self._in_place or before != known.digest_in):
                return None
            if self._in_place and before != known.digest_in:
                notes = self._changed()
        flipped = None
        try:
            flipped = self._mirror(picture) if self._hooks.transform is None else self._transformed(picture)
        finally:
            if self._hooks.sampler is not None:
                self._hooks.sampler(picture.name, picture.data, flipped)
        after = digest(flipped.data) if self._intents else None
        if notes:
            flipped = replace(flipped, notes=notes + flipped.notes)
        return flipped, before, after

    def _transformed(self, picture: Picture) -> Flipped:
        """What the caller makes of a picture, in place of the flip."""
        assert self._hooks.transform is not None
        if not self._places.acquire(blocking=False):
            raise FlipError("transforms that took too long hold all threads")
        try:
            return Flipped(self._hooks.transform(picture.data), picture.media_type, lossless=False)
        except Exception as error:
            raise FlipError(f"the transform raised {type(error).__name__}: {error}") from error
        finally:
            self._places.release()

    def _mirror(self, picture: Picture) -> Flipped:
        """Flips here, or in another process: where memory is short, or flips that were given up hold all places."""
        settings = self._settings
        call = partial(
            flip,
            picture.data,
            limits=settings.limits,
            lossless=settings.lossless,
            keep_credentials=settings.keep_credentials,
        )
        if self._places.acquire(blocking=False):
            try:
                return call()
            except MemoryLimitError:
                # Another process has a limit of its own.
                say_once("memory (ulimit -v)")
            finally:
                self._places.release()
        return flip_apart(call, settings.flip_timeout)

    def _changed(self) -> tuple[str, ...]:
        """What to say of a picture that is neither what was read before nor what was sent."""
        if not self._settings.update:
            what = "it is neither the original nor what was sent"
            raise UnknownUploadError(f"{what}; look at it, --update mirrors it as it is now")
        return ("It had been changed since it was mirrored.",)

    def _take_over(self, item: Item) -> None:
        """Ends an item whose picture was stored before."""
        known, result = item.known, item.result
        assert known is not None
        assert item.picture is not None
        result.digest_in, result.digest, result.lossless = known.digest_in, known.digest, known.lossless
        if known.outcome is Outcome.MIRRORED:
            item.end(Outcome.SKIPPED)
            return
        result.bytes_out = len(item.picture.data)
        result.notes = ("It was stored before the last run was interrupted.",)
        item.end(Outcome.MIRRORED)


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
