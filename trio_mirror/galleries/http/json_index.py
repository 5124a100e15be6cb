"""The names of an index in the form of nginx's ``autoindex_format json``, or of Caddy's JSON."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx

from trio_mirror.errors import ListError
from trio_mirror.galleries.http.index import Index
from trio_mirror.galleries.urls import shown

# An entry is decoded in one go, which holds the interpreter, and from its start again with each piece.
_PIECE = 16 * 1024  # bytes
_LONGEST_ENTRY = 32 * 1024  # characters


def names_of_json(page: bytes | bytearray, url: httpx.URL, index: Index) -> Iterator[str]:
    """The names of a list of objects, each with a ``name`` and a ``type``; of Caddy's, with ``is_dir`` for the type.

    Raises:
        ListError: it has another form.
    """
    try:
        for entry in _elements(page):
            name = entry["name"]
            kind = ("file", "directory")[entry["is_dir"]] if "is_dir" in entry else entry["type"]
            if not isinstance(name, str):
                raise TypeError  # noqa: TRY301 (the same as what the lines above raise)
            if kind in {"file", "directory"} and index.is_new(name):
                yield name if kind == "file" else f"{name.removesuffix('/')}/"
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        form = '[{"name": "a.jpg", "type": "file"}, …]'
        raise ListError(f"the list {shown(url)} is JSON, but not an index in the form of nginx: {form}") from error


def _elements(page: bytes | bytearray) -> Iterator[Any]:
    """The elements of an array of objects (RFC 8259, section 5), one after the other.

    Raises:
        ValueError: it is not one, or one of them is too long.
    """
    decode = json.JSONDecoder().raw_decode
    pieces = (bytes(page[at : at + _PIECE]) for at in range(0, len(page), _PIECE))
    before, text = re.compile(r"\s*\[\s*"), ""
    for piece in codecs.iterdecode(pieces, "utf-8-sig", "surrogateescape"):
        text, at = text + piece, 0
        while found := before.match(text, at):
            try:
                element, at = decode(text, found.end())
            except ValueError:
                break  # the rest of it comes with the next piece
            yield element
            before = re.compile(r"\s*,\s*")
        text = text[at:]
        if len(text) > _LONGEST_ENTRY:
            raise ValueError
    # Caddy 2.7 to 2.10 writes null for an empty folder.
    if not re.fullmatch(r"\s*\]\s*" if before.match(",") else r"\s*(?:\[\s*\]|null)\s*", text):
        raise ValueError
