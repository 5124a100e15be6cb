from __future__ import annotations

import errno
import gzip
import logging
import socket
import sqlite3
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio
import trio.testing

from tests.conftest import Handler
from tests.helpers.pictures import is_mirrored, png
from tests.helpers.turns import Turns
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
from trio_mirror.api import open_names
from trio_mirror.demo.server import serve_gallery

if TYPE_CHECKING:
    from pathlib import Path

BASE = "http://gallery.example/images/"
Install = Callable[[Handler], list[httpx.Request]]


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


async def test_the_protocol(answer_with: Install) -> None:
    requests = answer_with(gallery("dir/b c#?.png\n"))

    report = await mirror("http://gallery.example/images")

    assert report.mirrored == 1
    listing, fetching, storing = requests
    assert str(listing.url) == BASE
    assert fetching.url.raw_path == b"/images/dir/b%20c%23%3F.png"
    assert (storing.method, str(storing.url)) == ("POST", BASE)
    assert int(storing.headers["Content-Length"]) == len(storing.content)

    assert b'name="image"; filename="dir/b c#?.png"\r\nContent-Type: image/png' in storing.content
    assert is_mirrored(png(), posted_picture(storing))


@pytest.mark.parametrize("folder", ["a%2Fb", "why%3F", "no.%231", "100%25", "%FF", "%7Eu", "/x", "it's(1);a=b"])
async def test_the_path_of_a_gallery_is_asked_as_it_was_written(answer_with: Install, folder: str) -> None:
    async def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text="")

    requests = answer_with(answer)

    await mirror(f"http://gallery.example/{folder}")

    assert requests[0].url.raw_path.decode() == f"/{folder}/"


async def test_a_long_list_that_comes_at_once_leaves_others_their_turn(answer_with: Install) -> None:
    answer_with(gallery("a.png\n" * 100_000))
    turns = Turns()

    async with trio.open_nursery() as nursery, open_names(BASE, Settings()) as names:
        nursery.start_soon(turns.take)
        before = [turns.taken async for _ in names]
        assert len(before) == 1
        assert turns.taken - before[0] >= 30
        nursery.cancel_scope.cancel()


async def test_a_raw_upload_with_its_name_in_the_query(answer_with: Install) -> None:
    requests = answer_with(gallery("b c.png\n", store=lambda _: httpx.Response(201)))

    result = await result_of(upload_as="raw", success_status=[200, 201])

    assert result.outcome is Outcome.MIRRORED
    assert requests[-1].url.params["name"] == "b c.png"
    assert requests[-1].headers["Content-Type"] == "image/png"
    assert is_mirrored(png(), requests[-1].content)


@pytest.mark.parametrize("host", ["a..b", ".", "a" * 64, "\udcff"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_host_that_no_look_up_takes_is_told_as_such(scheme: str, host: str) -> None:
    with pytest.raises(SettingsError, match="is no URL"):
        await mirror(f"{scheme}://{host}/images/")


async def test_a_host_that_is_no_encoded_name_is_looked_up_as_it_is(answer_with: Install) -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(404)

    answer_with(handle)
    with pytest.raises(ListError, match="http://xn--0/images/ cannot be read"):
        await mirror("http://xn--0/images/", retries=0)


@pytest.mark.parametrize("status", [404, 410, 500])
async def test_a_list_that_cannot_be_read_is_an_error_with_url_and_cause(answer_with: Install, status: int) -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, text="sorry\nmore")

    answer_with(handle)
    with pytest.raises(ListError, match=rf"{BASE}.* {status} .*: sorry"):
        await mirror("http://user:secret@gallery.example/images/", retries=0)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_list_that_is_refused_is_an_access_error(answer_with: Install, status: int) -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status)

    answer_with(handle)
    with pytest.raises(AccessError, match="--auth") as caught:
        await mirror("http://user:secret@gallery.example/images/")
    assert "secret" not in str(caught.value)


