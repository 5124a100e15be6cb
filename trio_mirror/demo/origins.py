"""Whom the built-in gallery answers: programs of this machine, and no web page but its own."""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_READING = {"GET", "HEAD"}
_THIS_MACHINE = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?", re.IGNORECASE)
# What a browser says of a request of the page itself, and of one that a person typed (Fetch Metadata, section 2.4).
_OWN_SITES = {None, "same-origin", "none"}


class OwnOrigin:
    """Refuses requests that were made by other web pages, before their bodies are read.

    A page of another origin may send a form anywhere, and its browser then names that origin (Fetch, section 3.2). A
    page that points a name of its own at this machine (DNS rebinding) has that name in ``Host``, which must be this
    machine's, with any port.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or has it answered."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (self._app if refusal is None else refusal)(scope, receive, send)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not _THIS_MACHINE.fullmatch(host):
            return PlainTextResponse("the host is not this machine\n", 400)
        is_own = headers.get("origin") in {None, f"http://{host}"} and headers.get("sec-fetch-site") in _OWN_SITES
        if is_own or scope["method"] in _READING:
            return None
        return PlainTextResponse("uploads from pages of another origin are refused\n", 403)
