"""The digest that a server sends with a body (RFC 9530), checked as the body comes in."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping

# RFC 9530, section 2: a dictionary of byte sequences, "sha-256=:BASE64=:". Section 5: the two active algorithms.
_MEMBER = re.compile(r"(sha-256|sha-512)\s*=\s*:([A-Za-z0-9+/=]*):")
_ALGORITHMS = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}


class BodyDigest:
    """What a body's digest should be, and what it is so far."""

    def __init__(self, algorithm: str, expected: bytes) -> None:
        self._hash = _ALGORITHMS[algorithm]()
        self._expected = expected

    def update(self, chunk: bytes) -> None:
        """Takes in the next part of the body."""
        self._hash.update(chunk)

    def matches(self) -> bool:
        """Whether the body, now whole, is what the server meant to send."""
        return self._hash.digest() == self._expected


def digest_of(fields: Mapping[str, str]) -> BodyDigest | None:
    """The digest that a response's fields, by their names in lower case, promise of its body, if they do.

    Both fields are about the content before its content coding is undone (sections 2 and 3), so that a coded
    body, which we see decoded only, is not checked.
    """
    if fields.get("content-encoding", "identity") != "identity":
        return None
    for field in ("content-digest", "repr-digest"):
        if member := _MEMBER.search(fields.get(field, "")):
            try:
                return BodyDigest(member[1], base64.b64decode(member[2], validate=True))
            except binascii.Error:
                continue
    return None
