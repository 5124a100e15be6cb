"""Galleries: places that can list picture names, fetch a picture and store one."""

from __future__ import annotations

import glob
import os
import re
import shlex
from contextlib import AsyncExitStack, asynccontextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

import httpx

from trio_mirror.errors import SettingsError
from trio_mirror.galleries.http.pool import parse_url
from trio_mirror.galleries.http.response import Origin, origin
from trio_mirror.galleries.name_list import STDIN, ListGallery
from trio_mirror.names import hide_credentials, is_picture_name, is_url, printable
from trio_mirror.settings import option_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from trio_mirror.model import Picture
    from trio_mirror.settings import Settings


@runtime_checkable
class Gallery(Protocol):
    """What a run needs of a source or a target. ``str(gallery)`` is what people read, without credentials.

    Its methods are called by several tasks at once. One call of `fetch` or `store` is one attempt. A gallery whose
    names can be read once only has an attribute ``can_be_listed_again``, which is false.
    """

    def names(self) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """Opens the list: names as they stream in, each to be judged by the name rules.

        Raises:
            ListError: the list cannot be read, at its opening or at any later step.
            AccessError: authentication or TLS refuses us.
        """

    async def fetch(self, name: str, known_etag: str | None = None) -> Picture | None:
        """Reads one picture, or gives None if it still has the entity tag that is known of it.

        Raises:
            FetchError: it cannot be read.
            AccessError: TLS refuses us.
            NameRefusedError: the name leads out of the gallery.
        """

    async def prepare(self) -> None:
        """Makes the gallery ready to store, before the first picture.

        Raises:
            SettingsError: it cannot be a target.
        """

    async def store(self, picture: Picture) -> None:
        """Stores one picture under its name.

        Raises:
            StorageError: there is no room for it, nor for any other.
            AccessError: TLS refuses us.
            UploadError: it was not stored.
            UnknownUploadError: it was sent, and no answer came.
            NameRefusedError: the name leads out of the gallery.
        """


STORES = ("s3", "gs", "az", "sftp", "memory")
"""The schemes that fsspec's drivers serve."""

_LAST_PORT = 65_535
# What is left of a URL where its scheme or a slash was forgotten: localhost/images, host:8000, http:/host.
_ALMOST_URL = re.compile(r"(https?):/?(?!/)|(?=(?:localhost|[^/]+:\d+)(?:/|$))", re.IGNORECASE | re.ASCII)

Place: TypeAlias = str | PathLike[str] | Gallery
"""A gallery, the URL of one, or a folder. As a source, also a list: a file of names, or ``-`` for standard input."""


@asynccontextmanager
async def open_galleries(
    source: Place, target: Place | None, settings: Settings
) -> AsyncIterator[tuple[Gallery, Gallery]]:
    """Opens the source and the target of a run; no target means back to the source.

    ``settings.auth`` and ``settings.header`` belong to the first of the two that is a URL, and go to the
    other only if it is of the same origin.

    Raises:
        SettingsError: a place that cannot be a gallery.
    """
    _check_place("source", source)
    if target is not None:
        _check_place("target", target)
    if (names := _list_of(source, settings.base)) is not None:
        assert settings.base is not None
        source = settings.base
    if target is not None:
        _refuse_nested(source, target)
    trusted = _first_origin(source, target)
    async with AsyncExitStack() as stack:
        source_gallery = await stack.enter_async_context(_open_gallery(source, settings, trusted))
        if names is not None:
            source_gallery = ListGallery(source_gallery, names)
        if target is None:
            target_gallery = source_gallery
        else:
            target_gallery = await stack.enter_async_context(_open_gallery(target, settings, trusted))
        yield source_gallery, target_gallery


@asynccontextmanager
async def _open_gallery(place: Place, settings: Settings, trusted: Origin | None) -> AsyncIterator[Gallery]:
    if isinstance(place, Gallery):
        yield place
    elif (store := _as_store(place)) is not None:
        from trio_mirror.galleries.object_store import open_store

        async with open_store(store, settings) as gallery:
            yield gallery
    elif (url := _as_url(place)) is None:
        from trio_mirror.galleries.folder import DirectoryGallery

        yield DirectoryGallery(place, max_bytes=settings.max_bytes)
    else:
        from trio_mirror.galleries.http.gallery import open_http_gallery

        async with open_http_gallery(url, settings, trust=origin(url) == trusted) as gallery:
            yield gallery


