"""What may be written as a source or a target: a URL, a folder, a store, a list of names."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TypeAlias

import httpx

from trio_mirror.errors import SettingsError
from trio_mirror.galleries.gallery import Gallery
from trio_mirror.galleries.name_list import STDIN
from trio_mirror.galleries.urls import LAST_PORT, parse_url, shown
from trio_mirror.names import hide_credentials, is_url, printable
from trio_mirror.settings import option_error

STORES = ("s3", "gs", "az", "sftp", "webdav", "webdavs", "memory")  # the schemes that fsspec's drivers serve

# What is left of a URL where a part was forgotten: localhost/images, host:8000, me:secret@host, http:/host.
_ALMOST_URL = re.compile(
    r"(https?)(?::/?(?!/)|//)|(?=(?:localhost|[^/]+:\d+|[^/]*:[^/]*@[^/]+)(?:/|$))", re.IGNORECASE | re.ASCII
)

Place: TypeAlias = str | PathLike[str] | Gallery
"""A gallery, the URL of one, or a folder; or one picture: its URL, a file, or ``-`` for standard input or output."""
Source: TypeAlias = Place | Sequence[str | PathLike[str]]
"""A place, or several files; with ``base`` a list of names: a file, or ``-`` for standard input."""


def check_place(role: str, place: object) -> None:
    """Checks that something can be a source or a target at all.

    Raises:
        SettingsError: it cannot, such as the empty text of a variable that is not set.
    """
    if isinstance(place, str | PathLike):
        path = os.fspath(place)
        if not path:
            raise SettingsError(f"the {role} is empty: expected a URL like http://host/images/, or a folder")
        if not isinstance(path, str) or "\0" in path:
            raise SettingsError(f"invalid {role} {path!r}: expected a URL or a folder")
    elif isinstance(place, type) or not isinstance(place, Gallery):
        missing = [name for name in ("names", "fetch", "prepare", "store") if not hasattr(place, name)]
        found = f"it has no {' and no '.join(missing)}" if missing else "it is a class, not an object"
        raise SettingsError(f"invalid {role} {place!r}: neither a URL nor a folder nor a gallery; {found}")


def list_of(source: Place, base: str | None) -> str | PathLike[str] | None:
    """Where the list of names is, if the source is one and not a gallery."""
    shown = "standard input" if source == STDIN else hide_credentials(str(source))
    if isinstance(source, Gallery) or is_url(str(source)) or os.path.isdir(source):
        if base is not None:
            example = f"trio-mirror names.txt --base {hide_credentials(base)}"
            raise option_error("base", f"it goes with a list of names, as in {example}, and {shown} is a gallery")
        return None
    # What is not there is an unreadable list where a list was meant, and an unreadable folder otherwise.
    if base is None and (source == STDIN or os.path.exists(source)):
        example = f"trio-mirror {source} --base http://host/images/"
        raise option_error("base", f"expected the gallery of the names that {shown} lists, as in {example}")
    return source if base is not None else None


def as_store(place: Place | None) -> str | None:
    """The place as the URL of a store, or None for anything else."""
    return place if isinstance(place, str) and place.lower().startswith(tuple(f"{it}://" for it in STORES)) else None


def split_store_url(url: str) -> tuple[str, str, list[str]]:
    """Splits a URL such as ``s3://bucket/in/`` into its scheme, its bucket or host, and the segments of its prefix.

    Nothing is percent-decoded, and ``?`` and ``#`` mean themselves: a key may hold any character.

    Raises:
        SettingsError: there is no bucket, or there are credentials, which the list of processes would show.
    """
    scheme, _, rest = url.partition("://")
    place, _, prefix = rest.partition("/")
    user = place.rpartition("@")[0]
    shown = printable(f"{scheme}://{place.rpartition('@')[2]}/{prefix}")
    if not place:
        raise SettingsError(f"{shown} names no bucket; write it like {scheme}://bucket/prefix/")
    if ":" in user or (user and scheme != "sftp"):
        raise SettingsError(
            f"{shown}: no credentials in this URL; the driver finds them in its own environment or files"
        )
    return scheme.lower(), place, [segment for segment in prefix.split("/") if segment]


def as_url(place: Place | None) -> httpx.URL | None:
    """The place as an HTTP URL, or None for anything else.

    Raises:
        SettingsError: it is a URL that cannot be a gallery, or something between a URL and a folder.
    """
    if not isinstance(place, str) or as_store(place):
        return None
    if "://" not in place:
        _refuse_almost_url(place)
        return None
    scheme = place.partition("://")[0].lower()
    if scheme not in {"http", "https"}:
        known = "://, ".join(("http", "https", *STORES))
        raise SettingsError(f"{printable(place)}: unknown scheme {scheme}://; expected {known}:// or a folder")
    try:
        url = parse_url(place)
    except httpx.InvalidURL as error:
        # What httpx takes for the port may be a part of the password.
        why = "in a password, / ? # and @ are written %2F %3F %23 and %40" if "@" in place else error
        raise SettingsError(f"invalid URL {printable(place)}: {why}") from error
    if not url.raw_host:
        raise SettingsError(f"invalid URL {printable(place)}: expected a host, as in http://host/images/")
    if url.port is not None and url.port > LAST_PORT:
        raise SettingsError(f"invalid URL {shown(url)}: port {url.port} is above {LAST_PORT}")
    return url


def _refuse_almost_url(place: str) -> None:
    """Refuses what would be made or looked for as a folder, where a server was meant."""
    almost = _ALMOST_URL.match(place)
    if almost is not None and not os.path.isdir(place):
        url = f"{(almost[1] or 'http').lower()}://{place[almost.end() :]}"
        raise SettingsError(printable(f"{place} is neither a URL nor an existing folder; write {url} or ./{place}"))


def is_same_folder(source: Place, target: Place) -> bool:
    """Whether both are one folder, by whatever path."""
    if isinstance(source, Gallery) or isinstance(target, Gallery):
        return False
    return os.path.isdir(source) and os.path.isdir(target) and os.path.samefile(source, target)  # noqa: PTH121


def refuse_nested(source: Place, target: Place) -> None:
    """Refuses a target inside its source: it would be listed with it, and mirrored again.

    Raises:
        SettingsError: the target lies inside the source.
    """
    if isinstance(source, Gallery) or isinstance(target, Gallery):
        return
    if (outer_url := as_store(source)) and (inner_url := as_store(target)):
        *outer_place, outer_prefix = split_store_url(outer_url)
        *inner_place, inner_prefix = split_store_url(inner_url)
        depth = len(outer_prefix)
        if outer_place == inner_place and len(inner_prefix) > depth and inner_prefix[:depth] == outer_prefix:
            raise SettingsError(f"--to: {printable(inner_url)} lies inside the source; choose a prefix beside it")
    if any(as_store(place) or as_url(place) for place in (source, target)):
        return
    try:
        inner, outer = Path(os.path.realpath(target)), Path(os.path.realpath(source))
    except FileNotFoundError as error:
        raise SettingsError("the working directory is gone; change to one that exists") from error
    if outer in inner.parents:
        raise SettingsError(f"--to: {printable(str(target))} lies inside the source folder; choose one beside it")
