"""Pictures that are named one by one: files, the URL of one picture, standard input and output."""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from trio_mirror.errors import SettingsError
from trio_mirror.galleries.disk_names import from_disk
from trio_mirror.galleries.gallery import Gallery
from trio_mirror.galleries.name_list import STDIN
from trio_mirror.galleries.places import Place, Source, as_store, as_url, check_place
from trio_mirror.galleries.standard_stream import StandardStream
from trio_mirror.names import is_picture_name, is_url, media_type_of, printable
from trio_mirror.settings import STDOUT, Settings, option_error


class Names(tuple[str, ...]):
    """Names or URLs of pictures below ``base``, as the source of a run."""

    __slots__ = ()

    def place_in(self, base: str) -> str:
        """What identifies these pictures of a place, and no others."""
        name = self[0] if len(self) == 1 else sha256("\0".join(self).encode("utf-8", "surrogatepass")).hexdigest()
        return f"{base.rstrip('/')}/{name.rpartition('/')[2]}"


@dataclass(frozen=True)
class PictureFile(os.PathLike[str]):
    """A file in which one picture is stored, as the target of a run."""

    folder: str
    name: str

    def __fspath__(self) -> str:
        return os.path.join(self.folder, self.name)  # noqa: PTH118 (as it was written)

    def __str__(self) -> str:
        return os.fspath(self)


def as_named(source: Source, target: Place | None, settings: Settings) -> tuple[Place | Names, Place | None, Settings]:
    """Finds out whether pictures are named one by one; then ``base`` says where they are, as for a list.

    Raises:
        SettingsError: a place that cannot be one, or places that do not go together.
    """
    source = [*map(_from_home, source)] if isinstance(source, list | tuple) else _from_home(source)
    target = _from_home(target)
    paths = _pictures(source, settings.base)
    if target == STDOUT and (paths is None or len(paths) > 1):
        raise option_error("to", "standard output takes one picture; expected a folder or a URL for more")
    if paths is None:
        assert isinstance(source, str | os.PathLike | Gallery)
        return source, target, settings
    if len(paths) > 1:
        _check_files(paths, has_target=target is not None)
    elif target is not None:
        target = _target_of(paths[0], target)
    if isinstance(target, PictureFile | StandardStream):
        # Workers know places alone, and one picture needs none.
        settings = replace(settings, processes=1, cluster=None)
    if paths == [STDIN]:
        if target is None or not isinstance(target, PictureFile | Gallery):
            raise option_error(
                "base",
                "standard input is one picture without it, and goes to a file (--to mirrored.jpg) or to standard "
                "output (--to -); a list of names is read as in trio-mirror - --base http://host/images/",
            )
        return StandardStream("input", settings.max_bytes), target, settings
    base, names = _split_url(paths[0]) if is_url(paths[0]) else _split(paths)
    return names, target, replace(settings, base=base)


def _from_home(place: Any) -> Any:
    """The same place, with the home folder in the place of ``~``."""
    with suppress(ValueError):  # a NUL, which is refused in words
        return os.path.expanduser(place) if isinstance(place, str | os.PathLike) else place
    return place


def _pictures(source: Source, base: str | None) -> list[str] | None:
    """The pictures that a source names one by one; None for a gallery or a list."""
    if isinstance(source, list | tuple):
        for place in source:
            check_place("source", place)
        if base is not None or not source:
            raise SettingsError("the source is a list of files; expected one file at least, and no --base")
        return list(dict.fromkeys(map(os.fspath, source)))
    check_place("source", source)
    if base is not None or not isinstance(source, str | os.PathLike):
        return None
    path = os.fspath(source)
    is_picture = path == STDIN or is_picture_name(path.partition("?")[0] if is_url(path) else path)
    return [path] if is_picture and not os.path.isdir(path) else None


def _check_files(paths: list[str], *, has_target: bool) -> None:
    """Refuses what is not a file among several, and a target that was written without ``--to``."""
    meant = shlex.quote(paths[1] if os.path.isdir(paths[0]) else paths[-1])
    hint = "" if has_target else f"; write a target as --to {meant}, and many files as their folder with --include"
    for path in paths:
        if path == STDIN or is_url(path) or os.path.isdir(path):
            raise SettingsError(f"{printable(path)}: expected one SOURCE, or files alone{hint}")
    if hint and not os.path.exists(paths[-1]):
        raise SettingsError(f"there is no file {printable(paths[-1])}{hint}")


def _target_of(path: str, target: Place) -> Place | None:
    """What the target of one picture is: a file, or a gallery, or none if it is the picture itself."""
    if target == STDOUT:
        return StandardStream("output")
    check_place("target", target)
    if isinstance(target, Gallery) or as_store(target) or as_url(target):
        return target
    folder, name = os.path.split(target)
    if os.path.isdir(target) or not is_picture_name(name):
        return target
    if os.path.realpath(target) == os.path.realpath(path):
        return None
    if path != STDIN and media_type_of(name) != media_type_of(path.partition("?")[0]):
        raise option_error("to", f"a picture keeps its format; expected a name that ends like {printable(path)}")
    return PictureFile(folder or ".", from_disk(name))


def _split_url(url: str) -> tuple[str, Names]:
    """The folder of a picture's URL, and the picture; credentials belong to the folder."""
    picture, question, query = url.partition("?")
    folder, _, name = picture.rpartition("/")
    if as_store(url):
        return f"{folder}/", Names([f"{name}{question}{query}"])
    place = as_url(url)
    assert place is not None
    return f"{folder}/", Names([str(place.copy_with(userinfo=b""))])


def _split(paths: list[str]) -> tuple[str, Names]:
    """The folder that holds all files, and their names in it."""
    folders = {os.path.dirname(path) for path in paths}  # noqa: PTH120 (as they were written)
    base = folders.pop() or "." if len(folders) == 1 else os.path.commonpath(map(os.path.abspath, folders))
    return base, Names(from_disk(os.path.relpath(path, base)) for path in paths)
