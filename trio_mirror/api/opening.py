"""A run opened over its galleries and its journal, in this process or spread over workers."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import trio

from trio_mirror.errors import SettingsError
from trio_mirror.galleries import (
    Gallery,
    Names,
    Place,
    RedirectedGallery,
    SearchableGallery,
    Source,
    as_named,
    identity_of,
    open_galleries,
)
from trio_mirror.galleries.in_thread import in_thread
from trio_mirror.galleries.name_list import STDIN
from trio_mirror.model import Outcome
from trio_mirror.names import printable
from trio_mirror.pipeline.hooks import Hooks
from trio_mirror.pipeline.producer import open_failed, open_picked
from trio_mirror.pipeline.recorder import JournalMemory
from trio_mirror.pipeline.run import Run, Work
from trio_mirror.pipeline.stages import Stages
from trio_mirror.pipeline.state import State
from trio_mirror.pipeline.throttle import Throttle
from trio_mirror.settings import RetryUploads, Settings, option_error

if TYPE_CHECKING:
    from trio_mirror.journal import Journal

_log = logging.getLogger(__name__)
_NO_HOOKS = Hooks()
# Seconds in which a journal is closed.
_CLOSING = 1.0


@asynccontextmanager
async def open_run(
    source: Source,
    target: Place | None,
    settings: Settings,
    hooks: Hooks = _NO_HOOKS,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    auth: httpx.Auth | None = None,
    own_files: Collection[str] = (),
) -> AsyncIterator[Run]:
    """Does what `trio_mirror.open_mirror` does, with the settings at hand.

    ``auth`` stands for that of the settings. ``own_files`` are what else the run reads and writes beside its journal:
    no name leads to them in a folder.
    """
    if (transport is not None or auth is not None) and (settings.cluster is not None or settings.processes > 1):
        raise SettingsError("a transport and an httpx.Auth stay in this process, and do not go with workers in others")
    source, target, settings = as_named(source, target, settings)
    # The galleries read it with the first picture: which journal it is, is known only by then.
    own: list[str | os.PathLike[str]] = [*own_files]
    opening = open_galleries(source, target, settings, transport=transport, auth=auth, own_files=own)
    async with opening as (source_gallery, target_gallery):
        galleries = (source_gallery, target_gallery)
        in_place, path, files = _set_up(source, target, settings, *galleries, is_real=transport is None)
        own += files
        async with _open_journal(path, settings, *galleries) as journal:
            _warn_of_unverified(settings, *galleries)
            await target_gallery.prepare()
            memory = None if journal is None else JournalMemory(journal)
            # Names of a list are handed out from here; whoever gets them needs only the place where they live.
            places: tuple[Place, Place | None] = (settings.base or source, target)  # type: ignore[assignment]
            opening_work = _open_work(galleries, settings, memory, places, hooks, in_place=in_place, own_files=own)
            async with opening_work as (work, state):
                run = _make_run(source_gallery, settings, journal, work, state)
                automatic = journal if settings.journal is None else None
                if automatic is not None:
                    run.report.journal = str(path)
                async with run.working():
                    yield run
                takes_all = settings.limit is None and not (settings.include or settings.exclude or settings.shard)
                if automatic is not None and takes_all and run.is_whole and _is_whole(automatic):
                    # The same command is a new run from now on.
                    await in_thread(automatic.remove)
                    run.report.journal = None


def _set_up(
    source: Place | Names,
    target: Place | None,
    settings: Settings,
    from_gallery: Gallery,
    to_gallery: Gallery,
    *,
    is_real: bool,
) -> tuple[bool, Path | None, list[str | os.PathLike[str]]]:
    """Finds out whether a run is in place, and where it is remembered.

    The places are as they were written. Only where ``is_real`` does a URL lead where it says: a transport of the
    caller's may lead anywhere.

    Returns:
        Whether the mirrored pictures go where the pictures come from; where the run is remembered, or an earlier one
        was; what else it reads and writes.

    Raises:
        SettingsError: the pictures of a folder would be replaced, and nobody asked for it; or nothing remembers what
            ``update`` compares with.
    """
    place = identity_of(from_gallery)
    in_place = target is None or (place is not None and place == identity_of(to_gallery))
    is_folder = place is not None and os.path.isdir(place)  # noqa: PTH112 (false, too, where nothing may be looked at)
    named = settings.journal is not None
    is_list = settings.base is not None and not isinstance(source, Names)
    if target is None and is_folder and not (settings.in_place or named or is_list):
        raise SettingsError(
            f"the mirrored pictures would replace those of {printable(str(from_gallery))}; "
            "add --to FOLDER to keep them, or --in-place to replace them"
        )
    if settings.skip_existing and (in_place or not isinstance(to_gallery, SearchableGallery)):
        why = "in place, each picture is there" if in_place else f"{to_gallery} cannot say what it has"
        raise option_error("skip_existing", f"it needs a target of its own that says what it has: {why}")
    journal = None if settings.journal is None else Path(settings.journal)
    # Nothing is begun beside a folder that is not there.
    if in_place and is_real and place and (is_folder or place[0] != "/"):
        from trio_mirror.journal import automatic_journal

        automatic = automatic_journal(source.place_in(place) if isinstance(source, Names) else place)
        if journal is not None and automatic.exists() and os.path.realpath(journal) != os.path.realpath(automatic):
            why = f"{automatic} remembers what is mirrored here; leave the option out to go on, or move that file away"
            raise option_error("journal", why)
        # Once a run has declined it, what it says is not true any more.
        if not settings.no_journal or automatic.exists():
            journal = journal or automatic
    if settings.update and (journal is None or settings.no_journal):
        raise option_error("update", "it needs a journal, for example --journal run.journal")
    own: list[str | os.PathLike[str]] = []
    if journal is not None:
        # Imported where one is kept, as SQLite is.
        from trio_mirror.journal import journal_files

        own += journal_files(journal)
    if settings.base is not None and isinstance(source, str | os.PathLike) and source != STDIN:
        own.append(source)
    return in_place, journal, own


def _make_run(source: Gallery, settings: Settings, journal: Journal | None, work: Work, state: State) -> Run:
    if settings.retry_failed:
        assert journal is not None
        return Run(partial(open_failed, journal, source), Throttle(), work, state)
    can_count = getattr(source, "can_be_listed_again", True)
    counting = partial(open_picked, source, settings) if can_count else None
    return Run(source.names, state.source_throttle, work, state, counting)


@asynccontextmanager
async def _open_work(
    galleries: tuple[Gallery, Gallery],
    settings: Settings,
    memory: JournalMemory | None,
    places: tuple[Place, Place | None],
    hooks: Hooks,
    *,
    in_place: bool,
    own_files: Collection[str | os.PathLike[str]],
) -> AsyncIterator[tuple[Work, State]]:
    """Opens what is done to each picture: in this process, or by workers."""
    source, target = galleries
    intents = memory is not None
    if settings.cluster is None and settings.processes == 1:
        state = State(source, target, settings, memory, hooks, in_place=in_place, intents=intents)
        yield Stages(state), state
        return
    if hooks.sampler is not None:
        option = "--cluster" if settings.cluster else "--processes"
        raise SettingsError(f"--sheet: its pictures are taken in this process, so it does not go with {option}")
    if hooks.transform is not None:
        raise SettingsError("a transform runs in this process, and does not go with workers in others")
    from trio_mirror.distributed import grace_of, open_driver

    # What a lost worker has sent must be known where it may not be sent again, and where it would be flipped back.
    intents = intents or in_place or settings.retry_uploads is RetryUploads.NEVER
    # The workers slow down by themselves.
    shared = replace(settings, adaptive=False)
    state = State(source, target, shared, memory, hooks, in_place=in_place, intents=intents, grace=grace_of(settings))
    if isinstance(source, RedirectedGallery):
        base = httpx.URL(await state.attempts.make(state.source_throttle, source.locate))
        # The credentials stay: a list is not redirected away from its host, except to TLS.
        written = httpx.URL(str(places[0]))
        places = str(base.copy_with(userinfo=written.userinfo, query=written.query or None)), places[1]
    async with open_driver(places, state, own_files) as driver:
        yield driver, state


@asynccontextmanager
async def _open_journal(
    path: Path | None, settings: Settings, source: Gallery, target: Gallery
) -> AsyncIterator[Journal | None]:
    """Opens the journal of a run, if it has one; one that is declined is removed."""
    if path is None:
        yield None
        return
    from trio_mirror.journal import explained, open_journal

    if settings.journal is None:
        if not path.is_absolute():
            raise option_error("journal", "the home folder is unknown; name a file, such as run.journal")
        with explained(path):
            await in_thread(partial(path.parent.mkdir, parents=True, exist_ok=True))
    names = {"source": identity_of(source) or str(source), "target": identity_of(target) or str(target)}
    opened: list[Journal] = []
    is_over = threading.Event()

    def open_unless_over() -> None:
        opened.append(open_journal(path, **names))
        if is_over.is_set():
            opened[0].close()

    try:
        await in_thread(open_unless_over)
        if settings.no_journal:
            await in_thread(opened[0].remove)
        yield None if settings.no_journal else opened[0]
    finally:
        is_over.set()
        # It moves the write-ahead log into the file. No cancellation keeps it from that; a dead disk does.
        with trio.move_on_after(_CLOSING, shield=True):
            for journal in opened:
                await in_thread(journal.close)


def _is_whole(journal: Journal) -> bool:
    """Whether nothing that a journal remembers is left to be done."""
    return next(journal.names((Outcome.FAILED, Outcome.UNKNOWN)), None) is None


@asynccontextmanager
async def open_names(
    source: Source,
    settings: Settings,
    target: Place | None = None,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[AsyncIterator[str]]:
    """Opens the names that a run would take, those that it would refuse included."""
    source, target, settings = as_named(source, target, settings)
    async with (
        open_galleries(source, target, settings, transport=transport) as (gallery, _),
        open_picked(gallery, settings) as names,
    ):
        _warn_of_unverified(settings, gallery)
        yield names


def _warn_of_unverified(settings: Settings, *galleries: Gallery) -> None:
    """With ``insecure``, says once for each host of a run that its certificate is not verified."""
    if settings.insecure:
        hosts = {url.hostname for gallery in galleries if (url := urlsplit(str(gallery))).scheme == "https"}
        for host in sorted(filter(None, hosts)):
            _log.warning("--insecure: certificate verification is disabled for %s", host)
