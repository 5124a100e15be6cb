"""Photoshop's image resources in APP13 segments, of which one is a thumbnail.

The source is the Adobe Photoshop File Formats Specification, "Image Resources Section".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trio_mirror.errors import FlipError
from trio_mirror.flip.jpeg.segments import PAYLOAD_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIGNATURE = b"Photoshop 3.0\0"

# 1033 is Photoshop 4's with red and blue exchanged, 1036 that of all later versions.
_THUMBNAILS = frozenset({1033, 1036})
_THUMBNAIL_HEADER = 28
_FORMAT_JPEG = 1


def mirrored_photoshop(
    payloads: list[bytes], mirror_jpeg: Callable[[bytes], bytes]
) -> tuple[list[bytes], tuple[str, ...]]:
    """Mirrors the thumbnails among Photoshop's image resources, or drops them.

    Args:
        payloads: the payloads of all APP13 segments that begin with the signature; long resources run on
            from one segment into the next.
        mirror_jpeg: mirrors a thumbnail, and raises FlipError where it cannot.

    Returns:
        As many payloads, or more if the last has outgrown its segment, and a note for every thumbnail
        dropped.
    """
    resources = b"".join(payload[len(SIGNATURE) :] for payload in payloads)
    parts, notes, kept = [], [], 0
    for number, start, data, end in _resources(resources):
        if number not in _THUMBNAILS:
            continue
        parts.append(resources[kept:start])
        kept = end
        try:
            mirrored = _mirrored_thumbnail(resources[data:end], mirror_jpeg)
        except FlipError as error:
            notes.append(f"the Photoshop thumbnail was dropped: {error}")
            continue
        head = resources[start : data - 4] + len(mirrored).to_bytes(4, "big")
        parts.append(head + mirrored + bytes(len(mirrored) % 2))
    if not parts:
        return payloads, ()
    parts.append(resources[kept:])
    return list(_split(b"".join(parts), payloads)), tuple(notes)


def _resources(resources: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yields every resource's number and the offsets of its start, its data and its padded end."""
    start = 0
    while resources[start : start + 4] == b"8BIM" and start + 12 <= len(resources):
        number = int.from_bytes(resources[start + 4 : start + 6], "big")
        # The name is a Pascal string, its length byte included padded to an even size.
        data = start + 6 + (resources[start + 6] + 2) // 2 * 2 + 4
        end = data + int.from_bytes(resources[data - 4 : data], "big")
        if end > len(resources):
            return
        end = min(end + (end - data) % 2, len(resources))
        yield number, start, data, end
        start = end


def _mirrored_thumbnail(resource: bytes, mirror_jpeg: Callable[[bytes], bytes]) -> bytes:
    if len(resource) < _THUMBNAIL_HEADER or int.from_bytes(resource[:4], "big") != _FORMAT_JPEG:
        raise FlipError("it is not a JPEG")
    mirrored = mirror_jpeg(resource[_THUMBNAIL_HEADER:])
    # Bytes 20 to 23 state the compressed size.
    return resource[:20] + len(mirrored).to_bytes(4, "big") + resource[24:_THUMBNAIL_HEADER] + mirrored


def _split(resources: bytes, payloads: list[bytes]) -> Iterator[bytes]:
    """Cuts the resources where they were cut before; the last segment takes what is over if it can."""
    at = 0
    for payload in payloads[:-1]:
        size = len(payload) - len(SIGNATURE)
        yield SIGNATURE + resources[at : at + size]
        at += size
    room = PAYLOAD_LIMIT - len(SIGNATURE)
    yield SIGNATURE + resources[at : at + room]
    for rest in range(at + room, len(resources), room):
        yield SIGNATURE + resources[rest : rest + room]
