"""What arrives in the place of a picture, by its first bytes: pages, texts, raws, and other formats."""

from __future__ import annotations

import re

from trio_mirror.errors import FlipError, NotPictureError

_START = 1024  # bytes that are looked at
_RAW = "a camera's raw file ({}), and raw data is not mirrored: develop it first"
_KINDS = {
    rb"IIRO|IIRS|MMOR": _RAW.format("Olympus ORF"),
    rb"IIU\0": _RAW.format("Panasonic RW2 or RWL"),
    rb"II\x1a\0\0\0HEAPCCDR": _RAW.format("Canon CRW"),
    rb".{4}ftypcrx ": _RAW.format("Canon CR3"),
    rb"FUJIFILMCCD-RAW": _RAW.format("Fujifilm RAF"),
    rb"\0MRM": _RAW.format("Minolta MRW"),
    rb"FOVb": _RAW.format("Sigma X3F"),
    rb"(?i:((?><!--.*?-->)\s*)*+<(!doctype|html|head|body|\?xml)\b)": "an HTML or XML page, not a picture",
}
_KIND = [(re.compile(pattern, re.DOTALL), what) for pattern, what in _KINDS.items()]
_CONTROLS = re.compile(r"[\0-\x08\x0e-\x1f\x7f]")


def refuse_known(data: bytes) -> None:
    """Refuses what has a name of its own.

    Raises:
        FlipError: naming it; a `NotPictureError` unless it is a camera's raw file.
    """
    start = data[:_START].removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
    for pattern, what in _KIND:
        if pattern.match(start):
            raise (FlipError if what.startswith("a camera") else NotPictureError)(f"the body is {what}")


def is_text(data: bytes) -> bool:
    """Whether the first bytes are readable text, as a server's error message is."""
    start = data[:_START]
    encoding = "utf-16" if start.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
    text = start.decode(encoding, "ignore")
    # Of a text that was cut at some byte, at most one character is left out.
    return len(text.encode(encoding)) > len(start) - 4 and not _CONTROLS.search(text)
