"""The built-in gallery as an ASGI application. Imported only where it is served, as it imports Starlette."""

from __future__ import annotations

import hashlib
import logging
import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

import httpx
import trio
from python_multipart.exceptions import FormParserError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from trio_mirror.demo.names_page import NamesPage
from trio_mirror.demo.origins import OwnOrigin
from trio_mirror.demo.upload import check_picture, read_upload
from trio_mirror.errors import FetchError, FlipError, ListError, NameRefusedError, UploadError
from trio_mirror.galleries.folder import FolderGallery
from trio_mirror.galleries.links import name_below
from trio_mirror.model import Picture
from trio_mirror.names import is_picture_name, is_url, media_type_of, printable

_log = logging.getLogger(__name__)
# Bodies that are held at once, each in two copies at most.
_UPLOADS = 4
_RANGE = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))")
# A picture that is opened in a browser, such as an SVG with a script, is not a page of the gallery.
_HARMLESS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
_STATUSES: dict[type[Exception], int] = {
    NameRefusedError: 400,
    ClientDisconnect: 400,
    FormParserError: 400,  # which newer Starlettes answer themselves
    FetchError: 404,
    FlipError: 415,
    ListError: 500,
    UploadError: 500,
}


def gallery_app(folder: Path, mirrored: Path) -> Starlette:
    """Makes the application that serves one folder of pictures, and stores what it is sent in another, existing one.

    ``GET /images/`` lists the names, one a line; ``GET /images/NAME`` gives a picture; ``POST /images/``
    stores one, sent as the one file of a multipart form or as the raw body with ``?name=NAME``. Every error
    is answered by one line of plain text. ``app.state.stored`` counts the pictures stored.
    """
    endpoints = _Endpoints(FolderGallery(folder), FolderGallery(mirrored))
    app = Starlette(
        routes=[
            Route("/images/", endpoints.list, methods=["GET"]),
            Route("/images/", endpoints.store, methods=["POST"]),
            Route("/images/{name:path}", endpoints.fetch, methods=["GET"]),
        ],
        middleware=[Middleware(OwnOrigin)],
        exception_handlers=dict.fromkeys([HTTPException, *_STATUSES], _answer_error),
    )
    app.state.stored = 0
    return app


class _Endpoints:
    def __init__(self, source: FolderGallery, target: FolderGallery) -> None:
        self._source = source
        self._target = target
        self._names = NamesPage(source)
        self._uploads = trio.CapacityLimiter(_UPLOADS)
        # A few bytes may claim a raster of a gigabyte: no two are decoded, or stored, at once.
        self._decodes = trio.CapacityLimiter(1)
        self._storing = trio.Lock()

    async def list(self, _request: Request) -> Response:
        return PlainTextResponse(await self._names.text())

    async def fetch(self, request: Request) -> Response:
        picture = await self._source.fetch(request.path_params["name"])
        assert picture is not None, "no entity tag was given that it could still have"
        etag = picture.etag or ""
        headers = {"ETag": etag, "Accept-Ranges": "bytes"} | _HARMLESS
        if _matches(request.headers.get("If-None-Match", ""), etag):
            return Response(status_code=304, headers=headers)
        _log.info("served %s", printable(picture.name))
        part = _part(request, etag, len(picture.data))
        if part is None:
            return Response(picture.data, media_type=picture.media_type, headers=headers)
        if not part:
            headers["Content-Range"] = f"bytes */{len(picture.data)}"
            return PlainTextResponse("the picture has no such bytes\n", 416, headers)
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{len(picture.data)}"
        return Response(picture.data[part.start : part.stop], 206, headers, picture.media_type)

    async def store(self, request: Request) -> Response:
        async with self._uploads:
            data, given = await read_upload(request, self._target.max_bytes)
            await trio.to_thread.run_sync(check_picture, data, abandon_on_cancel=True, limiter=self._decodes)
            name = "upload" if given is None else await self._meant(given, str(request.base_url))
            async with self._storing:
                name = await self._free(name, data)
                await self._target.store(Picture(name=name, data=data, media_type=media_type_of(name)))
        request.app.state.stored += 1
        _log.info("stored %s, %s bytes", printable(name), f"{len(data):,}")
        return PlainTextResponse(f"stored {name}\n")

    async def _meant(self, given: str, root: str) -> str:
        """The name that a client means: some give the URL of a picture, some percent-encode its name."""
        if is_url(given) or given.startswith("/"):
            return name_below(httpx.URL(f"{root}images/"), given) or given
        decoded = unquote(given)
        return decoded if decoded != given and not await self._serves(given) and await self._serves(decoded) else given

    async def _serves(self, name: str) -> bool:
        with suppress(FetchError, NameRefusedError):
            return await self._source.fetch(name) is not None
        return False

    async def _free(self, name: str, data: bytes) -> str:
        """A name that replaces nothing, in place of what clients send without a name: image, blob, upload."""
        if not is_picture_name(name):
            with suppress(FetchError):
                stored = await self._target.fetch(name)
                if stored is not None and stored.data != data:
                    return f"{name}-{hashlib.sha256(data).hexdigest()[:16]}"
        return name


def _matches(if_none_match: str, etag: str) -> bool:
    """Whether a list of entity tags holds one, by weak comparison (RFC 9110, section 13.1.2)."""
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag in tags


def _part(request: Request, etag: str, size: int) -> range | None:
    """Which bytes are asked for: one range (RFC 9110, section 14.1.2), empty if there are none; None stands for all."""
    found = _RANGE.fullmatch(request.headers.get("Range", ""))
    if found is None or request.headers.get("If-Range", etag) != etag:
        return None
    first, last, suffix = found.groups()
    if suffix is not None:
        return range(max(size - int(suffix), 0), size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last or size) + 1, size))


async def _answer_error(_request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return PlainTextResponse(f"{printable(error.detail)}\n", error.status_code, error.headers)
    status = next(status for kind, status in _STATUSES.items() if isinstance(error, kind))
    return PlainTextResponse(f"{printable(str(error))}\n", status)
