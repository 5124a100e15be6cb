"""Index pages as the list of a gallery: pages in the forms of known servers, hostile pages, and a real nginx."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import tracemalloc
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.nginx import free_port, wait_for
from tests.helpers.pictures import is_mirrored, png
from tests.helpers.server import Server
from trio_mirror import ListError, Outcome, mirror, open_mirror
from trio_mirror.galleries.http.crawl import MAX_DEPTH
from trio_mirror.galleries.http.gallery import open_http_gallery
from trio_mirror.galleries.http.list_reader import index_parser
from trio_mirror.galleries.links import name_below
from trio_mirror.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator
    from pathlib import Path

    from trio.testing import MockClock

    from tests.helpers.server import Handler

BASE = "http://gallery.example/images/"

NGINX = """<html>
<head><title>Index of /images/</title></head>
<body>
<h1>Index of /images/</h1><hr><pre><a href="../">../</a>
<a href="sub/">sub/</a>                                   25-Nov-2026 12:00                   -
<a href="a%20b.png">a b.png</a>                           25-Nov-2026 12:00                 137
<a href="b%C3%A4ume%231.png">b..&gt;</a>                  25-Nov-2026 12:00                 137
<a href="100%25.png">100%.png</a>                         25-Nov-2026 12:00                 137
</pre><hr></body>
</html>
"""
APACHE_TABLE = """<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">
<html>
 <head><title>Index of /images</title></head>
 <body>
<h1>Index of /images</h1>
  <table>
   <tr><th valign="top"><img src="/icons/blank.gif" alt="[ICO]"></th><th><a href="?C=N;O=D">Name</a></th>
       <th><a href="?C=M;O=A">Last modified</a></th><th><a href="?C=S;O=A">Size</a></th></tr>
<tr><td valign="top"><img src="/icons/back.gif" alt="[PARENTDIR]"></td><td><a href="/">Parent Directory</a></td></tr>
<tr><td valign="top"><a href="sub/"><img src="/icons/folder.gif" alt="[DIR]"></a></td>
    <td><a href="sub/">sub/</a></td></tr>
<tr><td valign="top"><a href="a%20b.png"><img src="/icons/image2.gif" alt="[IMG]"></a></td>
    <td><a href="a%20b.png">a b.png</a></td><td align="right">2026-11-25 12:00  </td></tr>
<tr><td valign="top"><a href="c&amp;d.png"><img src="/icons/image2.gif" alt="[IMG]"></a></td>
    <td><a href="c&amp;d.png">c&amp;d.png</a></td><td align="right">2026-11-25 12:00  </td></tr>
