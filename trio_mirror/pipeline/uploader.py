"""The uploader: the mirrored picture on its way to its target, remembered before it leaves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from trio_mirror.errors import MirrorError, UnknownUploadError
from trio_mirror.model import Outcome
from trio_mirror.settings import RetryUploads

if TYPE_CHECKING:
    from trio_mirror.galleries import Gallery
    from trio_mirror.model import Picture
    from trio_mirror.pipeline.item import Item
    from trio_mirror.pipeline.state import State


class Upload:
    """The upload of one picture.

    Args:
        target: where pictures go.
        state: of the run.
    """

    def __init__(self, target: Gallery, state: State) -> None:
        self._target = target
        self._retries_unanswered = state.settings.retry_uploads is RetryUploads.ALWAYS
        self._attempts = state.attempts
        self._throttle = state.target_throttle
        self._intend = state.recorder.intend if state.intents else None

    async def __call__(self, item: Item) -> None:
        """Stores the mirrored picture of an item."""
        picture = item.picture
        assert picture is not None
        if self._intend is not None:
            await self._intend([replace(item.result)])
        await self._attempts.make(self._throttle, self._store, item, picture, item=item)
        item.result.bytes_out = len(picture.data)
        item.end(Outcome.MIRRORED)

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
