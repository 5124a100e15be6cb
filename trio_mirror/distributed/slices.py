"""A slice of the list: names that one worker is handed at once, and what is left of them."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from trio_mirror.distributed.dispatcher import MAX_LOSSES
from trio_mirror.model import Outcome, Result, Stage

Todo: TypeAlias = "dict[str, Result | None]"  # names, each with what is known of it


class NamedSlice:
    """Names of the list that have no result yet.

    With ``resends``, what was sent without an answer is handed out again.
    """

    def __init__(self, todo: Todo, take: Callable[[list[Result]], Awaitable[None]], *, resends: bool) -> None:
        self.todo = todo
        self._resends = resends
        self._sent: set[str] = set()
        self._take = take

    @property
    def left(self) -> int:
        """How many names have no result yet."""
        return len(self.todo)

    async def take(self, results: list[Result]) -> None:
        """Takes intents and results; those of names that have theirs count for nothing.

        An intent stays with its name: a worker that gets it next looks at the target before it does anything.
        """
        new = [result for result in results if result.name in self.todo]
        for result in new:
            if result.is_intent:
                self.todo[result.name] = result
                self._sent.add(result.name)
            else:
                del self.todo[result.name]
                self._sent.discard(result.name)
        await self._take(new)

    async def lose(self, reason: str) -> None:
        """Ends what was sent with its worker, where it may not be sent again."""
        if not self._resends:
            await self.take(self.unanswered(reason))

    async def give_up(self, reason: str) -> None:
        """Ends all that is left, as what may work later: failed, or unknown where the target may have it."""
        why = f"its slice of the list was lost {MAX_LOSSES} times: {reason}"
        await self.take([self._ended(name, why) for name in self.todo])

    def unanswered(self, why: str) -> list[Result]:
        """The results of what was sent and has no answer."""
        return [self._ended(name, why) for name in self.todo if name in self._sent]

    def _ended(self, name: str, why: str) -> Result:
        """The result of what is left: unknown where this run or an earlier one may have stored it, else failed.

        The digests stay, by which the next run recognises what is stored.
        """
        known = self.todo[name] or Result(name=name, outcome=Outcome.FAILED)
        result = Result(name=name, error=why, transient=True, time=time.time())
        result.digest_in, result.digest = known.digest_in, known.digest
        if known.outcome is Outcome.UNKNOWN:
            result.stage, result.error = Stage.UPLOAD, f"{why}; the target may have it or not"
        else:
            result.stage, result.outcome = Stage.FETCH, Outcome.FAILED
        return result