def _check_place(role: str, place: object) -> None:
    """Tells of what is no place at all, such as the empty text of a variable that is not set."""
    if isinstance(place, str | PathLike):
        path = os.fspath(place)
        if not path:
            raise SettingsError("an empty text is no gallery; write a URL like http://host/images/, or a folder")
        if not isinstance(path, str) or "\0" in path:
            raise SettingsError(f"the {role} {path!r} is no place; give a URL or a folder")
    elif isinstance(place, type) or not isinstance(place, Gallery):
        missing = [name for name in ("names", "fetch", "prepare", "store") if not hasattr(place, name)]
        lacks = f"it has no {' and no '.join(missing)}" if missing else "it is a class; give an object of it"
        raise SettingsError(f"the {role} {place!r} is neither a URL, nor a folder, nor a gallery: {lacks}")


def _list_of(source: Place, base: str | None) -> str | PathLike[str] | None:
    """Where the list of names is, if the source is one and not a gallery."""
    shown = "standard input" if source == STDIN else hide_credentials(str(source))
    # For what may not be looked at, or a path that is too long, os.path says that it is not there; pathlib raises.
    if isinstance(source, Gallery) or is_url(str(source)) or os.path.isdir(source):  # noqa: PTH112
        if base is not None:
            example = f"trio-mirror names.txt --base {hide_credentials(base)}"
            raise option_error("base", f"it goes with a list of names, as in {example}; {shown} is a gallery")
        return None
    # What is not there is an unreadable list where a list was meant, and an unreadable folder otherwise.
    if base is None and (source == STDIN or os.path.exists(source)):  # noqa: PTH110
        if is_picture_name(str(source)):
            folder, name = os.path.split(source)
            example = f"trio-mirror {shlex.quote(str(folder) or '.')} --include {shlex.quote(glob.escape(str(name)))}"
            raise SettingsError(f"{shown} is one picture, not a gallery; write its folder, as in {example}")
        example = f"trio-mirror {source} --base http://host/images/"
        raise option_error("base", f"where do the names live that {shown} lists? Say it as in {example}")
    return source if base is not None else None


def _as_store(place: str | PathLike[str]) -> str | None:
    """The place as the URL of a store, or None for anything else."""
    return place if isinstance(place, str) and place.lower().startswith(tuple(f"{it}://" for it in STORES)) else None


def _as_url(place: str | PathLike[str]) -> httpx.URL | None:
    """The place as an HTTP URL, or None for a folder or a store."""
    if not isinstance(place, str) or _as_store(place):
        return None
    if "://" not in place:
        _refuse_almost_url(place)
        return None
    scheme = place.partition("://")[0].lower()
    if scheme not in {"http", "https"}:
        raise SettingsError(
            f"{printable(place)}: unknown scheme {scheme}://; a gallery is http://, https://, "
            f"{'://, '.join(STORES)}:// or a folder"
        )
    try:
        url = parse_url(place)
    except httpx.InvalidURL as error:
        raise SettingsError(f"{printable(place)} is no URL: {error}") from error
    if not url.raw_host:
        raise SettingsError(f"{printable(place)} names no host; write it like http://host/images/")
    if url.port is not None and url.port > _LAST_PORT:
        raise SettingsError(f"{printable(hide_credentials(place))} names the port {url.port}; the last is {_LAST_PORT}")
    return url


def _refuse_almost_url(place: str) -> None:
    """A folder of such a name would be made, or looked for, where a server was meant."""
    almost = _ALMOST_URL.match(place)
    if almost is not None and not os.path.isdir(place):  # noqa: PTH112 (false, too, where nothing may be looked at)
        url = f"{(almost[1] or 'http').lower()}://{place[almost.end() :]}"
        raise SettingsError(printable(f"{place} is neither a URL nor a folder that is there; write {url} or ./{place}"))


def _first_origin(source: Place, target: Place | None) -> Origin | None:
    for place in (source, target):
        if place is not None and not isinstance(place, Gallery) and (url := _as_url(place)) is not None:
            return origin(url)
    return None


def _refuse_nested(source: Place, target: Place) -> None:
    """A target inside its source would be listed with it, and mirrored again."""
    if isinstance(source, Gallery) or isinstance(target, Gallery):
        return
    if (outer_url := _as_store(source)) and (inner_url := _as_store(target)):
        from trio_mirror.galleries.object_store import split_store_url

        *outer_place, outer_prefix = split_store_url(outer_url)
        *inner_place, inner_prefix = split_store_url(inner_url)
        depth = len(outer_prefix)
        if outer_place == inner_place and len(inner_prefix) > depth and inner_prefix[:depth] == outer_prefix:
            raise SettingsError(f"--to: {printable(inner_url)} lies inside the source; choose a prefix beside it")
    if any(_as_store(place) or _as_url(place) for place in (source, target)):
        return
    try:
        inner, outer = Path(os.path.realpath(target)), Path(os.path.realpath(source))
    except FileNotFoundError as error:
        raise SettingsError("the working directory is gone; change to one that is there") from error
    if outer in inner.parents:
        raise SettingsError(f"--to: {printable(str(target))} lies inside the source folder; choose one beside it")