</table>
<address>Apache/2.4.62 (Debian) Server at gallery.example Port 80</address>
</body></html>
"""
APACHE_PRE = """<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">
<html><head><title>Index of /images</title></head><body><h1>Index of /images</h1>
<pre><img src="/icons/blank.gif" alt="Icon "> <a href="?C=N;O=D">Name</a>  <a href="?C=M;O=A">Last modified</a><hr>
<img src="/icons/back.gif" alt="[PARENTDIR]"> <a href="/">Parent Directory</a>                    -
<img src="/icons/folder.gif" alt="[DIR]"> <a href="sub/">sub/</a>                    2026-11-25 12:00    -
<img src="/icons/image2.gif" alt="[IMG]"> <a href="a%20b.png">a b.png</a>     2026-11-25 12:00  137
<img src="/icons/image2.gif" alt="[IMG]"> <a href="/images/c.png">c.png</a>   2026-11-25 12:00  137
<hr></pre></body></html>
"""
APACHE_PLAIN = """<html><head><title>Index of /images</title></head><body><h1>Index of /images</h1>
<ul><li><a href="/"> Parent Directory</a></li><li><a href="a.png"> a.png</a></li></ul></body></html>
"""
EMPTY = "<html><head><title>Index of /images/</title></head><body><pre><a href='../'>../</a></pre></body></html>"


def serving_index(
    body: str | bytes | AsyncIterator[bytes], content_type: str | None = "text/html", *, base: str = BASE
) -> Handler:
    """A server whose base is an index, and which has a picture everywhere else."""

    async def handle(request: httpx.Request) -> httpx.Response:
        if request.method == "POST" or str(request.url) != base:
            return httpx.Response(200, content=png())
        content = body.encode() if isinstance(body, str) else body
        headers = {} if content_type is None else {"Content-Type": content_type}
        return httpx.Response(200, content=content, headers=headers)

    return handle


async def names_of(body: Any, content_type: str | None = "text/html") -> list[str]:
    server = Server(serving_index(body, content_type))
    async with open_mirror(BASE, retries=0, concurrency=1, transport=server) as results:
        return [result.name async for result in results]


async def refused_of(body: Any, content_type: str = "text/html") -> dict[str, str | None]:
    server = Server(serving_index(body, content_type))
    async with open_mirror(BASE, retries=0, transport=server) as results:
        return {result.name: result.error async for result in results if result.outcome is Outcome.FAILED}


@pytest.mark.parametrize(
    ("page", "names"),
    [
        (NGINX, ["a b.png", "bäume#1.png", "100%.png"]),
        (APACHE_TABLE, ["a b.png", "c&d.png"]),
        (APACHE_PRE, ["a b.png", "c.png"]),
        (APACHE_PLAIN, ["a.png"]),
        (EMPTY, []),
    ],
)
@pytest.mark.parametrize("content_type", ["text/html", "Text/HTML;charset=ISO-8859-1", "application/xhtml+xml"])
async def test_an_index_page_gives_the_files_that_are_directly_below(
    page: str, names: list[str], content_type: str
) -> None:
    assert await names_of(page, content_type) == names


async def test_the_pictures_of_an_index_are_fetched_where_its_links_lead() -> None:
    server = Server(serving_index(NGINX))

    report = await mirror(BASE, concurrency=1, transport=server)

    assert report.mirrored == 3
    fetched = [request.url.raw_path for request in server.requests if request.method == "GET"][1:]
    assert fetched == [b"/images/a%20b.png", b"/images/b%C3%A4ume%231.png", b"/images/100%25.png"]


async def test_nginx_s_json_gives_its_files_as_they_are_written() -> None:
    entries = [
        {"name": "sub", "type": "directory", "mtime": "Wed, 25 Nov 2026 12:00:00 GMT"},
        {"name": "a%20 b.png", "type": "file", "mtime": "Wed, 25 Nov 2026 12:00:00 GMT", "size": 137},
        {"name": "bäume.png", "type": "file", "size": 137},
        {"name": "bäume.png", "type": "file", "size": 137},
        {"name": "link", "type": "other"},
    ]

    assert await names_of(json.dumps(entries), "application/json") == ["a%20 b.png", "bäume.png"]


async def test_caddy_s_json_gives_its_files() -> None:
    entries = [
        {"name": "sub/", "size": 4096, "url": "./sub/", "is_dir": True, "is_symlink": False},
        {"name": "a b.png", "size": 137, "url": "./a%20b.png", "is_dir": False, "is_symlink": False},
    ]
    site = Site({"/images/": httpx.Response(200, json=entries), "/images/sub/": httpx.Response(200, json=entries[1:])})

    assert await listed_by(site, recursive=True) == ["a b.png", "sub/a b.png"]


def bucket(*keys: str, more: str = "", namespace: str = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"') -> str:
    contents = "".join(f"<Contents><Key>{key}</Key><Size>137</Size></Contents>" for key in keys)
    return f'<?xml version="1.0"?><ListBucketResult{namespace}><Name>b</Name>{contents}{more}</ListBucketResult>'


@pytest.mark.parametrize("namespace", ["", ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'])
@pytest.mark.parametrize("media_type", ["application/xml", "text/xml; charset=utf-8"])
async def test_the_keys_of_a_bucket_are_names(namespace: str, media_type: str) -> None:
    page = bucket("in/", "in/a &amp; b.png", "in/bäume.png", namespace=namespace)

    assert await names_of(page, media_type) == ["in/a & b.png", "in/bäume.png"]


@pytest.mark.parametrize("base", ["http://gallery.example/bucket", "http://gallery.example/bucket/"])
@pytest.mark.parametrize(
    ("query", "more", "key"),
    [
        ("?list-type=2&prefix=", "<NextContinuationToken>t+/=</NextContinuationToken>", ("continuation-token", "t+/=")),
        ("?max-keys=1", "<NextMarker>b&amp;.png</NextMarker>", ("marker", "b&.png")),
        ("?max-keys=1", "", ("marker", "a.png")),
    ],
)
async def test_a_bucket_is_listed_page_by_page(base: str, query: str, more: str, key: tuple[str, str]) -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith(".png"):
            return httpx.Response(200, content=png())
        is_second = key in request.url.params.multi_items()
        page = bucket("c.png") if is_second else bucket("a.png", more=f"<IsTruncated>true</IsTruncated>{more}")
        return httpx.Response(200, text=page, headers={"Content-Type": "application/xml"})

    server = Server(handle)
    async with open_mirror(base + query, upload_as="put", retries=0, concurrency=1, transport=server) as results:
        assert [result.name async for result in results if result.outcome is Outcome.MIRRORED] == ["a.png", "c.png"]
    put = [str(it.url) for it in server.requests if it.method == "PUT"]
    assert put == [f"http://gallery.example/bucket/{name}.png" for name in "ac"]


async def test_a_bucket_that_gives_one_page_again_and_again_is_an_error() -> None:
    page = bucket("a.png", more="<IsTruncated>true</IsTruncated>")
    response = httpx.Response(200, text=page, headers={"Content-Type": "application/xml"})

    with pytest.raises(ListError, match="goes on with the same page"):
        await listed_by(Site({"/images/": response}))


async def test_what_a_bucket_groups_is_said() -> None:
    page = bucket(more="<CommonPrefixes><Prefix>2024/</Prefix></CommonPrefixes>")

    with pytest.raises(ListError, match=r"links that lead elsewhere \(1, such as 2024/\)"):
        await names_of(page, "application/xml")


@pytest.mark.parametrize(
    "page",
    [
        *("", "<a>", "<Error><Code>AccessDenied</Code></Error>", "<?xml version='1.0' encoding='none'?><a/>"),
        '<!DOCTYPE a [<!ENTITY k "v">]>' + bucket("&k;.png"),
    ],
)
async def test_xml_of_another_shape_is_an_error(page: str) -> None:
    with pytest.raises(ListError, match="not the ListBucketResult of S3"):
        await names_of(page, "application/xml")


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "nulls", "1", '"a.png"', "{}", '{"files": []}', '["a.png"]', "[[]]", '[{"name": "a.png"}]'),
        *('[{"type": "file"}]', '[{"name": 1, "type": "file"}]', '[{"name": [], "type": "file"}]', "[" * 100_000),
        f'[{{"name": "{"x" * 400_000}',
    ],
)
async def test_json_of_another_shape_is_an_error_that_shows_the_right_one(text: str) -> None:
    with pytest.raises(ListError, match=r'in the form of nginx: \[\{"name"'):
        await names_of(text, "application/json")


async def test_names_of_an_index_go_through_the_name_rules() -> None:
    page = (
        '<a href="%2e%2e">x</a><a href="..%2f..%2fetc%2fpasswd">x</a><a href="a%2fb.png">x</a><a href="%FF.png">x</a>'
    )
    refused = await refused_of(page + '<a href="%1b[2J.png">x</a><a href="a%5cb.png">x</a>')

    assert set(refused) == {"..", "..%2f..%2fetc%2fpasswd", "a%2fb.png", "\udcff.png", "\x1b[2J.png", "a\\b.png"}
    assert "hides a slash" in str(refused["a%2fb.png"])

    entries = [{"name": name, "type": "file"} for name in ("../x.png", "/etc/passwd", "http://evil.example/x", "")]
    refused = await refused_of(json.dumps(entries), "application/json")

    assert set(refused) == {"../x.png", "/etc/passwd", "http://evil.example/x", ""}


@pytest.mark.parametrize(
    "href",
    [
        *(
            "javascript:alert(1)",
            "data:image/png;base64,AA",
            "mailto:a@b.example",
            "file:///etc/passwd",
            "//evil/x.png",
        ),
        *("http://evil.example/images/x.png", "https://gallery.example/images/x.png", "http://[", "http://a:b/x"),
        *("http://gallery.example:8080/images/x.png", "/x.png", "../x.png", "../images2/x.png", "..", ".", "", "#top"),
        *("http://xn--0/x.png", "http://xn--a.example/x.png"),
        *("?C=N;O=D", "x.png?size=1", "x.png#top", "sub/x.png", "sub/", "/images%2fx.png", "\\\\evil\\x.png"),
    ],
)
async def test_links_to_other_places_are_never_followed(href: str) -> None:
    server = Server(serving_index(f'<a href="{href}">x</a><a name="y">y</a><a href>z</a><a href="ok.png">ok</a>'))

    report = await mirror(BASE, retries=0, transport=server)

    assert report.mirrored == 1
    assert {str(request.url) for request in server.requests} == {BASE, BASE + "ok.png"}


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("<!-- <a href=x.png> --><a href=ok.png><!--><a href=too.png><!-- <a href=x.png>", ["ok.png", "too.png"]),
        ("<script>'<a href=x.png>'</script><style></a><a href=x.png></STYLE ><a href=ok.png>", ["ok.png"]),
        ("<title>Index of <a href=x.png></title><a\nhref = 'ok.png'\n>", ["ok.png"]),
        ("<img alt='<a href=x.png>'><a title='>' HREF=\"it's.png\" href=x.png>", ["it's.png"]),
        (
            "<a href=a&amp;b.png><a href='a&lt;b&#x3E;.png'><a href='a&notit.png'>",
            ["a&b.png", "a<b>.png", "a&notit.png"],
        ),
        (
            "a < b <1> <a><a href><a href=''><abbr href=x.png></a href=x.png><a data-href=x.png><a/href=ok.png>",
            ["ok.png"],
        ),
        ("<a href=ok.png><a href='x.png", ["ok.png"]),
        ("<a href=ok.png><a title='<a href=x.png>", ["ok.png"]),
    ],
)
async def test_tags_are_found_as_browsers_find_them(page: str, names: list[str]) -> None:
    assert await names_of(f"<title>Index of /</title>{page}") == names


@pytest.mark.parametrize(
    ("unit", "end", "media_type"),
    [
        ("<div>", "", "text/html"),
        ("<", "", "text/html"),
        ("<!--", "", "text/html"),
        ("<a href=/x?>", "", "text/html"),
        ("<script>", "", "text/html"),
        ('{"name": "a.png", "type": "file"}, ', '{"name": "a.png", "type": "file"}]', "application/json"),
        ("\n", "</ListBucketResult>", "text/xml"),
    ],
)
def test_an_index_takes_little_memory_beside_its_own_bytes(unit: str, end: str, media_type: str) -> None:
    start = {
        "text/html": "<title>Index of /</title><a href=a.png>",
        "application/json": "[",
        "text/xml": "<ListBucketResult><Contents><Key>a.png</Key></Contents>",
    }
    page = (start[media_type] + unit * (200_000 // len(unit)) + end).encode()
    parse = index_parser(media_type)
    assert parse is not None
    tracemalloc.start()
    try:
        assert list(parse(page, httpx.URL(BASE)).names) == ["a.png"]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 600_000


@pytest.mark.parametrize("unit", ["<a href='", "<a " + "x=y " * 100_000, "<a " + "x=y " * 5_000 + "href=a.png>"])
async def test_a_tag_without_end_is_not_read_for_ever(unit: str) -> None:
    with pytest.raises(ListError, match="a tag over 262,144 bytes"):
        await names_of(f"{unit}{'x' * 300_000}")


@pytest.mark.parametrize(
    "tag",
    [
        f"<!--{'x' * 200_000}-->",
        f"<a b='{'x' * 200_000}'/>",
        "<a " + " ".join(f"a{number}=''" for number in range(20_000)) + "/>",
    ],
    ids=["comment", "value", "attributes"],
)
async def test_a_tag_of_a_bucket_is_not_read_again_and_again(tag: str) -> None:
    with pytest.raises(ListError, match="not the ListBucketResult of S3"):
        await names_of(bucket("a.png", more=tag), "text/xml")


async def test_an_entry_of_json_is_not_read_again_and_again() -> None:
    page = json.dumps([{"name": "a.png", "type": "file", "more": "x" * 100_000}])

    with pytest.raises(ListError, match="not an index in the form of nginx"):
        await names_of(page, "application/json")


async def test_other_tasks_have_their_turn_while_an_index_is_read() -> None:
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    settings = Settings()
    page = serving_index("".join(f"<a href={number}.png>" for number in range(10_000)))
    async with (
        trio.open_nursery() as nursery,
        open_http_gallery(httpx.URL(BASE), settings, transport=Server(page)) as it,
    ):
        nursery.start_soon(take_turns)
        async with it.names() as names:
            before = turns
            assert len([name async for name in names]) == 10_000
        assert turns - before > 10
        nursery.cancel_scope.cancel()


async def test_links_within_a_drawing_are_none_of_the_page() -> None:
    page = '<svg><a xlink:href="x.png">x</a></svg><a href="ok.png">ok</a>'

    assert await names_of(page) == ["ok.png"]


async def test_a_page_that_takes_too_long_to_read_is_an_error(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    the_test_is_over = threading.Event()
    monkeypatch.setattr(
        "trio_mirror.galleries.http.list_reader.index_parser", lambda _: lambda *_: the_test_is_over.wait(60)
    )
    server = Server(serving_index("<div>" * 1_000))

    # The clock takes the thread that parses for idleness, and leaps.
    with pytest.raises(ListError, match=rf"{BASE} is an index page that took longer than 30 s \(--timeout\)"):
        await mirror(BASE, retries=0, transport=server)
    assert trio.current_time() == pytest.approx(30)
    the_test_is_over.set()


async def test_a_page_that_is_no_index_is_an_error_and_not_an_empty_list() -> None:
    login = "<html><head><title>Log in</title></head><body><a href='/'>Home</a><form></form></body></html>"
    with pytest.raises(ListError, match=f"{BASE} is an HTML page without a link"):
        await names_of(login)


async def test_an_empty_folder_that_caddy_lists_is_an_index() -> None:
    page = '<title>sub</title><a href="/images/">images</a>/<a href="?sort=name&order=desc">Name</a>'
    site = Site({"/images/": index_of("a.png", "empty/"), "/images/empty/": page})

    assert await names_of(page) == []
    assert await listed_by(site, recursive=True) == ["a.png"]


async def test_bytes_that_are_no_html_are_no_index() -> None:
    with pytest.raises(ListError, match="not an index"):
        await names_of(b"\xff\xfe\x00<" * 100)


async def test_a_page_that_is_not_utf_8_keeps_its_links() -> None:
    page = b"<title>Index of \xe9</title><a href='\xff.png'>x</a><a href='%C3%A9.png'>\xe9.png</a>"

    assert await names_of(page) == ["\ufffd.png", "é.png"]


async def test_an_index_without_content_type_is_read_as_lines() -> None:
    assert await names_of(b"a.png\nb.png\n", None) == ["a.png", "b.png"]


async def test_an_index_without_end_is_cut_off_at_a_limit() -> None:
    sent = 0

    async def endless() -> AsyncGenerator[bytes, None]:
        nonlocal sent
        while True:
            sent += 2**20
            yield b"<a href=a.png>a</a>\n".ljust(2**20)

    with pytest.raises(ListError, match=rf"{BASE} is an index page over the limit of 64.0 MiB \(--max-bytes\)"):
        async with aclosing(endless()) as page:
            await names_of(page)
    assert sent == 65 * 2**20


@pytest.mark.parametrize(
    ("base", "link", "name"),
    [
        ("http://host/~me/", "/%7Eme/a.png", "a.png"),
        ("http://host/my%20pictures/", "http://host/my pictures/a.png", "a.png"),
        ("http://host/images/", "HTTP://HOST:80/images/./sub/../a.png", "a.png"),
        ("http://host/images/", "http://user:secret@host/images/sub/a.png", "sub/a.png"),
        ("http://host/images/", "http://host/images%2Fa.png", None),
        ("http://host/images/", "http://host/images/../images.png", None),
        ("http://host/", "a.png", "a.png"),
        ("s3://bucket/images/", "s3://bucket/images/a%20b.png", "a b.png"),
        ("s3://bucket/images/", "s3://other/images/a.png", None),
    ],
)
def test_a_link_has_a_name_where_it_leads_below_the_base(base: str, link: str, name: str | None) -> None:
    assert name_below(httpx.URL(base), link) == name


@given(link=st.text())
def test_any_text_is_a_link_to_somewhere_or_to_nowhere(link: str) -> None:
    name = name_below(httpx.URL(BASE), link)
    assert name is None or name


@given(
    segments=st.lists(st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1), min_size=1)
)
def test_a_percent_encoded_name_comes_back(segments: list[str]) -> None:
    name = "/".join(segments)
    link = "/".join(quote(it, safe="") for it in segments)
    if not {".", ".."} & set(segments):
        # The last two are resolved, the others taken as they are.
        for prefix in ("", BASE, "./", BASE.upper().replace("IMAGES", "images")):
            assert name_below(httpx.URL(BASE), prefix + link) == name


@given(page=st.binary())
@pytest.mark.parametrize("media_type", ["text/html", "application/json", "application/xml"])
def test_any_bytes_are_an_index_or_an_error_in_words(media_type: str, page: bytes) -> None:
    parse = index_parser(media_type)
    assert parse is not None
    try:
        names = list(parse(page, httpx.URL(BASE)).names)
    except ListError:
        return
    assert len(names) == len(set(names))


def index_of(*links: str, head: str = "") -> str:
    anchors = "".join(f'<a href="{link}">x</a>' for link in links)
    return f"<html><head><title>Index of /</title>{head}</head><body>{anchors}</body></html>"


class Site(Server):
    """A server of pages and lists by their paths, of redirects (a path of another), and of a picture everywhere else.

    Attributes:
        paths: of the requests so far, each with its method.
    """

    def __init__(self, pages: dict[str, str | httpx.Response]) -> None:
        async def handle(request: httpx.Request) -> httpx.Response:
            page = pages.get(request.url.path)
            if isinstance(page, httpx.Response):
                return page
            if page is None:
                is_picture = request.url.path.endswith(".png") or request.method == "POST"
                return httpx.Response(200 if is_picture else 404, content=png())
            if page.startswith("/"):
                return httpx.Response(301, headers={"Location": page})
            return httpx.Response(200, content=page.encode(), headers={"Content-Type": "text/html"})

        super().__init__(handle)

    @property
    def paths(self) -> list[str]:
        return [f"{request.method} {request.url.path}" for request in self.requests]


async def listed_by(site: Site, **choices: Any) -> list[str]:
    async with open_mirror(BASE, retries=0, concurrency=1, transport=site, **choices) as results:
        return [result.name async for result in results]


@pytest.mark.parametrize(
    "links", [["/photos/", "/photos/2024/a.png"], ["../", "a.png"], ["http://gallery.example/photos/2024/a.png"]]
)
async def test_an_index_behind_a_redirect_has_its_pictures_where_it_came_from(links: list[str]) -> None:
    site = Site({"/images/": "/photos/2024/?all#top", "/photos/2024/": index_of(*links)})

    report = await mirror(BASE, retries=0, transport=site)

    assert (report.source, report.target, report.mirrored) == (BASE, BASE, 1)
    assert site.paths[2:] == ["GET /photos/2024/a.png", "POST /photos/2024/"]


async def test_a_list_of_names_behind_a_redirect_has_its_pictures_beside_it() -> None:
    names = httpx.Response(200, content=b"a.png", headers={"Content-Type": "text/plain"})
    site = Site({"/images/": "/photos/names.txt", "/photos/names.txt": names})

    assert await listed_by(site) == ["a.png"]
    assert site.paths[2:] == ["GET /photos/a.png", "POST /photos/"]


async def test_what_failed_is_fetched_again_from_where_the_list_came_from(tmp_path: Path) -> None:
    pages: dict[str, str | httpx.Response] = {"/images/": "/photos/", "/photos/": index_of("a.png")}
    choices: dict[str, Any] = {"retries": 0, "journal": str(tmp_path / "journal")}

    first = await mirror(BASE, transport=Site(pages | {"/photos/a.png": httpx.Response(404)}), **choices)
    site = Site(pages)
    again = await mirror(BASE, transport=site, retry_failed=True, **choices)

    assert (first.failed, again.mirrored) == (1, 1)
    assert site.paths[2:4] == ["GET /photos/a.png", "POST /photos/"]


@pytest.mark.parametrize(
    ("href", "link", "names", "folder"),
    [
        ("/photos/2024/", "a.png", ["a.png"], "/photos/2024/"),
        ("/photos/index.html", "a.png", ["a.png"], "/photos/"),
        ("/", "images/a.png", ["a.png"], "/images/"),
        ("http://gallery.example/", "/images/a.png", ["a.png"], "/images/"),
        ("javascript:alert(1)", "a.png", ["a.png"], "/images/"),
        ("http://a:b/", "a.png", ["a.png"], "/images/"),
    ],
)
async def test_links_are_resolved_against_the_base_that_a_page_names(
    href: str, link: str, names: list[str], folder: str
) -> None:
    site = Site({"/images/": index_of(link, head=f'<base href="{href}">')})

    assert await listed_by(site) == names
    assert site.paths[1:] == [f"GET {folder}a.png", f"POST {folder}"]


async def test_a_page_whose_base_is_on_another_host_has_none_of_its_links() -> None:
    site = Site({"/images/": index_of("a.png", head='<base href="http://evil.example/images/">')})

    with pytest.raises(ListError, match=r"links that lead elsewhere \(1, such as a\.png\)"):
        await listed_by(site)
    assert site.paths == ["GET /images/"]


@pytest.mark.parametrize(
    ("page", "left_out"),
    [
        (
            index_of("../", "?C=N;O=D", *(f"https://me:secret@cdn.example/images/{n}.png" for n in range(5))),
            "links that lead elsewhere (5, such as https://(hidden)@cdn.example/images/0.png)",
        ),
        (index_of("/", "/static/a.png"), "links that lead elsewhere (1, such as /static/a.png)"),
        (index_of("a.png?size=1"), "links that lead elsewhere (1, such as a.png?size=1)"),
        (index_of("../", "2023/", "2024/"), "sub-folders (2; --recursive follows them)"),
        (
            index_of("2023/", "//cdn.example/a.png"),
            "links that lead elsewhere (1, such as //cdn.example/a.png) and sub-folders (1; --recursive follows them)",
        ),
    ],
)
async def test_an_index_of_which_everything_was_left_out_is_an_error_that_says_what(page: str, left_out: str) -> None:
    with pytest.raises(ListError) as caught:
        await listed_by(Site({"/images/": page}))
    assert str(caught.value) == f"the list {BASE}: left out are {left_out}; nothing else is in it"


async def test_what_was_left_out_beside_pictures_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    site = Site({"/images/": index_of("a.png", "2023/", "mailto:me@cdn.example", "/")})

    async with open_mirror(BASE, retries=0, transport=site) as run:
        assert run.counting is not None
        async with run.counting() as names:
            assert [name async for name in names] == ["a.png"]
        assert [result.name async for result in run] == ["a.png"]

    [record] = [it for it in caplog.records if it.levelname == "WARNING"]
    assert record.getMessage() == f"the list {BASE}: left out are sub-folders (1; --recursive follows them)"


async def test_an_index_without_entries_is_an_empty_list() -> None:
    assert await names_of("null\n", "application/json") == []  # Caddy's
    assert await listed_by(Site({"/images/": EMPTY})) == []
    assert await listed_by(Site({"/images/": index_of("2023/"), "/images/2023/": EMPTY}), recursive=True) == []


async def test_sub_folders_are_followed_with_recursive() -> None:
    site = Site(
        {
            "/images/": index_of("../", "b%20c/", "a.png", "d/"),
            "/images/b c/": index_of("../", "/images/", "x.png", "deep/", "./deep/"),
            "/images/b c/deep/": index_of("../", "%C3%A9.png", "/elsewhere/", "../../d/"),
            "/images/d/": httpx.Response(200, json=[{"name": "y.png", "type": "file"}]),
        }
    )

    assert await listed_by(site, recursive=True) == ["a.png", "b c/x.png", "b c/deep/é.png", "d/y.png"]
    assert "GET /images/b c/deep/é.png" in site.paths
    pages = [path for path in site.paths if path.startswith("GET") and path.endswith("/")]
    assert pages == ["GET /images/", "GET /images/b c/", "GET /images/b c/deep/", "GET /images/d/"]


async def test_recursive_leaves_neither_the_base_nor_reads_a_page_twice(caplog: pytest.LogCaptureFixture) -> None:
    site = Site(
        {
            "/images/": "/photos/",
            "/photos/": index_of("a.png", "out/", "in/", "other/", "%2e%2e%2f/", "..%2f/"),
            "/photos/out/": "/private/",
            "/private/": index_of("secret.png"),
            "/photos/in/": "/photos/other/",
            "/photos/other/": index_of("b.png"),
        }
    )

    names = await listed_by(site, recursive=True)

    assert names == ["a.png", "other/b.png", "%2e%2e%2f", "..%2f"]
    assert "GET /private/secret.png" not in site.paths
    assert "sub-folders (1; deeper than 16, or out of it)" in caplog.text


async def test_folders_within_each_other_end_at_a_depth(caplog: pytest.LogCaptureFixture) -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        page = index_of("loop/", *(["a.png"] if request.url.path == "/images/" else []))
        return httpx.Response(200, content=page, headers={"Content-Type": "text/html"})

    server = Server(handle)
    settings = Settings(recursive=True)
    opened = open_http_gallery(httpx.URL(BASE), settings, transport=server)
    async with opened as gallery, gallery.names() as names:
        assert [name async for name in names] == ["a.png"]

    assert len(server.requests) == 1 + MAX_DEPTH
    assert "sub-folders (1; deeper than 16, or out of it)" in caplog.text


@pytest.mark.parametrize("page", [httpx.Response(500), "<html>welcome</html>", httpx.Response(200, content=b"a.png")])
async def test_a_sub_folder_that_cannot_be_read_is_an_error_that_names_it(page: str | httpx.Response) -> None:
    site = Site({"/images/": index_of("a.png", "sub/"), "/images/sub/": page})

    with pytest.raises(ListError, match=f"{BASE}sub/"):
        await listed_by(site, recursive=True)


_NGINX_CONFIGURATION = """
{user}
pid nginx.pid;
daemon off;
events {{ }}
http {{
    types {{ image/png png; }}
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path u; scgi_temp_path s;
    server {{
        listen 127.0.0.1:{port};
        autoindex on;
        autoindex_format {form};
        location / {{ root {root}; }}
    }}
}}
"""


@pytest.fixture(params=["html", "json"])
def nginx(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An nginx that serves ``tmp_path/root`` with an index; its URL."""
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed; on Debian: apt-get install nginx-light")
    port, work, user = free_port(), tmp_path / "nginx", "user root;" if os.geteuid() == 0 else ""
    (tmp_path / "root").mkdir()
    work.mkdir()
    told = _NGINX_CONFIGURATION.format(user=user, port=port, root=tmp_path / "root", form=request.param)
    (work / "nginx.conf").write_text(told)
    log = work / "error.log"
    process = subprocess.Popen(
        [program, "-p", str(work), "-c", "nginx.conf", "-e", str(log)], stderr=subprocess.DEVNULL
    )
    try:
        wait_for(port, process, log)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait()


async def test_a_folder_that_nginx_lists_is_mirrored(nginx: str, tmp_path: Path) -> None:
    folder = tmp_path / "root" / "my images"
    (folder / "sub").mkdir(parents=True)
    names = {"a b.png", "100%.png", "bäume#1&2.png", "q?.png", "a:b.png", "<i>'\"+;=.png", "x" * 120 + ".png"}
    for name in names:
        (folder / name).write_bytes(png())

    report = await mirror(f"{nginx}my%20images/", tmp_path / "out", retries=0)

    assert (report.listed, report.mirrored) == (len(names), len(names))
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    assert all(is_mirrored(png(), path.read_bytes()) for path in (tmp_path / "out").iterdir())


async def test_an_empty_folder_that_nginx_lists_is_nothing_to_do(nginx: str, tmp_path: Path) -> None:
    report = await mirror(nginx, tmp_path / "out", retries=0)

    assert report.listed == 0
