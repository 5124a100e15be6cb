"""Our HTTP/1.1 connection as a protocol implementation: every framing, every split, every doubtful shape."""

from __future__ import annotations

import socket
import ssl
import struct
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import httpx
import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.certificates import self_signed
from trio_mirror.galleries.http.connection import Connection
from trio_mirror.galleries.http.exchange import Request, RequestBody
from trio_mirror.galleries.http.secure_socket import secured

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from trio_mirror.galleries.http.response import Response

URL = "http://gallery.example/images/a.png"
GET = b"GET /images/a.png HTTP/1.1\r\nHost: gallery.example\r\n\r\n"


def request(content: bytes | None = None, *fields: tuple[bytes, bytes]) -> Request:
    """A GET, or a POST of some content."""
    host = (b"Host", b"gallery.example")
    if content is None:
        return Request("GET", URL, [host, *fields])
    length = (b"Content-Length", b"%d" % len(content))
    return Request("POST", URL, [host, *fields, length], RequestBody(content))


async def read(response: Response) -> bytes:
    body = bytearray()
    while chunk := await response.receive():
        body += chunk
    return bytes(body)


@dataclass
class Ends:
    """Our connection and the server's side of it."""

    connection: Connection
    server: trio.SocketStream | trio.SSLStream[trio.SocketStream]
    idle: list[Connection] = field(default_factory=list)

    async def get(self) -> tuple[Response, bytes]:
        response = await self.connection.exchange(request())
        try:
            return response, await read(response)
        finally:
            await response.aclose()


@dataclass
class Tls:
    """The contexts of both sides, where connections are over TLS."""

    ours: ssl.SSLContext | None = None
    theirs: ssl.SSLContext | None = None


TLS = Tls()


