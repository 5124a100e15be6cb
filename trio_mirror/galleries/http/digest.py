"""The digest that a server sends with a body (RFC 9530)."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress

# RFC 9530, section 2: a dictionary of byte sequences, "sha-256=:BASE64=:". Section 5: the two active algorithms.
_MEMBER = re.compile(r"(sha-256|sha-512)\s*=\s*:([A-Za-z0-9+/=]*):")


def digest_of(fields: Mapping[str, str]) -> tuple[hashlib._Hash, bytes] | None:
    """What hashes a body, and the digest that a response's fields, by their names in lower case, promise, if they do.

    Both fields are about the content before its content coding is undone (sections 2 and 3), so that a coded
    body, which we see decoded only, is not checked.
    """
    if fields.get("content-encoding", "identity") != "identity":
        return None
    for field in ("content-digest", "repr-digest"):
        if member := _MEMBER.search(fields.get(field, "")):
            with suppress(ValueError):
                return hashlib.new(member[1].replace("-", "")), base64.b64decode(member[2], validate=True)
    return None
