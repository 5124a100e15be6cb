"""The names of an index that is a page of links.

Tags are found as browsers find them (HTML, section 13.2.5), without a tree, which would take 30 times the page's size.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import httpx

from trio_mirror.errors import ListError
from trio_mirror.galleries.http.index import Index
from trio_mirror.galleries.links import folder_of, name_below, resolve
from trio_mirror.galleries.urls import origin, shown

# How the title of an index begins: Apache, nginx, lighttpd; Python's http.server. An empty folder has no other mark.
_TITLES = (b"index of", b"directory listing")
_SORTS = "?sort="  # how the links begin that sort Caddy's table, whose title is the folder's name
# A search holds the interpreter, and the event loop with it: it goes through so many bytes at a time, or attributes.
_PIECE = 16 * 1024
_LONGEST_TAG = 256 * 1024
_LONGEST_MARK = 16  # such as "</noframes"

_NAMED = rb"""[^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|(?!["'])[^\s>]*+)|(?!\s*+=))"""
_ATTRIBUTE = re.compile(_NAMED)
_TAG = re.compile(rb"([a-z][^\s/>]*+)((?:[\s/]++|" + _NAMED + rb"){0,4096}+)>", re.IGNORECASE)
_HREF = re.compile(rb"href(?:\s*=\s*(.*))?", re.IGNORECASE | re.DOTALL)
_TAG_START, _TAG_END, _COMMENT_END = re.compile(rb"<(?=[a-zA-Z!/?])"), re.compile(b">"), re.compile(b"-->")
# Elements whose text is not markup, by what ends them.
_TEXTS = {
    name: re.compile(b"</" + name, re.IGNORECASE)
    for name in (b"title", b"textarea", b"script", b"style", b"xmp", b"iframe", b"noembed", b"noframes")
}
# Without the names that HTML knows even where their semicolon is missing: in attributes, most of them mean themselves.
_REFERENCE = re.compile(r"&(?:#\w{1,9};?|\w+;)")


def names_of_html(page: bytes | bytearray, url: httpx.URL, index: Index) -> Iterator[str]:
    """The files and folders that a page links to directly below its own URL.

    So the links that sort Apache's table (they have a query), the one to the parent folder, and all that lead to
    other places are left out for what they are, whatever the page looks like.

    Raises:
        ListError: it has neither such a link nor a mark of an index.
    """
    document, has_base, title, is_index = index.base, False, b"", False
    for tag in _tags(page, url):
        match tag[1].lower(), _href(tag[2]):
            case b"title", _:
                title = title or bytes(page[tag.end() : tag.end() + 100])
            case b"base", str(link) if not has_base:
                has_base = True
                index.base, document = _bases(url, link)
            case b"a", str(link) if index.is_new(link):
                is_index = is_index or link.startswith(_SORTS)
                name = name_below(index.base, link, document)
                if name is None or "/" in name[:-1]:
                    if _leads_elsewhere(link, index.base, document):
                        index.leave(link)
                elif name == link or index.is_new(name):
                    is_index = True
                    yield name
    if not is_index and not title.strip().lower().startswith(_TITLES):
        raise ListError(
            f"the list {shown(url)} is an HTML page without a link to a file in it, so not an index of a folder"
        )


def _tags(page: bytes | bytearray, url: httpx.URL) -> Iterator[re.Match[bytes]]:
    """The start tags of a page: their names and their attributes."""
    at = 0
    while (at := _after(_TAG_START, page, at)) < len(page):
        if page.startswith(b"!--", at):
            at = _after(_COMMENT_END, page, at + 1)
        elif page.startswith((b"!", b"/", b"?"), at):
            at = _after(_TAG_END, page, at)
        else:
            tag = _TAG.match(page, at, at + _LONGEST_TAG)
            if tag is None:
                if at + _LONGEST_TAG < len(page):
                    raise ListError(f"the list {shown(url)} is an HTML page with a tag over {_LONGEST_TAG:,} bytes")
                return
            yield tag
            at = tag.end()
            if (end := _TEXTS.get(tag[1].lower())) is not None:
                at = _after(end, page, at)


def _after(mark: re.Pattern[bytes], page: bytes | bytearray, at: int) -> int:
    """Where the next such mark ends, or the page."""
    while at < len(page):
        if found := mark.search(page, at, at + _PIECE):
            return found.end()
        at += _PIECE - _LONGEST_MARK
    return len(page)


def _href(attributes: bytes) -> str | None:
    for attribute in _ATTRIBUTE.finditer(attributes):
        if found := _HREF.fullmatch(attribute[0]):
            # Servers percent-encode what is not ASCII, so that links are the same whatever the page's encoding.
            value = (found[1] or b"").strip(b"\"'")[:_PIECE].decode("utf-8", "replace")
            return _REFERENCE.sub(lambda it: html.unescape(it[0]), value).strip()
    return None


def _bases(url: httpx.URL, href: str) -> tuple[httpx.URL, httpx.URL]:
    """What the names of a page are below, and what its links are resolved against (RFC 3986, section 5.1).

    They differ where the page's ``<base href>`` leads to a folder around its own, as the root of a site, or to
    another host.
    """
    folder = folder_of(url)
    document = resolve(url, href)
    if document is None or not document.raw_host:
        return folder, folder
    document = folder_of(document)
    is_around = folder.raw_path.startswith(document.raw_path)
    return folder if is_around or origin(document) != origin(url) else document, document


def _leads_elsewhere(link: str, base: httpx.URL, document: httpx.URL) -> bool:
    there = resolve(document, link)
    if there is None or there.scheme not in {"http", "https"}:
        return False
    return origin(there) != origin(base) or not base.path.startswith(there.path)
