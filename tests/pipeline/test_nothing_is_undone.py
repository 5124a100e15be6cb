"""A mirror flip undoes itself: that no picture is ever flipped back, whatever cuts a run off and however it goes on.

The law, over a model of a place that is source and target, and of what is remembered: a picture is its original or its
mirror image at any time, and once a run ends with nothing failed, all are mirror images.
"""

from __future__ import annotations

import random
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.helpers.memory_gallery import MemoryGallery
from trio_mirror import (
    FetchError,
    Flipped,
    JournalError,
    Outcome,
    Picture,
    Result,
    Settings,
    Stage,
    UnknownUploadError,
    UploadError,
    mirror,
    open_mirror,
)
from trio_mirror.journal import open_journal
from trio_mirror.pipeline import transformer
from trio_mirror.pipeline.digest import digest
from trio_mirror.pipeline.run import Run
from trio_mirror.pipeline.stages import Stages
from trio_mirror.pipeline.state import State
from trio_mirror.pipeline.threads import WorkerThreads

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable
    from pathlib import Path

NAMES = [f"{number}.png" for number in range(6)]
# They begin as a codestream of JPEG XL does, also turned round.
ORIGINALS = {name: b"\xff\n<%b\n\xff" % name.encode() for name in NAMES}


@dataclass
class World:
    """What outlives a run: the pictures, and what is remembered. Each step of a run may be its last."""

    pictures: dict[str, bytes] = field(default_factory=lambda: dict(ORIGINALS))
    rows: dict[str, Result] = field(default_factory=dict)
    steps_left: float = float("inf")
    alters: bool = False
    """Whether the server changes what it is sent."""

    async def step(self) -> None:
        """Counts one step; after the last one nothing has an effect any more, as after a kill -9."""
        await trio.lowlevel.checkpoint()
        self.steps_left -= 1
        if self.steps_left <= 0:
            await trio.sleep_forever()


class Place:
    """The gallery: source and target in one."""

    def __init__(self, world: World, listed: list[str], chance: random.Random, lost: float) -> None:
        self.world, self.listed, self.chance, self.lost = world, listed, chance, lost

    def __str__(self) -> str:
        return "place"

    @asynccontextmanager
    async def names(self) -> AsyncIterator[AsyncIterator[str]]:
        async def each() -> AsyncGenerator[str, None]:
            for name in self.listed:
                await self.world.step()
                yield name

        async with aclosing(each()) as names:
            yield names

    async def fetch(self, name: str, known_etag: str | None = None) -> Picture | None:
        await self.world.step()
        if self.chance.random() < self.lost / 4:
            raise FetchError("its response was lost", transient=True)
        return Picture(name=name, data=self.world.pictures[name], media_type="image/png")

    async def prepare(self) -> None:
        raise NotImplementedError

    async def store(self, picture: Picture) -> None:
        await self.world.step()
        luck = self.chance.random()
        if luck < self.lost / 2:
            raise UnknownUploadError("lost on its way", transient=True)
        # What a server changes of a picture is not its pixels.
        self.world.pictures[picture.name] = picture.data.strip() + b" " * self.world.alters
        await self.world.step()
        if luck < self.lost:
            raise UnknownUploadError("its answer was lost", transient=True)
        if self.lost and luck > 0.97:
            raise UploadError("stored, and yet refused")


class Memory:
    """A journal that takes each group whole or not at all, and an intent by itself where it is on this machine."""

    wait = 0.01

    def __init__(self, world: World, *, is_local: bool) -> None:
        self.world = world
        self.intend = self._intend if is_local else None

    def _intend(self, intent: Result) -> None:
        self.world.steps_left -= 1
        if self.world.steps_left > 0:
            self.world.rows[intent.name] = replace(intent)

    def find(self, name: str) -> Result | None:
        return self.world.rows.get(name)

    async def write(self, results: list[Result]) -> None:
        await self.world.step()
        self.world.rows |= {it.name: replace(it) for it in results if it.outcome is not Outcome.SKIPPED}
        await self.world.step()


