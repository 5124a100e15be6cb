"""Slices of a run: some names that one worker mirrors with this very pipeline, in a process of its own.

What `processes` (workers on this machine) and `cluster` (workers on a Ray cluster) have in common: what a slice is
told, what is left of it, what it is done with, and the run over it.
"""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import trio

from trio_mirror.distributed.dispatcher import MAX_LOSSES
from trio_mirror.errors import SettingsError
from trio_mirror.galleries import Gallery, open_galleries
from trio_mirror.galleries.listing import each
from trio_mirror.model import Outcome, Result, Stage
from trio_mirror.pipeline.run import Run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from os import PathLike

    from trio_mirror.galleries import Place
    from trio_mirror.journal import Entry
    from trio_mirror.pipeline.item import Journey
    from trio_mirror.settings import Settings

Todo: TypeAlias = "Sequence[tuple[str, Entry | None]]"
"""The names of a slice, each with what the journal knows of it."""


@dataclass(frozen=True, slots=True)
class SliceJob:
    """What every slice of a run has in common. Small, and the same in every process."""

    source: str | PathLike[str]
    target: str | PathLike[str] | None
    settings: Settings


def slice_job(places: tuple[Place, Place | None], settings: Settings, option: str) -> SliceJob:
    """What the slices of a run have in common.

    Args:
        places: the source and the target.
        settings: what one worker is to do with its slices.
        option: the option that asked for workers, for the error.

    Raises:
        SettingsError: the source or the target is an object, which stays in its process.
    """
    source, target = places
    if isinstance(source, Gallery) or isinstance(target, Gallery):
        raise SettingsError(f"{option}: the source and the target must be URLs or folders")
    return SliceJob(source, target, settings)


def settings_of_slices(settings: Settings, *, concurrency: int, flip_threads: int, rate: float | None) -> Settings:
    """What a worker does its slices with: shares of the whole, and nothing that is decided for the whole."""
    return replace(
        settings,
        processes=1,
        cluster=None,
        concurrency=concurrency,
        flip_threads=flip_threads,
        rate=rate,
        base=None,
        deadline=None,
        limit=None,
        shard=None,
        include=(),
        exclude=(),
        max_failures=None,
        max_bytes_total=None,
        retry_failed=False,
    )


class NamedSlice:
    """Names of the list, each with what the journal knows of it, and how many of them have no result yet."""

    def __init__(self, todo: Todo, take: Callable[[list[Result]], Awaitable[None]]) -> None:
        self.todo = dict(todo)
        self._take = take

    @property
    def left(self) -> int:
        """How many names have no result yet."""
        return len(self.todo)

    async def tell(self, results: list[Result]) -> None:
        """Takes results; those of names that have theirs count for nothing."""
        new = []
        for result in results:
            if result.name in self.todo:
                del self.todo[result.name]
                new.append(result)
        await self._take(new)

    async def give_up(self, reason: str) -> None:
        """Ends all that is left as failed: it may work later."""
        error = f"its slice of the list was lost {MAX_LOSSES} times: {reason}"
        failed: dict[str, Any] = {"outcome": Outcome.FAILED, "stage": Stage.FETCH, "error": error, "transient": True}
        await self.tell([Result(name=name, **failed) for name in self.todo])


class SplitRun(Run):
    """A run whose stages work elsewhere, on slices."""

    async def _give_out(self, ready: list[Journey], give: Callable[[Journey], Awaitable[None]]) -> None:
        """Gives on what workers have ended; a run that is cancelled meanwhile counts what is left of it at once."""
        for index, journey in enumerate(ready):
            try:
                await give(journey)
            except trio.Cancelled:
                for left in ready[index:]:
                    self._cut_off(left)
                raise


def stages_passed(result: Result) -> list[Stage]:
    """The stages that a picture has passed, for one whose result came from a worker."""
    failed_at = result.stage if result.error is not None else None
    return [stage for stage in result.seconds if stage is not failed_at]


@asynccontextmanager
async def open_slice(job: SliceJob, todo: Todo) -> AsyncIterator[SliceRun]:
    """Opens a run over the names of a slice."""
    async with open_galleries(job.source, job.target, job.settings) as (source, target):
        run = SliceRun(source, target, job.settings, todo)
        async with run.working():
            yield run


class SliceRun(Run):
    """A run over names that were picked already.

    Attributes:
        cut_off: the results of what was cancelled on its way, which the iteration does not give.
    """

    def __init__(self, source: Gallery, target: Gallery, settings: Settings, todo: Todo) -> None:
        super().__init__(source, target, settings, journal=None)
        # The slice before this one has kept to the same rate up to its end.
        self._stages.hold()
        self.cut_off: list[Result] = []
        self._todo = dict(todo)

    def set_rate(self, rate: float | None) -> None:
        """Changes how many requests may start a second."""
        self._stages.set_rate(rate)

    @asynccontextmanager
    async def _names(self) -> AsyncIterator[AsyncIterator[str]]:
        async with aclosing(each(self._todo)) as names:
            yield names

    def _is_to_do(self, journey: Journey) -> bool:
        journey.known = self._todo[journey.name]
        return True

    def _cut_off(self, journey: Journey) -> None:
        super()._cut_off(journey)
        if journey.outcome is not None:
            self.cut_off.append(journey.result())
