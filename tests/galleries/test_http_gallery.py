from __future__ import annotations

import errno
import gzip
import logging
import socket
import sqlite3
import ssl
from base64 import b64encode
from contextlib import aclosing, closing
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio
import trio.testing

from tests.helpers.pictures import is_mirrored, png
from tests.helpers.server import Handler, Server
from tests.helpers.turns import Turns
from tests.helpers.wire import Connection, Request, head_of
from trio_mirror import (
    AccessError,
    ListError,
    Outcome,
    Report,
    Result,
    Settings,
    SettingsError,
    Stage,
    mirror,
    open_mirror,
)
from trio_mirror.api.opening import open_names
from trio_mirror.demo.server import serve_gallery

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable
    from pathlib import Path

BASE = "http://gallery.example/images/"


def gallery(
    names: str = "a.png\n",
    *,
    picture: Callable[[httpx.Request], httpx.Response] = lambda _: httpx.Response(200, content=png()),
    store: Callable[[httpx.Request], httpx.Response] = lambda _: httpx.Response(200),
) -> Handler:
    async def handle(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return store(request)
        if str(request.url) == BASE:
            return httpx.Response(200, text=names)
        return picture(request)

    return handle


async def result_of(source: str = BASE, **choices: Any) -> Result:
    async with open_mirror(source, **{"retries": 0} | choices) as results:
        [result] = [result async for result in results]
    return result


def posted_picture(request: httpx.Request) -> bytes:
    [_, headers_and_data, _] = request.content.split(b"--" + request.headers["Content-Type"].split("=")[1].encode())
    return headers_and_data.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n")


@pytest.mark.parametrize(
    ("fields", "modified"),
    [
        ({"Last-Modified": "Sun, 09 Sep 2001 01:46:40 GMT"}, 1e9),
        ({"Last-Modified": "Sun Sep  9 01:46:40 2001"}, 1e9),
        ({"Last-Modified": "yesterday"}, None),
        ({"Last-Modified": "Mon, 01 Jan 1900 00:00:00 GMT"}, -2208988800),
        ({}, None),
    ],
)
async def test_a_new_file_has_the_time_of_its_picture(
    tmp_path: Path, fields: dict[str, str], modified: float | None
) -> None:
    server = Server(gallery(picture=lambda _: httpx.Response(200, content=png(), headers=fields)))

    report = await mirror(BASE, tmp_path, transport=server)
    untimed = await mirror(BASE, tmp_path / "untimed", transport=server, times=False)

    assert (report.mirrored, untimed.mirrored) == (1, 1)
    now = (tmp_path / "untimed" / "a.png").stat().st_mtime
    time = (tmp_path / "a.png").stat().st_mtime
    if modified is None:
        assert abs(time - now) < 60
    else:
        # Not every file system keeps times before 1901.
        assert time == modified or modified < time < -2e9
    assert now > 1.5e9


async def test_the_protocol() -> None:
    server = Server(gallery("dir/b c#?.png\n"))

    report = await mirror("http://gallery.example/images", transport=server)

    assert report.mirrored == 1
    listing, fetching, storing = server.requests
    assert str(listing.url) == BASE
    assert fetching.url.raw_path == b"/images/dir/b%20c%23%3F.png"
    assert (storing.method, str(storing.url)) == ("POST", BASE)
    assert int(storing.headers["Content-Length"]) == len(storing.content)

    assert b'name="image"; filename="dir/b c#?.png"\r\nContent-Type: image/png' in storing.content
    assert is_mirrored(png(), posted_picture(storing))


@pytest.mark.parametrize("folder", ["a%2Fb", "why%3F", "no.%231", "100%25", "%FF", "%7Eu", "/x", "it's(1);a=b"])
async def test_the_path_of_a_gallery_is_asked_as_it_was_written(folder: str) -> None:
    async def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text="")

    server = Server(answer)

    await mirror(f"http://gallery.example/{folder}", transport=server)

    assert server.requests[0].url.raw_path.decode() == f"/{folder}/"


