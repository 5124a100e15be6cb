"""`mirror` and `open_mirror` for asyncio: the run has a thread and a Trio loop of its own.

In a web application, for example, which takes URLs only, since any other text would name a folder of its server::

    from typing import Any

    import fastapi
    import pydantic
    import trio_mirror.aio

    app = fastapi.FastAPI()

    @app.post("/mirror")
    async def mirror_gallery(gallery: pydantic.HttpUrl) -> dict[str, Any]:
        report = await trio_mirror.aio.mirror(str(gallery), "mirrored")
        return report.as_json()

Trio's guest mode would have both loops in one thread. There one run at a time is possible, and each of its steps
waits in another thread for the sockets; a loop of its own costs neither.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeAlias, TypeVar

import outcome
import trio

from trio_mirror.api import open_mirror as open_in_trio
from trio_mirror.galleries import Place, Source
from trio_mirror.model import Report, Result
from trio_mirror.pipeline.run import Run
from trio_mirror.settings import keywords_like

_T = TypeVar("_T")
Wish: TypeAlias = "asyncio.Future[outcome.Outcome[Result | None]]"  # for the next result, or None at the end


@keywords_like(open_in_trio)
async def mirror(source: Source, target: Place | None = None, **choices: Any) -> Report:
    """Does what `trio_mirror.mirror` does, under asyncio."""
    async with open_mirror(source, target, **choices) as results:
        async for _ in results:
            pass
        return results.report


@keywords_like(open_in_trio)
@asynccontextmanager
async def open_mirror(source: Source, target: Place | None = None, **choices: Any) -> AsyncIterator[Results]:
    """Does what `trio_mirror.open_mirror` does, under asyncio.

    ``transform``, ``on_result``, and a transport or a gallery of the caller's run in the thread of the run.
    """
    results = Results(partial(open_in_trio, source, target, **choices))
    try:
        await results.opened()
        yield results
    finally:
        await results.aclose()


class Results:
    """A run under way in another thread: an asynchronous iterator of its results as they finish, for asyncio.

    The run goes no faster than its results are taken.
    """

    def __init__(self, opening: Callable[[], AbstractAsyncContextManager[Run]]) -> None:
        self._loop = asyncio.get_running_loop()
        self._opening = opening
        self._run: Run | None = None
        self._begun = self._loop.create_future()
        self._opened = self._loop.create_future()
        self._ended = self._loop.create_future()
        self._token: trio.lowlevel.TrioToken
        self._scope, self._taking = trio.CancelScope(), trio.CancelScope()
        self._wishes, self._wished = trio.open_memory_channel[Wish](float("inf"))
        # Those of iterations that were cancelled meanwhile.
        self._unclaimed: deque[Wish] = deque()
        threading.Thread(target=self._in_thread, name="trio-mirror", daemon=True).start()

    @property
    def report(self) -> Report:
        """The sum of the results so far."""
        assert self._run is not None
        return self._run.report

    def drain(self) -> None:
        """Takes no more names: what is in flight ends, and the iteration with it."""
        assert self._run is not None
        self._call(self._run.drain)

    def __aiter__(self) -> Results:
        return self

    async def __anext__(self) -> Result:
        if self._unclaimed:
            wish = self._unclaimed.popleft()
        else:
            wish = self._loop.create_future()
            self._call(self._wishes.send_nowait, wish)
        try:
            await asyncio.wait({wish, self._ended}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._unclaimed.append(wish)
            raise
        if wish.done() and (result := wish.result().unwrap()) is not None:
            return result
        if self._ended.done():
            self._ended.result().unwrap()
        raise StopAsyncIteration

    async def opened(self) -> None:
        """Waits until the run is open.

        Raises:
            SettingsError: as `trio_mirror.open_mirror`.
        """
        await asyncio.wait({self._opened, self._ended}, return_when=asyncio.FIRST_COMPLETED)
        if not self._opened.done():
            self._ended.result().unwrap()

    async def aclose(self) -> None:
        """Ends the run, and what is in flight with it.

        A cancellation before all is written cuts that short. An error of the run comes out here, if it did not come
        before.
        """
        cancelled = None
        while not self._ended.done():
            try:
                await asyncio.shield(self._begun)
                self._call((self._taking if self._opened.done() else self._scope).cancel)
                await asyncio.shield(self._ended)
            except asyncio.CancelledError as error:
                cancelled = error
                self._opened = self._loop.create_future()
        if cancelled is not None:
            raise cancelled
        if self._opened.done():
            self._ended.result().unwrap()

    def _call(self, function: Callable[..., object], *args: object) -> None:
        """Calls a function in the thread of the run, while it lasts."""
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(function, *args)

    def _say(self, future: asyncio.Future[_T], value: _T) -> None:
        """Has a future done in the thread of asyncio."""
        self._loop.call_soon_threadsafe(future.set_result, value)

    def _in_thread(self) -> None:
        self._say(self._ended, outcome.capture(trio.run, self._main))

    async def _main(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._say(self._begun, None)
        with self._scope:
            async with self._opening() as self._run:
                self._say(self._opened, None)
                with self._taking:
                    await self._give(self._run)

    async def _give(self, run: Run) -> None:
        """Gives results as they are wished for."""
        async for wish in self._wished:
            try:
                found: outcome.Outcome[Result | None] = outcome.Value(await anext(run, None))
            except Exception as error:  # noqa: BLE001 (whoever iterates gets it)
                found = outcome.Error(error)
            self._say(wish, found)
