"""Files on a WebDAV server (RFC 4918), by webdav4."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import httpx

from trio_mirror.galleries.object_store.errors import status_of
from trio_mirror.galleries.object_store.objects import Objects, temporary_beside
from trio_mirror.model import Picture
from trio_mirror.settings import Settings


class DavFiles(Objects):
    """Files on a WebDAV server, by the driver's client: the driver itself asks three questions before it writes.

    The client blocks. Its threads are ours, as asyncio has few, and what they do ends as it would without a
    cancellation: of what replaces a file, no half is left out.
    """

    has_folders = True

    def __init__(self, files: Any, place: str, settings: Settings) -> None:
        super().__init__(files, place, settings)
        self._files = files.sync_fs
        self._client = self._files.client
        self._threads = ThreadPoolExecutor(settings.concurrency)

    def root_of(self, url: str) -> str:
        """The path of a gallery below its server, which the driver knows already."""
        return url.split("/", 3)[3].rstrip("/")

    async def close(self) -> None:
        """Closes the connections of the client, after what is still being done."""
        await asyncio.to_thread(self._threads.shutdown)
        self._client.http.close()

    async def describe(self, path: str) -> Mapping[str, Any]:
        """The type, size and entity tag of a file."""
        return await self._run(self._files.info, path)

    async def load(self, path: str) -> bytes:
        """The bytes of a file."""
        return (await self._run(self._client.request, "GET", path)).content

    async def write(self, path: str, picture: Picture) -> None:
        """Writes a temporary file, and puts it in the place of the other."""
        await self._run(self._replace, path, picture.data)

    def _replace(self, path: str, data: bytes) -> None:
        folder, temporary = temporary_beside(path)
        try:
            try:
                self._client.request("PUT", temporary, content=data)
            except Exception as error:
                # The folder is missing (RFC 4918, section 9.7.1); some servers say 404.
                if status_of(error) != 409 and type(error).__name__ != "ResourceNotFound":
                    raise
                with suppress(Exception):
                    # Another may be making it just now; the next request shows whether it is there.
                    self._files.makedirs(folder, exist_ok=True)
                self._client.request("PUT", temporary, content=data)
            self._client.move(temporary, path, overwrite=True)
        except Exception as error:
            # Without a response, the server may have removed the old file (section 9.9.3): then this is all there is.
            if status_of(error) is not None:
                with suppress(Exception):
                    self._client.remove(temporary)
            raise

    async def _run(self, call: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *arguments)


def dav_client(url: str, settings: Settings) -> Any:
    """A client of the server at ``webdav://host`` (HTTP) or ``webdavs://host`` (HTTPS); a netrc file has passwords."""
    from webdav4.client import Client

    class EncodingClient(Client):  # type: ignore[misc]
        """Percent-encodes names, which may hold ``%``, ``?`` and ``#``."""

        def join_url(self, path: str, add_trailing_slash: bool = False) -> httpx.URL:  # noqa: FBT001, FBT002 (as it has it)
            return super().join_url(quote(path), add_trailing_slash)

    netrc = os.environ.get("NETRC") or os.path.expanduser("~/.netrc")
    return EncodingClient(
        url.replace("webdav", "http", 1),
        auth=httpx.NetRCAuth(netrc) if os.path.exists(netrc) else None,
        timeout=settings.timeout,
        verify=not settings.insecure and ssl.create_default_context(cafile=settings.ca_file),
        # Attempts are made and counted by us.
        retry=False,
    )
