"""The built-in gallery, asked by the clients that people use."""

from __future__ import annotations

import asyncio
import io
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

import aiohttp
import httpx
import pytest
import requests
import trio
from PIL import Image

from tests.flip.test_heif import with_properties
from trio_mirror.demo.server import serve_gallery
from trio_mirror.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator
    from pathlib import Path

NAME = "sub/Grüße & more.png"


def encoded(image_format: str = "PNG", size: tuple[int, int] = (40, 30)) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(out, image_format)
    return out.getvalue()


class Served(NamedTuple):
    url: str
    folder: Path
    mirrored: Path

    def stored(self) -> dict[str, bytes]:
        files = [path for path in self.mirrored.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.mirrored)): path.read_bytes() for path in files}


def make_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.jpg").write_bytes(encoded("JPEG"))
    (folder / NAME).write_bytes(encoded())
    return folder


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    folder = make_folder(tmp_path)
    async with serve_gallery(folder, tmp_path / "mirrored") as url:
        yield Served(url, folder, tmp_path / "mirrored")


async def curl(*arguments: str) -> bytes:
    done = await trio.run_process(["curl", "-sS", "--max-time", "30", *arguments], capture_stdout=True)
    return done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_curl_lists_fetches_and_uploads(served: Served) -> None:
    assert (await curl(served.url)).decode() == f"a.jpg\n{NAME}\n"
    assert await curl(served.url + quote(NAME)) == encoded()
    file = str(served.folder / "a.jpg")
    assert await curl("-F", f"anything=@{file}", served.url) == b"stored a.jpg\n"
    raw = await curl("--data-binary", f"@{file}", f"{served.url}?name=sub/raw.jpg")
    assert raw == b"stored sub/raw.jpg\n"
    assert served.stored() == {"a.jpg": encoded("JPEG"), "sub/raw.jpg": encoded("JPEG")}


async def test_requests_lists_fetches_and_uploads(served: Served) -> None:
    def work() -> None:
        with requests.Session() as session:
            listed = session.get(served.url, timeout=300)
            assert (listed.text, listed.encoding) == (f"a.jpg\n{NAME}\n", "utf-8")
            fetched = session.get(served.url + quote(NAME), timeout=300)
            assert (fetched.content, fetched.headers["Content-Type"]) == (encoded(), "image/png")
            form = session.post(served.url, files={"image": (NAME, fetched.content)}, timeout=300)
            raw = session.post(served.url, params={"name": "ü.png"}, data=fetched.content, timeout=300)
            assert (form.status_code, raw.status_code) == (200, 200)

    await trio.to_thread.run_sync(work)
    assert served.stored() == {NAME: encoded(), "ü.png": encoded()}


async def test_aiohttp_lists_fetches_and_uploads(served: Served) -> None:
    async def work() -> None:
        async with aiohttp.ClientSession() as session:
            async with session.get(served.url) as listed:
                assert await listed.text() == f"a.jpg\n{NAME}\n"
            async with session.get(f"{served.url}a.jpg") as fetched:
                data = await fetched.read()
                assert (data, fetched.content_type) == (encoded("JPEG"), "image/jpeg")
            form = aiohttp.FormData()
            form.add_field("picture", data, filename="b.jpg", content_type="image/jpeg")
            async with session.post(served.url, data=form) as answer:
                assert answer.status == 200

    await trio.to_thread.run_sync(asyncio.run, work())
    assert served.stored() == {"b.jpg": encoded("JPEG")}


async def test_quotes_in_a_form_are_undone_as_browsers_do_them(served: Served) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.post(served.url, files={"image": ('say "cheese" 100%.png', encoded())})
    assert answer.status_code == 200
    assert list(served.stored()) == ['say "cheese" 100%.png']