async def test_a_long_list_that_comes_at_once_leaves_others_their_turn() -> None:
    server = Server(gallery("a.png\n" * 100_000))
    turns = Turns()

    async with trio.open_nursery() as nursery, open_names(BASE, Settings(), transport=server) as names:
        nursery.start_soon(turns.take)
        before = [turns.taken async for _ in names]
        assert len(before) == 1
        assert turns.taken - before[0] >= 30
        nursery.cancel_scope.cancel()


async def test_a_list_of_urls_names_what_is_below_the_base() -> None:
    server = Server(
        gallery(f"{BASE}a.png\nHTTP://gallery.example:80/images/b%20c.png?key=1\nhttp://other.example/d.png\n")
    )

    async with open_mirror(BASE, concurrency=1, retries=0, transport=server) as results:
        outcomes = {result.name: result.outcome async for result in results}

    assert outcomes == {
        "a.png": Outcome.MIRRORED,
        "b c.png": Outcome.MIRRORED,
        "http://other.example/d.png": Outcome.FAILED,
    }
    assert [str(request.url) for request in server.requests if request.method == "GET"] == [
        BASE,
        f"{BASE}a.png",
        f"{BASE}b%20c.png?key=1",
    ]


async def test_a_raw_upload_with_its_name_in_the_query() -> None:
    server = Server(gallery("b c.png\n", store=lambda _: httpx.Response(201)))

    result = await result_of(upload_as="raw", success_status=[200, 201], transport=server)

    assert result.outcome is Outcome.MIRRORED
    assert server.requests[-1].url.params["name"] == "b c.png"
    assert server.requests[-1].headers["Content-Type"] == "image/png"
    assert is_mirrored(png(), server.requests[-1].content)


@pytest.mark.parametrize("status", [200, 201, 204])
async def test_a_picture_is_put_to_its_own_url(status: int) -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        if request.method == "PUT":
            return httpx.Response(status)
        is_list = request.url.path == "/images/"
        return httpx.Response(200, text="dir/b c.png\n") if is_list else httpx.Response(200, content=png())

    server = Server(handle)
    result = await result_of(f"{BASE}?key=hunter2", upload_as="put", transport=server)

    assert result.outcome is Outcome.MIRRORED
    upload = server.requests[-1]
    assert str(upload.url) == f"{BASE}dir/b%20c.png?key=hunter2"
    assert upload.headers["Content-Type"] == "image/png"
    assert is_mirrored(png(), upload.content)


@pytest.mark.parametrize("url", ["/upload", "../upload", "http://GALLERY.example:80/upload"])
@pytest.mark.parametrize("upload_as", ["raw", "multipart"])
async def test_uploads_go_to_a_url_of_their_own(url: str, upload_as: str) -> None:
    server = Server(gallery())

    result = await result_of(upload_as=upload_as, upload_url=f"{url}?key=a", transport=server)

    assert result.outcome is Outcome.MIRRORED
    assert server.requests[-1].url.path == "/upload"
    assert dict(server.requests[-1].url.params) == {"key": "a"} | ({"name": "a.png"} if upload_as == "raw" else {})


@pytest.mark.parametrize(
    "url", ["https://gallery.example/upload", "http://other.example/", "//gallery.example:81/", "http://["]
)
async def test_an_upload_url_of_another_origin_is_refused(url: str, tmp_path: Path) -> None:
    server = Server(gallery())

    with pytest.raises(SettingsError, match=r"--upload-url: .* begins with http://gallery\.example/"):
        await mirror(BASE, upload_url=url, transport=server)
    assert server.requests == []
    # It is about the target alone.
    assert (await mirror(BASE, tmp_path, upload_url=url, transport=server)).mirrored == 1


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("upload_as", ["put", "raw", "multipart"])
async def test_a_redirected_upload_is_followed_with_its_body(status: int, upload_as: str) -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return await gallery()(request)
        return httpx.Response(200 if request.url.path == "/new" else status, headers={"Location": "/new"})

    server = Server(handle)
    result = await result_of(upload_as=upload_as, transport=server, auth=("me", "secret"))

    assert result.outcome is Outcome.MIRRORED
    first, second = server.requests[-2:]
    assert (first.method, first.headers, first.content) == (second.method, second.headers, second.content)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_an_upload_goes_to_no_other_origin_and_says_where_it_was_to_go(status: int) -> None:
    away = "http://other.example/in?key=hunter2"
    server = Server(gallery(store=lambda _: httpx.Response(status, headers={"Location": away})))

    result = await result_of(transport=server)

    # Refused, not unknown: the server has said that it did not take it.
    assert (result.outcome, result.transient) == (Outcome.FAILED, False)
    assert "it redirects to http://other.example/in?(hidden), which is not followed" in str(result.error)
    assert len(server.requests) == 3