async def test_a_certificate_that_is_refused_is_an_access_error(answer_with: Install) -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        try:
            raise ssl.SSLCertVerificationError(1, "self-signed certificate")
        except ssl.SSLError as error:
            raise httpx.ConnectError("tls") from error

    answer_with(handle)
    with pytest.raises(AccessError, match=r"TLS failed: self-signed certificate; --ca-file"):
        await mirror("https://gallery.example/images/")


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
async def test_a_server_that_cannot_be_reached_is_told_with_the_reason(
    answer_with: Install, cause: Exception | None, said: str
) -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("failed") from cause

    answer_with(handle)
    with pytest.raises(ListError) as caught:
        await mirror(BASE, retries=0)
    assert str(caught.value) == f"the list {BASE} cannot be read: {said}"


@pytest.mark.parametrize("media_type", ["image/png", "text/xml"])
async def test_a_list_that_is_no_text_is_an_error(answer_with: Install, media_type: str) -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b"<list>", headers={"Content-Type": media_type})

    answer_with(handle)
    with pytest.raises(ListError, match=media_type):
        await mirror(BASE)


async def test_a_list_that_never_answers_is_an_error(
    answer_with: Install, autojump_clock: trio.testing.MockClock
) -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        await trio.sleep_forever()
        raise AssertionError

    answer_with(handle)
    with pytest.raises(ListError, match="within 30 s"):
        await mirror(BASE, retries=0)
    assert trio.current_time() == pytest.approx(30.0)


async def test_a_list_that_breaks_off_is_an_error_after_what_it_gave(answer_with: Install) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"a.png\nb.p"
        raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")

    async def handle(request: httpx.Request) -> httpx.Response:
        if str(request.url) == BASE and request.method == "GET":
            return httpx.Response(200, content=body(), headers={"Content-Type": "text/plain"})
        return httpx.Response(200, content=png())

    requests = answer_with(handle)
    with pytest.raises(ListError, match="ended early"):
        await mirror(BASE, retries=0)
    assert [request.url.path for request in requests] == ["/images/", "/images/a.png", "/images/"]


class BreakingList:
    """A list of which so many bytes more are given each time that it is opened; then it breaks off."""

    def __init__(self, *texts: bytes, piece: int, most: int) -> None:
        self.texts = list(texts)
        self.piece = piece
        self.most = most
        self.opened = 0
        self.open: set[BreakingBody] = set()

    async def handle(self, request: httpx.Request) -> httpx.Response:
        text = self.texts.pop(0) if len(self.texts) > 1 else self.texts[0]
        self.opened += 1
        body = BreakingBody(self, text, self.opened * self.most)
        self.open.add(body)
        return httpx.Response(200, stream=body, headers={"Content-Type": "text/plain"})


class BreakingBody(httpx.AsyncByteStream):
    def __init__(self, listing: BreakingList, text: bytes, most: int) -> None:
        self.listing = listing
        self.text = text
        self.end = min(len(text), most)
        self.at = 0

    def __aiter__(self) -> BreakingBody:
        return self

    async def __anext__(self) -> bytes:
        if self.at < self.end:
            at, self.at = self.at, min(self.end, self.at + self.listing.piece)
            return self.text[at : self.at]
        if self.end < len(self.text):
            raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.listing.open.discard(self)


async def names_in(listing: BreakingList, taken: int | None = None, **choices: Any) -> list[str]:
    async with open_names(BASE, Settings(**choices)) as names:
        found = []
        async for name in names:
            found.append(name)
            if len(found) == taken:
                break
    assert not listing.open
    return found


@pytest.mark.parametrize("piece", [1, 7, 50, 1_000])
@pytest.mark.parametrize("most", [10, 50, 173])
async def test_a_list_that_breaks_off_goes_on_from_there(
    answer_with: Install, autojump_clock: trio.testing.MockClock, piece: int, most: int
) -> None:
    names = [f"{number}.png" for number in range(100)]
    listing = BreakingList("".join(f"{name}\n" for name in names).encode(), piece=piece, most=most)
    answer_with(listing.handle)

    assert await names_in(listing, retries=1) == names
    assert listing.opened > 3