async def test_an_unchanged_picture_is_not_sent_again(served: Served) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        first = await client.get(f"{served.url}a.jpg")
        tag = first.headers["ETag"]
        again = await client.get(f"{served.url}a.jpg", headers={"If-None-Match": f'"other", W/{tag}'})
        (served.folder / "a.jpg").write_bytes(encoded("JPEG", (50, 50)))
        changed = await client.get(f"{served.url}a.jpg", headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    assert (changed.status_code, changed.content) == (200, encoded("JPEG", (50, 50)))


async def test_a_long_list_comes_whole(served: Served) -> None:
    names = [f"{number:05}-{'x' * 40}.png" for number in range(5_000)]
    for name in names:
        (served.folder / name).touch()
    async with httpx.AsyncClient(timeout=60) as client:
        listed = await client.get(served.url)
    assert listed.text.splitlines() == [*names, "a.jpg", NAME]


async def test_what_lies_beside_pictures_is_not_listed(served: Served) -> None:
    for name in ("a.jpg.xmp", "Thumbs.db", "notes.txt", "sub/clip.MOV"):
        (served.folder / name).touch()
    async with httpx.AsyncClient(timeout=60) as client:
        assert (await client.get(served.url)).text == f"a.jpg\n{NAME}\n"


async def test_names_that_would_forge_a_line_are_not_listed(served: Served) -> None:
    (served.folder / "b\nc.jpg").touch()
    (served.folder / b"\xff.jpg".decode(errors="surrogateescape")).touch()
    async with httpx.AsyncClient(timeout=60) as client:
        assert (await client.get(served.url)).text == f"a.jpg\n{NAME}\n"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (Image.linear_gradient("L").tobytes(), 415),
        (bytes(3000), 415),
        (b"", 415),
        (b"<html>no</html>", 415),
        (encoded()[:-30], 415),
        (encoded("PPM"), 415),
        (encoded("BMP"), 200),
        (encoded("AVIF"), 200),
        (encoded("AVIF")[:-30], 415),
        (encoded("JPEG2000"), 200),
        (with_properties(), 200),
        (with_properties()[:-9], 415),
    ],
)
async def test_only_a_body_that_is_a_whole_picture_is_stored(served: Served, body: bytes, status: int) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        form = await client.post(served.url, files={"image": ("form.png", body)})
        raw = await client.post(served.url, params={"name": "raw.png"}, content=body)
    assert (form.status_code, raw.status_code) == (status, status)
    assert served.stored() == ({"form.png": body, "raw.png": body} if status == 200 else {})
    assert_one_plain_line(form)
    assert_one_plain_line(raw)


def assert_one_plain_line(answer: httpx.Response) -> None:
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert re.fullmatch(r"[^\n<>]+\n?", answer.text)
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "missing.jpg", 404),
        ("GET", "%2e%2e/secret.png", 400),
        ("GET", "..%2fsecret.png", 400),
        ("GET", "%252e%252e/secret.png", 400),
        ("GET", "a%5c..%5cb", 400),
        ("GET", "%2fetc/passwd", 400),
        ("GET", "a%00.jpg", 400),
        ("GET", "out.png", 400),
        ("PUT", "a.jpg", 405),
        ("DELETE", "a.jpg", 405),
    ],
)
async def test_what_cannot_be_had_is_refused_in_one_plain_line(
    served: Served, method: str, path: str, status: int
) -> None:
    secret = served.folder.parent / "secret.png"
    secret.write_bytes(encoded())
    (served.folder / "out.png").symlink_to(secret)
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.request(method, served.url + path)
    assert answer.status_code == status
    assert_one_plain_line(answer)


@pytest.mark.parametrize("name", ["../x.png", "/x.png", "%2e%2e/x.png", "a/../../x.png", "a\x01.png", ""])
async def test_an_upload_with_a_hostile_name_is_refused(served: Served, name: str) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        raw = await client.post(served.url, params={"name": name}, content=encoded())
        body = b'--b\r\nContent-Disposition: form-data; name="i"; filename="%s"\r\n\r\n%s\r\n--b--\r\n'
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        form = await client.post(served.url, content=body % (name.encode(), encoded()), headers=headers)
    assert (raw.status_code, form.status_code) == (400, 400)
    assert_one_plain_line(raw)
    assert_one_plain_line(form)
    assert served.stored() == {}
    assert sorted(path.name for path in served.folder.parent.iterdir()) == ["mirrored", "pictures"]


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=b"])
async def test_a_broken_form_is_refused_in_one_plain_line(served: Served, content_type: str) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.post(served.url, content=b"no form", headers={"Content-Type": content_type})
        empty = await client.post(served.url, data={"a": "b"}, files={"image": (None, b"no file")})
    assert (answer.status_code, empty.status_code) == (400, 400)
    assert_one_plain_line(answer)
    assert_one_plain_line(empty)


async def test_a_client_that_sends_too_much_gets_to_read_the_answer(served: Served) -> None:
    async def too_much() -> AsyncGenerator[bytes, None]:
        for _ in range(80):
            yield bytes(1024 * 1024)

    async with httpx.AsyncClient(timeout=30) as client, aclosing(too_much()) as content:
        answer = await client.post(served.url, params={"name": "big.png"}, content=content)
    assert answer.status_code == 413
    assert_one_plain_line(answer)
    assert served.stored() == {}


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
async def test_requests_for_another_host_are_refused(served: Served, host: str) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        read = await client.get(served.url, headers={"Host": host})
        write = await client.post(served.url, files={"i": ("a.png", encoded())}, headers={"Host": host})
        own = await client.get(served.url, headers={"Host": "localhost:8000"})
    assert (read.status_code, write.status_code, own.status_code) == (400, 400, 200)
    assert served.stored() == {}


