"""What a store keeps of an object beside its bytes, what each store calls it, and how it goes from one to another."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from trio_mirror.galleries.object_store.errors import store_error
from trio_mirror.galleries.object_store.objects import Objects
from trio_mirror.model import Picture

_log = logging.getLogger(__name__)

# What all of them have, in one order. The rest means something to its own kind of store only.
SHARED = {
    "s3": ("ContentType", "CacheControl", "ContentDisposition", "ContentLanguage", "ContentEncoding", "Metadata"),
    "gs": ("contentType", "cacheControl", "contentDisposition", "contentLanguage", "contentEncoding", "metadata"),
    "az": ("content_type", "cache_control", "content_disposition", "content_language", "content_encoding", "metadata"),
}


@dataclass(frozen=True, slots=True)
class Properties:
    """What an object has, by the names of its store."""

    scheme: str  # of the store
    values: Mapping[str, Any]  # those that came with the object
    # Reads those that take further requests, when the picture is stored and in the same kind of store.
    read_more: Callable[[], Awaitable[Mapping[str, Any]]]

    def for_store(self, scheme: str) -> dict[str, Any]:
        """The values by the names of another store, or of the same, less metadata that it would refuse."""
        if scheme == self.scheme:
            values = dict(self.values)
        else:
            names = zip(SHARED[self.scheme], SHARED[scheme], strict=True)
            values = {new: self.values[old] for old, new in names if old in self.values}
        metadata = SHARED[scheme][-1]
        if metadata in values:
            values[metadata] = {name: text for name, text in values[metadata].items() if _takes(scheme, name, text)}
        return values


def _takes(scheme: str, name: str, text: str) -> bool:
    """Whether a store takes such metadata: it is in header fields, whose names are identifiers of C# on Azure."""
    return scheme == "gs" or (f"{name}{text}".isascii() and (scheme != "az" or name.isidentifier()))


class KeptObjects(Objects):
    """Objects of a store that keeps properties."""

    scheme: ClassVar[str]
    _may_have_acls: bool | None = None
    _noted: frozenset[str] = frozenset()

    async def write(self, path: str, picture: Picture) -> None:
        """Writes one object, with the properties of the picture's own object if it was one, else with its media type.

        What not all stores have (an ACL, tags, a storage class) is left out where the store refuses it.
        """
        shared, kept = SHARED[self.scheme], picture.properties
        values = {shared[0]: picture.media_type}
        if isinstance(kept, Properties):
            values |= kept.for_store(self.scheme)
            if kept.scheme == self.scheme:
                values |= await kept.read_more()
        try:
            await self.put(path, picture.data, values)
        except Exception as error:
            failure, own = store_error(error), sorted(values.keys() - shared)
            if not own or failure.transient or failure.missing or failure.full:
                raise
            await self.put(path, picture.data, {name: values[name] for name in values if name in shared})
            self._note(f"{', '.join(own)} not kept: {failure}")

    async def put(self, path: str, data: bytes, properties: Mapping[str, Any]) -> None:
        """Writes the bytes and the properties of an object, whole or not at all."""
        raise NotImplementedError

    async def has_acls(self, bucket: str) -> bool:
        """Whether the objects of a bucket have ACLs."""
        raise NotImplementedError

    async def read_acl(self, bucket: str, request: Callable[[], Awaitable[Mapping[str, Any]]]) -> Mapping[str, Any]:
        """What a request says of an object's ACL, which is made unless the bucket says that it has none."""
        if self._may_have_acls is None:
            try:
                self._may_have_acls = await self.has_acls(bucket)
            except Exception as error:
                if store_error(error).transient:
                    raise
                self._may_have_acls = True
        return await self.optional("ACLs", request()) if self._may_have_acls else {}

    async def optional(self, what: str, request: Awaitable[Mapping[str, Any]]) -> Mapping[str, Any]:
        """What a request says, or nothing, with a note, if the store refuses it for good: no picture fails by that."""
        try:
            return await request
        except Exception as error:
            failure = store_error(error)
            if failure.transient or failure.missing:
                raise
            self._note(f"{what} cannot be read, so not kept: {failure}")
            return {}

    def _note(self, text: str) -> None:
        """Logs something once."""
        if text not in self._noted:
            self._noted |= {text}
            _log.warning("%s: %s", self._place, text)


def take(names: Iterable[str], found: Mapping[str, Any]) -> dict[str, Any]:
    """Those properties that are set."""
    return {name: found[name] for name in names if found.get(name)}
