"""Opens the galleries of a run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import replace
from os import PathLike
from typing import Any

import httpx

from trio_mirror.galleries.gallery import Gallery
from trio_mirror.galleries.name_list import NamedGallery, NameListGallery
from trio_mirror.galleries.named import Names, PictureFile
from trio_mirror.galleries.places import Place, as_store, as_url, check_place, is_same_folder, list_of, refuse_nested
from trio_mirror.galleries.urls import origin
from trio_mirror.settings import Settings


@asynccontextmanager
async def open_galleries(
    source: Place | Names,
    target: Place | None,
    settings: Settings,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    auth: httpx.Auth | None = None,
    own_files: Collection[str | PathLike[str]] = (),
) -> AsyncIterator[tuple[Gallery, Gallery]]:
    """Opens the source and the target of a run; no target means back to the source.

    ``transport``, ``auth``, and of the settings ``auth``, ``header`` and ``cert`` belong to the first of the two that
    is a URL, and go to the other only if it is of the same origin. ``auth`` stands for that of the settings.

    The transport carries all requests, in place of our own connections: ``settings.ca_file``, ``settings.insecure`` and
    the environment's proxies are its own affair. It is closed with the block, as by a client of httpx. No name leads to
    the run's ``own_files``.

    Raises:
        SettingsError: a place that cannot be a gallery.
    """
    if target is not None:
        check_place("target", target)
    named = source if isinstance(source, Names) else None
    if isinstance(source, Names):
        names, source = None, settings.base or "."
    else:
        check_place("source", source)
        names = list_of(source, settings.base)
        source = source if names is None or settings.base is None else settings.base
    if target is not None:
        if named is None:
            refuse_nested(source, target)
        if is_same_folder(source, target):
            target = None
    first = next(filter(None, map(as_url, (source, target))), None)
    access = {"transport": transport, "auth": auth}

    def opened(place: Place) -> AbstractAsyncContextManager[Gallery]:
        url = as_url(place)
        trusted = url is not None and first is not None and origin(url) == origin(first)
        folder = {"in_place": target is None, "own_files": own_files}
        known = settings if trusted else replace(settings, auth=None, header=(), cert=None, key=None)
        return _open_gallery(place, known, access if trusted else {}, folder)

    async with AsyncExitStack() as stack:
        if transport is not None:
            await stack.enter_async_context(transport)
        source_gallery = await stack.enter_async_context(opened(source))
        first_name = getattr(source_gallery, "first_name", None) if target is None else None
        if named is not None:
            source_gallery = NamedGallery(source_gallery, named, first_name)
        elif names is not None:
            source_gallery = NameListGallery(source_gallery, names, first_name)
        yield source_gallery, source_gallery if target is None else await stack.enter_async_context(opened(target))


def _open_gallery(
    place: Place, settings: Settings, access: Mapping[str, Any], folder: Mapping[str, Any]
) -> AbstractAsyncContextManager[Gallery]:
    if isinstance(place, Gallery):
        return nullcontext(place)
    if (store := as_store(place)) is not None:
        from trio_mirror.galleries.object_store.gallery import open_store

        return open_store(store, settings)
    if (url := as_url(place)) is not None:
        from trio_mirror.galleries.http.gallery import open_http_gallery

        return open_http_gallery(url, settings, **access)
    from trio_mirror.galleries.folder import FileGallery, FolderGallery

    choices = {"max_bytes": settings.max_bytes, "keep_times": settings.times, **folder}
    if isinstance(place, PictureFile):
        return nullcontext(FileGallery(place.folder, place.name, **choices))
    return nullcontext(FolderGallery(place, **choices))
