"""Exchanges are the same whatever carries them, and the same as httpx would write them."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import httpx
import pytest
import trio
import trio.testing
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from trio_mirror import NameRefusedError
from trio_mirror.galleries.http.connection_pool import ConnectionPool
from trio_mirror.galleries.http.exchange import Request, RequestBody
from trio_mirror.galleries.http.gallery import HttpGallery
from trio_mirror.galleries.http.multipart import Multipart
from trio_mirror.galleries.http.over_httpx import OverHttpx, from_httpx
from trio_mirror.names import ListedName
from trio_mirror.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from trio_mirror.galleries.http.client import Client
    from trio_mirror.galleries.http.exchange import Carrier

CARRIERS: dict[str, Callable[[int], Carrier]] = {
    "our own": lambda port: ConnectionPool("127.0.0.1", port),
    "over httpx": lambda _: OverHttpx(httpx.AsyncHTTPTransport(trust_env=False)),
}


@asynccontextmanager
async def serving(parts: Sequence[bytes], received: bytearray) -> AsyncIterator[int]:
    """A server that sends a response in parts, and closes; its port."""

    async def serve(stream: trio.SocketStream) -> None:
        while not received.endswith(b"end"):
            received.extend(await stream.receive_some())
        with suppress(trio.BrokenResourceError):
            for part in parts:
                await stream.send_all(part)
                await trio.testing.wait_all_tasks_blocked()
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def exchanged(carried_by: str, parts: Sequence[bytes]) -> tuple[Any, ...]:
    """What arrived at the server, and what came back: the request, the status, reason, header fields, and body."""
    received = bytearray()
    async with serving(parts, received) as port:
        carrier = CARRIERS[carried_by](port)
        fields = [(b"Host", b"gallery.example"), (b"X-Key", b"\xff"), (b"Content-Length", b"8")]
        body = RequestBody(b"body ", b"end")
        request = Request("POST", f"http://127.0.0.1:{port}/images/a%20b.png?x=1", fields, body)
        with trio.fail_after(60):
            response = await carrier.exchange(request)
            assert body.sent
            assert response.body.server_address == "127.0.0.1"
            came = bytearray()
            while part := await response.receive():
                came += part
            await response.aclose()
        await carrier.aclose()
    return bytes(received), response.status, response.reason, response.raw, bytes(came)


def framed(body: bytes, framing: str) -> tuple[bytes, bytes]:
    """The header field of a framing, and a body in it."""
    if framing == "length":
        return b"Content-Length: %d\r\n" % len(body), body
    if framing == "chunked":
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(it), it) for at in range(0, len(body), 7) if (it := body[at : at + 7]))
        return b"Transfer-Encoding: chunked\r\n", chunks + b"0\r\n\r\n"
    return b"", body


@settings(deadline=None, max_examples=40)
@given(
    status=st.sampled_from([b"200 OK", b"404 Not Found", b"503 ", b"299 Odd: one"]),
    fields=st.lists(
        st.sampled_from([b'ETag: "x"', b"X-Odd: \xff\xfe", b"etag: other", b"Set-Cookie: a=b", b"X-Empty:"]), max_size=4
    ),
    body=st.binary(max_size=60),
    framing=st.sampled_from(["length", "chunked", "close"]),
    cuts=st.sets(st.integers(1, 300), max_size=5),
)
def test_an_exchange_is_the_same_over_httpx(
    status: bytes, fields: list[bytes], body: bytes, framing: str, cuts: set[int]
) -> None:
    field, content = framed(body, framing)
    text = b"HTTP/1.1 %b\r\n%b%b\r\n%b" % (status, b"".join(it + b"\r\n" for it in fields), field, content)
    edges = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    parts = [text[start:end] for start, end in pairwise(edges)]

    ours, over_httpx = (trio.run(exchanged, carried_by, parts) for carried_by in CARRIERS)

    assert ours == over_httpx
    assert ours[-1] == body


@pytest.mark.parametrize(
    ("url", "head"),
    [
        ("http://gallery.example", b"GET / HTTP/1.1\r\nHost: gallery.example\r\n"),
        ("http://gallery.example:80?a b", b"GET /?a%20b HTTP/1.1\r\nHost: gallery.example\r\n"),
        ("http://me:secret@gallery.example:81/a#b", b"GET /a HTTP/1.1\r\nHost: gallery.example:81\r\n"),
        ("http://[::1]:8080/a/../b%2Fc", b"GET /b%2Fc HTTP/1.1\r\nHost: [::1]:8080\r\n"),
        ("http://bücher.example/ä?ä", b"GET /%C3%A4?%C3%A4 HTTP/1.1\r\nHost: xn--bcher-kva.example\r\n"),
    ],
)
async def test_any_url_is_written_as_a_request_has_it(url: str, head: bytes) -> None:
    received = bytearray()
    async with serving([b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"], received) as port:
        carrier = ConnectionPool("127.0.0.1", port)
        request = await from_httpx(httpx.Request("GET", url))
        request.body = RequestBody(b"end")
        await (await carrier.exchange(request)).aclose()
        await carrier.aclose()

    assert received.startswith(head)


@given(
    name=st.text(min_size=1, max_size=20),
    query=st.text("abc=&%'\"/?", max_size=5),
    base=st.sampled_from(["http://gallery.example/images", "http://[::1]:81/%7Eme/?sig='a%2Fb'"]),
)
async def test_the_url_of_a_picture_is_what_httpx_would_make_of_it(name: str, query: str, base: str) -> None:
    asked: list[str] = []

    class Recording:
        async def get(self, url: str, _: str | None) -> None:
            asked.append(url)

    gallery = HttpGallery(cast("Client", Recording()), httpx.URL(base), Settings())
    query = query.replace('"', "")
    try:
        await gallery.fetch(ListedName(name, query))
    except NameRefusedError:
        assume(False)
    query = query or httpx.URL(base).query.decode("ascii")
    url = httpx.URL(f"{gallery.identity}{quote(name)}{query and '?'}{query}")
    assert asked == [str(url)]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(field=texts, filename=texts, data=st.binary(max_size=20))
def test_an_upload_is_framed_as_httpx_frames_it(field: str, filename: str, data: bytes) -> None:
    assume(filename)
    boundary, head, tail = Multipart(field).frame(filename, "image/png")

    content_type = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    files = {field: (filename, data, "image/png")}
    expected = httpx.Request("POST", "http://gallery.example/", headers=content_type, files=files).read()
    assert head + data + tail == expected


def test_no_two_uploads_have_the_same_boundary() -> None:
    one, other = Multipart("image"), Multipart("image")
    assert len({it.frame("a.png", "image/png")[0] for it in [one, other] for _ in range(100)}) == 200