async def test_a_list_that_breaks_off_at_one_place_again_and_again_is_an_error(
    answer_with: Install, autojump_clock: trio.testing.MockClock
) -> None:
    listing = BreakingList(b"a.png\nb.png\n", piece=3, most=0)
    answer_with(listing.handle)

    with pytest.raises(ListError, match="ended early"):
        await names_in(listing, retries=3)
    assert not listing.open
    assert listing.opened == 4


async def test_a_list_that_is_another_one_after_it_broke_off_is_an_error(
    answer_with: Install, autojump_clock: trio.testing.MockClock
) -> None:
    listing = BreakingList(b"a.png\nb.png\n", b"A.png\na.png\nb.png\n", piece=6, most=6)
    answer_with(listing.handle)

    with pytest.raises(ListError, match="begins otherwise by now"):
        await names_in(listing)
    assert not listing.open


async def test_a_list_that_was_opened_again_and_is_left_in_the_middle_is_closed(
    answer_with: Install, autojump_clock: trio.testing.MockClock
) -> None:
    listing = BreakingList(b"a.png\nb.png\nc.png\nd.png\n", piece=6, most=12)
    answer_with(listing.handle)

    assert await names_in(listing, taken=3) == ["a.png", "b.png", "c.png"]
    assert listing.opened == 2


async def test_a_body_that_drips_is_cut_off_as_a_whole(
    answer_with: Install, autojump_clock: trio.testing.MockClock
) -> None:
    async def drip() -> AsyncIterator[bytes]:
        while True:
            await trio.sleep(1)
            yield b"x"

    answer_with(gallery(picture=lambda _: httpx.Response(200, content=drip())))
    result = await result_of(timeout=5)

    assert (result.outcome, result.stage) == (Outcome.FAILED, Stage.FETCH)
    assert "within 5 s" in str(result.error)
    assert trio.current_time() == pytest.approx(5.0)


@pytest.mark.parametrize("declares", [True, False])
async def test_a_body_over_the_limit_is_cut_off(answer_with: Install, declares: bool) -> None:
    given = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given
        while True:
            given += 1_000
            yield b"x" * 1_000

    headers = {"Content-Length": "1000000000"} if declares else {}
    answer_with(gallery(picture=lambda _: httpx.Response(200, content=endless(), headers=headers)))
    result = await result_of(max_bytes=10_000)

    assert result.stage is Stage.FETCH
    assert "--max-bytes" in str(result.error)
    assert given <= (0 if declares else 11_000)


async def test_the_limit_counts_what_comes_out_of_a_content_coding(answer_with: Install) -> None:
    bomb = gzip.compress(b"\0" * 1_000_000)
    headers = {"Content-Encoding": "gzip"}
    answer_with(gallery(picture=lambda _: httpx.Response(200, content=bomb, headers=headers)))

    result = await result_of(max_bytes=100_000)

    assert result.stage is Stage.FETCH
    assert "--max-bytes" in str(result.error)


async def test_a_picture_that_is_missing_fails_with_the_answer_in_words(answer_with: Install) -> None:
    answer_with(gallery(picture=lambda _: httpx.Response(404, text="no such\x1b[31m picture")))

    result = await result_of()

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
async def test_of_an_error_page_only_the_title_is_told(answer_with: Install, page: str, said: str) -> None:
    answer_with(gallery(picture=lambda _: httpx.Response(404, html=page)))

    assert (await result_of()).error == f"the server answered {said}"