async def test_an_upload_that_is_redirected_for_ever_failed() -> None:
    server = Server(gallery(store=lambda _: httpx.Response(307, headers={"Location": "/loop"})))

    result = await result_of(transport=server)

    assert result.outcome is Outcome.FAILED
    assert len(server.requests) == 2 + 1 + 5


@pytest.mark.parametrize(
    ("base", "fetched"),
    [
        (f"{BASE}?key=a%2Fb", [f"{BASE}?key=a%2Fb", f"{BASE}a.png?key=a%2Fb"]),
        ("http://gallery.example/list.php?album=1", ["/list.php?album=1", "/a.png?album=1"]),
        (f"{BASE}?list-type=2&prefix=x&key=1", [f"{BASE}?list-type=2&prefix=x&key=1", f"{BASE}a.png?key=1"]),
    ],
)
async def test_the_query_of_a_gallery_is_asked_for_and_shown_nowhere(
    base: str, fetched: list[str], tmp_path: Path
) -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        is_picture = request.url.path.endswith(".png")
        return httpx.Response(200, content=png()) if is_picture else httpx.Response(200, text="a.png")

    server = Server(handle)
    report = await mirror(base, tmp_path, transport=server)

    assert report.mirrored == 1
    assert [str(it.url) for it in server.requests] == [str(httpx.URL(BASE).join(it)) for it in fetched]
    assert "?" not in report.source


async def test_the_query_of_a_gallery_is_in_no_error() -> None:
    server = Server(gallery(picture=lambda _: httpx.Response(500)))

    with pytest.raises(ListError) as caught:
        await mirror(f"{BASE}?key=hunter2", retries=0, transport=server)
    assert str(caught.value).startswith(f"the list {BASE}?(hidden) cannot be read: the server answered 500")


