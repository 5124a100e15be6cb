"""Objects on S3 and on what speaks its protocol, by s3fs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from trio_mirror.galleries.object_store.errors import status_of
from trio_mirror.galleries.object_store.properties import SHARED, KeptObjects, Properties, take
from trio_mirror.model import Picture
from trio_mirror.names import media_type_of

_PROPERTIES = (*SHARED["s3"], "Expires", "StorageClass", "WebsiteRedirectLocation")
_GRANTS = {
    "FULL_CONTROL": "GrantFullControl",
    "READ": "GrantRead",
    "READ_ACP": "GrantReadACP",
    "WRITE_ACP": "GrantWriteACP",
}


class S3Objects(KeptObjects):
    """Objects on S3: a GET each; to store it on S3, one more if it has tags, and one more if its bucket has ACLs."""

    scheme = "s3"

    async def close(self) -> None:
        """Closes the connections of the client, which the first request makes."""
        if (client := self.files._s3) is not None:
            await client.__aexit__(None, None, None)

    async def read(self, path: str, name: str, known_etag: str | None) -> Picture | None:
        """Reads one object by one request, whose response says what it has, too."""
        bucket, key, _ = self.files.split_path(path)
        place = {"Bucket": bucket, "Key": key}
        condition = {} if known_etag is None else {"IfNoneMatch": known_etag}
        try:
            found = await self._call("get_object", **place, **condition)
        except OSError as error:
            if status_of(error) == 304:
                return None
            raise
        # To leave it unread closes the connection.
        async with found["Body"] as body:
            self._check_size(found["ContentLength"])
            data = await body.read()
        more = partial(self._read_more, place, is_tagged=bool(found.get("TagCount")))
        return Picture(
            name=name,
            data=data,
            media_type=found.get("ContentType") or media_type_of(name),
            etag=found["ETag"],
            properties=Properties(self.scheme, take(_PROPERTIES, found), more),
        )

    async def put(self, path: str, data: bytes, properties: Mapping[str, Any]) -> None:
        """Writes an object."""
        await self.files._pipe_file(path, data, **properties)

    async def has_acls(self, bucket: str) -> bool:
        """Whether the owner of the bucket owns each object by itself, which since April 2023 is the default."""
        controls = (await self._call("get_bucket_ownership_controls", Bucket=bucket))["OwnershipControls"]
        return all(rule["ObjectOwnership"] != "BucketOwnerEnforced" for rule in controls["Rules"])

    async def _read_more(self, place: Mapping[str, str], *, is_tagged: bool) -> Mapping[str, Any]:
        tags = await self.optional("tags", self._read_tags(place)) if is_tagged else {}
        return {**tags, **await self.read_acl(place["Bucket"], partial(self._read_grants, place))}

    async def _read_tags(self, place: Mapping[str, str]) -> dict[str, str]:
        tags = (await self._call("get_object_tagging", **place))["TagSet"]
        # Not with a plus sign for a space, which Ceph's gateway takes as it is.
        return {"Tagging": urlencode([(tag["Key"], tag["Value"]) for tag in tags], quote_via=quote)}

    async def _read_grants(self, place: Mapping[str, str]) -> dict[str, str]:
        """The grants of an ACL, unless it is the one that every new object gets."""
        acl = await self._call("get_object_acl", **place)
        grants = dict[str, list[str]]()
        for grant in acl["Grants"]:
            grantee = grant["Grantee"]
            whom = f'uri="{grantee["URI"]}"' if "URI" in grantee else f'id="{grantee["ID"]}"'
            grants.setdefault(_GRANTS[grant["Permission"]], []).append(whom)
        if grants == {"GrantFullControl": [f'id="{acl["Owner"]["ID"]}"']}:
            return {}
        return {header: ", ".join(whom) for header, whom in grants.items()}

    async def _call(self, method: str, **arguments: Any) -> Any:
        """One request, by the name that boto3 has for it."""
        return await self.files._call_s3(method, **arguments)
