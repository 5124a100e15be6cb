"""The arguments ``transport`` and ``auth``: what goes through them, and where they do not go."""

from __future__ import annotations

import gzip
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio
import trio.testing

from tests.helpers.pictures import is_mirrored, png
from tests.helpers.server import Server
from tests.helpers.wire import Connection, Request, head_of
from trio_mirror import AccessError, ListError, Outcome, Report, Result, SettingsError, mirror, open_mirror

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator

BASE = "http://gallery.example/images/"
CHALLENGE = {"WWW-Authenticate": 'Digest realm="here", nonce="abc", qop="auth", algorithm=SHA-256'}


async def answer(request: httpx.Request) -> httpx.Response:
    if request.method == "POST":
        return httpx.Response(200)
    return httpx.Response(200, text="a.png") if str(request.url) == BASE else httpx.Response(200, content=png())


async def mirrored(*places: Any, **choices: Any) -> Report:
    return await mirror(*places, **choices)


async def only_result(**choices: Any) -> Result:
    async with open_mirror(BASE, retries=0, **choices) as results:
        [result] = [result async for result in results]
    return result


async def test_digest_authenticates_the_list_the_downloads_and_the_uploads() -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        if not request.headers.get("Authorization", "").startswith("Digest "):
            return httpx.Response(401, headers=CHALLENGE, text="who?")
        assert f'uri="{request.url.raw_path.decode()}"' in request.headers["Authorization"]
        return await answer(request)

    server = Server(handle)
    result = await only_result(transport=server, auth=httpx.DigestAuth("me", "secret"))

    assert result.outcome is Outcome.MIRRORED
    # Challenged once; from then on the scheme knows its nonce.
    assert [request.method for request in server.requests] == ["GET", "GET", "GET", "POST"]
    assert "secret" not in str([request.headers for request in server.requests])


async def test_an_upload_that_is_challenged_is_sent_again_whole() -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and "Authorization" not in request.headers:
            return httpx.Response(401, headers=CHALLENGE)
        return await answer(request)

    server = Server(handle)
    result = await only_result(transport=server, auth=httpx.DigestAuth("me", "secret"), upload_as="raw")

    assert result.outcome is Outcome.MIRRORED
    first, second = (request for request in server.requests if request.method == "POST")
    assert is_mirrored(png(), first.content)
    assert first.content == second.content


async def test_credentials_that_digest_refuses_are_an_access_error() -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401, headers=CHALLENGE)

    with pytest.raises(AccessError, match="check the credentials"):
        await mirrored(BASE, transport=Server(handle), auth=httpx.DigestAuth("me", "wrong"))