@pytest.mark.parametrize("host", ["a..b", ".", "a" * 64, "\udcff"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_host_that_no_look_up_takes_is_told_as_such(scheme: str, host: str) -> None:
    with pytest.raises(SettingsError, match="invalid URL"):
        await mirror(f"{scheme}://{host}/images/")


async def test_a_host_that_is_no_encoded_name_is_looked_up_as_it_is() -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(404)

    server = Server(handle)
    with pytest.raises(ListError, match="http://xn--0/images/ cannot be read"):
        await mirror("http://xn--0/images/", retries=0, transport=server)


@pytest.mark.parametrize("status", [404, 410, 500])
async def test_a_list_that_cannot_be_read_is_an_error_with_url_and_cause(status: int) -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, text="sorry\nmore")

    server = Server(handle)
    with pytest.raises(ListError, match=rf"{BASE}.* {status} .*: sorry"):
        await mirror("http://user:secret@gallery.example/images/", retries=0, transport=server)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("at", ["picture", "store"])
async def test_a_gallery_that_refuses_every_picture_is_an_access_error(status: int, at: str) -> None:
    refusing: dict[str, Any] = {at: lambda _: httpx.Response(status)}

    async with open_mirror(BASE, transport=Server(gallery("a.png\nb.png\n", **refusing))) as run:
        assert {(await anext(run)).name, (await anext(run)).name} == {"a.png", "b.png"}
        with pytest.raises(AccessError, match=f"{BASE} refuses us: the server answered {status}"):
            await anext(run)


@pytest.mark.parametrize(
    ("at", "status", "hinted"), [("store", 403, True), ("store", 401, False), ("picture", 403, False)]
)
async def test_a_few_refused_uploads_may_mean_that_none_is_taken(at: str, status: int, hinted: bool) -> None:
    refusing: dict[str, Any] = {at: lambda _: httpx.Response(status)}

    with pytest.raises(AccessError) as refused:
        await mirror(BASE, transport=Server(gallery("a.png\n", **refusing)))
    assert ("if it takes no uploads, add --to" in str(refused.value)) is hinted


async def test_one_picture_that_is_refused_fails_alone() -> None:
    def picture(request: httpx.Request) -> httpx.Response:
        return httpx.Response(403) if request.url.path.endswith("a.png") else httpx.Response(200, content=png())

    report = await mirror(BASE, transport=Server(gallery("a.png\nb.png\n", picture=picture)))

    assert (report.failed, report.refused, report.mirrored) == (1, 1, 1)


async def test_a_gallery_that_refuses_a_hundred_pictures_is_not_asked_for_the_rest() -> None:
    names = "".join(f"{number}.png\n" for number in range(1_000))
    server = Server(gallery(names, picture=lambda _: httpx.Response(403)))

    with pytest.raises(AccessError):
        await mirror(BASE, transport=server)
    assert 100 <= len(server.requests) <= 150


@pytest.mark.parametrize("status", [403, 404, 405, 501])
@pytest.mark.parametrize(("concurrency", "enough"), [(1, 5), (8, 8)])
async def test_a_server_that_takes_no_uploads_is_sent_no_more_of_them(
    status: int, concurrency: int, enough: int
) -> None:
    names = "notes.txt\n" + "".join(f"{number}.png\n" for number in range(100))
    server = Server(gallery(names, store=lambda _: httpx.Response(status, text=f"no {len(server.requests)}")))

    with pytest.raises(AccessError, match=f"{BASE}: this server takes no uploads; add --to ./mirrored"):
        await mirror(BASE, exclude=["*.txt"], concurrency=concurrency, transport=server)
    assert enough <= len([it for it in server.requests if it.method == "POST"]) <= enough + 2 * concurrency


@pytest.mark.parametrize("accepted", [0, 3])
async def test_a_server_that_refuses_uploads_in_different_ways_is_sent_all(accepted: int) -> None:
    statuses = iter([200] * accepted + [404, 405] * 50)
    server = Server(
        gallery("".join(f"{number}.png\n" for number in range(20)), store=lambda _: httpx.Response(next(statuses)))
    )

    report = await mirror(BASE, concurrency=1, transport=server)

    assert (report.mirrored, report.failed) == (accepted, 20 - accepted)


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ('Digest realm="a, Basic b", nonce="c", Basic realm="d"', "Digest or Basic"),
        ("Negotiate, NTLM", "Negotiate or NTLM"),
        ('Bearer error="invalid_token"', "Bearer"),
        ("Negotiate YII=, Basic", "Negotiate or Basic"),
    ],
)
async def test_a_refusal_names_the_schemes_that_were_asked_for(field: str, said: str) -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401, headers={"WWW-Authenticate": field})

    with pytest.raises(AccessError, match=rf"401 Unauthorized; it asks for {said} \(--auth-type\)"):
        await mirror(BASE, transport=Server(handle))


@pytest.mark.parametrize("status", [401, 403])
async def test_a_list_that_is_refused_is_an_access_error(status: int) -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status)

    server = Server(handle)
    with pytest.raises(AccessError, match="--auth") as caught:
        await mirror("http://user:secret@gallery.example/images/", transport=server)
    assert "secret" not in str(caught.value)


