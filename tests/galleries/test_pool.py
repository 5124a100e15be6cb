"""Leased connections, on real sockets."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import httpx
import pytest
import trio
import trio.testing

from tests.helpers.certificates import self_signed
from tests.helpers.pictures import png
from trio_mirror import ListError, SettingsError, mirror
from trio_mirror.demo.server import serve_gallery

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


Stream: TypeAlias = "trio.SocketStream | trio.SSLStream[trio.SocketStream]"


@dataclass
class CountingServer:
    """A gallery of so many names on a raw socket; it counts connections, and closes each after some answers."""

    names: int
    answers_a_connection: int
    opened: int = 0
    open_now: int = 0
    most_open: int = 0
    request_lines: list[str] = field(default_factory=list)

    async def serve(self, stream: Stream) -> None:
        self.opened += 1
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            for _ in range(self.answers_a_connection):
                if not await self.answer(stream):
                    return
        finally:
            self.open_now -= 1
            await trio.aclose_forcefully(stream)

    async def answer(self, stream: Stream) -> bool:
        head = b""
        while b"\r\n\r\n" not in head:
            part = await stream.receive_some()
            if not part:
                return False
            head += part
        line, fields = head.decode("latin-1").split("\r\n", 1)
        self.request_lines.append(line)
        if line.startswith("POST"):
            length = int(fields.lower().split("content-length: ")[1].split("\r\n")[0])
            missing = length - len(head.split(b"\r\n\r\n", 1)[1])
            while missing > 0:
                missing -= len(await stream.receive_some())
            body = b""
        elif line.split()[1].endswith("/images/"):
            body = b"".join(b"%d.png\n" % number for number in range(self.names))
        else:
            body = png()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body)
        # In one piece: the client of the last response is gone when it has all of it.
        await stream.send_all(head + body)
        return True


@asynccontextmanager
async def serving(server: CountingServer, certificate: Path | None = None) -> AsyncIterator[str]:
    async def serve(stream: trio.SocketStream) -> None:
        await server.serve(stream if certificate is None else trio.SSLStream(stream, context, server_side=True))

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if certificate is not None:
        context.load_cert_chain(certificate)
    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        scheme = "http" if certificate is None else "https"
        yield f"{scheme}://127.0.0.1:{listener.socket.getsockname()[1]}/images/"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("concurrency", [1, 8])
async def test_connections_are_used_again_and_stay_within_the_concurrency(concurrency: int) -> None:
    server = CountingServer(names=60, answers_a_connection=1_000)
    async with serving(server) as url:
        report = await mirror(url, concurrency=concurrency)

    assert report.mirrored == 60
    # One more for the list, which streams beside the pictures.
    assert server.most_open == server.opened <= concurrency + 1


async def test_connections_that_the_server_closed_are_replaced() -> None:
    server = CountingServer(names=30, answers_a_connection=3)
    async with serving(server) as url:
        report = await mirror(url, concurrency=4)

    assert report.mirrored == 30
    assert server.opened >= 61 // 3


async def test_over_tls_connections_are_used_again_and_replaced(tmp_path: Path) -> None:
    server, certificate = CountingServer(names=30, answers_a_connection=10), self_signed(tmp_path)
    async with serving(server, certificate) as url:
        report = await mirror(url, concurrency=4, ca_file=str(certificate))

    assert report.mirrored == 30
    # Four at once, of which the first finds out what is spoken.
    assert 61 // 10 <= server.opened <= 61 // 10 + 6


async def test_all_connections_are_closed_at_the_end() -> None:
    server = CountingServer(names=20, answers_a_connection=1_000)
    async with serving(server) as url:
        await mirror(url)
        with trio.fail_after(60):
            while server.open_now:  # noqa: ASYNC110 (the other side notices when it reads)
                await trio.sleep(0.01)


async def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = CountingServer(names=3, answers_a_connection=1_000)
    async with serving(proxy) as url:
        monkeypatch.setenv("http_proxy", url.removesuffix("/images/"))
        monkeypatch.setenv("no_proxy", "")
        report = await mirror("http://gallery.invalid/images/", retries=0)

    assert report.mirrored == 3
    assert proxy.request_lines[0] == "GET http://gallery.invalid/images/ HTTP/1.1"
    assert proxy.opened <= 16 + 1


async def test_a_proxy_without_a_scheme_is_an_http_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = CountingServer(names=3, answers_a_connection=1_000)
    async with serving(proxy) as url:
        monkeypatch.setenv("http_proxy", url.removesuffix("/images/").removeprefix("http://"))
        monkeypatch.setenv("no_proxy", "")
        report = await mirror("http://gallery.invalid/images/", retries=0)

    assert report.mirrored == 3


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_is_not_there_is_told_from_a_gallery(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setenv(f"{scheme}_proxy", "http://127.0.0.1:1/")
    monkeypatch.setenv("no_proxy", "")

    with pytest.raises(ListError, match="no connection by way of the environment's proxy: Connection refused"):
        await mirror(f"{scheme}://gallery.invalid/images/", retries=0)


@pytest.mark.parametrize(
    "proxy", ["http://me:hunter2@a..b:1", "http://me:hunter2\udcff@proxy", "http://me:hunter2@proxy:x"]
)
async def test_a_proxy_that_is_no_url_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("no_proxy", "")

    with pytest.raises(SettingsError, match="proxy for http:// is not a valid URL") as caught:
        await mirror("http://gallery.invalid/images/")
    assert "hunter2" not in str(caught.value)


async def test_connections_through_a_proxy_are_kept_after_an_empty_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = CountingServer(names=20, answers_a_connection=1_000)
    async with serving(proxy) as url:
        monkeypatch.setenv("http_proxy", url.removesuffix("/images/"))
        monkeypatch.setenv("no_proxy", "")
        report = await mirror("http://gallery.invalid/images/", retries=0, concurrency=2)

    assert report.mirrored == 20
    assert proxy.opened <= 2 + 1


@pytest.mark.parametrize(
    "form", ["{host}", "{host}:{port}", "other,{host}", "10.0.0.0/8 {host}/8", "other, 127.0.0.0/8"]
)
async def test_no_proxy_is_heeded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.png").write_bytes(png())
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1/")
    async with serve_gallery(tmp_path / "images", tmp_path / "mirrored") as url:
        monkeypatch.setenv("no_proxy", form.format(host=httpx.URL(url).host, port=httpx.URL(url).port))
        assert (await mirror(url)).mirrored == 1
