"""The APP13 segments over which a JPEG spreads Photoshop's image resources."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from trio_mirror.flip.jpeg.segments import PAYLOAD_LIMIT
from trio_mirror.flip.positions import Mirror
from trio_mirror.flip.positions.photoshop import mirrored_resources

SIGNATURE = b"Photoshop 3.0\0"


def mirrored_photoshop(
    payloads: list[bytes], mirror_jpeg: Callable[[bytes], bytes], mirror: Mirror
) -> tuple[list[bytes], tuple[str, ...]]:
    """Mirrors Photoshop's image resources, in the payloads of all APP13 segments that begin with the signature.

    Long resources run on from one segment into the next. ``mirror_jpeg`` raises FlipError where it cannot.

    Returns:
        As many payloads, or more if the last has outgrown its segment, and notes.
    """
    resources = b"".join(payload[len(SIGNATURE) :] for payload in payloads)
    mirrored, notes = mirrored_resources(resources, mirror, mirror_jpeg)
    return list(_split(mirrored, payloads)), notes


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
