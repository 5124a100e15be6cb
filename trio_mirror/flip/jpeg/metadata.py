"""What stands around a JPEG's raster: how the picture is shown, and all that turns with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trio_mirror.flip.exif import byte_order, displayed_orientation
from trio_mirror.flip.jpeg import jfif
from trio_mirror.flip.jpeg.exif_thumbnail import mirrored_exif
from trio_mirror.flip.jpeg.photoshop import SIGNATURE as PHOTOSHOP
from trio_mirror.flip.jpeg.photoshop import mirrored_photoshop
from trio_mirror.flip.positions.exif import mirrored_fields
from trio_mirror.flip.positions.xmp import mirrored_packet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from trio_mirror.flip.jpeg.segments import Segment
    from trio_mirror.flip.positions import Mirror

_APP0, _APP1, _APP13 = 0xE0, 0xE1, 0xED
_EXIF = b"Exif\0\0"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"

# What takes the place of a segment, by its position: nothing, one payload, or several.
_Payloads = dict[int, list[bytes]]


def displayed_as(segments: Iterable[Segment]) -> int | None:
    """The orientation, 1 to 8, by which viewers show the picture; None where EXIF and XMP state none."""
    segments = tuple(segments)
    exif = next((b"".join(segments[p].payload[len(_EXIF) :] for p in block) for block in _exif_blocks(segments)), b"")
    xmp = next((s.payload[len(_XMP) :] for s in segments if _is(s, _APP1, _XMP)), b"")
    return displayed_orientation(exif, xmp)


def mirrored_segments(
    segments: Sequence[Segment],
    mirror_jpeg: Callable[[bytes], bytes],
    mirror: Mirror,
    *,
    keep_credentials: bool = False,
) -> tuple[list[Segment], tuple[str, ...]]:
    """Mirrors every thumbnail and position in a JPEG's segments, or drops it; all other bytes stay as they are.

    Args:
        segments: the application and comment segments.
        mirror_jpeg: mirrors a JPEG thumbnail along the same axis, and raises FlipError where it cannot.
        mirror: the raster.
        keep_credentials: whether signatures over the picture stay.

    Returns:
        The segments in their order, and notes.
    """
    replaced: _Payloads = {}
    notes: list[str] = []
    for position, segment in enumerate(segments):
        if _is(segment, _APP0, jfif.SIGNATURE):
            payload, more = jfif.mirrored_jfif(segment.payload, rows=mirror.rows)
            replaced[position] = [payload]
            notes += more
        elif _is(segment, _APP0, jfif.EXTENSION_SIGNATURE):
            extension, more = jfif.mirrored_jfxx(segment.payload, mirror_jpeg, rows=mirror.rows)
            replaced[position] = [] if extension is None else [extension]
            notes += more
        elif _is(segment, _APP1, _XMP):
            packet, more = mirrored_packet(
                segment.payload[len(_XMP) :], mirror, mirror_jpeg, keep_credentials=keep_credentials
            )
            replaced[position] = [_XMP + packet]
            notes += more
    for mirror_all in (_mirrored_exif_segments, _mirrored_photoshop_segments):
        payloads, more = mirror_all(segments, mirror_jpeg, mirror)
        replaced |= payloads
        notes += more
    kept = [
        segment.with_payload(payload)
        for position, segment in enumerate(segments)
        for payload in replaced.get(position, [segment.payload])
    ]
    return kept, tuple(notes)


def _exif_blocks(segments: Sequence[Segment]) -> list[list[int]]:
    """The positions of the segments of each EXIF block; one without a TIFF header continues the block before."""
    blocks: list[list[int]] = []
    for position, segment in enumerate(segments):
        if _is(segment, _APP1, _EXIF):
            if not blocks or byte_order(segment.payload[len(_EXIF) :]):
                blocks.append([])
            blocks[-1].append(position)
    return blocks


def _mirrored_exif_segments(
    segments: Sequence[Segment], mirror_jpeg: Callable[[bytes], bytes], mirror: Mirror
) -> tuple[_Payloads, tuple[str, ...]]:
    replaced: _Payloads = {}
    notes: tuple[str, ...] = ()
    for positions in _exif_blocks(segments):
        parts = [segments[position].payload[len(_EXIF) :] for position in positions]
        block, dropped = mirrored_exif(b"".join(parts), mirror_jpeg)
        block, unmended = mirrored_fields(block, mirror)
        cut = _cut(block, [len(part) for part in parts])
        replaced |= {position: [_EXIF + part] for position, part in zip(positions, cut, strict=True)}
        notes += dropped + unmended
    return replaced, notes


def _mirrored_photoshop_segments(
    segments: Sequence[Segment], mirror_jpeg: Callable[[bytes], bytes], mirror: Mirror
) -> tuple[_Payloads, tuple[str, ...]]:
    positions = [p for p, segment in enumerate(segments) if _is(segment, _APP13, PHOTOSHOP)]
    if not positions:
        return {}, ()
    payloads, notes = mirrored_photoshop([segments[p].payload for p in positions], mirror_jpeg, mirror)
    replaced = {position: [payload] for position, payload in zip(positions, payloads, strict=False)}
    replaced[positions[-1]] += payloads[len(positions) :]
    return replaced, notes


def _is(segment: Segment, marker: int, signature: bytes) -> bool:
    return segment.marker == marker and segment.payload.startswith(signature)


def _cut(block: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    """Cuts a block into parts of the given sizes; the last takes what is over."""
    at = 0
    for size in sizes[:-1]:
        yield block[at : at + size]
        at += size
    yield block[at:]
