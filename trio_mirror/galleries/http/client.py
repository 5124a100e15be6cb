"""One HTTP exchange at a time: its deadline, its limits, and its redirects.

An exchange that fails raises an `ExchangeError`, which the gallery turns into the error of a picture or of the list.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import partial
from typing import TypeAlias

import httpx

from trio_mirror import __version__
from trio_mirror.galleries.deadline import deadline
from trio_mirror.galleries.http.auth import WithAuth
from trio_mirror.galleries.http.coding import ACCEPTED
from trio_mirror.galleries.http.credentials import as_typed, auth_of
from trio_mirror.galleries.http.digest import digest_of
from trio_mirror.galleries.http.errors import ExchangeError, map_exceptions, too_large
from trio_mirror.galleries.http.exchange import Carrier, Request, RequestBody
from trio_mirror.galleries.http.min_rate import MinRate
from trio_mirror.galleries.http.over_httpx import OverHttpx
from trio_mirror.galleries.http.redirects import Redirects
from trio_mirror.galleries.http.response import REDIRECTS, Fields, RawField, Response
from trio_mirror.galleries.http.transport import open_carriers
from trio_mirror.galleries.urls import written
from trio_mirror.settings import Settings

Receive: TypeAlias = "Callable[[], Awaitable[bytes]]"
"""Gives the next part of a body; nothing at its end."""

# What every request has, wherever it goes.
_FIELDS: list[RawField] = [(b"User-Agent", f"trio-mirror/{__version__}".encode()), (b"Accept", b"*/*")]
# A picture is compressed already: a content coding around it would only cost time.
_GET: list[RawField] = [*_FIELDS, (b"Accept-Encoding", b"identity")]
# RFC 9110, section 9.3.4.
_STORED_BY_PUT = {200, 201, 204}


@asynccontextmanager
async def open_client(
    base: httpx.URL, settings: Settings, *, transport: httpx.AsyncBaseTransport | None, auth: httpx.Auth | None
) -> AsyncIterator[Client]:
    """Opens a client for the origin of ``base``; leaving the block closes its connections.

    ``auth``, or else the userinfo of ``base``, comes before the credentials of the settings. Whoever gave a
    ``transport``, in place of our own connections, closes it.

    Raises:
        SettingsError: a file of certificates or credentials cannot be read, or the environment does not fit.
    """
    scheme = auth or auth_of(base, settings)
    header = [(name.encode("ascii"), as_typed(value)) for name, value in settings.header]
    if isinstance(scheme, bytes) and all(name.lower() != b"authorization" for name, _ in header):
        header.insert(0, (b"Authorization", scheme))
    async with AsyncExitStack() as stack:
        home: Carrier
        elsewhere: Carrier
        if transport is None:
            home, elsewhere = await open_carriers(base, settings)
            stack.push_async_callback(elsewhere.aclose)
            stack.push_async_callback(home.aclose)
        else:
            home = elsewhere = OverHttpx(transport)
        if isinstance(scheme, httpx.Auth):
            home = WithAuth(home, scheme, settings.max_bytes)
        yield Client(home, elsewhere, base, settings, header)


class Client:
    """An HTTP client for one origin: every wait under a deadline, every body under a limit.

    It hands requests straight to what carries them. What httpx's own client adds to that (cookies, redirects anywhere,
    timeouts of each read alone, which a body that drips beats for ever) is not wanted here, and costs time.

    ``home`` carries the requests to the gallery, ``elsewhere`` what its redirects lead to on other origins. The fields
    in ``header``, credentials with them, go with every request to the gallery.
    """

    def __init__(
        self, home: Carrier, elsewhere: Carrier, base: httpx.URL, settings: Settings, header: list[RawField]
    ) -> None:
        self._home = home
        self._elsewhere = elsewhere
        self._base = base
        self._settings = settings
        self._own = [(b"Host", base.netloc), *header]
        self._chosen = {name.lower() for name, _ in self._own}
        self._get, self._upload = self._at_home(_GET), self._at_home(_FIELDS)

    async def get(self, url: str, known_etag: str | None = None) -> tuple[bytes, Fields] | None:
        """Reads a whole body, cut off after the timeout, body included; None if it still has the entity tag.

        Redirects are followed to other origins, too.

        Raises:
            ExchangeError: no complete response in time, a status other than 200, a body cut short, too slow, over
                ``max_bytes`` (counted after content decoding), or other than its digest.
        """
        # RFC 9110, section 13.1.2.
        known = [] if known_etag is None else _encoded_fields({"If-None-Match": known_etag})
        request = Request("GET", url, [*self._get, *self._unchosen(known)])
        with map_exceptions(), deadline(self._settings.timeout):
            response = await self._exchange(request, anywhere=[*_GET, *known])
            try:
                if response.status == httpx.codes.NOT_MODIFIED and known_etag is not None:
                    return None
                if response.status != httpx.codes.OK:
                    raise await response.refusal()
                return await self._read(response), response.fields
            finally:
                await response.aclose()

    async def has(self, url: str) -> bool:
        """Whether a GET would give something, by its header fields alone (RFC 9110, section 9.3.2).

        Raises:
            ExchangeError: no response in time, or a status that says neither.
        """
        with map_exceptions(), deadline(self._settings.timeout):
            response = await self._exchange(Request("HEAD", url, self._get), anywhere=_GET)
            try:
                if response.status not in (httpx.codes.OK, httpx.codes.NOT_FOUND, httpx.codes.GONE):
                    raise await response.refusal()
                return response.status == httpx.codes.OK
            finally:
                await response.aclose()

    @asynccontextmanager
    async def stream(self, url: httpx.URL) -> AsyncIterator[tuple[httpx.URL, Fields, Receive]]:
        """Opens a body of any length: gives the URL that it came from, the header fields, and what receives its parts.

        The timeout bounds each wait for a part, not the whole, since a reader may take its time.

        Raises:
            ExchangeError: no response or no next part in time, a status other than 200, a body cut short.
        """
        request = Request("GET", written(url), self._at_home([*_FIELDS, (b"Accept-Encoding", ACCEPTED.encode())]))
        with map_exceptions(), deadline(self._settings.timeout):
            response = await self._exchange(request)
        async with aclosing(response):
            if response.status != httpx.codes.OK:
                raise await response.refusal()
            min_rate = MinRate(self._settings.min_rate)
            yield httpx.URL(response.url), response.fields, partial(self._receive, response, min_rate)

    async def _receive(self, response: Response, min_rate: MinRate) -> bytes:
        min_rate.resume()
        with map_exceptions(), deadline(self._settings.timeout):
            part = await response.receive()
        if part:
            min_rate.count(part)
        return part

    async def upload(self, method: str, url: str, fields: Mapping[str, str], pieces: Sequence[bytes]) -> None:
        """Posts or puts a body to a URL, with header fields beside those of every request.

        At home 307 and 308 are followed with the body; other redirects are refusals.

        Raises:
            ExchangeError: a status that does not mean stored, or no response in time; its ``sent`` says whether
                the body had left.
        """
        body = RequestBody(*pieces)
        length = (b"Content-Length", b"%d" % sum(map(len, pieces)))
        own = self._unchosen([length, *_encoded_fields(fields)])
        request = Request(method, url, [*self._upload, *own], body)
        try:
            with map_exceptions(), deadline(self._settings.timeout):
                response = await self._exchange(request)
        except ExchangeError as error:
            # What TLS or a proxy refused has not come through.
            error.sent = body.sent and not error.barred
            raise
        try:
            stored = response.status in self._settings.success_status
            if not (stored or (method == "PUT" and response.status in _STORED_BY_PUT)):
                refusal = await response.refusal()
                if httpx.codes.is_success(response.status):
                    hint = f"where that means stored, --success-status {response.status} says so"
                    refusal.args = (f"{refusal}; {hint}",)
                raise refusal
            if not response.body.has_come:
                # Read to its end, so that its connection is kept: httpx's is lost even where the body is empty.
                await response.read_start()
        finally:
            await response.aclose()

    def _at_home(self, fields: list[RawField]) -> list[RawField]:
        """The fields of a request to the gallery: those that were chosen stand in the place of ours."""
        return [*self._own, *self._unchosen(fields)]

    def _unchosen(self, fields: list[RawField]) -> list[RawField]:
        return [field for field in fields if field[0].lower() not in self._chosen]

    async def _exchange(self, request: Request, anywhere: list[RawField] | None = None) -> Response:
        """Sends a request to the gallery, also where redirects lead. Whoever gets the response closes it.

        Redirects to other origins get the header fields in ``anywhere``; where that is None, they are refused.
        """
        response = await self._home.exchange(request)
        redirects = Redirects(self._base, anywhere) if response.status in REDIRECTS else None
        while True:
            try:
                if request.method == "GET":
                    response.check_headers()
                following = None if redirects is None else redirects.next_request(request, response)
            except ExchangeError:
                await response.aclose()
                raise
            if redirects is None or following is None:
                return response
            # Read to its end, so that its connection is kept.
            await response.read_start()
            await response.aclose()
            request = following
            request.body.sent = False
            try:
                with map_exceptions():
                    response = await (self._home if redirects.at_home else self._elsewhere).exchange(request)
            except ExchangeError as error:
                # What another host refuses is not refused to all that this one has.
                error.barred = error.barred and redirects.at_home
                raise

    async def _read(self, response: Response) -> bytes:
        """The whole body, decoded and checked."""
        limit, fields = self._settings.max_bytes, response.fields
        if int(fields.get("content-length", 0)) > limit:
            raise too_large(limit)
        promised = digest_of(fields)
        min_rate = MinRate(self._settings.min_rate)
        parts: list[bytes] = []
        size = 0
        while chunk := await response.receive():
            min_rate.count(chunk)
            parts.append(chunk)
            size += len(chunk)
            if size > limit:
                raise too_large(limit)
            if promised is not None:
                promised[0].update(chunk)
        if promised is not None and promised[0].digest() != promised[1]:
            raise ExchangeError("the body is not what its digest says", transient=True)
        return b"".join(parts)


def _encoded_fields(fields: Mapping[str, str]) -> list[RawField]:
    # What came as a Response's fields goes back as it was. What cannot have come so, as from a journal that was
    # edited, begins no other field.
    encoded = ((name.encode(), value.encode("iso-8859-1", "replace")) for name, value in fields.items())
    return [(name, value.translate(None, b"\r\n\0")) for name, value in encoded]
