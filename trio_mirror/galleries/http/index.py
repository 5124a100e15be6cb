"""The index of a folder as servers make it: a page of links (Apache, nginx and others), or nginx's JSON."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from trio_mirror.errors import ListError
from trio_mirror.galleries.links import name_below

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

_log = logging.getLogger(__name__)

# How the title of an index begins: Apache, nginx, lighttpd; Python's http.server. An empty folder has no other mark.
_TITLES = ("index of", "directory listing")


def index_parser(media_type: str) -> Callable[[bytes, httpx.URL], list[str]] | None:
    """What reads an index of a media type; None for a media type that no index has.

    It is a function of the whole index and of its URL, and gives the names of the files right below that, each
    once. It raises `ListError` for anything else.
    """
    return _PARSERS.get(media_type)


def _parse_html(page: bytes, base: httpx.URL) -> list[str]:
    """The files that a page links to directly below its own URL.

    So the links that sort Apache's table (they have a query), the one to the parent folder, and all that lead to
    other places are left out for what they are, whatever the page looks like.
    """
    from selectolax.lexbor import LexborHTMLParser

    # Servers percent-encode what is not ASCII, so that the links are the same whatever the page's encoding.
    tree = LexborHTMLParser(page.decode("utf-8", "replace"))
    # Of SVG's links, "xlink:href" matches as well, and does not belong to a page.
    links = [(anchor.attributes.get("href") or "").strip() for anchor in tree.css("a[href]")]
    names = dict.fromkeys(name for link in links if (name := name_below(base, link)) is not None)
    files = [name for name in names if "/" not in name]
    folders = sum(name.find("/") == len(name) - 1 for name in names)
    title = tree.css_first("title")
    if not files and not folders and (title is None or not title.text().strip().lower().startswith(_TITLES)):
        raise ListError(f"the list {base} is an HTML page without a link to a file in it, so not an index of a folder")
    _log_folders(base, folders)
    return files


def _parse_json(text: bytes, base: httpx.URL) -> list[str]:
    """The files of nginx's ``autoindex_format json``: a list of objects, each with a ``name`` and a ``type``."""
    try:
        entries = json.loads(text.decode("utf-8-sig", "surrogateescape"))
        files = dict.fromkeys(entry["name"] for entry in entries if entry["type"] == "file")
        folders = sum(entry["type"] == "directory" for entry in entries)
        if not (isinstance(entries, list) and all(isinstance(name, str) for name in files)):
            raise TypeError  # noqa: TRY301 (the same as what the lines above raise)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        form = '[{"name": "a.jpg", "type": "file"}, …]'
        raise ListError(f"the list {base} is JSON, but not an index in the form of nginx: {form}") from error
    _log_folders(base, folders)
    return list(files)


def _log_folders(base: httpx.URL, folders: int) -> None:
    if folders:
        _log.info("%s: %d folders in it are left out; each is a gallery of its own", base, folders)


_PARSERS = {"text/html": _parse_html, "application/xhtml+xml": _parse_html, "application/json": _parse_json}
