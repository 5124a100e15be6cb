"""The built-in gallery, attacked: pages of other origins, pictures and bodies that cost much, clients that dawdle."""

from __future__ import annotations

import socket
import struct
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio

from tests.demo.test_server import NAME, Served, assert_one_plain_line, encoded, make_folder
from trio_mirror.demo import app, server, upload
from trio_mirror.demo.server import serve_gallery

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    folder = make_folder(tmp_path)
    async with serve_gallery(folder, tmp_path / "mirrored") as url:
        yield Served(url, folder, tmp_path / "mirrored")


def port_of(served: Served) -> int:
    port = httpx.URL(served.url).port
    assert port is not None
    return port


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "OWN"},
    ],
)
async def test_pages_of_other_origins_cannot_upload(served: Served, headers: dict[str, str]) -> None:
    headers = {it: value.replace("OWN", served.url.removesuffix("/images/")) for it, value in headers.items()}
    async with httpx.AsyncClient(headers=headers, timeout=60) as client:
        form = await client.post(served.url, files={"image": ("a.png", encoded())})
        raw = await client.post(served.url, params={"name": "a.png"}, content=encoded())
        read = await client.get(served.url)
    assert (form.status_code, raw.status_code, read.status_code) == (403, 403, 200)
    assert_one_plain_line(form)
    assert served.stored() == {}


async def test_a_page_of_the_gallery_itself_may_upload(served: Served) -> None:
    headers = {"Origin": served.url.removesuffix("/images/"), "Sec-Fetch-Site": "same-origin"}
    async with httpx.AsyncClient(headers=headers, timeout=60) as client:
        answer = await client.post(served.url, files={"image": ("a.png", encoded())})
    assert (answer.status_code, served.stored()) == (200, {"a.png": encoded()})


def claiming(width: int, height: int) -> bytes:
    """A lossless WebP of a few bytes whose header claims a size (WebP Lossless, section 4)."""
    body = b"\x2f" + struct.pack("<I", width - 1 | (height - 1) << 14) + bytes(9)
    return b"RIFF" + struct.pack("<I", 12 + len(body)) + b"WEBPVP8L" + struct.pack("<I", len(body)) + body


