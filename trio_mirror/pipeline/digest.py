"""The digest by which a picture is known again."""

from __future__ import annotations

from hashlib import sha256

# From 2,048 bytes on, hashlib gives the GIL away. To get it back costs more than a small picture's digest takes.
_PIECE = 2047
_SMALL = 1 << 16


def digest(data: bytes) -> str:
    """The SHA-256 of a picture, in hexadecimal."""
    if len(data) > _SMALL:
        return sha256(data).hexdigest()
    pieces, view = sha256(), memoryview(data)
    for at in range(0, len(data), _PIECE):
        pieces.update(view[at : at + _PIECE])
    return pieces.hexdigest()