@pytest.mark.parametrize("form", ['qop="auth-int"', "algorithm=SHA-512-256", "qop"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_form_of_digest_that_is_not_known_is_an_access_error(form: str, method: str) -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        if request.method == method:
            return httpx.Response(401, headers={"WWW-Authenticate": f'Digest realm="here", nonce="abc", {form}'})
        return await answer(request)

    with pytest.raises(AccessError, match="credentials in a form that is not known"):
        await mirrored(BASE, transport=Server(handle), auth="me:secret", auth_type="digest")


class Signed(httpx.Auth):
    """Signs the body of a request, and looks at the body of its response."""

    requires_request_body = True
    requires_response_body = True

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["X-Length"] = str(len(request.content))
        response = yield request
        self.seen.append(response.content)


async def test_a_scheme_may_look_at_bodies() -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        response = await answer(request)
        if str(request.url) == BASE:
            return response
        return httpx.Response(200, content=gzip.compress(response.content), headers={"Content-Encoding": "gzip"})

    server, auth = Server(handle), Signed()
    result = await only_result(transport=server, auth=auth)

    assert result.outcome is Outcome.MIRRORED
    assert auth.seen == [b"a.png", png(), b""]
    assert [int(request.headers["X-Length"]) for request in server.requests] == [
        len(request.content) for request in server.requests
    ]


async def test_a_body_that_a_scheme_looks_at_has_its_limit() -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        bomb = gzip.compress(bytes(1_000_000))
        headers = {"Content-Encoding": "gzip"}
        return await answer(request) if str(request.url) == BASE else httpx.Response(200, content=bomb, headers=headers)

    result = await only_result(transport=Server(handle), auth=Signed(), max_bytes=100_000)

    assert "--max-bytes" in str(result.error)


@pytest.mark.parametrize("requires_request_body", [True, False])
async def test_an_upload_that_a_scheme_began_and_never_left_failed(
    monkeypatch: pytest.MonkeyPatch, requires_request_body: bool
) -> None:
    monkeypatch.setattr(Signed, "requires_request_body", requires_request_body)

    class Unreachable(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.method == "POST":
                raise httpx.ConnectError("refused")
            return await answer(request)

    class Plain(Signed):
        def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
            yield request

    assert (await only_result(transport=Unreachable(), auth=Plain())).outcome is Outcome.FAILED


async def test_a_scheme_that_never_ends_is_cut_off(autojump_clock: trio.testing.MockClock) -> None:
    class Endless(httpx.Auth):
        async def async_auth_flow(self, request: httpx.Request) -> Any:
            while True:
                await trio.sleep(1)
                yield request

    with pytest.raises(ListError, match=r"within 30 s \(--timeout\)"):
        await mirrored(BASE, transport=Server(answer), auth=Endless(), retries=0)


@pytest.mark.parametrize(
    ("source", "choices", "sent"),
    [
        (BASE, {"auth_type": "bearer", "auth": "a:b"}, "Bearer a:b"),
        (BASE, {"auth_type": "bearer", "auth": "t0"}, "Bearer t0"),
        ("http://t0@gallery.example/images/", {"auth_type": "bearer"}, "Bearer t0"),
        (BASE, {"auth_type": "netrc"}, "Basic bWU6c2VjcmV0"),
        (BASE, {"auth": "me:secret"}, "Basic bWU6c2VjcmV0"),
        (BASE, {}, None),
    ],
)
async def test_credentials_are_shown_as_their_type_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, source: str, choices: dict[str, Any], sent: str | None
) -> None:
    (tmp_path / "netrc").write_text("machine gallery.example login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server = Server(answer)

    await mirrored(source, transport=server, **choices)

    assert [request.headers.get("Authorization") for request in server.requests] == [sent] * 3


async def test_digest_is_a_type_of_credentials() -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        authorized = request.headers.get("Authorization", "").startswith("Digest ")
        return await answer(request) if authorized else httpx.Response(401, headers=CHALLENGE)

    for source in (BASE, "http://me:secret@gallery.example/images/"):
        auth = None if "@" in source else "me:secret"
        assert (await mirrored(source, transport=Server(handle), auth=auth, auth_type="digest")).mirrored == 1


@pytest.mark.parametrize("text", [None, "machine", "machine a login b\n  nonsense"])
async def test_a_netrc_that_cannot_be_read_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, text: str | None
) -> None:
    if text is not None:
        (tmp_path / "netrc").write_text(text)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    with pytest.raises(SettingsError, match=rf"--auth-type: {tmp_path}/netrc cannot be read: "):
        await mirrored(BASE, auth_type="netrc")


@asynccontextmanager
async def listening(requests: list[Request]) -> AsyncIterator[str]:
    """A gallery of one picture on loopback that gives tokens too, and notes its requests."""

    async def serve(stream: trio.SocketStream) -> None:
        connection = Connection(stream)
        while (request := await connection.request()) is not None:
            requests.append(request)
            await connection.body(request.length)
            body = {"/token": b"t0", "/images/": b"a.png"}.get(request.path, png())
            await connection.send(head_of(200, {"Content-Length": len(body), "Content-Type": "text/plain"}) + body)

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        yield f"http://127.0.0.1:{listener.socket.getsockname()[1]}/"
        nursery.cancel_scope.cancel()


async def test_a_scheme_may_ask_another_server_for_its_token() -> None:
    at_gallery: list[Request] = []
    at_issuer: list[Request] = []
    async with listening(at_gallery) as gallery, listening(at_issuer) as issuer:

        class Token(httpx.Auth):
            requires_response_body = True

            def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
                response = yield httpx.Request("GET", f"{issuer}token")
                request.headers["Authorization"] = f"Bearer {response.text}"
                yield request

        report = await mirrored(f"{gallery}images/", auth=Token(), no_journal=True)

    assert report.mirrored == 1
    assert {request.path for request in at_issuer} == {"/token"}
    assert [request.headers.get("authorization") for request in at_gallery] == ["Bearer t0"] * 3


async def test_neither_goes_to_another_origin() -> None:
    at_target: list[Request] = []
    server = Server(answer)
    async with listening(at_target) as target:
        report = await mirrored(BASE, f"{target}in/", transport=server, auth=httpx.BasicAuth("me", "secret"))

    assert report.mirrored == 1
    assert all("Authorization" in request.headers for request in server.requests)
    assert [(request.method, request.headers.get("authorization")) for request in at_target] == [("POST", None)]


async def test_both_belong_to_the_target_where_that_is_the_first_url(tmp_path: Any) -> None:
    (tmp_path / "a.png").write_bytes(png())
    server = Server(answer)

    await mirrored(tmp_path, BASE, transport=server, auth=httpx.BasicAuth("me", "secret"))

    [upload] = server.requests
    assert upload.headers["Authorization"].startswith("Basic ")


async def test_a_transport_is_closed_once_as_a_client_of_httpx_closes_it() -> None:
    class Counting(Server):
        closed = 0

        async def aclose(self) -> None:
            self.closed += 1

    server = Counting(answer)
    await mirrored(BASE, "http://gallery.example/mirrored/", transport=server)

    assert (len(server.requests), server.closed) == (3, 1)


async def test_a_transport_that_times_out_by_itself_may_be_asked_again() -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/images/a.png":
            raise httpx.ReadTimeout("slow")
        return await answer(request)

    result = await only_result(transport=Server(handle))

    assert (result.outcome, result.transient) == (Outcome.FAILED, True)
