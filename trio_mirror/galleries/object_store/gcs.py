"""Objects on Google Cloud Storage, by gcsfs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from secrets import token_hex
from typing import Any
from urllib.parse import quote

from trio_mirror.galleries.object_store.properties import SHARED, KeptObjects, Properties, take

_PROPERTIES = (*SHARED["gs"], "customTime", "storageClass")


class GcsObjects(KeptObjects):
    """Objects on GCS: two GETs each; to store it on GCS, one more if its bucket has ACLs."""

    scheme = "gs"

    async def close(self) -> None:
        """Closes the connections of the session, which the first request makes."""
        if (session := self.files.session) is not None:
            await session.close()

    async def describe(self, path: str) -> Mapping[str, Any]:
        """Reads an object's resource (https://cloud.google.com/storage/docs/json_api/v1/objects)."""
        bucket, key, _ = self.files.split_path(path)
        found = await self.files._call("GET", "b/{}/o/{}", bucket, key, json_out=True)
        values = take(_PROPERTIES, found)
        if values.get("contentEncoding") == "gzip":
            # It is undone on the way here.
            del values["contentEncoding"]
        return {
            "type": "file",
            "size": int(found["size"]),
            "etag": found["etag"],
            "media_type": found.get("contentType"),
            "properties": Properties(self.scheme, values, partial(self._read_more, bucket, key)),
        }

    async def put(self, path: str, data: bytes, properties: Mapping[str, Any]) -> None:
        """Writes an object and its resource at once; the driver has no words for all of it."""
        bucket, key, _ = self.files.split_path(path)
        resource, boundary = json.dumps({"name": key, **properties}), token_hex(16)
        body = (
            f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{resource}\r\n"
            f"--{boundary}\r\nContent-Type: {properties['contentType']}\r\n\r\n"
        )
        await self.files._call(
            "POST",
            f"{self.files._location}/upload/storage/v1/b/{quote(bucket)}/o",
            uploadType="multipart",
            headers={"Content-Type": f"multipart/related; boundary={boundary}"},
            data=b"".join((body.encode(), data, f"\r\n--{boundary}--\r\n".encode())),
        )

    async def has_acls(self, bucket: str) -> bool:
        """Whether access is not by the bucket's own rules alone (uniform bucket-level access)."""
        found = await self.files._call("GET", "b/{}", bucket, json_out=True, fields="iamConfiguration")
        return not found.get("iamConfiguration", {}).get("uniformBucketLevelAccess", {}).get("enabled", False)

    async def _read_more(self, bucket: str, key: str) -> Mapping[str, Any]:
        return await self.read_acl(bucket, partial(self._read_acl, bucket, key))

    async def _read_acl(self, bucket: str, key: str) -> dict[str, Any]:
        found = await self.files._call("GET", "b/{}/o/{}/acl", bucket, key, json_out=True)
        return {"acl": [{"entity": entry["entity"], "role": entry["role"]} for entry in found.get("items", ())]}
