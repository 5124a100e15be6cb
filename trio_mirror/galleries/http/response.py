"""The response of an exchange: its header fields, its body, why it is a refusal, and where it leads."""

from __future__ import annotations

import html
import re
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias, cast

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

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

RawField: TypeAlias = tuple[bytes, bytes]

Fields: TypeAlias = "Mapping[str, str]"
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


class Response:
    """What a server responds. Whoever has it closes it.

    Args:
        response: as the transport gives it.
        url: what was asked for.

    Attributes:
        status: the status code.
        fields: the header fields.
        url: what was asked for.
    """

    def __init__(self, response: httpx.Response, url: httpx.URL) -> None:
        self.url = url
        self.status = response.status_code
        self._raw = response.headers.raw
        self.fields = _decoded(self._raw)
        self._response = response
        self._stream = cast("httpx.AsyncByteStream", response.stream)

    async def aclose(self) -> None:
        """Closes the body; its connection is kept if all of it was read. No checkpoint, as nothing is waited for."""
        await self._stream.aclose()

    def chunks(self) -> aclosing[AsyncGenerator[bytes, None]]:
        """The decoded body; a generator is closed with the block, not whenever it is collected."""
        coding = self.fields.get("content-encoding", "identity")
        if coding == "identity":
            return aclosing(cast("AsyncGenerator[bytes, None]", aiter(self._stream)))
        return aclosing(self._decoded(Decoder(coding)))

    async def _decoded(self, decoder: Decoder) -> AsyncGenerator[bytes, None]:
        async for chunk in self._stream:
            for piece in decoder.feed(chunk):
                yield piece
        decoder.end()

    def check_headers(self) -> None:
        """Checks the header fields against their limits.

        Raises:
            ExchangeError: there are too many, or they are too long.
        """
        if len(self._raw) > _MAX_HEADERS:
            raise ExchangeError(f"the response has {len(self._raw)} headers, more than {_MAX_HEADERS}")
        if sum(len(name) + len(value) + 4 for name, value in self._raw) > _MAX_HEADER_BYTES:
            raise ExchangeError(f"the response's headers are over the limit of {format_size(_MAX_HEADER_BYTES)}")

    async def read_start(self) -> bytes:
        """Reads some of the body, for 2 s at most; a short one to its end, so that its connection is kept."""
        body = bytearray()
        with suppress(httpx.HTTPError), trio.move_on_after(_REFUSAL_TIMEOUT):
            async with self.chunks() as chunks:
                async for chunk in chunks:
                    body += chunk
                    if len(body) > _REFUSAL_BYTES:
                        break
        return bytes(body[:_REFUSAL_BYTES])

    async def _first_line(self) -> str:
        text = (await self.read_start()).decode("utf-8", "replace")
        if self.fields.get("content-type", "").lower().startswith("text/html"):
            text = _title_of(text)
        lines = text.strip().splitlines() or [""]
        return printable(lines[0][:_REFUSAL_CHARACTERS])

    async def refusal(self) -> ExchangeError:
        """Reads a response that is not a success, and gives it as an error."""
        first_line = (await self._first_line()).removeprefix(f"{self.status} ")
        refusal = f"the server answered {self.status} {printable(self._response.reason_phrase)}".strip()
        # By the server's own clock, where it gives it: ours may differ.
        now = datetime.now(UTC)
        now = parse_http_date(self.fields.get("date", ""), now) or now
        retry_after = self.fields.get("retry-after")
        refusal = refusal if first_line in refusal else f"{refusal}: {first_line}"
        # HTTP has no status for it; this is what nginx says to a client that does not show its certificate.
        wants_certificate = self.status == httpx.codes.BAD_REQUEST and "SSL certificate" in first_line
        error = ExchangeError(
            f"{refusal}; {CERTIFICATE_HINT}" if wants_certificate else f"{refusal}{self._hint()}",
            transient=self.status in TRANSIENT_STATUSES,
            retry_after=None if retry_after is None else parse_retry_after(retry_after, now),
            overload=self.status in OVERLOAD_STATUSES,
            refused=self.status in {401, 403} or wants_certificate,
        )
        error.barred = self.status == httpx.codes.PROXY_AUTHENTICATION_REQUIRED
        return error

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
        there = resolve(self.url, self._response.headers["Location"])
        if there is None or there.scheme not in {"http", "https"} or not there.raw_host:
            return None
        return there if (there.port or 0) <= LAST_PORT else None

    @property
    def is_private(self) -> bool:
        """Whether it came from a private address: the one connected to, or else the one in its URL."""
        stream = self._response.extensions.get("network_stream")
        with suppress(OSError):  # the connection may be gone by now
            if stream is not None:
                return is_private(stream.get_extra_info("server_addr")[0])
        return is_private(host_of(self.url))

    def add_cookies(self, request: httpx.Request, cookies: httpx.Cookies) -> None:
        """Adds the cookies that it sets (RFC 6265)."""
        self._response.request = request
        cookies.extract_cookies(self._response)


def _decoded(raw: list[tuple[bytes, bytes]]) -> Fields:
    fields: dict[str, str] = {}
    for name, value in raw:
        key, text = name.lower().decode("iso-8859-1"), value.decode("iso-8859-1")
        fields[key] = f"{fields[key]}, {text}" if key in fields else text
    return fields


def _title_of(page: str) -> str:
    """What an error page says in short; the rest of it is for browsers."""
    title = re.search(r"<title[^>]*>([^<]*)", page, re.IGNORECASE)
    return "" if title is None else html.unescape(title[1])
