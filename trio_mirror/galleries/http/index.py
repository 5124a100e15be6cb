"""The index of a folder as servers make it: a page of links (Apache, nginx and others), or nginx's JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trio_mirror.errors import ListError
from trio_mirror.galleries.links import folder_of, name_below, resolve
from trio_mirror.galleries.urls import origin

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from selectolax.lexbor import LexborHTMLParser

# How the title of an index begins: Apache, nginx, lighttpd; Python's http.server. An empty folder has no other mark.
_TITLES = ("index of", "directory listing")


@dataclass(frozen=True, slots=True)
class Index:
    """What an index lists, each once."""

    base: httpx.URL
    """The folder: what the names are below."""
    files: list[str]
    """The names of the files right below the base."""
    folders: list[str]
    """The names of the folders right below the base, each with a slash at its end."""
    elsewhere: list[str] = field(default_factory=list)
    """Links to other places, those to the folders around this one left out."""


def index_parser(media_type: str) -> Callable[[bytes, httpx.URL], Index] | None:
    """What reads an index of a media type; None for a media type that no index has.

    It is a function of the whole index and of the URL that it came from, and raises `ListError` for anything else.
    """
    return _PARSERS.get(media_type)


def _parse_html(page: bytes, url: httpx.URL) -> Index:
    """The files and folders that a page links to directly below its own URL.

    So the links that sort Apache's table (they have a query), the one to the parent folder, and all that lead to
    other places are left out for what they are, whatever the page looks like.
    """
    from selectolax.lexbor import LexborHTMLParser

    # Servers percent-encode what is not ASCII, so that the links are the same whatever the page's encoding.
    tree = LexborHTMLParser(page.decode("utf-8", "replace"))
    base, document = _bases(tree, url)
    # Of SVG's links, "xlink:href" matches as well, and does not belong to a page.
    links = dict.fromkeys((anchor.attributes.get("href") or "").strip() for anchor in tree.css("a[href]"))
    named = {link: name_below(base, link, document) for link in links}
    names = dict.fromkeys(name for name in named.values() if name is not None)
    files = [name for name in names if "/" not in name]
    folders = [name for name in names if name.find("/") == len(name) - 1]
    title = tree.css_first("title")
    if not files and not folders and (title is None or not title.text().strip().lower().startswith(_TITLES)):
        raise ListError(f"the list {url} is an HTML page without a link to a file in it, so not an index of a folder")
    found = {*files, *folders}
    elsewhere = [link for link, name in named.items() if name not in found and _leads_elsewhere(link, base, document)]
    return Index(base, files, folders, elsewhere)


def _bases(tree: LexborHTMLParser, url: httpx.URL) -> tuple[httpx.URL, httpx.URL]:
    """What the names of a page are below, and what its links are resolved against (RFC 3986, section 5.1).

    They differ where the page's ``<base href>`` leads to a folder around its own, as the root of a site, or to
    another host.
    """
    folder = folder_of(url)
    element = tree.css_first("base[href]")
    document = None if element is None else resolve(url, (element.attributes.get("href") or "").strip())
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


def _parse_json(text: bytes, url: httpx.URL) -> Index:
    """The entries of nginx's ``autoindex_format json``: a list of objects, each with a ``name`` and a ``type``."""
    try:
        entries = json.loads(text.decode("utf-8-sig", "surrogateescape"))
        files, folders = (
            list(dict.fromkeys(entry["name"] for entry in entries if entry["type"] == kind))
            for kind in ("file", "directory")
        )
        if not (isinstance(entries, list) and all(isinstance(name, str) for name in files + folders)):
            raise TypeError  # noqa: TRY301 (the same as what the lines above raise)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        form = '[{"name": "a.jpg", "type": "file"}, …]'
        raise ListError(f"the list {url} is JSON, but not an index in the form of nginx: {form}") from error
    return Index(folder_of(url), files, [f"{name}/" for name in folders])


_PARSERS = {"text/html": _parse_html, "application/xhtml+xml": _parse_html, "application/json": _parse_json}
