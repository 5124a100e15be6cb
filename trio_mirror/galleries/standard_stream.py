"""One picture on standard input, or for standard output."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing

from trio_mirror.errors import FetchError, SettingsError, UploadError
from trio_mirror.galleries.in_thread import in_thread
from trio_mirror.galleries.listing import each
from trio_mirror.model import Picture
from trio_mirror.settings import format_size

_NAME = "standard input"


class StandardStream:
    """A gallery of the one picture that standard input is, or that standard output gets."""

    can_be_listed_again = False

    def __init__(self, direction: str, max_bytes: int = 0) -> None:
        self._direction = direction
        self._max_bytes = max_bytes

    def __str__(self) -> str:
        return f"standard {self._direction}"

    def names(self) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """Gives the one name that it has."""
        return aclosing(each([_NAME]))

    async def fetch(self, name: str, known_etag: str | None = None) -> Picture:  # noqa: ARG002 (it has no entity tag)
        """Reads standard input to its end.

        Raises:
            FetchError: it cannot be read, or is larger than ``max_bytes``.
        """
        try:
            data = await in_thread(lambda: sys.stdin.buffer.read(self._max_bytes + 1))
        except (OSError, AttributeError) as error:
            # Where its descriptor is closed, Python has no stdin.
            raise FetchError(f"standard input cannot be read: {error}") from error
        if len(data) > self._max_bytes:
            raise FetchError(f"it is over the limit of {format_size(self._max_bytes)} (--max-bytes)")
        return Picture(name=name, data=data, media_type="application/octet-stream")

    async def prepare(self) -> None:
        """Refuses to write a picture to a terminal.

        Raises:
            SettingsError: standard output is one.
        """
        if sys.stdout.isatty():
            raise SettingsError("standard output is a terminal; write it to a file, as in > mirrored.jpg")

    async def store(self, picture: Picture) -> None:
        """Writes one picture to standard output.

        Raises:
            UploadError: it cannot be written.
        """

        def write() -> None:
            sys.stdout.buffer.write(picture.data)
            sys.stdout.buffer.flush()

        try:
            await in_thread(write)
        except OSError as error:
            raise UploadError(f"standard output cannot be written: {error.strerror}") from error
