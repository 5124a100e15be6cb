"""What scripts call: `mirror`, `open_mirror` and `run`. Under asyncio: `trio_mirror.aio`."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx
import trio

from trio_mirror.api.opening import open_run
from trio_mirror.galleries import Place, Source
from trio_mirror.model import Report, Result
from trio_mirror.pipeline.hooks import Hooks
from trio_mirror.pipeline.run import Run
from trio_mirror.settings import Settings, keywords_like, keywords_of


@keywords_of(Settings)
@asynccontextmanager
async def open_mirror(
    source: Source,
    target: Place | None = None,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    transform: Callable[[bytes], bytes] | None = None,
    on_result: Callable[[Result], None] | None = None,
    **choices: Any,
) -> AsyncIterator[Run]:
    """Opens a run: results as they finish. Leaving the block early cancels what is in flight.

    Args:
        source: a URL, a folder, one file or several, or any object with the `Gallery` protocol; with ``base``, a list
            of names.
        target: a gallery like the source; none means back to the source.
        transport: carries the requests, in place of our own connections (`open_galleries`).
        transform: makes of a picture's bytes those that are stored, in a worker thread, in place of the flip.
        on_result: gets each result when it is counted.
        choices: the fields of `Settings`, by keyword; ``auth`` also as an `httpx.Auth`.

    Raises:
        SettingsError: a choice that cannot work, or a target that cannot store.
    """
    if not trio.lowlevel.in_trio_run():
        raise RuntimeError(
            "this call needs Trio's event loop: under asyncio use trio_mirror.aio, without a loop trio_mirror.run"
        )
    auth = choices.pop("auth") if isinstance(choices.get("auth"), httpx.Auth) else None
    hooks = Hooks(transform, on_result=on_result)
    async with open_run(source, target, Settings(**choices), hooks, transport=transport, auth=auth) as opened:
        yield opened


@keywords_like(open_mirror)
async def mirror(source: Source, target: Place | None = None, **choices: Any) -> Report:
    """Mirrors every picture of a gallery, and gives the report.

    Args:
        source: as of `open_mirror`.
        target: likewise.
        choices: the other arguments of `open_mirror`, by keyword.

    Raises:
        SettingsError: a choice that cannot work, or a target that cannot store.
        GalleryError: the list of the source cannot be read, or the source refuses us.
    """
    async with open_mirror(source, target, **choices) as results:
        async for _ in results:
            pass
        return results.report


@keywords_like(open_mirror)
def run(source: Source, target: Place | None = None, **choices: Any) -> Report:
    """Does what `mirror` does, for scripts that have no event loop; Ctrl-C is a plain KeyboardInterrupt."""
    if trio.lowlevel.in_trio_run():
        raise RuntimeError("trio_mirror.run starts an event loop, and one is running: await trio_mirror.mirror")
    if _in_asyncio():
        raise RuntimeError("trio_mirror.run starts an event loop, and one is running: await trio_mirror.aio.mirror")
    try:
        # Anywhere else it would cut through what holds a run together.
        return trio.run(partial(mirror, source, target, **choices), restrict_keyboard_interrupt_to_checkpoints=True)
    except BaseExceptionGroup as group:
        _, rest = group.split(KeyboardInterrupt)
        if rest is not None:
            raise
    raise KeyboardInterrupt


def _in_asyncio() -> bool:
    asyncio = sys.modules.get("asyncio")  # whose import takes longer than a small run
    try:
        return asyncio is not None and asyncio.get_running_loop() is not None
    except RuntimeError:
        return False
