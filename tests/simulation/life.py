"""The life of one process: a run, whoever iterates it, and what becomes of both."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import trio

from tests.simulation.plan import Trouble
from trio_mirror import GalleryError, Result, Settings
from trio_mirror.api.opening import open_run
from trio_mirror.cli.view.events import event_line

if TYPE_CHECKING:
    from tests.simulation.machine import Machine
    from tests.simulation.network import Network
    from tests.simulation.places import Places
    from tests.simulation.plan import Plan
    from tests.simulation.world import World
    from trio_mirror.pipeline.run import Run

# Seconds after which a run hangs.
_FOR_EVER = 40 * 3600.0


class Left(Exception):  # noqa: N818 (nothing is wrong with it)
    """What a consumer raises."""


class Life:
    """One process, as planned.

    Attributes:
        results: what was iterated.
        events: what an observer wrote down of each result when it came.
        run: the run, once it is open.
        error: what ended the run, if anything did.
        had: the names of which the target had the mirror image before.
        killed: whether it was killed.
        ended: whether the iteration came to its own end.
        cancelled: whether it was cancelled, which it is as well when it is killed, or its block is left.
        lasted: seconds from when its run was opened, or from its cancellation, to its end.
    """

    def __init__(self, world: World, places: Places, machine: Machine, network: Network, plan: Plan) -> None:
        self.results: list[Result] = []
        self.events: list[dict[str, Any]] = []
        self.run: Run | None = None
        self.error: GalleryError | None = None
        self.killed = self.cancelled = self.ended = False
        self.plan, self.had = plan, places.mirrored()
        self._world, self._places, self._machine, self._network = world, places, machine, network
        self._scope = trio.CancelScope()

    async def live(self) -> None:
        """Lives to the end, or until it is killed."""
        world, plan = self._world, self.plan
        world.note(f"a process begins: {plan}")
        world.trouble = plan.trouble
        for kind, steps in plan.interruptions:
            world.after(steps, getattr(self, f"_{kind}"))
        self.began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch)
            with self._scope:
                try:
                    await self._mirror()
                except GalleryError as error:
                    self.error = error
                except Left:
                    pass
            nursery.cancel_scope.cancel()
        self.lasted = trio.current_time() - self.began
        world.forget()
        world.trouble = Trouble()
        world.note(f"the process ends: {self.error}")

    async def _mirror(self) -> None:
        journal = {"automatic": {"in_place": True}, "none": {"no_journal": True, "in_place": True}}
        named = {"journal": str(self._places.journal)}
        settings = Settings(**self.plan.settings, **journal.get(self._places.kind.journal, named))
        async with open_run(**self._places.opened(), settings=settings) as self.run:
            self.began = trio.current_time()
            async for result in self.run:
                self._take(result)
                await self._consume()
            self.ended = True

    def _take(self, result: Result) -> None:
        self._world.note(f"{result.name!r} is {result.outcome}: {result.error or ''}")
        self.results.append(result)
        self.events.append(json.loads(event_line(result)))

    async def _consume(self) -> None:
        if self.plan.consumer == "dawdles":
            await trio.sleep(self._world.chance.uniform(0, 3))
        elif len(self.results) == self.plan.takes:
            match self.plan.consumer:
                case "leaves" | "raises":
                    self._cut()
                    raise Left
                case "drains":
                    self._drain()

    async def _watch(self) -> None:
        """Ends what would never end by itself: a run on a dead disk without a deadline."""
        await trio.sleep(_FOR_EVER)
        if self.plan.trouble.hangs:
            self._cancel()
            await trio.sleep(_FOR_EVER)
        self._world.is_wrong("the run hangs")
        self._scope.cancel()
        self._machine.release()

    def _cut(self) -> None:
        self.cancelled = True
        self.began = trio.current_time()

    def _drain(self) -> None:
        if self.run is None:
            self._cancel()
        else:
            self._world.note("drain")
            self.run.drain("signal")

    def _cancel(self) -> None:
        self._world.note("cancel")
        self._cut()
        self._scope.cancel()

    def _kill(self) -> None:
        self._machine.kill()
        self._network.cut()
        self.killed = True
        self._cancel()