async def test_a_certificate_that_is_refused_is_an_access_error() -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        try:
            raise ssl.SSLCertVerificationError(1, "self-signed certificate")
        except ssl.SSLError as error:
            raise httpx.ConnectError("tls") from error

    server = Server(handle)
    with pytest.raises(AccessError, match=r"TLS failed: self-signed certificate; --ca-file"):
        await mirror("https://gallery.example/images/", transport=server)


async def test_a_server_without_tls_is_told_from_one_that_is_not_trusted(tmp_path: Path) -> None:
    async with serve_gallery(tmp_path, tmp_path / "stored") as url:
        with pytest.raises(AccessError, match="speaks no TLS; is its URL http://") as caught:
            await mirror(url.replace("http://", "https://"))
    assert "--ca-file" not in str(caught.value)


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "the name of the host is unknown"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Error at ('::1', 1)"), "no connection: Connection refused"),
        (ExceptionGroup("", [OSError(errno.EHOSTUNREACH, "x")]), "no connection: No route to host"),
        (None, "no connection"),
    ],
)
async def test_a_server_that_cannot_be_reached_is_told_with_the_reason(cause: Exception | None, said: str) -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("failed") from cause

    server = Server(handle)
    with pytest.raises(ListError) as caught:
        await mirror(BASE, retries=0, transport=server)
    assert str(caught.value) == f"the list {BASE} cannot be read: {said}"


@pytest.mark.parametrize("media_type", ["image/png", "text/xml"])
async def test_a_list_that_is_no_text_is_an_error(media_type: str) -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b"<list>", headers={"Content-Type": media_type})

    server = Server(handle)
    with pytest.raises(ListError, match=media_type):
        await mirror(BASE, transport=server)


async def test_a_list_that_never_answers_is_an_error(autojump_clock: trio.testing.MockClock) -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        await trio.sleep_forever()
        raise AssertionError

    server = Server(handle)
    with pytest.raises(ListError, match="within 30 s"):
        await mirror(BASE, retries=0, transport=server)
    assert trio.current_time() == pytest.approx(30.0)


async def test_a_list_that_breaks_off_is_an_error_after_what_it_gave() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"a.png\nb.p"
        raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")

    async def handle(request: httpx.Request) -> httpx.Response:
        if str(request.url) == BASE and request.method == "GET":
            return httpx.Response(200, content=body(), headers={"Content-Type": "text/plain"})
        return httpx.Response(200, content=png())

    server = Server(handle)
    with pytest.raises(ListError, match="ended early"):
        await mirror(BASE, retries=0, transport=server)
    assert [request.url.path for request in server.requests] == ["/images/", "/images/a.png", "/images/"]


async def test_a_body_that_drips_is_cut_off_as_a_whole(autojump_clock: trio.testing.MockClock) -> None:
    async def drip() -> AsyncGenerator[bytes, None]:
        while True:
            await trio.sleep(1)
            yield b"x"

    async with aclosing(drip()) as drops:
        server = Server(gallery(picture=lambda _: httpx.Response(200, content=drops)))
        result = await result_of(timeout=5, transport=server)

    assert (result.outcome, result.stage) == (Outcome.FAILED, Stage.FETCH)
    assert "within 5 s" in str(result.error)
    assert trio.current_time() == pytest.approx(5.0)


@pytest.mark.parametrize("declares", [True, False])
async def test_a_body_over_the_limit_is_cut_off(declares: bool) -> None:
    given = 0

    async def endless() -> AsyncGenerator[bytes, None]:
        nonlocal given
        while True:
            given += 1_000
            yield b"x" * 1_000

    headers = {"Content-Length": "1000000000"} if declares else {}
    async with aclosing(endless()) as body:
        server = Server(gallery(picture=lambda _: httpx.Response(200, content=body, headers=headers)))
        result = await result_of(max_bytes=10_000, transport=server)

    assert result.stage is Stage.FETCH
    assert "--max-bytes" in str(result.error)
    assert given <= (0 if declares else 11_000)


