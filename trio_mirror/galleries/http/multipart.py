"""The frame of an upload as ``multipart/form-data`` (RFC 7578), which is the same for all but a name and a type."""

from __future__ import annotations

import os
from hashlib import blake2b
from itertools import count

# As browsers and httpx write a field's name and a filename, which RFC 7578, section 4.2, leaves open.
_ESCAPED = str.maketrans({'"': "%22", "\\": "\\\\"} | {chr(it): f"%{it:02X}" for it in range(0x20) if it != 0x1B})


class Multipart:
    """Frames one file after another, each as the form's ``field``."""

    def __init__(self, field: str) -> None:
        self._field = field.translate(_ESCAPED)
        self._key = os.urandom(32)
        self._number = count()

    def frame(self, filename: str, media_type: str) -> tuple[str, bytes, bytes]:
        """The boundary, which no file can foresee, and what stands before and behind a file."""
        boundary = blake2b(b"%d" % next(self._number), key=self._key, digest_size=16).hexdigest()
        disposition = f'form-data; name="{self._field}"; filename="{filename.translate(_ESCAPED)}"'
        head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: {media_type}\r\n\r\n"
        return boundary, head.encode(), f"\r\n--{boundary}--\r\n".encode()
