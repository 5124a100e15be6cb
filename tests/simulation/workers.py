"""One seed of a run over workers: the real driver and dispatcher, and workers that die and know what they stored."""

from __future__ import annotations

import traceback
from collections import Counter, deque
from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from tests.helpers.memory_gallery import MemoryGallery
from tests.simulation.world import World
from trio_mirror import ClusterError, GalleryError, JournalError, Outcome, Result, Settings, Stage
from trio_mirror.distributed.dispatcher import Ended, Lost, Orders, Reported
from trio_mirror.distributed.driver import Driver
from trio_mirror.pipeline.run import Run
from trio_mirror.pipeline.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trio_mirror.distributed.slices import NamedSlice, Todo

_NAMES = [f"{number}.png" for number in range(20)]
# The share of pictures that cannot be read.
_FAILED = 0.1
_GRACE = 10.0
# Seconds.
_FOR_EVER = 40 * 3600.0


def simulate_workers(seed: int) -> World:
    """Plays one seed, and gives its world: nothing is `wrong` in it."""
    world = World(seed)
    try:
        world.run(_play)
    except Exception:  # noqa: BLE001 (whatever it is, it is a finding)
        world.wrong.append(traceback.format_exc())
    return world


class Place:
    """Source and target in one, and the memory of its pictures.

    Attributes:
        stored: the names that have been stored.
        stored_before: those of them that an earlier run has stored.
        rows: what is remembered.
    """

    wait, intend = 0.1, None

    def __init__(self, world: World) -> None:
        self.stored: set[str] = set()
        self.rows: dict[str, Result] = {}
        self._failing = world.chance.choice((0.0, 0.0, 0.2))
        self._world = world
        for name in world.chance.sample(_NAMES, 5):
            # Of an earlier run.
            self.rows[name] = Result(name=name, stage=Stage.UPLOAD, digest_in="in", digest="out")
            self.stored.update([name][: world.chance.randint(0, 1)])
        self.stored_before = set(self.stored)

    def find(self, name: str) -> Result | None:
        return self.rows.get(name)

    async def write(self, results: list[Result]) -> None:
        await trio.sleep(self._world.chance.choice((0.0, 0.01, 1.0)))
        if self._world.happens(self._failing):
            raise JournalError("the journal is locked")
        self.rows |= {it.name: it for it in results if it.outcome is not Outcome.SKIPPED}

    def store(self, name: str) -> None:
        """Stores the mirror image of what is there."""
        self._world.note(f"{name} is stored")
        if name in self.stored:
            self._world.is_wrong(f"{name} is flipped back")
        if name not in self.rows:
            self._world.is_wrong(f"{name} is stored, and nothing was remembered before")
        self.stored.add(name)


class Workers:
    """An engine, whose workers work in a nursery."""

    def __init__(self, world: World, nursery: trio.Nursery, place: Place) -> None:
        chance = world.chance
        self.workers = chance.randint(1, 4)
        self._lifetime = chance.choice((_FOR_EVER, 10.0, 1.0, 0.2))
        self._lost_cluster = chance.choice((0.0, 0.0, 0.0, 0.05))
        self._untold = chance.choice((0.0, 0.3, 0.9))
        self._world, self._nursery, self._place = world, nursery, place
        self._orders = Orders(None)
        self._free = trio.CapacityLimiter(self.workers)
        self._happened: deque[tuple[Reported | Ended | Lost, trio.Event]] = deque()
        self._given: list[trio.Event] = []

    async def start(self, attempt: int, work: NamedSlice) -> None:
        self._world.note(f"attempt {attempt}: {list(work.todo)}")
        self._nursery.start_soon(self._work, attempt, dict(work.todo))

    async def news(self, orders: Orders) -> Sequence[Reported | Ended | Lost]:
        self._orders = orders
        for remembered in self._given:
            remembered.set()
        await self._pause()
        if self._world.happens(self._lost_cluster):
            self._nursery.cancel_scope.cancel()
            raise ClusterError("the cluster is gone")
        happened = [self._happened.popleft() for _ in range(self._world.chance.randint(0, len(self._happened)))]
        self._given = [remembered for _, remembered in happened]
        return [event for event, _ in happened]

    async def _work(self, attempt: int, todo: Todo) -> None:
        async with self._free:
            unreported: list[Result] = []
            with trio.move_on_after(self._world.chance.uniform(0, 2 * self._lifetime)) as life:
                for name, known in todo.items():
                    if not self._orders.draining:
                        unreported.append(await self._mirror(attempt, name, known))
                    if not self._world.happens(self._untold):
                        self._say(Reported(attempt, unreported))
                        unreported = []
            if life.cancelled_caught:
                self._world.note(f"attempt {attempt} is lost")
                await self._pause()
                self._say(Lost(attempt, "its worker died"))
            else:
                self._say(Reported(attempt, unreported))
                self._say(Ended(attempt))

    async def _mirror(self, attempt: int, name: str, known: Result | None) -> Result:
        result = Result(name=name, stage=Stage.UPLOAD, run="this", digest_in="in", digest="out")
        await self._pause()
        if self._world.happens(_FAILED):
            result.error = "no response"
            may_be_stored = known is not None and known.outcome is Outcome.UNKNOWN
            result.outcome = Outcome.UNKNOWN if may_be_stored else Outcome.FAILED
        elif known is not None and known.digest is not None and name in self._place.stored:
            # It was recognised.
            result.outcome = Outcome.MIRRORED
        else:
            await self._say(
                Reported(attempt, [Result(name=name, stage=Stage.UPLOAD, digest_in="in", digest="out")])
            ).wait()
            await self._pause()
            self._place.store(name)
            await self._pause()
            result.outcome = Outcome.MIRRORED
        return result

    def _say(self, event: Reported | Ended | Lost) -> trio.Event:
        remembered = trio.Event()
        self._happened.append((event, remembered))
        return remembered

    async def _pause(self) -> None:
        await trio.sleep(self._world.chance.choice((0.0, 0.01, 0.1, 1.0)))


