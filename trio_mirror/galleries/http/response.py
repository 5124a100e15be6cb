"""What an answer says: its header fields, its body, why it is a refusal, and where it leads."""

from __future__ import annotations

from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias, cast

import httpx
import trio

from trio_mirror.galleries.http.coding import CodingError, Decoder
from trio_mirror.galleries.http.errors import ExchangeError
from trio_mirror.galleries.http.pool import host_of
from trio_mirror.names import printable
from trio_mirror.pipeline.attempts import OVERLOAD_STATUSES, TRANSIENT_STATUSES, parse_http_date, parse_retry_after

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

Origin: TypeAlias = tuple[str, str, int | None]
"""Scheme, host and port (RFC 6454, section 4)."""

Fields: TypeAlias = "Mapping[str, str]"
"""The header fields of an answer, by their names in lower case; what came repeatedly is joined by commas.

Values are text as ISO 8859-1, which loses nothing of what they are (RFC 9110, section 5.5).
"""
RawField: TypeAlias = tuple[bytes, bytes]

_REDIRECTS = {301, 302, 303, 307, 308}
# An answer's first line is for people; more than this of an error page is noise.
_ANSWER_BYTES = 2_048
_ANSWER_CHARACTERS = 200
# Seconds that reading it may take.
_ANSWER_TIMEOUT = 2.0


def stream_of(response: httpx.Response) -> httpx.AsyncByteStream:
    """The body of an answer to an asynchronous request, as it comes."""
    return cast("httpx.AsyncByteStream", response.stream)


def encoded_fields(fields: Mapping[str, str]) -> list[RawField]:
    """Puts header fields into bytes, for a request."""
    # What came as decoded_fields gave it goes back as it was. What cannot have come so, as from a journal that was
    # edited, begins no other field.
    encoded = {name.encode(): value.encode("iso-8859-1", "replace") for name, value in fields.items()}
    return [(name, value.translate(None, b"\r\n\0")) for name, value in encoded.items()]


def decoded_fields(raw: list[RawField]) -> Fields:
    """Reads the header fields of an answer."""
    fields: dict[str, str] = {}
    for name, value in raw:
        key, text = name.lower().decode("iso-8859-1"), value.decode("iso-8859-1")
        fields[key] = f"{fields[key]}, {text}" if key in fields else text
    return fields


def chunks_of(response: httpx.Response, fields: Fields) -> aclosing[AsyncGenerator[bytes, None]]:
    """The decoded body; a generator is closed with the block, not whenever it is collected."""
    coding = fields.get("content-encoding", "identity")
    if coding == "identity":
        return aclosing(cast("AsyncGenerator[bytes, None]", aiter(stream_of(response))))
    return aclosing(_decoded(stream_of(response), coding))


async def _decoded(stream: httpx.AsyncByteStream, coding: str) -> AsyncGenerator[bytes, None]:
    decoder = Decoder(coding)
    async for chunk in stream:
        for piece in decoder.feed(chunk):
            yield piece
    decoder.end()


async def read_first_line(response: httpx.Response, fields: Fields) -> str:
    """Reads what an answer says, for people; a short body is read whole, so that its connection is kept."""
    body = bytearray()
    in_time = trio.CancelScope(deadline=trio.current_time() + _ANSWER_TIMEOUT)
    with suppress(httpx.HTTPError, CodingError), in_time:
        async with chunks_of(response, fields) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > _ANSWER_BYTES:
                    break
    text = body[:_ANSWER_BYTES].decode("utf-8", "replace")
    if fields.get("content-type", "").lower().startswith("text/html"):
        text = _title_of(text)
    lines = text.strip().splitlines() or [""]
    return printable(lines[0][:_ANSWER_CHARACTERS])


def _title_of(page: str) -> str:
    """What an error page says in short; the rest of it is for browsers."""
    from selectolax.lexbor import LexborHTMLParser

    title = LexborHTMLParser(page).css_first("title")
    return "" if title is None else title.text()


async def read_refusal(response: httpx.Response) -> ExchangeError:
    """Reads an answer that is no success, and gives it as an error."""
    status, fields = response.status_code, decoded_fields(response.headers.raw)
    first_line = (await read_first_line(response, fields)).removeprefix(f"{status} ")
    answer = f"the server answered {status} {printable(response.reason_phrase)}".strip()
    # By the server's own clock, where it tells: ours may differ.
    now = datetime.now(UTC)
    now = parse_http_date(fields.get("date", ""), now) or now
    retry_after = fields.get("retry-after")
    return ExchangeError(
        answer if first_line in answer else f"{answer}: {first_line}",
        transient=status in TRANSIENT_STATUSES,
        retry_after=None if retry_after is None else parse_retry_after(retry_after, now),
        overload=status in OVERLOAD_STATUSES,
        unauthorized=status in {401, 403},
    )


async def read_redirect(here: httpx.URL, response: httpx.Response) -> httpx.URL:
    """Where a redirect leads, on the same origin.

    Raises:
        ExchangeError: the answer is no redirect, or one that is not followed.
    """
    if response.status_code not in _REDIRECTS or "Location" not in response.headers:
        raise await read_refusal(response)
    location = response.headers["Location"]
    try:
        there = here.join(location)
    except httpx.InvalidURL as error:
        raise ExchangeError(f"redirected to what is no URL: {printable(location[:_ANSWER_CHARACTERS])}") from error
    if origin(there) != origin(here):
        # Credentials and custom headers go to the origin they were given for, and nowhere else.
        raise ExchangeError(f"redirected to another origin, {printable(_origin_text(there))}, which is not followed")
    return there


def origin(url: httpx.URL) -> Origin:
    """The origin of a URL, with its scheme's default port filled in."""
    return url.scheme, host_of(url), url.port or {"http": 80, "https": 443}.get(url.scheme)


def _origin_text(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii')}"