async def test_the_limit_counts_what_comes_out_of_a_content_coding() -> None:
    bomb = gzip.compress(b"\0" * 1_000_000)
    headers = {"Content-Encoding": "gzip"}
    server = Server(gallery(picture=lambda _: httpx.Response(200, content=bomb, headers=headers)))

    result = await result_of(max_bytes=100_000, transport=server)

    assert result.stage is Stage.FETCH
    assert "--max-bytes" in str(result.error)


async def test_a_picture_that_is_missing_fails_with_the_answer_in_words() -> None:
    server = Server(gallery(picture=lambda _: httpx.Response(404, text="no such\x1b[31m picture")))

    result = await result_of(transport=server)

    assert result.stage is Stage.FETCH
    assert result.error == r"the server answered 404 Not Found: no such\x1b[31m picture"


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>nginx", "404 Not Found"),
        ("<!doctype html><title>We are\nclosed &amp; gone</title>", "404 Not Found: We are"),
        ("<title>404 Nothing here</title>", "404 Not Found: Nothing here"),
        ("<html><body>nothing in short", "404 Not Found"),
    ],
)
async def test_of_an_error_page_only_the_title_is_told(page: str, said: str) -> None:
    server = Server(gallery(picture=lambda _: httpx.Response(404, html=page)))

    assert (await result_of(transport=server)).error == f"the server answered {said}"


@pytest.mark.parametrize("status", [201, 204, 302, 400, 413, 500])
async def test_an_upload_answered_by_anything_but_200_failed(status: int) -> None:
    def store(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, text="first line\nsecond", headers={"Location": "/images/elsewhere"})

    server = Server(gallery(store=store))
    result = await result_of(transport=server)

    assert (result.outcome, result.stage) == (Outcome.FAILED, Stage.UPLOAD)
    assert f"{status}" in str(result.error)
    assert "first line" in str(result.error)
    assert "second" not in str(result.error)
    assert (f"--success-status {status} says so" in str(result.error)) == (status < 300)
    assert len(server.requests) == 3


async def test_an_upload_whose_answer_never_comes_is_unknown(
    autojump_clock: trio.testing.MockClock, instant_flip: None
) -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            await trio.sleep_forever()
        return await gallery()(request)

    server = Server(handle)
    result = await result_of(timeout=7, transport=server)

    assert (result.outcome, result.stage) == (Outcome.UNKNOWN, Stage.UPLOAD)
    assert "may have it or not" in str(result.error)


async def test_an_upload_that_never_left_failed() -> None:
    def store(request: httpx.Request) -> httpx.Response:
        raise AssertionError

    class Unreachable(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.method == "POST":
                raise httpx.ConnectError("refused")
            return await gallery(store=store)(request)

    result = await result_of(transport=Unreachable())

    assert (result.outcome, result.stage) == (Outcome.FAILED, Stage.UPLOAD)


async def test_what_belongs_to_an_origin_does_not_go_to_another() -> None:
    server = Server(gallery())
    at_target: list[Request] = []

    async def other(stream: trio.SocketStream) -> None:
        connection = Connection(stream)
        while (request := await connection.request()) is not None:
            at_target.append(request)
            await connection.body(request.length)
            await connection.send(head_of(200, {"Content-Length": 0}))

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, other, 0, host="127.0.0.1"))
        target = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/in/"
        await mirror(BASE, target, auth=("me", "secret"), header=[("X-Key", "secret")], transport=server)
        nursery.cancel_scope.cancel()

    assert len(server.requests) == 2
    assert all("Authorization" in request.headers and "X-Key" in request.headers for request in server.requests)
    [upload] = at_target
    assert upload.method == "POST"
    assert "authorization" not in upload.headers
    assert "x-key" not in upload.headers