async def _play(world: World) -> None:
    chance, place = world.chance, Place(world)
    listed = chance.choices(_NAMES, k=chance.randint(0, 30))
    settings = Settings(
        deadline=chance.choice((None, None, 1.0, 10.0)),
        drain=chance.choice((0.0, 2.0, 30.0)),
        max_failures=chance.choice((None, None, 2)),
        retry_uploads=chance.choice(("always", "never")),
    )
    gallery = MemoryGallery(listed)
    state = State(gallery, gallery, settings, place, in_place=True, intents=True, grace=_GRACE)
    taken, results = chance.choice((_FOR_EVER, chance.randint(0, 10))), list[Result]()
    scope = trio.CancelScope()
    async with trio.open_nursery() as nursery:
        engine = Workers(world, nursery, place)
        size, each_worker = chance.randint(1, 5), chance.randint(1, 3)
        driver = Driver(engine, state, size=size, each_worker=each_worker, gather=chance.choice((0.0, 1.0)))
        run = Run(gallery.names, state.source_throttle, driver, state)
        for end in chance.choice(((), (), (run.drain,), (scope.cancel,), (run.drain, scope.cancel))):
            world.after(int(10 ** chance.uniform(0.5, 3)), end)
        with trio.move_on_after(_FOR_EVER) as hanging, scope, suppress(GalleryError):
            async with run.working():
                async for result in run:
                    world.note(f"{result.name} is {result.outcome}: {result.error}")
                    results.append(result)
                    if len(results) == taken:
                        break
        nursery.cancel_scope.cancel()
    if hanging.cancelled_caught:
        world.is_wrong("the run hangs")
    is_whole = taken == _FOR_EVER and not scope.cancelled_caught and state.report.stopped_by is None
    for fault in _faults_of(place, state, [*results, *run.late], set(listed) if is_whole else None):
        world.is_wrong(fault)


def _faults_of(place: Place, state: State, results: list[Result], all_names: set[str] | None) -> Iterator[str]:
    """What is wrong with a run that has ended, a sentence each."""
    names = Counter(result.name for result in results)
    yield from (f"{name} has {count} results" for name, count in names.items() if count > 1)
    if all_names is not None and names.keys() != all_names:
        yield f"of {sorted(all_names)} the results are {sorted(names)}"
    if state.report.finished != len(results) or state.report.listed < len(results):
        yield f"{len(results)} results, {state.report.finished} of them counted, of {state.report.listed} names"
    if state.in_flight.count:
        yield f"{state.in_flight.count} pictures are still in flight"
    for result in (*results, *place.rows.values()):
        if result.outcome is Outcome.MIRRORED and result.name not in place.stored:
            yield f"{result.name} is mirrored, and was not stored"
        if result.outcome is Outcome.FAILED and result.name in place.stored:
            yield f"{result.name} is failed, and was stored: {result.error}"
    yield from (f"{name} was stored, and has no result" for name in place.stored - place.stored_before - names.keys())
