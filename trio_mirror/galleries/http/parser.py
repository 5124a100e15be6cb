"""What has come of an HTTP/1.1 response, from bytes alone (RFC 9112); the connection reads them.

llhttp parses, by way of httptools. What is ambiguous is refused, and so is what only another protocol could mean.
"""

from __future__ import annotations

import httptools
import httpx

from trio_mirror.galleries.http.response import Fields, RawField, decoded

# Of a head, of trailers, or of what stands between chunks. The client has limits of its own for what it sees.
_OVERHEAD_BYTES = 256 * 1024


class ResponseReader:
    """What has come of the response of one exchange after another. httptools calls the ``on_`` methods as it parses."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.begin()

    def begin(self) -> None:
        """Begins with the next response, on a connection that was kept."""
        self.status = 0  # of the final response: informational ones (1xx) are passed over
        self.reason = b""
        self.headers: list[RawField] = []
        self.fields: Fields = {}  # the same, decoded; once the head is whole
        self.missing = 0  # bytes of a body with a Content-Length that are still to come
        self.has_head = False
        self.complete = False
        self.ended = False  # whether the server has closed its side
        self.keep_alive = True  # whether another exchange may follow on the connection
        # Why what came while the request was being sent is not a response.
        self.refused: httpx.RemoteProtocolError | None = None
        self._parts: list[bytes] = []
        self._overhead = 0
        self._surplus = False
        self._doubt: str | None = None

    def feed(self, data: bytes) -> None:
        """Takes in what came from the server.

        Raises:
            httpx.RemoteProtocolError: it is not a response, or a doubtful one.
        """
        if self.missing:
            self._parts.append(data)
            self.missing -= len(data)
            self.complete = not self.missing
            return
        parts_before = len(self._parts)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            raise httpx.RemoteProtocolError("the server switched to another protocol unasked") from None
        except httptools.HttpParserError as error:
            if not self.complete:
                raise httpx.RemoteProtocolError(f"the response is not HTTP as it should be: {error}") from None
            self._surplus = True
        if self._doubt is not None:
            raise httpx.RemoteProtocolError(self._doubt)
        # Whoever sends after the end of a response may mean it as the next one (response splitting).
        self.keep_alive = self.keep_alive and not self._surplus
        self._overhead = 0 if len(self._parts) > parts_before else self._overhead + len(data)
        if self.complete:
            return
        if self._overhead > _OVERHEAD_BYTES:
            raise httpx.RemoteProtocolError("the response's headers, or what stands between its chunks, go on and on")
        if self.has_head and "content-length" in self.fields:
            # What follows is the body alone. The parser would only copy it, and is in the middle of it for good.
            self.missing = int(self.fields["content-length"]) - sum(map(len, self._parts))
            self._parser = httptools.HttpResponseParser(self)

    def end(self) -> None:
        """Takes in that the server has closed its side.

        Raises:
            httpx.RemoteProtocolError: the body is not whole.
        """
        self.ended = True
        self.keep_alive = False
        if self.has_head and not self.complete:
            # RFC 9112, section 6.3: only a body without any framing ends with the connection.
            if self.missing or "transfer-encoding" in self.fields:
                raise httpx.RemoteProtocolError("the body is not complete: the server closed in the middle of it")
            self.complete = True

    def end_at_head(self) -> None:
        """Ends the response with its head, as for HEAD, whatever that says of a body (RFC 9110, section 9.3.2)."""
        self.keep_alive = self.keep_alive and not self._parts
        self.complete = True
        # It would wait for the body.
        self._parser = httptools.HttpResponseParser(self)

    def take(self) -> bytes:
        """Gives what has come of the body since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)

    def on_message_begin(self) -> None:
        """A message begins; behind a whole response it comes unasked."""
        self._surplus = self.complete

    def on_status(self, reason: bytes) -> None:
        """Part of the reason phrase."""
        if not self._surplus:
            self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head, or of the trailers."""
        # After the head come trailers, which nothing here needs.
        if not self.has_head:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The end of a head, of an informational response or of the final one."""
        if self._surplus:
            return
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            self.headers.clear()
            self.reason = b""
            return
        self.status = status
        self.has_head = True
        self.keep_alive = self.keep_alive and self._parser.should_keep_alive()
        self._doubt = self._doubt or self._doubt_of_head()

    def on_body(self, body: bytes) -> None:
        """Part of the body, its framing taken off."""
        if not self._surplus:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        """The end of a message."""
        # That of an informational response comes before the final one has its head.
        self.complete = self.has_head

    def _doubt_of_head(self) -> str | None:
        if self._parser.get_http_version() not in ("1.0", "1.1"):
            return "the response is of another version of HTTP than 1.0 or 1.1"
        self.fields = decoded(self.headers)
        coding = self.fields.get("transfer-encoding")
        if coding is not None and (coding.strip().lower() != "chunked" or "content-length" in self.fields):
            return "doubtful framing of the response: a Transfer-Encoding other than chunked, or with a Content-Length"
        return None
