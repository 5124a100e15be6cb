"""A picture on its way from the list to its result."""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import inf
from typing import TypeAlias

import trio

from trio_mirror.errors import MirrorError, NotPictureError
from trio_mirror.model import Outcome, Picture, Result
from trio_mirror.names import is_picture_name

Sender: TypeAlias = "trio.MemorySendChannel[Item]"
Receiver: TypeAlias = "trio.MemoryReceiveChannel[Item]"


@dataclass(slots=True, eq=False)
class Item:
    """One picture and what is known of it so far; the stages fill in its result. Until it has ended, it goes on."""

    result: Result
    deadline: float = inf
    """When all of it must have ended, by Trio's clock."""
    known: Result | None = None
    """What is remembered of it from before."""
    picture: Picture | None = None
    """As fetched, then as mirrored."""
    waits_for: str | None = None
    """What its next request waits for, in words."""
    maybe_stored: bool = False
    """Whether the target may have it, though it has not said so."""
    ended: bool = False

    @property
    def name(self) -> str:
        """Its name in the gallery."""
        return self.result.name

    def end(self, outcome: Outcome) -> None:
        """Ends it; the result is whole from now on."""
        self.result.outcome = outcome
        self.result.time = time.time()
        self.ended = True
        self.picture = None

    def fail(self, error: MirrorError) -> None:
        """Ends it with an error: it failed, or is unknown if the target may have it all the same."""
        result, known = self.result, self.known
        if known is not None:
            # The next run still has to recognise what an earlier one may have stored.
            self.maybe_stored = self.maybe_stored or known.outcome is Outcome.UNKNOWN
            if result.digest is None:
                result.digest_in, result.digest = known.digest_in, known.digest
        result.error, result.transient = str(error), error.transient
        result.refused, result.status = error.refused, error.status
        # A page or a text in the place of a picture is a fault of the server.
        result.not_picture = isinstance(error, NotPictureError) and not is_picture_name(self.name)
        self.end(Outcome.UNKNOWN if self.maybe_stored else Outcome.FAILED)


async def hand_over(item: Item, leaving: Sender) -> None:
    """Sends at once to a task that waits for it, without a turn of the event loop in which nothing would happen."""
    # A cancelled run has nobody left who would take it.
    await trio.lowlevel.checkpoint_if_cancelled()
    try:
        leaving.send_nowait(item)
    except trio.WouldBlock:
        await leaving.send(item)
