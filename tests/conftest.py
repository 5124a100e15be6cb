from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
import pytest
import trio
from hypothesis import settings

from trio_mirror.model import Flipped

# A busy machine is no failure: nothing here is judged by the time that it takes.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

Handler = Callable[[httpx.Request], Awaitable[httpx.Response]]


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


@pytest.fixture
def answer_with(monkeypatch: pytest.MonkeyPatch) -> Callable[[Handler], list[httpx.Request]]:
    """Puts a handler in the place of the network; gives the list of the requests that it got."""

    def install(handler: Handler) -> list[httpx.Request]:
        requests: list[httpx.Request] = []

        async def recording(request: httpx.Request) -> httpx.Response:
            requests.append(request)
            return await handler(request)

        transport = httpx.MockTransport(recording)
        monkeypatch.setattr("trio_mirror.galleries.http.client.open_transport", lambda *_: transport)
        return requests

    return install