@pytest.mark.parametrize("status", [201, 204, 302, 400, 413, 500])
async def test_an_upload_answered_by_anything_but_200_failed(answer_with: Install, status: int) -> None:
    def store(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, text="first line\nsecond", headers={"Location": "/images/elsewhere"})

    requests = answer_with(gallery(store=store))
    result = await result_of()

    assert (result.outcome, result.stage) == (Outcome.FAILED, Stage.UPLOAD)
    assert f"{status}" in str(result.error)
    assert "first line" in str(result.error)
    assert "second" not in str(result.error)
    assert (f"--success-status {status} says so" in str(result.error)) == (status < 300)
    assert len(requests) == 3


async def test_an_upload_whose_answer_never_comes_is_unknown(
    answer_with: Install, autojump_clock: trio.testing.MockClock, instant_flip: None
) -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            await trio.sleep_forever()
        return await gallery()(request)

    answer_with(handle)
    result = await result_of(timeout=7)

    assert (result.outcome, result.stage) == (Outcome.UNKNOWN, Stage.UPLOAD)
    assert "may have it or not" in str(result.error)


async def test_an_upload_that_never_left_failed(answer_with: Install) -> None:
    def store(request: httpx.Request) -> httpx.Response:
        raise AssertionError

    class Unreachable(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.method == "POST":
                raise httpx.ConnectError("refused")
            return await gallery(store=store)(request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trio_mirror.galleries.http.client.open_transport", lambda *_: Unreachable())
        result = await result_of()

    assert (result.outcome, result.stage) == (Outcome.FAILED, Stage.UPLOAD)


async def test_redirects_are_followed_on_the_same_origin_only(answer_with: Install) -> None:
    def picture(request: httpx.Request) -> httpx.Response:
        match request.url.path:
            case "/images/here.png":
                return httpx.Response(302, headers={"Location": "/elsewhere/here.png"})
            case "/images/away.png":
                return httpx.Response(302, headers={"Location": "http://other.example/away.png"})
            case "/images/port.png":
                return httpx.Response(302, headers={"Location": "http://gallery.example:81/port.png"})
            case "/images/idna.png":
                return httpx.Response(302, headers={"Location": "http://xn--0/idna.png"})
            case "/images/loop.png":
                return httpx.Response(302, headers={"Location": "loop.png"})
        return httpx.Response(200, content=png())

    requests = answer_with(gallery("here.png\naway.png\nport.png\nidna.png\nloop.png\n", picture=picture))
    async with open_mirror(BASE, header=[("X-Key", "secret")]) as results:
        ended = {result.name: result async for result in results}

    assert ended["here.png"].outcome is Outcome.MIRRORED
    assert "another origin, http://other.example" in str(ended["away.png"].error)
    assert "another origin" in str(ended["port.png"].error)
    assert "another origin, http://xn--0," in str(ended["idna.png"].error)
    assert "more than 5 redirects" in str(ended["loop.png"].error)
    assert {request.url.host for request in requests} == {"gallery.example"}
    assert {request.url.port for request in requests} == {None}
    assert sum(request.url.path == "/images/loop.png" for request in requests) == 6


async def test_credentials_go_to_the_origin_they_were_given_for(answer_with: Install) -> None:
    requests = answer_with(gallery())
    target = "http://other.example/in/"

    await mirror(BASE, target, auth=("me", "secret"), header=[("X-Key", "secret")])

    at_source = [request for request in requests if request.url.host == "gallery.example"]
    [at_target] = [request for request in requests if request.url.host == "other.example"]
    assert all("Authorization" in request.headers and "X-Key" in request.headers for request in at_source)
    assert "Authorization" not in at_target.headers
    assert "X-Key" not in at_target.headers


async def test_headers_and_credentials_go_out_as_they_were_typed(answer_with: Install) -> None:
    requests = answer_with(gallery())

    # What is no UTF-8 in an argument comes as lone surrogates (PEP 383).
    await mirror(BASE, header=[("X-Key", "é\udcff")], auth=("é", "\udcff"), retries=0)

    assert len(requests) == 3
    for request in requests:
        assert (b"X-Key", b"\xc3\xa9\xff") in request.headers.raw
        assert request.headers["Authorization"] == "Basic " + b64encode(b"\xc3\xa9:\xff").decode()


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSLKEYLOGFILE"])
async def test_an_environment_that_tls_cannot_work_with_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "missing/file"))

    with pytest.raises(SettingsError, match=f"TLS cannot be set up: .*No such file.*{variable}"):
        await mirror("https://gallery.invalid/images/")