@pytest.fixture(params=["plain", "TLS"], scope="module", autouse=True)
def tls(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Has all connections over TLS, or none."""
    if request.param == "TLS":
        certificate = self_signed(tmp_path_factory.mktemp("tls"))
        TLS.ours = ssl.create_default_context(cafile=certificate)
        TLS.theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        TLS.theirs.load_cert_chain(certificate)
    yield
    TLS.ours = TLS.theirs = None


@asynccontextmanager
async def connected() -> AsyncIterator[Ends]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    idle: list[Connection] = []
    async with trio.SocketStream(trio.socket.from_stdlib_socket(theirs)) as stream:
        server: trio.SocketStream | trio.SSLStream[trio.SocketStream] = stream
        if TLS.ours is not None and TLS.theirs is not None:
            server = trio.SSLStream(stream, TLS.theirs, server_side=True, https_compatible=True)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(server.do_handshake)
                connection = Connection(await secured(ours, TLS.ours, "127.0.0.1"), idle.append)
        else:
            connection = Connection(ours, idle.append)
        try:
            yield Ends(connection, server, idle)
        finally:
            connection.close()


async def exchanged(answer: Sequence[bytes], *, then_closes: bool = False) -> tuple[Response, bytes, bool]:
    """Gives a response, its body, and whether its connection was kept."""
    result: tuple[Response, bytes] | httpx.TransportError
    async with connected() as ends, trio.open_nursery() as nursery:

        async def serve() -> None:
            await ends.server.receive_some()
            with suppress(trio.BrokenResourceError):
                for part in answer:
                    await ends.server.send_all(part)
                    # Lets the other side read each part by itself.
                    await trio.testing.wait_all_tasks_blocked()
            if then_closes:
                await ends.server.aclose()

        nursery.start_soon(serve)
        with trio.fail_after(60):
            try:
                result = await ends.get()
            except httpx.TransportError as error:
                result = error
        nursery.cancel_scope.cancel()
    if isinstance(result, httpx.TransportError):
        assert ends.connection.closed
        raise result
    return *result, bool(ends.idle)


RESPONSES = {
    "length": (b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "x"\r\n\r\nhello', True),
    "chunked": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: t\r\n\r\n",
        True,
    ),
    "informational": (
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
        ),
        True,
    ),
    "close": (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", False),
    "old": (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", False),
    "old but kept": (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", True),
}


@pytest.mark.parametrize(("answer", "kept"), RESPONSES.values(), ids=RESPONSES)
async def test_every_split_of_a_response_gives_the_same(answer: bytes, kept: bool) -> None:
    for at in range(1, len(answer)):
        response, body, was_kept = await exchanged([answer[:at], answer[at:]])
        assert (response.status, body, was_kept) == (200, b"hello", kept), at
        assert "link" not in response.fields


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(list(RESPONSES.values())), st.lists(st.integers(1, 200), max_size=8))
def test_many_splits_of_a_response_give_the_same(answer: tuple[bytes, bool], cuts: list[int]) -> None:
    text, kept = answer
    edges = [0, *sorted({cut for cut in cuts if cut < len(text)}), len(text)]
    parts = [text[start:end] for start, end in pairwise(edges)]

    response, body, was_kept = trio.run(exchanged, parts)

    assert (response.status, body, was_kept) == (200, b"hello", kept)


async def test_a_body_without_framing_ends_with_the_connection() -> None:
    response, body, kept = await exchanged([b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo"], then_closes=True)

    assert (response.status, body, kept) == (200, b"hello", False)


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_without_a_body_ends_with_its_head(status: int) -> None:
    response, body, kept = await exchanged([b"HTTP/1.1 %d X\r\nContent-Length: 5\r\n\r\n" % status])

    assert (response.status, body, kept) == (status, b"", True)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"",
    ],
)
async def test_what_is_cut_short_is_an_error(answer: bytes) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await exchanged([answer] if answer else [], then_closes=True)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 5\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 5\n",
        b"HTTP/1.1 200 OK\r\nX\0: a\r\nContent-Length: 5\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 5\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n",
        b"ICY 200 OK\r\nContent-Length: 5\r\n",
        b"<html>",
    ],
)
async def test_doubtful_shapes_are_refused(head: bytes) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await exchanged([head + b"\r\nhello"], then_closes=True)


@pytest.mark.parametrize(
    "surplus",
    [b"x", b"\r\n\r\nx", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"],
    ids=["junk", "lines", "response"],
)
async def test_what_follows_a_response_unasked_is_no_next_response(surplus: bytes) -> None:
    _, body, kept = await exchanged([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" + surplus])

    assert (body, kept) == (b"hello", False)


async def test_a_surplus_that_comes_later_is_noticed_before_the_next_request() -> None:
    async with connected() as ends:
        await ends.server.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await ends.get()
        assert not ends.connection.is_stale()
        await ends.server.send_all(b"HTTP/1.1 200 OK\r\n")
        assert ends.connection.is_stale()


async def test_a_surplus_behind_a_body_that_came_in_parts_is_noticed_before_the_next_request() -> None:
    async with connected() as ends:
        await ends.server.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")
        response = await ends.connection.exchange(request())
        await ends.server.send_all(b"loHTTP/1.1 200 OK\r\n")
        assert await read(response) == b"hello"
        await response.aclose()
        assert ends.connection.is_stale()


async def test_an_idle_connection_that_the_server_closed_is_stale() -> None:
    async with connected() as ends:
        await ends.server.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await ends.get()
        await ends.server.aclose()
        assert ends.connection.is_stale()


async def test_a_connection_carries_one_exchange_after_another() -> None:
    async with connected() as ends:
        for number in range(3):
            await ends.server.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number)
            _, body = await ends.get()
            assert body == b"%d" % number
            assert await ends.server.receive_some() == GET
        assert len(ends.idle) == 3


@pytest.mark.parametrize(
    ("head", "endless"),
    [
        (b"X-Header: ", b"x" * 1_000),
        (b"", b"X: y\r\n" * 200),
        (b"Transfer-Encoding: chunked\r\n\r\n1;", b"x" * 1_000),
        (b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 200),
    ],
    ids=["one header", "headers", "chunk extension", "trailers"],
)
async def test_overhead_has_an_end(head: bytes, endless: bytes) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await exchanged([b"HTTP/1.1 200 OK\r\n" + head, *[endless] * 600])


async def test_an_endless_row_of_informational_answers_has_an_end() -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await exchanged([b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1_000] * 20)


async def test_a_request_is_written_as_the_standard_has_it() -> None:
    async with connected() as ends:
        await ends.server.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        response = await ends.connection.exchange(request(b"body", (b"X-A", b"b")))
        await response.aclose()
        assert await ends.server.receive_some() == (
            b"POST /images/a.png HTTP/1.1\r\nHost: gallery.example\r\nX-A: b\r\nContent-Length: 4\r\n\r\nbody"
        )


@pytest.mark.parametrize("closes", [True, False])
async def test_an_early_answer_to_a_large_upload_is_heard(closes: bool) -> None:
    async with connected() as ends, trio.open_nursery() as nursery:

        async def refuse() -> None:
            await ends.server.receive_some(1_000)
            await ends.server.send_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno!")
            if closes:
                await ends.server.aclose()

        nursery.start_soon(refuse)
        with trio.fail_after(60):
            response = await ends.connection.exchange(request(bytes(50_000_000)))
            body = await read(response)
        await response.aclose()
        assert (response.status, body) == (413, b"no!")
        assert not ends.idle


async def test_a_large_upload_that_is_accepted_early_is_sent_to_its_end() -> None:
    size, received = 5_000_000, 0
    async with connected() as ends, trio.open_nursery() as nursery:

        async def accept() -> None:
            nonlocal received
            received += len(await ends.server.receive_some(1_000))
            await ends.server.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
            await trio.testing.wait_all_tasks_blocked()
            while received < size:
                received += len(await ends.server.receive_some())
            await ends.server.send_all(b"ok")

        nursery.start_soon(accept)
        with trio.fail_after(60):
            response = await ends.connection.exchange(request(bytes(size)))
            assert (response.status, await read(response)) == (200, b"ok")
        await response.aclose()
        assert received > size
        assert ends.idle


async def test_a_server_that_accepts_a_large_upload_unread_and_closes_is_believed() -> None:
    async with connected() as ends, trio.open_nursery() as nursery:

        async def accept() -> None:
            await ends.server.receive_some(1_000)
            await ends.server.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await trio.testing.wait_all_tasks_blocked()
            await ends.server.aclose()

        nursery.start_soon(accept)
        with trio.fail_after(60):
            response = await ends.connection.exchange(request(bytes(50_000_000)))
            assert (response.status, await read(response)) == (200, b"ok")
        await response.aclose()
        assert not ends.idle


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        b"<html>",
    ],
)
async def test_a_doubtful_early_answer_to_a_large_upload_is_refused_at_once(answer: bytes) -> None:
    async with connected() as ends, trio.open_nursery() as nursery:

        async def refuse() -> None:
            await ends.server.receive_some(1_000)
            await ends.server.send_all(answer)

        nursery.start_soon(refuse)
        with pytest.raises(httpx.RemoteProtocolError), trio.fail_after(60):
            await ends.connection.exchange(request(bytes(50_000_000)))
        assert ends.connection.closed


async def test_a_connection_that_is_reset_during_a_large_upload_is_one_error() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    ours = socket.create_connection(listener.getsockname())
    ours.settimeout(0)
    theirs, _ = listener.accept()
    connection = Connection(ours, lambda _: None)

    async def reset() -> None:
        await trio.testing.wait_all_tasks_blocked()
        theirs.recv(1_000)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(reset)
        with pytest.raises(httpx.TransportError), trio.fail_after(60):
            await connection.exchange(request(bytes(50_000_000)))
    listener.close()
    assert connection.closed


async def test_a_server_that_closes_its_side_during_a_large_upload_is_not_sent_the_rest() -> None:
    async with connected() as ends, trio.open_nursery() as nursery:
        server = ends.server
        if isinstance(server, trio.SSLStream):
            pytest.skip("Trio's TLS has no end of one side alone")

        async def close_side() -> None:
            await server.receive_some(1_000)
            await server.send_eof()

        nursery.start_soon(close_side)
        with pytest.raises(httpx.RemoteProtocolError, match="without a response"), trio.fail_after(60):
            await ends.connection.exchange(request(bytes(50_000_000)))


@pytest.mark.parametrize("pieces", [1, 2])
async def test_a_body_that_was_not_sent_whole_is_not_known_as_sent(pieces: int) -> None:
    async with connected() as ends, trio.open_nursery() as nursery:

        async def refuse() -> None:
            await ends.server.receive_some(1_000)
            await ends.server.send_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")

        nursery.start_soon(refuse)
        body = RequestBody(*[bytes(50_000_000 // pieces)] * pieces)
        with trio.fail_after(60):
            response = await ends.connection.exchange(Request("POST", URL, [(b"Content-Length", b"50000000")], body))
        await response.aclose()
        assert response.status == 413
        assert not body.sent


async def test_a_large_upload_arrives_whole() -> None:
    received = bytearray()
    async with connected() as ends, trio.open_nursery() as nursery:

        async def take() -> None:
            while not received.endswith(b"end"):
                received.extend(await ends.server.receive_some())
            await ends.server.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        nursery.start_soon(take)
        response = await ends.connection.exchange(request(bytes(3_000_000) + b"end"))
        await response.aclose()
        assert response.status == 200
        assert len(ends.idle) == 1
    assert received.endswith(bytes(3_000_000) + b"end")


class Interruption(trio.abc.Instrument):
    """Cancels a scope between two steps of tasks."""

    def __init__(self, scope: trio.CancelScope, steps: int) -> None:
        self.scope, self.steps = scope, steps

    def after_task_step(self, _: trio.lowlevel.Task) -> None:
        self.steps -= 1
        if self.steps == 0:
            self.scope.cancel()


async def test_a_large_upload_that_has_left_whole_is_known_to_whenever_it_is_cancelled() -> None:
    was_cancelled, steps = True, 0
    while was_cancelled:
        steps += 1
        received, upload = bytearray(), request(bytes(100_000) + b"end")

        async def take(server: trio.abc.Stream, received: bytearray = received) -> None:
            with suppress(trio.BrokenResourceError):
                while not received.endswith(b"end") and (data := await server.receive_some()):
                    received.extend(data)
                await server.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        async with connected() as ends, trio.open_nursery() as nursery:
            nursery.start_soon(take, ends.server)
            with trio.CancelScope() as scope:
                trio.lowlevel.add_instrument(interruption := Interruption(scope, steps))
                response = await ends.connection.exchange(upload)
                await response.aclose()
            trio.lowlevel.remove_instrument(interruption)
            was_cancelled = scope.cancelled_caught
        assert upload.body.sent or not received.endswith(b"end")
    assert upload.body.sent


async def test_a_cancelled_exchange_closes_its_connection(autojump_clock: trio.testing.MockClock) -> None:
    async with connected() as ends:
        with trio.move_on_after(1):
            await ends.get()
        assert ends.connection.closed
        assert not ends.idle


async def test_a_body_that_is_not_read_closes_its_connection() -> None:
    async with connected() as ends:
        await ends.server.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
        response = await ends.connection.exchange(request())
        await response.aclose()
        assert ends.connection.closed
        assert not ends.idle


@settings(deadline=None, max_examples=300)
@given(st.sampled_from([text for text, _ in RESPONSES.values()]), st.data())
def test_any_stream_is_a_response_or_a_protocol_error(answer: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(answer)))
    noise = data.draw(st.binary(max_size=30))
    gone = data.draw(st.integers(0, 10))
    fuzzed = answer[:at] + noise + answer[at + gone :]

    async def attempt() -> None:
        with suppress(httpx.RemoteProtocolError):
            await exchanged([fuzzed] if fuzzed else [], then_closes=True)

    trio.run(attempt)


@pytest.mark.parametrize(
    ("answers", "kept"),
    [
        (
            [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n"],
            True,
        ),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"], True),
        ([b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n"], False),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"], False),
    ],
    ids=["length", "chunked", "close", "a body all the same"],
)
async def test_the_response_to_head_ends_with_its_head(answers: list[bytes], kept: bool) -> None:
    async with connected() as ends:
        for answer in answers:
            await ends.server.send_all(answer)
            with trio.fail_after(60):
                response = await ends.connection.exchange(Request("HEAD", URL, [(b"Host", b"gallery.example")]))
            assert response.status == int(answer.split()[1])
            assert response.body.has_come
            await response.aclose()
            assert (await ends.server.receive_some()).startswith(b"HEAD /images/a.png HTTP/1.1\r\n")
        assert (bool(ends.idle), ends.connection.closed) == (kept, not kept)
