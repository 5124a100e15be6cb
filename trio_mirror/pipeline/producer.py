"""The producer: names from the list, each admitted as an item, and the download of its picture."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from hashlib import blake2b
from typing import TYPE_CHECKING, TypeAlias

import trio

from trio_mirror.errors import GalleryError, ListError, NameRefusedError, NotPictureError
from trio_mirror.galleries import Gallery, RedirectedGallery, SearchableGallery
from trio_mirror.galleries.listing import each
from trio_mirror.model import Outcome, Result, Stage
from trio_mirror.names import PictureName, is_other_file
from trio_mirror.pipeline.item import Item, Sender, hand_over
from trio_mirror.pipeline.state import State
from trio_mirror.pipeline.throttle import Throttle
from trio_mirror.settings import Settings

if TYPE_CHECKING:
    from trio_mirror.journal import Journal  # which loads SQLite

Opening: TypeAlias = Callable[[], AbstractAsyncContextManager[AsyncIterator[str]]]
"""Opens the names of a list."""

# How many names go by, where nothing has to wait for any of them, before other tasks have their turn.
_NAMES_AT_ONCE = 200


class Picked:
    """Which names of a list a run takes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._include, self._exclude = ([it.lower() for it in given] for given in (settings.include, settings.exclude))
        self._seen = 0
        self._matched = 0
        self._taken = 0

    @property
    def is_full(self) -> bool:
        """Whether the limit is reached."""
        return self._taken == self._settings.limit

    def takes(self, name: str) -> bool:
        """Whether the run takes a name of the list, which is counted.

        Raises:
            ListError: it is not a text.
        """
        if not isinstance(name, str):
            raise ListError(f"the list gives {name!r}, and a name is a text")
        self._seen += 1
        if self._include and not _matches(name, self._include):
            return False
        if self._exclude and _matches(name, self._exclude):
            return False
        self._matched += 1
        if self._settings.shard is not None and not self._settings.shard.holds(name):
            return False
        self._taken += 1
        return True

    def end(self) -> None:
        """Ends the list.

        Raises:
            ListError: it had names, and the filters left none of them.
        """
        if self._seen and not self._matched:
            raise ListError(f"none of the list's names ({self._seen:,}) match --include and --exclude")


@asynccontextmanager
async def open_picked(gallery: Gallery, settings: Settings) -> AsyncIterator[AsyncIterator[str]]:
    """Opens the names of a gallery that a run takes, those that it refuses included."""
    async with gallery.names() as names, aclosing(_picked(names, Picked(settings))) as picked:
        yield picked


@asynccontextmanager
async def open_failed(journal: Journal, source: Gallery) -> AsyncIterator[AsyncIterator[str]]:
    """Opens the names of a journal that failed or are unknown."""
    if isinstance(source, RedirectedGallery):
        await source.locate()
    async with aclosing(each(journal.names((Outcome.FAILED, Outcome.UNKNOWN)))) as names:
        yield names


async def _picked(names: AsyncIterator[str], picked: Picked) -> AsyncGenerator[str, None]:
    async for name in names:
        if picked.takes(name):
            yield name
        if picked.is_full:
            return
    picked.end()


