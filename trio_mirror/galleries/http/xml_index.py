"""The names of a bucket: the XML of S3's ListObjects and ListObjectsV2, which GCS and others have, too."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote_plus
from xml.parsers import expat

import httpx

from trio_mirror.errors import ListError
from trio_mirror.galleries.http.index import Index
from trio_mirror.galleries.urls import shown

_PIECE = 16 * 1024  # bytes that are parsed at a time
# A tag or a comment is read from its start again with each piece.
_LONGEST_TAG = 64 * 1024
_DEEPEST = 16


def names_of_xml(page: bytes | bytearray, url: httpx.URL, index: Index) -> Iterator[str]:
    """The keys of a page of a bucket; the index gets the URL of the next page.

    Raises:
        ListError: it has another form, or is its own next page.
    """
    path = url.raw_path.partition(b"?")[0].removesuffix(b"/") + b"/"
    index.base = url.copy_with(userinfo=b"", raw_path=path, fragment=None)
    said, last, is_encoded = dict[str, str](), "", url.params.get("encoding-type") == "url"
    try:
        for element, text in _elements(page):
            root, _, kind = element.partition("/")
            if root != "ListBucketResult":
                raise ValueError(root)  # noqa: TRY301 (the same as what the line above raises)
            if kind == "Contents/Key":
                last = unquote_plus(text) if is_encoded else text
                # A key that ends in a slash stands for a folder.
                if not last.endswith("/") and index.is_new(last):
                    yield last
            elif kind == "CommonPrefixes/Prefix":
                index.leave(text)
            else:
                said[kind] = text
    except (ValueError, LookupError, expat.ExpatError) as error:
        form = "the ListBucketResult of S3"
        raise ListError(f"the list {shown(url)} is text/xml or application/xml, but not {form}") from error
    if said.get("IsTruncated") == "true":
        token = said.get("NextContinuationToken")
        marker = said.get("NextMarker") or last
        index.next_page = url.copy_set_param("continuation-token" if token else "marker", token or marker)
        if index.next_page == url:
            raise ListError(f"the list {shown(url)} goes on with the same page again and again")


def _elements(page: bytes | bytearray) -> Iterator[tuple[str, str]]:
    """The elements in the order of their ends: the names that lead to each, and the text before its end.

    Raises:
        ExpatError, LookupError: it is not XML, or in an encoding that is not known.
        ValueError: it declares a type of document, which could have entities in it, and S3's has none; or a tag is
            too long, or within too many others.
    """
    path, text, found = list[str](), list[str](), list[tuple[str, str]]()

    def start(name: str, _: object) -> None:
        if len(path) == _DEEPEST:
            raise ValueError("elements within each other")
        path.append(name)
        text.clear()

    def end(_: str) -> None:
        found.append(("/".join(path), "".join(text)))
        path.pop()
        text.clear()

    def refuse(*_: object) -> None:
        raise ValueError("a document type")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = text.append, refuse
    for at in range(0, len(page), _PIECE):
        parser.Parse(bytes(page[at : at + _PIECE]))
        if at - parser.CurrentByteIndex > _LONGEST_TAG:
            raise ValueError("a tag that is too long")
        yield from found
        found.clear()
    parser.Parse(b"", True)  # noqa: FBT003 (it takes no keyword)
