"""A server in the place of the network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx

Handler = Callable[[httpx.Request], Awaitable[httpx.Response]]


class Server(httpx.MockTransport):
    """A transport that gives what a handler responds.

    Attributes:
        requests: those that it got so far.
    """

    def __init__(self, handler: Handler) -> None:
        self.requests: list[httpx.Request] = []

        async def recording(request: httpx.Request) -> httpx.Response:
            self.requests.append(request)
            return await handler(request)

        super().__init__(recording)
