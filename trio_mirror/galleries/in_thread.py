"""Calls in threads, also where the system has few of them."""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable
from typing import TypeVar, TypeVarTuple, Unpack

import trio

from trio_mirror.galleries.scarcity import say_once

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")
# Seconds between two tries to start a thread, and how many there are: for a minute.
_PAUSE, _TRIES = 0.02, 3_000


async def in_thread(call: Callable[[Unpack[_Ts]], _T], *args: *_Ts, limiter: trio.CapacityLimiter | None = None) -> _T:
    """Calls in a thread, which a cancellation leaves to itself.

    Raises:
        OSError: for a minute there was no thread.
    """
    return await when_threads(lambda: trio.to_thread.run_sync(call, *args, abandon_on_cancel=True, limiter=limiter))


async def when_threads(call: Callable[[], Awaitable[_T]]) -> _T:
    """Awaits what needs a thread; where none can be started, again and again, until one of the others is free.

    Raises:
        OSError: for a minute there was no thread.
    """
    for _ in range(_TRIES):
        try:
            return await call()
        except RuntimeError as error:
            if not lacks_thread(error):
                raise
        await trio.sleep(_PAUSE)
    raise OSError(errno.EAGAIN, "no thread can be started")


def lacks_thread(error: RuntimeError) -> bool:
    """Whether Python could start no thread, which is logged once."""
    lacks = str(error) == "can't start new thread"
    if lacks:
        say_once("threads (ulimit -u, pids.max)")
    return lacks
