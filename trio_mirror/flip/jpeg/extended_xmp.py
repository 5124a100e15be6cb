"""XMP in a JPEG: the packet, and the extended one over as many APP1 segments as it takes.

Each segment of the latter states the digest and the length of all, and its own place in it (XMP specification, part 3,
section 1.1.3.1). The packet names the digest.
"""

from __future__ import annotations

import re
import struct
from collections import defaultdict
from collections.abc import Iterator, Sequence
from hashlib import md5

from trio_mirror.flip.jpeg.metadata import XMP, Metadata
from trio_mirror.flip.jpeg.segments import PAYLOAD_LIMIT, Segment
from trio_mirror.flip.positions.xmp import outermost_texts

EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_DIGEST = 32
_DIGESTS = re.compile(rb"[0-9A-F]{32}")
_HEADER = len(EXTENSION) + _DIGEST + 8


def mirrored_xmp(
    segments: Sequence[Segment], packets: list[int], extensions: list[int], metadata: Metadata
) -> Iterator[tuple[list[int], list[bytes], tuple[str, ...]]]:
    """Mirrors what the XMP of a JPEG states.

    ``packets`` and ``extensions`` are the positions of the segments with a packet, and with a part of extended XMP.

    Yields:
        The positions of segments with their new payloads, of which there may be more or fewer; and notes.
    """
    digests: dict[bytes, bytes] = {}
    if extensions:  # to which writers move any properties of a packet that is too long, such as the size beside a place
        bare = (segments[position].payload.removeprefix(XMP) for position in packets)
        metadata.stated = outermost_texts([*bare, *extended_xmp(segments)])
    for digest, positions in _by_digest(segments, extensions).items():
        payloads = [segments[position].payload for position in positions]
        old = b"".join(payload[_HEADER:] for payload in payloads)
        new, notes = metadata.xmp(old)
        if new != old:
            digests[digest] = _digest(new) if digest == _digest(old) else digest
            payloads = [*_split(new, digests[digest], [len(payload) - _HEADER for payload in payloads])]
        yield positions, payloads, notes
    for position in packets:
        old = segments[position].payload
        new, notes = metadata.xmp(old)
        if digests:
            new = _DIGESTS.sub(lambda found: digests.get(found[0], found[0]), new)
        if len(new) > PAYLOAD_LIMIT:
            new, notes = old, (*notes, "not mirrored: XMP that would outgrow its segment")
        yield [position], [new], notes


def extended_xmp(segments: Sequence[Segment]) -> list[bytes]:
    """What the segments hold of extended XMP, each joined."""
    positions = [position for position, it in enumerate(segments) if it.payload.startswith(EXTENSION)]
    return [b"".join(segments[it].payload[_HEADER:] for it in its) for its in _by_digest(segments, positions).values()]


def _by_digest(segments: Sequence[Segment], positions: list[int]) -> dict[bytes, list[int]]:
    """The positions of the parts of each extension, in their order in it."""
    found: dict[bytes, list[int]] = defaultdict(list)
    for position in sorted(positions, key=lambda it: segments[it].payload[_HEADER - 4 : _HEADER]):
        found[segments[position].payload[len(EXTENSION) :][:_DIGEST]].append(position)
    return found


def _digest(extended: bytes) -> bytes:
    return md5(extended, usedforsecurity=False).hexdigest().upper().encode()


def _split(extended: bytes, digest: bytes, sizes: list[int]) -> Iterator[bytes]:
    """Cuts an extension where it was cut before; the last segments take what is over."""
    at = 0
    while at < len(extended):
        room = sizes.pop(0) if len(sizes) > 1 else PAYLOAD_LIMIT - _HEADER
        yield EXTENSION + digest + struct.pack(">II", len(extended), at) + extended[at : at + room]
        at += room
