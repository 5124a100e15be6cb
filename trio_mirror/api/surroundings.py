"""Which event loop a call is made in, and a clear sentence where it is not the one that it needs."""

from __future__ import annotations

import sys

import trio


def needs_trio() -> None:
    """Checks that Trio runs the caller.

    Raises:
        RuntimeError: it does not.
    """
    if not trio.lowlevel.in_trio_run():
        raise RuntimeError(
            "this call needs Trio's event loop: under asyncio use trio_mirror.aio, without a loop trio_mirror.run"
        )


def needs_no_loop() -> None:
    """Checks that no event loop runs in this thread.

    Raises:
        RuntimeError: one does.
    """
    if trio.lowlevel.in_trio_run():
        raise RuntimeError("trio_mirror.run starts an event loop, and one is running: await trio_mirror.mirror")
    if _in_asyncio():
        raise RuntimeError("trio_mirror.run starts an event loop, and one is running: await trio_mirror.aio.mirror")


def _in_asyncio() -> bool:
    asyncio = sys.modules.get("asyncio")  # whose import takes longer than a small run
    try:
        return asyncio is not None and asyncio.get_running_loop() is not None
    except RuntimeError:
        return False