async def test_credentials_in_a_url_are_used_and_never_shown(answer_with: Install) -> None:
    requests = answer_with(gallery())

    report: Report = await mirror("http://me:secret@gallery.example/images/")

    assert all(request.headers["Authorization"] == "Basic bWU6c2VjcmV0" for request in requests)
    assert "secret" not in str(report.as_json())
    assert report.source == BASE


@pytest.mark.parametrize(
    "name",
    ["../up.png", "/etc/passwd", "%2e%2e/up.png", "http://other.example/x.png", "a\\b.png", "a\x07.png", "x" * 5_000],
)
async def test_a_name_that_leaves_the_base_is_refused_without_a_request(answer_with: Install, name: str) -> None:
    requests = answer_with(gallery(f"{name}\nb.png\n"))

    async with open_mirror(BASE) as results:
        refused, mirrored = sorted([it async for it in results], key=lambda it: it.outcome)

    assert (refused.outcome, refused.stage) == (Outcome.FAILED, Stage.LIST)
    assert mirrored.name == "b.png"
    assert [request.url.path for request in requests] == ["/images/", "/images/b.png", "/images/"]


async def test_insecure_is_said_once_a_host_however_often_the_list_is_read(
    answer_with: Install, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("trio_mirror"), "propagate", True)

    async def handle(request: httpx.Request) -> httpx.Response:
        is_list = request.url.path == "/images/"
        return httpx.Response(200, text="a.png\n") if is_list else httpx.Response(200, content=png())

    requests = answer_with(handle)
    source, target = "https://gallery.example/images/", "https://gallery.example/mirrored/"
    async with open_mirror(source, target, insecure=True) as run:
        assert run.counting is not None
        async with run.counting() as names:
            assert [name async for name in names] == ["a.png"]
        assert [result.outcome async for result in run] == [Outcome.MIRRORED]

    assert [str(request.url) for request in requests].count(source) == 2
    said = [record.getMessage() for record in caplog.records if "insecure" in record.getMessage()]
    assert said == ["--insecure: whoever answers for gallery.example is believed"]


async def test_an_entity_tag_of_an_edited_journal_begins_no_other_field(answer_with: Install, tmp_path: Path) -> None:
    requests = answer_with(gallery(picture=lambda _: httpx.Response(200, content=png(), headers={"ETag": '"a"'})))
    journal = tmp_path / "run.journal"
    await mirror(BASE, journal=str(journal))
    with closing(sqlite3.connect(journal)) as edited:
        edited.execute("""UPDATE pictures SET etag = '"a"' || char(13, 10) || 'X-Other: 1'""")
        edited.commit()

    await mirror(BASE, journal=str(journal), update=True)

    assert [it.headers["If-None-Match"] for it in requests if "If-None-Match" in it.headers] == ['"a"X-Other: 1']


async def test_an_entity_tag_of_any_bytes_goes_back_as_it_came(answer_with: Install, tmp_path: Path) -> None:
    tag = b'"\xe9\xff,\t\x80"'

    def picture(request: httpx.Request) -> httpx.Response:
        if (b"If-None-Match", tag) in request.headers.raw:
            return httpx.Response(304)
        return httpx.Response(200, content=png(), headers=[(b"ETag", tag)])

    answer_with(gallery(picture=picture))

    first = await mirror(BASE, journal=str(tmp_path / "run.journal"))
    again = await mirror(BASE, journal=str(tmp_path / "run.journal"), update=True)

    assert (first.mirrored, again.mirrored, again.skipped) == (1, 0, 1)
