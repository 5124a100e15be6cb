"""The built-in gallery as an ASGI application. Imported only where it is served, as it imports Starlette."""

from __future__ import annotations

import io
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

import trio
from PIL import Image, ImageSequence, UnidentifiedImageError
from python_multipart.exceptions import FormParserError
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from trio_mirror.errors import FetchError, FlipError, ListError, NameRefusedError, UploadError
from trio_mirror.flip.limits import check_size
from trio_mirror.flip.pillow import map_pillow_errors
from trio_mirror.galleries.folder import FolderGallery
from trio_mirror.model import Limits, Picture
from trio_mirror.names import check_name, media_type_of, printable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

    from starlette.types import Message, Receive, Scope, Send

_log = logging.getLogger(__name__)
_CHUNK = 64 * 1024  # bytes of the list that are sent at a time
_FORM_OVERHEAD = 64 * 1024  # bytes of a multipart body beside the picture
_DISCARD_SECONDS = 10
# Pillow's other plugins are left out: some know a picture by next to nothing, some start programs.
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")
_STATUSES: dict[type[Exception], int] = {
    NameRefusedError: 400,
    ClientDisconnect: 400,
    FormParserError: 400,  # which newer Starlettes answer themselves
    FetchError: 404,
    FlipError: 415,
    ListError: 500,
    UploadError: 500,
}


def gallery_app(folder: Path, mirrored: Path, *, hosts: Sequence[str]) -> Starlette:
    """Makes the application that serves one folder of pictures, and stores what it is sent in another.

    ``GET /images/`` lists the names, one a line; ``GET /images/NAME`` gives a picture; ``POST /images/``
    stores one, sent as the one file of a multipart form or as the raw body with ``?name=NAME``. Every error
    is answered by one line of plain text. ``app.state.stored`` counts the pictures stored.

    Args:
        folder: what is served.
        mirrored: where uploads are stored; an existing folder.
        hosts: the host names, without port, that requests may be addressed to. Others are refused, so that no
            web page reaches the gallery by pointing a name of its own at this machine (DNS rebinding).
    """
    endpoints = _Endpoints(FolderGallery(folder), FolderGallery(mirrored))
    app = Starlette(
        routes=[
            Route("/images/", endpoints.list, methods=["GET"]),
            Route("/images/", endpoints.store, methods=["POST"]),
            Route("/images/{name:path}", endpoints.fetch, methods=["GET"]),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)],
        exception_handlers={HTTPException: _answer_http_error, **dict.fromkeys(_STATUSES, _answer_error)},
    )
    app.state.stored = 0
    return app


class _Endpoints:
    def __init__(self, source: FolderGallery, target: FolderGallery) -> None:
        self._source = source
        self._target = target

    async def list(self, _request: Request) -> _Listing:
        return _Listing(self._source)

    async def fetch(self, request: Request) -> Response:
        picture = await self._source.fetch(request.path_params["name"])
        assert picture is not None, "no entity tag was given that it could still have"
        headers = {"ETag": picture.etag or "", "X-Content-Type-Options": "nosniff"}
        if _matches(request.headers.get("If-None-Match", ""), headers["ETag"]):
            return Response(status_code=304, headers=headers)
        _log.info("served %s", printable(picture.name))
        return Response(picture.data, media_type=picture.media_type, headers=headers)

    async def store(self, request: Request) -> Response:
        name, data = await self._read_upload(request)
        await trio.to_thread.run_sync(_check_picture, data, abandon_on_cancel=True)
        await self._target.store(Picture(name=name, data=data, media_type=media_type_of(name)))
        request.app.state.stored += 1
        _log.info("stored %s, %s bytes", printable(name), f"{len(data):,}")
        return PlainTextResponse(f"stored {name}\n")

    async def _read_upload(self, request: Request) -> tuple[str, bytes]:
        """The name and the bytes of an upload, which is never held beyond the limit of a picture.

        Raises:
            HTTPException: too large, or not one named picture.
        """
        limit = self._target.max_bytes
        request = Request(request.scope, _bounded(request.receive, limit))
        if request.headers.get("Content-Type", "").lower().startswith("multipart/form-data"):
            name, data = await _read_form(request)
        else:
            name, data = request.query_params.get("name", ""), await request.body()
            if not name:
                raise HTTPException(400, "the picture has no name: send a multipart form, or add ?name=NAME")
        if len(data) > limit:
            raise _too_large(limit)
        return name, data


class _Listing:
    """A response that streams the names of a gallery, one a line."""

    def __init__(self, gallery: FolderGallery) -> None:
        self._gallery = gallery

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        async with aclosing(self._chunks()) as chunks:
            # Read before the response starts: a folder that cannot be listed is answered by an error.
            chunk = await anext(chunks)
            headers = [(b"content-type", b"text/plain; charset=utf-8")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _chunks(self) -> AsyncGenerator[bytes, None]:
        """The list in one part or more, without the names that would be refused when asked for."""
        lines = bytearray()
        async with self._gallery.names() as names:
            async for name in names:
                try:
                    check_name(name)
                except NameRefusedError as error:
                    _log.warning("left out of the list: %s: %s", printable(name), error)
                    continue
                lines += f"{name}\n".encode()
                if len(lines) >= _CHUNK:
                    yield bytes(lines)
                    lines.clear()
        yield bytes(lines)


async def _read_form(request: Request) -> tuple[str, bytes]:
    async with request.form(max_files=1) as form:
        files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
        if not files:
            raise HTTPException(400, "the form holds no file")
        # Of a file name in a form, only line breaks and quotes are percent-encoded
        # (WHATWG HTML, "Multipart form data"); no line break makes a name here.
        return (files[0].filename or "").replace("%22", '"'), await files[0].read()


def _bounded(receive: Receive, limit: int) -> Receive:
    """Receives no more of a request's body than so many bytes, and a form's worth beside them.

    What exceeds it is read and thrown away for a while before it is refused, as most clients look for the
    answer only when they have sent all.
    """
    received = 0

    async def receive_within_limit() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit + _FORM_OVERHEAD:
            with trio.move_on_after(_DISCARD_SECONDS):
                while message.get("more_body"):
                    message = await receive()
            raise _too_large(limit)
        return message

    return receive_within_limit


def _too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"the picture is larger than the limit of {limit:,} bytes")


def _check_picture(data: bytes) -> None:
    """Decodes all of a picture, within the usual limits.

    Raises:
        FlipError: it is no picture, or is damaged, or asks too much.
    """
    limits = Limits()
    pixels = 0
    with map_pillow_errors("the picture"):
        try:
            image = Image.open(io.BytesIO(data), formats=_FORMATS)
        except UnidentifiedImageError as error:
            raise FlipError("the body is not a picture of a known format") from error
        for number, frame in enumerate(ImageSequence.Iterator(image), 1):
            check_size(frame.width, frame.height, limits)
            pixels += frame.width * frame.height
            if number > limits.frames or pixels > limits.total_pixels:
                raise FlipError("the picture has too many frames")
            frame.load()


def _matches(if_none_match: str, etag: str) -> bool:
    """Whether a list of entity tags holds one, by weak comparison (RFC 9110, section 13.1.2)."""
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag in tags


async def _answer_error(_request: Request, error: Exception) -> Response:
    status = next(status for kind, status in _STATUSES.items() if isinstance(error, kind))
    return PlainTextResponse(f"{printable(str(error))}\n", status)


async def _answer_http_error(_request: Request, error: Exception) -> Response:
    refusal = cast("HTTPException", error)
    return PlainTextResponse(f"{printable(refusal.detail)}\n", refusal.status_code, refusal.headers)
