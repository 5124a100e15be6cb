"""What the workers of a run get once: small, and the same for all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

from trio_mirror.errors import SettingsError
from trio_mirror.galleries import Gallery, Place, open_galleries
from trio_mirror.names import is_url
from trio_mirror.pipeline.producer import Opening
from trio_mirror.pipeline.recorder import Memory
from trio_mirror.pipeline.run import Run
from trio_mirror.pipeline.stages import Stages
from trio_mirror.pipeline.state import State
from trio_mirror.pipeline.throttle import Throttle
from trio_mirror.settings import Settings


@dataclass(frozen=True, slots=True)
class Job:
    """The job of a worker."""

    source: str | PathLike[str]
    target: str | PathLike[str] | None
    settings: Settings  # without what is decided for the whole, such as its limits
    in_place: bool  # whether the target is where the pictures come from
    intents: bool  # whether each upload is remembered before it leaves
    own_files: Sequence[Path] = ()  # of the run; no name leads to them


def make_job(
    places: tuple[Place, Place | None],
    settings: Settings,
    *,
    in_place: bool,
    intents: bool,
    workers: int,
    concurrency: int,
    flip_threads: int,
    option: str,
    own_files: Collection[str | PathLike[str]] = (),
) -> Job:
    """Makes the job of each worker.

    With ``intents``, each upload is remembered before it leaves. ``workers`` share the rate until they get their
    orders; each has ``concurrency`` pictures in flight. Errors name the ``option`` that asked for workers.

    Raises:
        SettingsError: the source or the target is an object, which stays in its process.
    """
    source, target = places
    if isinstance(source, Gallery) or isinstance(target, Gallery):
        raise SettingsError(f"{option}: the source and the target must be URLs or folders")
    shares = replace(
        settings,
        processes=1,
        cluster=None,
        concurrency=concurrency,
        flip_threads=flip_threads,
        rate=settings.rate_here and settings.rate_here / workers,
        ca_file=_file(settings.ca_file),
        cert=_file(settings.cert),
        key=_file(settings.key),
        base=None,
        deadline=None,
        limit=None,
        shard=None,
        include=(),
        exclude=(),
        max_failures=None,
        max_bytes_total=None,
        retry_failed=False,
        # The list is the driver's, and so is what becomes of names that are not pictures.
        strict=True,
    )
    from_to = _absolute(source), None if target is None else _absolute(target)
    return Job(*from_to, shares, in_place, intents, [Path(it).absolute() for it in own_files])


def _file(path: str | None) -> str | None:
    return path and str(Path(path).absolute())


def _absolute(place: str | PathLike[str]) -> str | PathLike[str]:
    """A place as it is found from any working directory."""
    return place if isinstance(place, str) and is_url(place) else Path(place).absolute()


@asynccontextmanager
async def open_worker(job: Job, names: Opening, memory: Memory) -> AsyncIterator[tuple[Run, State]]:
    """Opens the run of a worker: this very pipeline over the names that it is handed.

    The memory knows of each name, and takes intents and results to the driver.
    """
    opening = open_galleries(job.source, job.target, job.settings, own_files=job.own_files)
    async with opening as (source, target):
        state = State(source, target, job.settings, memory, in_place=job.in_place, intents=job.intents)
        # The slice before this one has kept to the same rate up to its end.
        state.hold()
        run = Run(names, Throttle(), Stages(state), state)
        async with run.working():
            yield run, state
