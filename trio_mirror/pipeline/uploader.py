"""The uploader: the mirrored picture on its way to its target, remembered before it leaves."""

from __future__ import annotations

from functools import partial

import trio

from trio_mirror.errors import MirrorError, UnknownUploadError
from trio_mirror.flip import sniff
from trio_mirror.model import Outcome, Picture
from trio_mirror.pipeline.digest import digest
from trio_mirror.pipeline.item import Item
from trio_mirror.pipeline.state import State
from trio_mirror.pipeline.threads import WorkerThreads
from trio_mirror.settings import RetryUploads


def _digest_of(data: bytes) -> str:
    """The digest of a picture.

    Raises:
        FlipError: it is something else, such as a page about an error.
    """
    sniff(data)
    return digest(data)


class Upload:
    """The upload of one picture; digests are taken in the threads."""

    def __init__(self, threads: WorkerThreads, state: State) -> None:
        self._threads = threads
        self._target = state.target
        self._retries_unanswered = state.settings.retry_uploads is RetryUploads.ALWAYS
        self._attempts = state.attempts
        self._throttle = state.target_throttle
        self._intend = state.recorder.intend if state.intents else None
        self._looks_back = state.intents and state.in_place
        self._keeps_bytes: dict[str, bool] = {}
        self._lock = trio.Lock()

    async def __call__(self, item: Item) -> None:
        """Stores the mirrored picture of an item."""
        picture = item.picture
        assert picture is not None
        if self._intend is not None:
            await self._intend(item.result)
        await self._attempts.make(self._throttle, self._store, item, picture, item=item)
        if self._looks_back:
            await self._learn(item, picture)
        item.result.bytes_out = len(picture.data)
        item.end(Outcome.MIRRORED)

    async def _learn(self, item: Item, picture: Picture) -> None:
        """Looks back until it is known whether the target keeps the bytes of a media type; one picture at a time."""
        media_type = picture.media_type
        if media_type not in self._keeps_bytes:
            async with self._lock:
                if media_type not in self._keeps_bytes:
                    await self._look_back(item, picture)
                    return
        if not self._keeps_bytes[media_type]:
            await self._look_back(item, picture)

    async def _look_back(self, item: Item, picture: Picture) -> None:
        """Remembers what is stored now, where the target makes something else of what it is sent.

        Some servers compress pictures anew, or strip them: our own change must not look like somebody else's. A target
        that keeps the first picture of a media type, or its original, is trusted with the others.
        """
        result = item.result
        await self._throttle.admit()
        try:
            stored = await self._target.fetch(item.name, None)
            assert stored is not None
            there = result.digest
            if stored.data != picture.data:
                there = await self._threads.run(partial(_digest_of, stored.data))
        except MirrorError:
            # What is not learned here is learned from the next picture.
            return
        self._keeps_bytes[picture.media_type] = there in (result.digest, result.digest_in)
        if not self._keeps_bytes[picture.media_type]:
            result.digest, result.etag = there, stored.etag

    async def _store(self, item: Item, picture: Picture) -> None:
        before, item.maybe_stored = item.maybe_stored, True
        try:
            await self._target.store(picture)
        except UnknownUploadError as error:
            error.transient = error.transient and self._retries_unanswered
            raise
        except MirrorError:
            # This attempt was refused for certain; an earlier one may have been taken all the same.
            item.maybe_stored = before
            raise