@dataclass(eq=False)
class Producer:
    """Takes names from the list, no faster than pictures end."""

    _names: Opening
    _throttle: Throttle  # of the place that the list is read from
    _state: State
    _taken: set[bytes] = field(default_factory=set)

    async def produce(self, listed: Sender, ended: Sender) -> None:
        """Sends an item for each name: on to the work, or to its end where there is nothing to do."""
        with listed, ended, self._state.stop.listing:
            try:
                await self._each_name(listed, ended)
                self._state.list_ended = True
            except GalleryError as error:
                self._state.stop.fail(error)
            except trio.BrokenResourceError:
                # The work has failed, and says why: this task is about to be cancelled.
                await trio.lowlevel.checkpoint()
        if self._state.stop.listing.cancelled_caught:
            self._state.stop.because("deadline")

    async def _each_name(self, listed: Sender, ended: Sender) -> None:
        """Takes the list to its end. Where it breaks off, it is opened again and goes on, if it is still the same.

        A list is read as slowly as its pictures are mirrored, which may be for hours, and servers give up on so slow
        a reader: nginx does after 60 s in which none of what it sends was taken (``send_timeout``).
        """
        picked, taken, digest, failures = Picked(self._state.settings), 0, blake2b(), 0
        while True:
            opened = None
            try:
                async with AsyncExitStack() as stack:
                    opened = await self._state.attempts.make(self._throttle, self._open, stack)
                    await _skip(opened, taken, digest.digest())
                    async for name in opened:
                        taken, failures = taken + 1, 0
                        if taken % _NAMES_AT_ONCE == 0:
                            await trio.lowlevel.checkpoint()
                        if picked.takes(name):
                            await self._admit(name, listed, ended)
                        digest.update(_identity(name))
                        if picked.is_full:
                            return
                    picked.end()
                    return
            except ListError as error:
                if opened is None:
                    raise
                failures += 1
                await self._state.attempts.wait_after(error, failures)

    async def _open(self, stack: AsyncExitStack) -> AsyncIterator[str]:
        self._state.list_attempts += 1
        return await stack.enter_async_context(self._names())

    async def _admit(self, name: str, listed: Sender, ended: Sender) -> None:
        item, state = Item(Result(name=name)), self._state
        await state.recorder.room()
        await state.in_flight.take()
        # Its life begins here: however long the others took, it has its whole time.
        now = trio.current_time()
        item.deadline = now + state.settings.picture_timeout
        item.result.began[Stage.LIST] = now - state.started
        try:
            known = None if state.memory is None else state.memory.find(name)
            if self._is_repeat(name, known):
                state.in_flight.give_back()
                return
            self._look_at(item, known)
            await hand_over(item, ended if item.ended else listed)
        except (trio.Cancelled, trio.BrokenResourceError):
            # One that had nothing to be done has its result.
            state.report.listed += item.ended
            state.recorder.cut_off(item)
            raise
        # Counted once it is on its way: a drain may have cut off the waits above.
        state.report.listed += 1

    def _is_repeat(self, name: str, known: Result | None) -> bool:
        """Whether this run has taken a name before, however far apart: in place it would be flipped back.

        Where results are remembered, that tells; else in place the hashes of all names do.
        """
        state = self._state
        if state.memory is not None:
            if name in state.recorder.expected or (known is not None and known.run == state.run_id):
                return True
            state.recorder.expected.add(name)
        elif state.in_place:
            digest = blake2b(_identity(name), digest_size=8).digest()
            if digest in self._taken:
                return True
            self._taken.add(digest)
        return False

    def _look_at(self, item: Item, known: Result | None) -> None:
        """Ends an item with which nothing has to be done."""
        try:
            item.result.name = PictureName(item.name)
        except NameRefusedError as error:
            item.fail(error)
            return
        if self._state.skips_others and is_other_file(item.name):
            item.fail(NotPictureError("it is not a picture, by its name"))
            return
        if known is None:
            return
        match known.outcome:
            case Outcome.MIRRORED if not self._state.settings.update:
                item.end(Outcome.SKIPPED)
            case Outcome.MIRRORED | Outcome.UNKNOWN:
                # What is there now shows whether it has to be done.
                item.known = known
            case Outcome.FAILED if known.digest is not None:
                item.known = known


async def _skip(names: AsyncIterator[str], count: int, expected: bytes) -> None:
    """Skips the names that a list gave before it broke off.

    Raises:
        ListError: it begins otherwise by now.
    """
    digest = blake2b()
    while count and (name := await anext(names, None)) is not None:
        digest.update(_identity(name))
        count -= 1
    if digest.digest() != expected:
        raise ListError("the list broke off, and begins otherwise by now; what follows is not known")


def _matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a name matches one of the patterns, which are in lower case; its own case does not count."""
    name = name.lower()
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _identity(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass") + b"\n"


class Fetch:
    """The download of one picture, unless the target may have it and does."""

    def __init__(self, state: State) -> None:
        self._source, target = state.source, state.target
        self._attempts = state.attempts
        self._throttle, self._target_throttle = state.source_throttle, state.target_throttle
        skips = state.settings.skip_existing
        self._has = target.has if skips and isinstance(target, SearchableGallery) else None

    async def __call__(self, item: Item) -> None:
        """Reads the picture: with ``update``, only if it is not what was mirrored, else if the target may have any."""
        has = self._has
        if has is not None and await self._attempts.make(self._target_throttle, has, item.name, item=item):
            item.result.error = "the target has it"
            item.end(Outcome.SKIPPED)
            return
        known = item.known
        known_etag = known.etag if known is not None and known.outcome is Outcome.MIRRORED else None
        picture = await self._attempts.make(self._throttle, self._source.fetch, item.name, known_etag, item=item)
        if picture is None:
            item.end(Outcome.SKIPPED)
            return
        item.picture = picture
        item.result.etag = picture.etag
        item.result.bytes_in = len(picture.data)
