"""What is uploaded to the built-in gallery: read in bounded time and memory, and checked to be a picture."""

from __future__ import annotations

import trio
from PIL import ImageSequence
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive

from trio_mirror.errors import FlipError
from trio_mirror.flip import flip, sniff
from trio_mirror.flip.limits import check_count, check_density, check_size, check_total
from trio_mirror.flip.pillow import map_pillow_errors, open_image
from trio_mirror.model import Limits

_SECONDS = 60
"""In which a body must have come."""
_FORM_OVERHEAD = 64 * 1024  # bytes of a multipart body beside the picture
_DISCARD_SECONDS = 10
# Pillow's names of what is taken. Some of its other plugins know a picture by next to nothing.
_FORMATS = {it: it.upper() for it in ("jpeg", "png", "gif", "webp", "bmp", "tiff", "jpeg2000")}


async def read_upload(request: Request, most: int) -> tuple[bytes, str | None]:
    """Reads one file of a multipart form, or the raw body, whose name is in ``?name=``, of at most so many bytes.

    Returns:
        What came, and its name where the client gave one.

    Raises:
        HTTPException: too large, too slow, or a form without a file.
    """
    request = Request(request.scope, _bounded(request.receive, most))
    with trio.move_on_after(_SECONDS):
        if request.headers.get("Content-Type", "").lower().startswith("multipart/form-data"):
            data, name = await _read_form(request)
        else:
            data, name = await request.body(), request.query_params.get("name")
        if len(data) > most:
            raise _too_large(most)
        return data, name
    raise HTTPException(408, f"the picture did not come within {_SECONDS} s")


async def _read_form(request: Request) -> tuple[bytes, str | None]:
    async with request.form(max_files=1) as form:
        files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
        if not files:
            raise HTTPException(400, "the form holds no file")
        # Of a file name in a form, browsers percent-encode only line breaks and quotes
        # (WHATWG HTML, "Multipart form data"); no line break makes a name here.
        return await files[0].read(), (files[0].filename or "").replace("%22", '"')


def _bounded(receive: Receive, most: int) -> Receive:
    """Receives no more of a request's body than so many bytes, and a form's worth beside them.

    What exceeds it is read and thrown away for a while before it is refused, as most clients look for the
    answer only when they have sent all.
    """
    received = 0

    async def receive_within_limit() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > most + _FORM_OVERHEAD:
            with trio.move_on_after(_DISCARD_SECONDS):
                while message.get("more_body"):
                    message = await receive()
            raise _too_large(most)
        return message

    return receive_within_limit


def _too_large(most: int) -> HTTPException:
    return HTTPException(413, f"the picture is larger than the limit of {most:,} bytes")


def check_picture(data: bytes) -> None:
    """Decodes all of a picture, frame by frame, each within the usual limits by what its header claims.

    Raises:
        FlipError: it is not a picture, or is damaged, or asks too much.
    """
    container = sniff(data)
    if container in {"heif", "jxl"}:
        flip(data)  # decodes it where a decoder is installed
        return
    image_format = _FORMATS.get(container)
    if image_format is None:
        raise FlipError("the body is not a picture of a known format")
    limits, pixels = Limits(), 0
    with map_pillow_errors("the picture"):
        image = open_image(data, image_format, limits)
        for number, frame in enumerate(ImageSequence.Iterator(image), 1):
            check_count(number, limits)
            check_size(frame.width, frame.height, limits)
            check_density(frame.width * frame.height * len(frame.getbands()), len(data))
            pixels += frame.width * frame.height
            check_total(pixels, limits)
            frame.load()
