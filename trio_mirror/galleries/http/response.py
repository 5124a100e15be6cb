"""The response of an exchange: its header fields, its body, why it is a refusal, and where it leads."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from itertools import chain
from typing import Protocol, TypeAlias

import httpx
import trio

from trio_mirror.galleries.http.addresses import is_private
from trio_mirror.galleries.http.coding import Decoder
from trio_mirror.galleries.http.credentials import schemes_of
from trio_mirror.galleries.http.errors import CERTIFICATE_HINT, PROXY_HINT, ExchangeError
from trio_mirror.galleries.http.retry_after import (
    OVERLOAD_STATUSES,
    TRANSIENT_STATUSES,
    parse_http_date,
    parse_retry_after,
)
from trio_mirror.galleries.links import resolve
from trio_mirror.galleries.urls import LAST_PORT, host_of
from trio_mirror.names import hide_credentials, printable
from trio_mirror.settings import format_size

RawField: TypeAlias = tuple[bytes, bytes]
"""A header field as it is sent."""
Fields: TypeAlias = Mapping[str, str]
"""Header fields by their names in lower case; what came repeatedly is joined by commas.

Values are text as ISO 8859-1, which loses nothing of what they are (RFC 9110, section 5.5).
"""

_MAX_HEADERS = 100
_MAX_HEADER_BYTES = 64 * 1024
REDIRECTS = {301, 302, 303, 307, 308}
"""Of responses that lead elsewhere (RFC 9110, section 15.4)."""
# The first line of a refusal is for people; more than this of an error page is noise.
_REFUSAL_BYTES = 2_048
_REFUSAL_CHARACTERS = 200
# Seconds that reading it may take.
_REFUSAL_TIMEOUT = 2.0


class ResponseBody(Protocol):
    """The body of a response, on its way."""

    @property
    def has_come(self) -> bool:
        """Whether all of it has come, so that closing it keeps its connection."""

    @property
    def server_address(self) -> str | None:
        """The address that it comes from, where that is known."""

    async def receive(self) -> bytes:
        """The next part of it; empty at its end."""

    async def aclose(self) -> None:
        """Gives the connection back if all of the body was read, and closes it otherwise. It does not wait."""


@dataclass(eq=False)
class Response:
    """What a server responds. Whoever has it closes it."""

    url: str
    """What was asked for."""
    status: int
    reason: str
    raw: list[RawField]
    """The header fields as they came."""
    fields: Fields
    """The same, decoded."""
    body: ResponseBody
    _pieces: Iterator[bytes] = field(default=iter(()), init=False)

    async def aclose(self) -> None:
        """Closes the body; its connection is kept if all of it was read. No checkpoint, as nothing is waited for."""
        await self.body.aclose()

    @cached_property
    def _decoder(self) -> Decoder | None:
        coding = self.fields.get("content-encoding", "identity")
        return None if coding == "identity" else Decoder(coding)

    async def receive(self) -> bytes:
        """The next part of the decoded body; empty at its end."""
        decoder = self._decoder
        if decoder is None:
            return await self.body.receive()
        while True:
            for piece in self._pieces:
                return piece
            chunk = await self.body.receive()
            if not chunk:
                decoder.end()
                return b""
            self._pieces = decoder.feed(chunk)

    def check_headers(self) -> None:
        """Checks the header fields against their limits.

        Raises:
            ExchangeError: there are too many, or they are too long.
        """
        if len(self.raw) > _MAX_HEADERS:
            raise ExchangeError(f"the response has {len(self.raw)} headers, more than {_MAX_HEADERS}")
        if sum(map(len, chain.from_iterable(self.raw))) + 4 * len(self.raw) > _MAX_HEADER_BYTES:
            raise ExchangeError(f"the response's headers are over the limit of {format_size(_MAX_HEADER_BYTES)}")

    async def read_start(self) -> bytes:
        """Reads some of the body, for 2 s at most; a short one to its end, so that its connection is kept."""
        body = bytearray()
        with suppress(httpx.HTTPError), trio.move_on_after(_REFUSAL_TIMEOUT):
            while len(body) <= _REFUSAL_BYTES and (chunk := await self.receive()):
                body += chunk
        return bytes(body[:_REFUSAL_BYTES])

    async def _first_line(self) -> str:
        text = (await self.read_start()).decode("utf-8", "replace")
        if self.fields.get("content-type", "").lower().startswith("text/html"):
            # What an error page says in short; the rest of it is for browsers.
            title = re.search(r"<title[^>]*>([^<]*)", text, re.IGNORECASE)
            text = "" if title is None else html.unescape(title[1])
        lines = text.strip().splitlines() or [""]
        return printable(lines[0][:_REFUSAL_CHARACTERS])

    async def refusal(self) -> ExchangeError:
        """Reads a response that is not a success, and gives it as an error."""
        first_line = (await self._first_line()).removeprefix(f"{self.status} ")
        refusal = f"the server answered {self.status} {printable(self.reason)}".strip()
        # By the server's own clock, where it gives it: ours may differ.
        now = datetime.now(UTC)
        now = parse_http_date(self.fields.get("date", ""), now) or now
        retry_after = self.fields.get("retry-after")
        refusal = refusal if first_line in refusal else f"{refusal}: {first_line}"
        # HTTP has no status for it; this is what nginx says to a client that does not show its certificate.
        wants_certificate = self.status == httpx.codes.BAD_REQUEST and "SSL certificate" in first_line
        return ExchangeError(
            f"{refusal}; {CERTIFICATE_HINT}" if wants_certificate else f"{refusal}{self._hint()}",
            transient=self.status in TRANSIENT_STATUSES,
            retry_after=None if retry_after is None else parse_retry_after(retry_after, now),
            overload=self.status in OVERLOAD_STATUSES,
            refused=self.status in {401, 403} or wants_certificate,
            status=self.status,
            barred=self.status == httpx.codes.PROXY_AUTHENTICATION_REQUIRED,
        )

    def _hint(self) -> str:
        if self.status in REDIRECTS and "location" in self.fields:
            there = printable(hide_credentials(str(self.location or self.fields["location"])[:_REFUSAL_CHARACTERS]))
            return f"; it redirects to {there}, which is not followed"
        if self.status == httpx.codes.PROXY_AUTHENTICATION_REQUIRED:
            return f"; {PROXY_HINT}"
        # RFC 9110, section 11.6.1.
        schemes = schemes_of(self.fields.get("www-authenticate", "")) if self.status == httpx.codes.UNAUTHORIZED else ()
        return f"; it asks for {' or '.join(schemes)} (--auth-type)" if schemes else ""

    @property
    def location(self) -> httpx.URL | None:
        """Where a redirect leads; None for a response that is not one, or leads to nothing that HTTP reaches."""
        if self.status not in REDIRECTS or "location" not in self.fields:
            return None
        there = resolve(httpx.URL(self.url), httpx.Headers(self.raw)["Location"])
        if there is None or there.scheme not in {"http", "https"} or not there.raw_host:
            return None
        return there if (there.port or 0) <= LAST_PORT else None

    @property
    def is_private(self) -> bool:
        """Whether it came from a private address: the one connected to, or else the one in its URL."""
        return is_private(self.body.server_address or host_of(httpx.URL(self.url)))


def decoded(raw: list[RawField]) -> Fields:
    """Header fields by their names in lower case."""
    fields: dict[str, str] = {}
    for name, value in raw:
        key, text = _key(name), value.decode("iso-8859-1")
        fields[key] = f"{fields[key]}, {text}" if key in fields else text
    return fields


@lru_cache
def _key(name: bytes) -> str:
    # The same few come with each response.
    return name.lower().decode("iso-8859-1")
