"""TLS in memory, against OpenSSL's other side."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import pytest

from tests.helpers.certificates import self_signed
from trio_mirror.galleries.http.secure_socket import SecureSocket

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Server:
    """The other side of a connection, one step at a time."""

    def __init__(self, certificate: Path) -> None:
        ours, self.socket = socket.socketpair()
        ours.setblocking(False)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.arrived, self.leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.arrived, self.leaving, server_side=True)
        self.client = SecureSocket(ours, ssl.create_default_context(cafile=certificate), "127.0.0.1")
        for _ in range(2):
            with suppress(BlockingIOError):
                self.client.do_handshake()
            self.arrived.write(self.socket.recv(65_536))
            with suppress(ssl.SSLWantReadError):
                self.tls.do_handshake()
            self.socket.sendall(self.leaving.read())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.socket.close()

    def send(self, *records: bytes, then: bytes = b"") -> None:
        """Sends records, and something that is none, in one piece."""
        for record in records:
            self.tls.write(record)
        self.socket.sendall(self.leaving.read() + then)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(self_signed(tmp_path)) as server:
        yield server


def test_what_came_before_a_broken_record_is_read(server: Server) -> None:
    server.send(b"one", b"two", then=bytes(100))

    assert [server.client.recv(100), server.client.recv(2), server.client.recv(2)] == [b"one", b"tw", b"o"]
    with pytest.raises(ssl.SSLError):
        server.client.recv(100)


def test_a_record_that_comes_in_parts_is_waited_for(server: Server) -> None:
    server.tls.write(b"one")
    record = server.leaving.read()
    server.socket.sendall(record[:7])
    with pytest.raises(BlockingIOError):
        server.client.recv(100)
    server.socket.sendall(record[7:])

    assert server.client.recv(100) == b"one"


def test_what_could_not_be_sent_at_once_is_sent_with_the_same_call(server: Server) -> None:
    body, sent, received = memoryview(bytes(range(256)) * 8_000), 0, b""
    while len(received) < len(body):
        with suppress(BlockingIOError):
            while sent < len(body):
                sent += server.client.sendmsg([body[sent:]])
        server.arrived.write(server.socket.recv(65_536))
        with suppress(ssl.SSLWantReadError):
            while True:
                received += server.tls.read(65_536)

    assert sent == len(body)
    assert received == body


def test_an_end_with_an_alert_is_an_end(server: Server) -> None:
    with suppress(ssl.SSLWantReadError):
        server.tls.unwrap()
    server.send()

    assert server.client.recv(100) == b""


def test_an_end_without_an_alert_is_an_end_and_disturbs_no_other(server: Server, tmp_path: Path) -> None:
    with Server(tmp_path / "both.pem") as other:
        server.socket.close()

        assert server.client.recv(100) == b""
        with pytest.raises(BlockingIOError):
            other.client.recv(100)
