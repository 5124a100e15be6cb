"""Redirects: where they are followed to, and what never goes there."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.pictures import png
from tests.helpers.server import Server
from tests.helpers.wire import Connection, Request, head_of
from trio_mirror import ListError, Outcome, Result, mirror, open_mirror
from trio_mirror.galleries.http import exchange
from trio_mirror.galleries.http.addresses import is_private
from trio_mirror.galleries.http.errors import ExchangeError
from trio_mirror.galleries.http.over_httpx import response_of
from trio_mirror.galleries.http.redirects import PUBLIC_ONLY, Redirects
from trio_mirror.galleries.urls import host_of, origin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

BASE = "http://gallery.example/images/"
SECRETS: dict[str, Any] = {"auth": ("me", "hunter2"), "header": [("X-Key", "hunter2"), ("User-Agent", "hunter2")]}

Page = str | httpx.Response
"""What is at a URL: where it redirects to, or a response."""


def gallery(pages: Mapping[str, Page], *, names: str = "a.png\n") -> Server:
    """A network with pages by their URLs: a list at `BASE`, and a picture everywhere else."""

    async def handle(request: httpx.Request) -> httpx.Response:
        page = pages.get(str(request.url))
        if isinstance(page, str):
            return httpx.Response(302, headers={"Location": page})
        if page is None and request.method == "GET" and request.url.path.endswith("/"):
            page = httpx.Response(200, text=names)
        return page or httpx.Response(200, content=png())

    return Server(handle)


async def result_of(server: Server, **choices: Any) -> Result:
    async with open_mirror(BASE, transport=server, **{"retries": 0} | choices) as results:
        [result] = [result async for result in results]
    return result


def urls(server: Server) -> list[str]:
    return [f"{request.method} {request.url}" for request in server.requests]


async def test_a_picture_is_fetched_where_it_lives_without_what_belongs_to_the_gallery() -> None:
    server = gallery({f"{BASE}a.png": "https://cdn.example:8443/1/a.png?sig=x"})

    result = await result_of(server, **SECRETS)

    assert result.outcome is Outcome.MIRRORED
    at_home, away = server.requests[1], server.requests[2]
    assert str(away.url) == "https://cdn.example:8443/1/a.png?sig=x"
    assert away.headers["Host"] == "cdn.example:8443"
    assert set(away.headers) == {"host", "user-agent", "accept", "accept-encoding"}
    assert {"authorization", "x-key"} <= set(at_home.headers)
    assert "hunter2" not in str(away.headers.raw)


async def test_what_was_sent_away_comes_back_without_credentials() -> None:
    server = gallery({f"{BASE}a.png": "http://cdn.example/a.png", "http://cdn.example/a.png": f"{BASE}private/b.png"})

    await result_of(server, **SECRETS)

    assert [str(it.url) for it in server.requests if "Authorization" in it.headers] == [BASE, f"{BASE}a.png", BASE]
    [back] = [request for request in server.requests if request.url.path == "/images/private/b.png"]
    assert back.headers["Host"] == "gallery.example"


@pytest.mark.parametrize(
    ("there", "is_home"),
    [
        ("http://gallery.example:80/b.png", True),
        ("https://gallery.example/b.png", True),
        ("https://gallery.example:443/b.png", True),
        ("https://gallery.example:8443/b.png", False),
        ("http://gallery.example:81/b.png", False),
        ("https://www.gallery.example/b.png", False),
        ("http://xn--0.example/b.png", False),
    ],
)
async def test_credentials_stay_at_home_which_is_the_same_host_over_tls_too(there: str, is_home: bool) -> None:
    server = gallery({f"{BASE}a.png": there})

    assert (await result_of(server, **SECRETS)).outcome is Outcome.MIRRORED
    assert ("X-Key" in server.requests[2].headers) is is_home


async def test_a_list_that_leads_to_tls_has_its_pictures_there() -> None:
    server = gallery({BASE: "https://gallery.example/new/"})

    assert (await result_of(server, **SECRETS)).outcome is Outcome.MIRRORED
    new = "https://gallery.example/new/"
    assert urls(server) == [f"GET {BASE}", f"GET {new}", f"GET {new}a.png", f"POST {new}"]
    assert all("Authorization" in request.headers for request in server.requests)


async def test_a_list_on_another_origin_is_an_error_that_names_it() -> None:
    server = gallery({BASE: "https://me:secret@www.gallery.example/images/?key=secret"})

    with pytest.raises(ListError, match=r"another origin, https://.hidden.@www.gallery.example/images/\?.hidden., "):
        await mirror(BASE, transport=server)
    assert urls(server) == [f"GET {BASE}"]


@pytest.mark.parametrize("location", ["loop.png", f"{BASE}loop.png", "?"])
async def test_redirects_have_an_end(location: str) -> None:
    server = gallery({f"{BASE}loop.png": location, f"{BASE}loop.png?": location}, names="loop.png\n")

    assert "more than 5 redirects" in str((await result_of(server)).error)
    assert sum(request.url.path == "/images/loop.png" for request in server.requests) == 6


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://h/a.png", "http://a..b/", "http://h:70000/"])
async def test_a_redirect_to_nowhere_is_a_failed_picture(location: str) -> None:
    server = gallery({f"{BASE}a.png": location})

    result = await result_of(server)

    assert (result.outcome, result.transient) == (Outcome.FAILED, False)
    assert "the server answered 302 Found; it redirects to" in str(result.error)
    assert len(server.requests) == 2


async def test_cookies_are_kept_for_the_redirects_of_one_picture() -> None:
    def sets(cookie: str, there: str) -> httpx.Response:
        return httpx.Response(302, headers={"Location": there, "Set-Cookie": cookie})

    server = gallery(
        {
            f"{BASE}a.png": sets("here=1", "/login"),
            "http://gallery.example/login": sets("there=2; Path=/", "http://cdn.example/a.png"),
            "http://cdn.example/a.png": sets("cdn=3", "http://gallery.example/last.png"),
        },
        names="a.png\nb.png\n",
    )

    assert (await mirror(BASE, transport=server, concurrency=1)).mirrored == 2
    cookies = {str(it.url): it.headers["Cookie"] for it in server.requests if "Cookie" in it.headers}
    assert cookies == {"http://gallery.example/last.png": "there=2"}


@pytest.mark.parametrize(
    ("host", "private"),
    [
        *((it, True) for it in ("127.0.0.1", "127.1", "0x7f.1", "2130706433", "017700000001", "0.0.0.0", "localhost")),
        *(
            (it, True)
            for it in ("10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "a.localhost.")
        ),
        *((it, True) for it in ("::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "fec0::1", "ff02::1", "224.0.0.1")),
        *((it, True) for it in ("::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::a00:1")),
        *(
            (it, False)
            for it in ("93.184.216.34", "2606:4700::1111", "64:ff9b::808:808", "cdn.example", "localhost.example")
        ),
    ],
)
def test_which_addresses_are_private(host: str, private: bool) -> None:
    assert is_private(host) is private


hosts = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda it: f"[{it}]"),
    st.integers(0, 2**32 - 1).flatmap(lambda it: st.sampled_from([str(it), hex(it), f"0{it:o}", str(ip_address(it))])),
    st.ip_addresses(v=4, network="10.0.0.0/8").map(lambda it: f"[::ffff:{it}]"),
    st.sampled_from(["127.1", "localhost", "LOCALHOST.", "x.localhost", "169.254.169.254", "[::1]", "gallery.example"]),
    st.from_regex(r"[a-z0-9-]{1,9}(\.[a-z]{2,5}){0,2}", fullmatch=True),
)
locations = st.one_of(
    st.text(),
    st.builds(
        "{}{}{}{}{}".format,
        st.sampled_from(["http://", "https://", "//", "HTTP:\\\\", "http:/", "", "ftp://", "http://me:secret@"]),
        hosts,
        st.sampled_from(["", ":80", ":443", ":8080", ":0", ":", "@gallery.example", "#@gallery.example"]),
        st.sampled_from(["", "/", "/a.png", "\\@gallery.example/", "/../x"]),
        st.text(max_size=5),
    ),
)


@given(
    location=locations,
    status=st.sampled_from([301, 302, 303, 307, 308]),
    address=st.sampled_from(["8.8.8.8", "10.1.1.1"]),
)
def test_no_location_leads_from_the_public_to_the_private_or_takes_a_secret_along(
    location: str, status: int, address: str
) -> None:
    home = httpx.URL(BASE)
    asked = exchange.Request("GET", f"{BASE}a.png", [(b"Host", b"gallery.example"), (b"X-Key", b"hunter2")])
    stream = type("", (), {"get_extra_info": lambda _, __: (address, 80)})()
    fields = [(b"Location", location.encode("utf-8", "surrogatepass").translate(None, b"\r\n\0"))]
    response = response_of(asked.url, httpx.Response(status, headers=fields, extensions={"network_stream": stream}))
    redirects = Redirects(home, [(b"Accept", b"*/*")])

    try:
        following = redirects.next_request(asked, response)
    except ExchangeError:
        return
    if following is None:
        return
    there = httpx.URL(following.url)
    stays = origin(there) in {("http", "gallery.example", 80), ("https", "gallery.example", 443)}
    assert redirects.at_home is stays
    assert ((b"X-Key", b"hunter2") in following.fields) is stays
    if origin(there) != origin(home):
        assert following.extensions[PUBLIC_ONLY] is (address == "8.8.8.8")
        assert address == "10.1.1.1" or not is_private(host_of(there))


@asynccontextmanager
async def serving(
    respond: Callable[[Request], bytes], requests: list[Request], connections: list[Connection] | None = None
) -> AsyncIterator[int]:
    """A server on loopback that notes its requests and connections; its port."""

    async def serve(stream: trio.SocketStream) -> None:
        connection = Connection(stream)
        if connections is not None:
            connections.append(connection)
        while (request := await connection.request()) is not None:
            requests.append(request)
            head, _, body = respond(request).partition(b"\r\n\r\n")
            await connection.send(head + b"\r\n\r\n")
            # So that the body does not come along with its head.
            await trio.sleep(0.01)
            await connection.send(body)

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


def gives(request: Request, body: bytes | None = None) -> bytes:
    body = png() if body is None else body
    return head_of(200, {"Content-Length": len(body), "Content-Type": "text/plain"}) + body


def leads(there: str, length: int = 5) -> Callable[[Request], bytes]:
    def respond(request: Request) -> bytes:
        is_list = request.path.endswith("/")
        found = head_of(302, {"Location": there, "Content-Length": 5}) + b"moved"
        return gives(request, b"a.png\nb.png\nc.png\n"[:length]) if is_list else found

    return respond


async def test_a_private_gallery_may_lead_to_another_private_address(tmp_path: Any) -> None:
    away: list[Request] = []
    async with serving(gives, away) as cdn, serving(leads(f"http://127.0.0.1:{cdn}/a.png"), []) as port:
        report = await mirror(f"http://127.0.0.1:{port}/", tmp_path, retries=0, **SECRETS)

    assert report.mirrored == 1
    [request] = away
    assert "hunter2" not in str(request.headers)
    assert request.headers["host"] == f"127.0.0.1:{cdn}"


async def test_connections_are_kept_across_redirects(tmp_path: Any) -> None:
    at_home: list[Connection] = []
    away: list[Connection] = []
    async with (
        serving(gives, [], away) as cdn,
        serving(leads(f"http://127.0.0.1:{cdn}/a.png", 18), [], at_home) as port,
    ):
        report = await mirror(f"http://127.0.0.1:{port}/", tmp_path, retries=0, concurrency=1)

    assert report.mirrored == 3
    # At home there is one more for the list.
    assert (len(at_home), len(away)) == (2, 1)


class Resolver(trio.abc.HostnameResolver):
    """Holds every name for this machine, as whoever owns a name may."""

    async def getaddrinfo(self, host: bytes | None, port: bytes | str | int | None, *_: Any, **__: Any) -> Any:
        return [(trio.socket.AF_INET, trio.socket.SOCK_STREAM, 6, "", ("127.0.0.1", int(port or 0)))]

    async def getnameinfo(self, *_: Any) -> Any:
        raise NotImplementedError


async def test_a_gallery_whose_name_leads_to_a_private_address_is_private(tmp_path: Any) -> None:
    trio.socket.set_custom_hostname_resolver(Resolver())
    async with serving(gives, []) as cdn, serving(leads(f"http://127.0.0.1:{cdn}/a.png"), []) as port:
        report = await mirror(f"http://intranet.example:{port}/", tmp_path, retries=0)

    assert report.mirrored == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "0x7f000001", "rebound.example"])
async def test_a_public_gallery_leads_to_no_private_address_whatever_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, host: str
) -> None:
    trio.socket.set_custom_hostname_resolver(Resolver())
    away: list[Request] = []
    async with serving(gives, away) as inside, serving(leads(f"http://{host}:{inside}/a.png"), []) as port:
        # Behind a proxy its name is all that is known of the gallery, and it is not one of this machine.
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("no_proxy", f"localhost, rebound.example 127.0.0.0/8,{host}")
        async with open_mirror("http://gallery.example/", tmp_path, retries=0) as results:
            [result] = [result async for result in results]

    assert "a private address, which is not followed" in str(result.error)
    assert away == []