async def _at_once(_self: WorkerThreads, work: Callable[[], object]) -> object:
    await trio.lowlevel.checkpoint()
    return work()


def _flip(data: bytes, **_: object) -> Flipped:
    return Flipped(data.strip()[::-1], "image/png", lossless=True)


class NothingIsUndone(RuleBasedStateMachine):
    """Runs of any kind, each cut off at some step."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.patches = pytest.MonkeyPatch()
        self.patches.setattr(WorkerThreads, "run", _at_once)
        self.patches.setattr(transformer, "flip", _flip)

    def run(
        self, listed: list[str], chance: random.Random, lost: float, *, is_local: bool = True, **options: Any
    ) -> dict[str, Outcome]:
        outcomes: dict[str, Outcome] = {}

        async def play() -> None:
            place = Place(self.world, listed, chance, lost)
            state = State(
                place,
                place,
                Settings(retries=1, journal="a journal", **options),
                Memory(self.world, is_local=is_local),
                in_place=True,
                intents=True,
            )
            run = Run(place.names, state.source_throttle, Stages(state), state)
            # A killed process does nothing more; here it waits for ever, and is cancelled.
            with trio.move_on_after(3_600):
                # What cannot be remembered any more ends a run.
                with suppress(JournalError):
                    async with run.working():
                        async for result in run:
                            # What an earlier run has mirrored may be skipped as often as it is listed.
                            assert outcomes.get(result.name, Outcome.SKIPPED) is Outcome.SKIPPED
                            outcomes[result.name] = result.outcome

        trio.run(play, clock=trio.testing.MockClock(autojump_threshold=0))
        self.world.steps_left = float("inf")
        return outcomes

    @rule(
        listed=st.lists(st.sampled_from(NAMES), min_size=1, max_size=10),
        seed=st.integers(0, 2**32),
        lost=st.sampled_from([0.0, 0.3, 0.9]),
        steps=st.integers(1, 80),
        concurrency=st.integers(1, 4),
        retry_uploads=st.sampled_from(["always", "never"]),
        update=st.booleans(),
        alters=st.booleans(),
        is_local=st.booleans(),
    )
    def cut_off(
        self,
        listed: list[str],
        seed: int,
        lost: float,
        steps: int,
        concurrency: int,
        retry_uploads: str,
        update: bool,
        alters: bool,
        is_local: bool,
    ) -> None:
        # A server does not begin to change pictures between a killed run and the next one.
        self.world.alters = alters if not self.world.rows else self.world.alters
        self.world.steps_left = steps
        how = {"concurrency": concurrency, "retry_uploads": retry_uploads, "update": update and not self.world.alters}
        self.run(listed, random.Random(seed), lost, is_local=is_local, **how)

    @invariant()
    def every_picture_is_its_original_or_its_mirror_image(self) -> None:
        for name, data in self.world.pictures.items():
            assert data.strip() in (ORIGINALS[name], ORIGINALS[name][::-1])

    def teardown(self) -> None:
        outcomes = self.run(NAMES, random.Random(0), 0.0)
        self.patches.undo()
        for name in NAMES:
            assert outcomes[name] in (Outcome.MIRRORED, Outcome.SKIPPED) or self.world.alters
            if outcomes[name] is not Outcome.UNKNOWN:
                assert self.world.pictures[name].strip() == ORIGINALS[name][::-1]


@pytest.mark.parametrize("examples", [50, pytest.param(200, marks=pytest.mark.slow)])
def test_nothing_is_undone(examples: int) -> None:
    often = hypothesis_settings(max_examples=examples, stateful_step_count=8, deadline=None)
    run_state_machine_as_test(NothingIsUndone, settings=often)


class Altering(MemoryGallery):
    """Serves what it stores, and changes every picture that it is sent, as servers do that compress them anew."""

    async def fetch(self, name: str, known_etag: str | None = None) -> Picture | None:
        await trio.lowlevel.checkpoint()
        return self.stored.get(name) or Picture(name=name, data=ORIGINALS[name], media_type="image/png")

    async def store(self, picture: Picture) -> None:
        await super().store(replace(picture, data=picture.data + b" "))


class Overloaded(MemoryGallery):
    """Serves what it stores; its first response after that is a page."""

    is_overloaded = True

    async def fetch(self, name: str, known_etag: str | None = None) -> Picture | None:
        picture = await super().fetch(name, known_etag)
        if not self.stored:
            return picture
        if self.is_overloaded:
            self.is_overloaded = False
            return Picture(name=name, data=b"<html>Come back later.</html>", media_type="text/html")
        return self.stored[name]


class Silent(MemoryGallery):
    """Responds to no fetch."""

    async def fetch(self, name: str, known_etag: str | None = None) -> Picture | None:
        await trio.lowlevel.checkpoint()
        raise FetchError("no response", transient=True)


async def test_update_does_not_take_what_a_server_made_of_our_picture_for_a_change_of_others(
    tmp_path: Path, instant_flip: None
) -> None:
    gallery, journal = Altering(NAMES), tmp_path / "journal"
    first = await mirror(gallery, journal=journal)
    stored = {name: picture.data for name, picture in gallery.stored.items()}

    again = await mirror(gallery, journal=journal, update=True)
    await gallery.store(Picture(name=NAMES[0], data=b"new", media_type="image/png"))
    changed = await mirror(gallery, journal=journal, update=True)

    assert (first.mirrored, again.mirrored, again.skipped) == (len(NAMES), 0, len(NAMES))
    assert (changed.mirrored, changed.skipped) == (1, len(NAMES) - 1)
    assert all(gallery.stored[name].data == stored[name] for name in NAMES[1:])


async def test_a_page_in_place_of_what_was_stored_does_not_make_update_flip_it_back(
    tmp_path: Path, instant_flip: None
) -> None:
    gallery, journal = Overloaded(["a.png"], data=b"now"), tmp_path / "journal"

    first = await mirror(gallery, journal=journal)
    again = await mirror(gallery, journal=journal, update=True)

    assert (first.mirrored, again.mirrored, again.skipped) == (1, 0, 1)
    assert gallery.stored["a.png"].data == b"won"


async def test_what_may_be_stored_is_unknown_until_update_mirrors_it_as_it_is(
    tmp_path: Path, instant_flip: None
) -> None:
    gallery, journal = MemoryGallery(["a.png"], data=b"now"), tmp_path / "journal"
    with open_journal(journal, source="memory", target="memory") as rows:
        rows.record([Result(name="a.png", stage=Stage.UPLOAD, error="its worker died", time=1.0)])

    again = await mirror(gallery, journal=journal)
    updated = await mirror(gallery, journal=journal, update=True)

    assert (again.unknown, again.mirrored, updated.mirrored) == (1, 0, 1)
    assert gallery.stored["a.png"].data == b"won"


@pytest.mark.parametrize(
    ("known", "without_a_response"), [(Outcome.UNKNOWN, Outcome.UNKNOWN), (Outcome.MIRRORED, Outcome.FAILED)]
)
async def test_what_an_earlier_run_has_sent_is_recognised_though_a_fetch_failed_since(
    tmp_path: Path, instant_flip: None, known: Outcome, without_a_response: Outcome
) -> None:
    gallery, journal = MemoryGallery(["a.png"], data=b"won"), tmp_path / "journal"
    sent = Result(name="a.png", outcome=known, stage=Stage.UPLOAD, time=1.0)
    sent.digest_in, sent.digest = digest(b"now"), digest(b"won")
    with open_journal(journal, source="memory", target="memory") as rows:
        rows.record([sent])
    broken = Silent(["a.png"])

    async with open_mirror(broken, journal=journal, update=True) as results:
        [first] = [result async for result in results]
    again = await mirror(gallery, journal=journal)

    assert first.outcome is without_a_response
    assert (again.mirrored, gallery.stored) == (1, {})
