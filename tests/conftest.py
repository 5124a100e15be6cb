from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
import pytest
from hypothesis import settings

# A busy machine is no failure: nothing here is judged by the time that it takes.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

Handler = Callable[[httpx.Request], Awaitable[httpx.Response]]


@pytest.fixture
def answer_with(monkeypatch: pytest.MonkeyPatch) -> Callable[[Handler], list[httpx.Request]]:
    """Puts a handler in the place of the network; gives the list of the requests that it got."""

    def install(handler: Handler) -> list[httpx.Request]:
        requests: list[httpx.Request] = []

        async def recording(request: httpx.Request) -> httpx.Response:
            requests.append(request)
            return await handler(request)

        transport = httpx.MockTransport(recording)
        monkeypatch.setattr("trio_mirror.transport.client.open_transport", lambda *_: transport)
        return requests

    return install
