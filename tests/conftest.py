from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

import pytest
import trio
from hypothesis import settings

from trio_mirror.model import Flipped

if TYPE_CHECKING:
    from collections.abc import Callable

# What runs in place remember by themselves is not to lie among the user's own files; started processes inherit it.
_STATE = tempfile.TemporaryDirectory(prefix="trio-mirror-tests-")
os.environ["XDG_STATE_HOME"] = _STATE.name

# A busy machine is no failure: nothing here is judged by the time that it takes.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def instant_flip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns the bytes of a picture round, and keeps that out of threads: the clock would take those for idleness."""

    async def run_at_once(self: object, work: Callable[[], object]) -> object:
        await trio.lowlevel.checkpoint()
        return work()

    monkeypatch.setattr("trio_mirror.pipeline.threads.WorkerThreads.run", run_at_once)
    monkeypatch.setattr(
        "trio_mirror.pipeline.transformer.flip", lambda data, **_: Flipped(data[::-1], "image/png", lossless=True)
    )