async def test_a_picture_is_refused_by_its_claim_before_it_is_decoded(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("PIL.WebPImagePlugin.WebPImageFile.load", lambda _: pytest.fail("decoded"))
    async with httpx.AsyncClient(timeout=60) as client:
        dense = await client.post(served.url, files={"image": ("a.webp", claiming(9_900, 9_900))})
        large = await client.post(served.url, files={"image": ("a.webp", claiming(10_500, 10_000))})
    assert (dense.status_code, large.status_code) == (415, 415)
    assert "more densely" in dense.text
    assert "over the limit" in large.text


async def test_uploads_are_held_and_decoded_a_few_at_a_time(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {"read": 0, "decoded": 0}
    most = dict(counts)
    read, check = upload.read_upload, upload.check_picture

    def begin(what: str, step: int) -> None:
        counts[what] += step
        most[what] = max(most[what], counts[what])

    async def counted_read(*arguments: Any) -> tuple[bytes, str | None]:
        begin("read", 1)
        await trio.sleep(0.01)
        found = await read(*arguments)
        begin("read", -1)
        return found

    def counted_check(data: bytes) -> None:
        begin("decoded", 1)
        check(data)
        begin("decoded", -1)

    monkeypatch.setattr(app, "read_upload", counted_read)
    monkeypatch.setattr(app, "check_picture", counted_check)
    async with httpx.AsyncClient(timeout=30) as client, trio.open_nursery() as nursery:
        for number in range(16):
            nursery.start_soon(
                lambda number: client.post(served.url, files={"i": (f"{number}.png", encoded())}), number
            )
    assert len(served.stored()) == 16
    assert most["read"] <= 4
    assert most["decoded"] == 1


async def test_a_body_that_does_not_come_is_given_up(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "_SECONDS", 0.1)

    async def part() -> AsyncGenerator[bytes, None]:
        yield encoded()[:50]
        await trio.sleep(1)
        yield encoded()[50:]

    async with httpx.AsyncClient(timeout=60) as client, aclosing(part()) as content:
        answer = await client.post(served.url, params={"name": "a.png"}, content=content)
    assert answer.status_code == 408
    assert_one_plain_line(answer)
    assert served.stored() == {}


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux ends such connections")
async def test_a_client_that_takes_nothing_is_hung_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_SILENCE", 1)
    folder = make_folder(tmp_path)
    with (folder / "big.png").open("wb") as file:
        file.truncate(50_000_000)
    async with serve_gallery(folder, tmp_path / "mirrored") as url:
        stream = await trio.open_tcp_stream("127.0.0.1", httpx.URL(url).port or 0)
        await stream.send_all(b"GET /images/big.png HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await trio.sleep(4)
        with pytest.raises(trio.BrokenResourceError):
            await drain(stream)
        await stream.aclose()


async def drain(stream: trio.SocketStream) -> None:
    while await stream.receive_some():
        pass


async def test_names_that_clients_make_up_replace_nothing(served: Served) -> None:
    pictures = [encoded(size=(width, 10)) for width in (10, 20, 30)]
    async with httpx.AsyncClient(timeout=60) as client:
        for data in [*pictures, *pictures]:
            assert (await client.post(served.url, files={"image": data})).status_code == 200
            assert (await client.post(served.url, content=data)).status_code == 200
            assert (await client.post(served.url, files={"image": ("a.png", data)})).status_code == 200
    stored = served.stored()
    assert stored.pop("a.png") == pictures[-1]
    assert sorted(stored.values()) == sorted(pictures)


async def test_pixels_without_a_name_are_refused_for_what_they_are(served: Served) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.post(served.url, content=bytes(range(256)) * 100)
    assert (answer.status_code, answer.text) == (415, "the body is not a picture of a known format\n")


@pytest.mark.parametrize(
    "given",
    [
        "BASEsub/Gr%C3%BC%C3%9Fe%20%26%20more.png",
        "/images/sub/Gr%C3%BC%C3%9Fe%20%26%20more.png",
        "sub/Gr%C3%BC%C3%9Fe%20%26%20more.png",
        "sub%2FGr%C3%BC%C3%9Fe%20%26%20more.png",
        NAME,
    ],
)
async def test_the_url_of_a_picture_and_its_encoded_name_stand_for_its_name(served: Served, given: str) -> None:
    given = given.replace("BASE", served.url)
    async with httpx.AsyncClient(timeout=60) as client:
        form = await client.post(served.url, files={"image": (given, encoded())})
        raw = await client.post(served.url, params={"name": given}, content=encoded())
    assert [form.text, raw.text] == [f"stored {NAME}\n"] * 2
    assert served.stored() == {NAME: encoded()}


async def test_a_name_that_holds_a_percent_sign_is_taken_as_it_is(served: Served) -> None:
    (served.folder / "a%2Ejpg").write_bytes(encoded())
    async with httpx.AsyncClient(timeout=60) as client:
        for name in ("a%2Ejpg", "100%25.png"):
            await client.post(served.url, files={"image": (name, encoded())})
    assert set(served.stored()) == {"a%2Ejpg", "100%25.png"}


@pytest.mark.parametrize("given", ["http://evil.example/images/a.png", "BASE../a.png", "BASE", "/a.png"])
async def test_the_url_of_another_place_is_not_a_name(served: Served, given: str) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.post(served.url, params={"name": given.replace("BASE", served.url)}, content=encoded())
    assert (answer.status_code, served.stored()) == (400, {})


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=10-", 206, slice(10, None)),
        ("bytes=-5", 206, slice(-5, None)),
        ("bytes=0-99999", 206, slice(None)),
        ("bytes=-99999", 206, slice(None)),
        ("bytes=99999-", 416, None),
        ("bytes=-0", 416, None),
        ("bytes=5-4", 200, slice(None)),
        ("bytes=0-1,4-5", 200, slice(None)),
        ("lines=1-2", 200, slice(None)),
        (f"bytes={'9' * 5_000}-", 200, slice(None)),
    ],
)
async def test_a_part_of_a_picture_is_given(served: Served, asked: str, status: int, part: slice | None) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.get(f"{served.url}a.jpg", headers={"Range": asked})
    whole = encoded("JPEG")
    assert answer.status_code == status
    if part is not None:
        assert answer.content == whole[part]
    if status == 206:
        first = whole.index(answer.content)
        assert answer.headers["Content-Range"] == f"bytes {first}-{first + len(answer.content) - 1}/{len(whole)}"


async def test_a_part_of_a_picture_that_has_changed_is_not_given(served: Served) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        tag = (await client.get(f"{served.url}a.jpg")).headers["ETag"]
        (served.folder / "a.jpg").write_bytes(encoded("JPEG", (50, 50)))
        answer = await client.get(f"{served.url}a.jpg", headers={"Range": "bytes=5-", "If-Range": tag})
    assert (answer.status_code, answer.content) == (200, encoded("JPEG", (50, 50)))


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
async def test_the_gallery_answers_on_ipv6(served: Served) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        url = f"http://[::1]:{port_of(served)}/images/"
        answer = await client.get(url)
        stored = await client.post(
            url, files={"image": (f"{url}a.jpg", encoded())}, headers={"Origin": url.removesuffix("/images/")}
        )
    assert (answer.text, stored.text) == (f"a.jpg\n{NAME}\n", "stored a.jpg\n")


async def test_a_list_is_read_once_for_many_and_again_when_it_changes(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    (served.folder / "b\nc.jpg").touch()  # which each reading mentions
    async with httpx.AsyncClient(timeout=60) as client:
        lists = {(await client.get(served.url)).text for _ in range(5)}
        assert len(caplog.messages) < 5
        (served.folder / "new.png").touch()
        again = await client.get(served.url)
    assert lists == {f"a.jpg\n{NAME}\n"}
    assert again.text == f"a.jpg\nnew.png\n{NAME}\n"
