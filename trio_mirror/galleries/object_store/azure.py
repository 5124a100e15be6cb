"""Blobs on Azure, by adlfs and the client below it, which alone has words for what a blob has."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from trio_mirror.galleries.object_store.properties import SHARED, KeptObjects, Properties, take


class AzureObjects(KeptObjects):
    """Blobs: a HEAD and a GET each; to store it on Azure, one more if it has tags."""

    scheme = "az"

    async def close(self) -> None:
        """Closes the connections of the client."""
        await self.files.service_client.close()

    async def describe(self, path: str) -> Mapping[str, Any]:
        """Reads a blob's properties."""
        from azure.storage.blob import StandardBlobTier

        async with self._blob(path) as blob:
            found = await blob.get_blob_properties()
        headers = found.content_settings
        values = take(SHARED[self.scheme], {**headers, "metadata": found.metadata})
        if values.get("content_encoding") in {"gzip", "deflate"}:
            # It is undone on the way here.
            del values["content_encoding"]
        if found.blob_tier and not found.blob_tier_inferred:
            values["standard_blob_tier"] = StandardBlobTier(found.blob_tier)
        read_more = partial(self._read_more, path, is_tagged=bool(found.tag_count))
        return {
            "type": "file",
            "size": found.size,
            "etag": found.etag,
            "media_type": headers.content_type,
            "properties": Properties(self.scheme, values, read_more),
        }

    async def put(self, path: str, data: bytes, properties: Mapping[str, Any]) -> None:
        """Writes a blob."""
        from azure.storage.blob import ContentSettings

        *headers, _ = SHARED[self.scheme]
        settings = ContentSettings(**{name: properties.get(name) for name in headers})
        others = {name: properties[name] for name in properties if name not in headers}
        async with self._blob(path) as blob:
            await blob.upload_blob(data, overwrite=True, content_settings=settings, **others)

    async def _read_more(self, path: str, *, is_tagged: bool) -> Mapping[str, Any]:
        return await self.optional("tags", self._read_tags(path)) if is_tagged else {}

    async def _read_tags(self, path: str) -> dict[str, Any]:
        async with self._blob(path) as blob:
            return {"tags": await blob.get_blob_tags()}

    def _blob(self, path: str) -> Any:
        container, name, _ = self.files.split_path(path)
        return self.files.service_client.get_blob_client(container, name)