async def test_a_folder_that_is_gone_is_an_error_in_one_plain_line(served: Served) -> None:
    served.folder.rename(served.folder.with_name("gone"))
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.get(served.url)
    assert answer.status_code == 500
    assert_one_plain_line(answer)


async def test_clients_that_break_http_or_hang_up_leave_the_gallery_running(
    served: Served, capfd: pytest.CaptureFixture[str]
) -> None:
    port = httpx.URL(served.url).port
    assert port is not None
    start = b"POST /images/?name=a.png HTTP/1.1\r\nHost: localhost\r\n"

    async def send(data: bytes) -> None:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        async with stream:
            await stream.send_all(data)
            with trio.move_on_after(0.2):
                await stream.receive_some()

    async with trio.open_nursery() as nursery:
        for data in [
            b"\0garbage\r\n\r\n",
            "GET /images/ü HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(),
            start + b"Content-Length: 1000\r\n\r\npart",
            start + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
            start + b"Connection: close\r\nContent-Length: 1\r\n\r\nxand more",
        ]:
            nursery.start_soon(send, data)
    async with httpx.AsyncClient(timeout=60) as client:
        assert (await client.get(served.url)).status_code == 200
    assert "Traceback" not in capfd.readouterr().err


async def test_what_the_block_raises_comes_out_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="mine"):
        async with serve_gallery(make_folder(tmp_path), tmp_path / "mirrored"):
            raise LookupError("mine")


async def test_the_end_of_the_block_frees_the_port(tmp_path: Path) -> None:
    async with (
        serve_gallery(make_folder(tmp_path), tmp_path / "mirrored") as url,
        httpx.AsyncClient(timeout=60) as client,
    ):
        await client.get(url)
    with pytest.raises(OSError, match="all attempts to connect"):
        await trio.open_tcp_stream("127.0.0.1", httpx.URL(url).port or 0)


async def test_a_port_in_use_is_a_settings_error(tmp_path: Path) -> None:
    with taken_port() as port, pytest.raises(SettingsError, match=f"port {port} of 127.0.0.1 cannot be used"):
        async with serve_gallery(make_folder(tmp_path), tmp_path / "mirrored", port=port):
            pass


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_importing_the_server_imports_neither_hypercorn_nor_starlette() -> None:
    code = (
        "import sys, trio_mirror.demo.server\nprint({'hypercorn', 'starlette', 'python_multipart'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def start_command(*arguments: str) -> subprocess.Popen[str]:
    code = "from trio_mirror.__main__ import gallery; gallery()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_told_to_stop(tmp_path: Path, signal_number: signal.Signals) -> None:
    folder = make_folder(tmp_path)
    with start_command(str(folder), "--port", "0", "-v") as process:
        assert process.stdout is not None
        url = re.findall(r"http://127\.0\.0\.1:\d+/images/", process.stdout.readline())[0]
        assert requests.get(url, timeout=300).text == f"a.jpg\n{NAME}\n"
        assert requests.post(url, files={"image": ("a.png", encoded())}, timeout=300).status_code == 200
        process.send_signal(signal_number)
        out, err = process.communicate(timeout=300)
    assert (process.returncode, out) == (0, "1 picture was stored.\n")
    assert re.search(r"^stored a\.png, \d+ bytes$", err, re.MULTILINE)
    assert (tmp_path / "mirrored" / "a.png").read_bytes() == encoded()


@pytest.mark.slow
def test_the_command_says_in_one_line_what_cannot_be_served(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    with taken_port() as port:
        for arguments, reason in [
            ([str(tmp_path / "missing")], "missing is not a folder"),
            (
                [str(folder), "--port", str(port)],
                f"port {port} of 127.0.0.1 cannot be used: Address already in use",
            ),
            ([str(folder), "--mirrored", str(folder / "sub")], "within what is served"),
            ([str(folder), "--mirrored", str(tmp_path)], "which what is served lies in"),
            ([str(folder), "--mirrored", "/dev/null"], "is a file, not a folder"),
            ([str(folder), "--prot", "1"], "no such option: --prot"),
            ([str(folder), "--port", "70000"], "invalid value for '--port'"),
        ]:
            with start_command(*arguments) as process:
                out, err = process.communicate(timeout=300)
            assert (process.returncode, out) == (2, "")
            assert re.fullmatch(rf"error: .*{re.escape(reason)}.*\n", err)
