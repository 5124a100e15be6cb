"""The protocol of a gallery."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol, runtime_checkable

from trio_mirror.model import Picture


@runtime_checkable
class Gallery(Protocol):
    """What a run needs of a source or a target. ``str(gallery)`` is what people read, without credentials.

    For a new kind of place, write a class with these methods, open it in `opening`, and have `places` know how it is
    written. An object of the caller's needs neither.

    Its methods are called by several tasks at once. Each call is one attempt: the run repeats what failed with a
    transient error. A gallery whose names can be read once only has an attribute ``can_be_listed_again``, which
    is false. One whose list has whatever lies there, pictures or not, has an attribute ``lists_all``, which is true.
    """

    def names(self) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """Opens the list: names as they stream in, which are untrusted input.

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
            UnknownUploadError: it was sent, and no response came.
            NameRefusedError: the name leads out of the gallery.
        """


@runtime_checkable
class RedirectedGallery(Protocol):
    """A gallery whose pictures are where its list comes from, which a redirect may show."""

    async def locate(self) -> str:
        """Finds out, and gives, where its pictures are, for a run that does not read its list.

        Raises:
            ListError: the list cannot be read.
            AccessError: authentication or TLS refuses us.
        """


@runtime_checkable
class SearchableGallery(Protocol):
    """A gallery that can say what it has, without giving it."""

    async def has(self, name: str) -> bool:
        """Whether something has a name.

        Raises:
            FetchError: that cannot be found out.
            NameRefusedError: the name leads out of the gallery.
        """


class UrlGallery:
    """What galleries at a URL have in common: it identifies them, and people read it, without credentials.

    Attributes:
        identity: the same for all ways to write the place.
    """

    def __init__(self, url: str) -> None:
        self.identity = url

    def __str__(self) -> str:
        return self.identity


def identity_of(gallery: Gallery) -> str | None:
    """What identifies a place, whichever way it was written: a URL, or the real path of a folder.

    None for an object of the caller's, of which only the caller knows.
    """
    identity: str | None = getattr(gallery, "identity", None)
    return identity
