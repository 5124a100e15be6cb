"""Metadata in a PNG's text chunks (PNG, third edition, section 11.3.3): XMP, and raw profiles as hex digits.

Raw profiles are ImageMagick's way, and ExifTool's: a line break, a name, a length in bytes, lines of hex digits.
"""

from __future__ import annotations

import re
import zlib

from trio_mirror.flip.jpeg.metadata import Metadata, Mirrored
from trio_mirror.flip.positions import not_mirrored

_ITXT = re.compile(rb"([^\0]{1,79})\0([\0\1])\0[^\0]*\0[^\0]*\0", re.DOTALL)
_TEXT = {b"tEXt": re.compile(rb"([^\0]{1,79})\0()"), b"zTXt": re.compile(rb"([^\0]{1,79})\0(\0)"), b"iTXt": _ITXT}
_PROFILE = re.compile(rb"(\s*+[^\n]*+\n\s*+)(\d++)(\s++)((?:[0-9a-fA-F]{2}\s*+)++)")
_PROFILES = {
    b"Raw profile type exif": Metadata.exif,
    b"Raw profile type APP1": Metadata.segment,
    b"Raw profile type xmp": Metadata.xmp,
    b"Raw profile type iptc": Metadata.photoshop,
    b"Raw profile type 8bim": Metadata.photoshop,
}
_PACKET = b"XML:com.adobe.xmp"
_DRAWINGS = {b"mxfile", b"mxGraphModel", b"application/vnd.excalidraw+json"}  # of diagrams.net and Excalidraw


def mirrored_text(kind: bytes, body: bytes, metadata: Metadata) -> Mirrored:
    """Mirrors what the body of a text chunk says of places in the picture, and the pictures in it."""
    found = _TEXT[kind].match(body)
    if found and found[1] in _DRAWINGS:
        return body, not_mirrored({"the drawing that the picture was made from"})
    if not found or found[1] not in {_PACKET, *_PROFILES}:
        return body, ()
    packed = found[2] == (b"\1" if kind == b"iTXt" else b"\0")
    text = body[found.end() :]
    try:
        old = _inflated(text, metadata) if packed else text
    except zlib.error:
        return body, not_mirrored({"a text chunk that cannot be read"})
    new, notes = _mirrored(found[1], old, metadata)
    if new == old:
        return body, notes
    return body[: found.end()] + (zlib.compress(new, 9) if packed else new), notes


def _mirrored(keyword: bytes, text: bytes, metadata: Metadata) -> Mirrored:
    if keyword == _PACKET:
        return metadata.xmp(text)
    profile = _PROFILE.match(text)
    if not profile:
        return text, ()
    head, size, gap, digits = profile.groups()
    line = len(digits.split(None, 1)[0])
    old = bytes.fromhex(digits.decode())
    new, notes = _PROFILES[keyword](metadata, old)
    if new == old:
        return text, notes
    written = new.hex().encode()
    lines = b"\n".join(written[at : at + line] for at in range(0, len(written), line))
    return b"".join([head, str(len(new)).encode().rjust(len(size)), gap, lines, b"\n"]), notes


def _inflated(text: bytes, metadata: Metadata) -> bytes:
    inflater, room = zlib.decompressobj(), metadata.inflatable
    out = inflater.decompress(text, room) if room else b""  # 0 is no limit
    metadata.inflatable -= len(out)
    if not inflater.eof:
        raise zlib.error("cut short, or too long")
    return out