async def test_headers_and_credentials_go_out_as_they_were_typed() -> None:
    server = Server(gallery())

    # What is no UTF-8 in an argument comes as lone surrogates (PEP 383).
    await mirror(BASE, header=[("X-Key", "é\udcff")], auth=("é", "\udcff"), retries=0, transport=server)

    assert len(server.requests) == 3
    for request in server.requests:
        assert (b"X-Key", b"\xc3\xa9\xff") in request.headers.raw
        assert request.headers["Authorization"] == "Basic " + b64encode(b"\xc3\xa9:\xff").decode()


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSLKEYLOGFILE"])
async def test_an_environment_that_tls_cannot_work_with_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "missing/file"))

    with pytest.raises(SettingsError, match=f"TLS cannot be set up: .*No such file.*{variable}"):
        await mirror("https://gallery.invalid/images/")


async def test_credentials_in_a_url_are_used_and_never_shown() -> None:
    server = Server(gallery())

    report: Report = await mirror("http://me:secret@gallery.example/images/", transport=server)

    assert all(request.headers["Authorization"] == "Basic bWU6c2VjcmV0" for request in server.requests)
    assert "secret" not in str(report.as_json())
    assert report.source == BASE


@pytest.mark.parametrize(
    "name",
    ["../up.png", "/etc/passwd", "%2e%2e/up.png", "http://other.example/x.png", "a\\b.png", "a\x07.png", "x" * 5_000],
)
async def test_a_name_that_leaves_the_base_is_refused_without_a_request(name: str) -> None:
    server = Server(gallery(f"{name}\nb.png\n"))

    async with open_mirror(BASE, transport=server) as results:
        refused, mirrored = sorted([it async for it in results], key=lambda it: it.outcome)

    assert (refused.outcome, refused.stage) == (Outcome.FAILED, Stage.LIST)
    assert mirrored.name == "b.png"
    assert [request.url.path for request in server.requests] == ["/images/", "/images/b.png", "/images/"]


async def test_insecure_is_said_once_a_host_however_often_the_list_is_read(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("trio_mirror"), "propagate", True)

    async def handle(request: httpx.Request) -> httpx.Response:
        is_list = request.url.path == "/images/"
        return httpx.Response(200, text="a.png\n") if is_list else httpx.Response(200, content=png())

    server = Server(handle)
    source, target = "https://gallery.example/images/", "https://gallery.example/mirrored/"
    async with open_mirror(source, target, insecure=True, transport=server) as run:
        assert run.counting is not None
        async with run.counting() as names:
            assert [name async for name in names] == ["a.png"]
        assert [result.outcome async for result in run] == [Outcome.MIRRORED]

    assert [str(request.url) for request in server.requests].count(source) == 2
    said = [record.getMessage() for record in caplog.records if "insecure" in record.getMessage()]
    assert said == ["--insecure: certificate verification is disabled for gallery.example"]


async def test_an_entity_tag_of_an_edited_journal_begins_no_other_field(tmp_path: Path) -> None:
    server = Server(gallery(picture=lambda _: httpx.Response(200, content=png(), headers={"ETag": '"a"'})))
    journal = tmp_path / "run.journal"
    await mirror(BASE, journal=str(journal), transport=server)
    with closing(sqlite3.connect(journal)) as edited:
        edited.execute("""UPDATE pictures SET etag = '"a"' || char(13, 10) || 'X-Other: 1'""")
        edited.commit()

    await mirror(BASE, journal=str(journal), update=True, transport=server)

    assert [it.headers["If-None-Match"] for it in server.requests if "If-None-Match" in it.headers] == ['"a"X-Other: 1']


async def test_an_entity_tag_of_any_bytes_goes_back_as_it_came(tmp_path: Path) -> None:
    tag = b'"\xe9\xff,\t\x80"'

    def picture(request: httpx.Request) -> httpx.Response:
        if (b"If-None-Match", tag) in request.headers.raw:
            return httpx.Response(304)
        return httpx.Response(200, content=png(), headers=[(b"ETag", tag)])

    server = Server(gallery(picture=picture))

    first = await mirror(BASE, journal=str(tmp_path / "run.journal"), transport=server)
    again = await mirror(BASE, journal=str(tmp_path / "run.journal"), update=True, transport=server)

    assert (first.mirrored, again.mirrored, again.skipped) == (1, 0, 1)
