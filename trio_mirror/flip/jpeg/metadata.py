"""What stands around a JPEG's raster: how the picture is shown, and the thumbnails that turn with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trio_mirror.flip.exif import displayed_orientation
from trio_mirror.flip.jpeg import jfif, photoshop
from trio_mirror.flip.jpeg.exif_thumbnail import mirrored_exif

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from trio_mirror.flip.jpeg.segments import Segment

_APP0, _APP1, _APP13 = 0xE0, 0xE1, 0xED
_EXIF = b"Exif\0\0"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"

# What takes the place of a segment, by its position: nothing, one payload, or several.
_Payloads = dict[int, list[bytes]]


def displayed_as(segments: Iterable[Segment]) -> int | None:
    """The orientation, 1 to 8, by which viewers show the picture; None where EXIF and XMP state none."""
    segments = tuple(segments)
    exif = b"".join(s.payload[len(_EXIF) :] for s in segments if _is(s, _APP1, _EXIF))
    xmp = next((s.payload[len(_XMP) :] for s in segments if _is(s, _APP1, _XMP)), b"")
    return displayed_orientation(exif, xmp)


def mirrored_segments(
    segments: Sequence[Segment], mirror_jpeg: Callable[[bytes], bytes], *, rows: bool
) -> tuple[list[Segment], tuple[str, ...]]:
    """Mirrors every thumbnail in a JPEG's segments, or drops it; all other bytes stay as they are.

    Args:
        segments: the application and comment segments.
        mirror_jpeg: mirrors a JPEG thumbnail along the same axis, and raises FlipError where it cannot.
        rows: whether the order of the rows is reversed, not each row.

    Returns:
        The segments in their order, and a note for every thumbnail dropped.
    """
    replaced: _Payloads = {}
    notes: list[str] = []
    for position, segment in enumerate(segments):
        if _is(segment, _APP0, jfif.SIGNATURE):
            payload, more = jfif.mirrored_jfif(segment.payload, rows=rows)
            replaced[position] = [payload]
            notes += more
        elif _is(segment, _APP0, jfif.EXTENSION_SIGNATURE):
            extension, more = jfif.mirrored_jfxx(segment.payload, mirror_jpeg, rows=rows)
            replaced[position] = [] if extension is None else [extension]
            notes += more
    for mirror_all in (_mirrored_exif_segments, _mirrored_photoshop_segments):
        payloads, more = mirror_all(segments, mirror_jpeg)
        replaced |= payloads
        notes += more
    kept = [
        segment.with_payload(payload)
        for position, segment in enumerate(segments)
        for payload in replaced.get(position, [segment.payload])
    ]
    return kept, tuple(notes)


def _mirrored_exif_segments(
    segments: Sequence[Segment], mirror_jpeg: Callable[[bytes], bytes]
) -> tuple[_Payloads, tuple[str, ...]]:
    positions = [position for position, segment in enumerate(segments) if _is(segment, _APP1, _EXIF)]
    parts = [segments[position].payload[len(_EXIF) :] for position in positions]
    block, notes = mirrored_exif(b"".join(parts), mirror_jpeg)
    cut = _cut(block, [len(part) for part in parts])
    return {position: [_EXIF + part] for position, part in zip(positions, cut, strict=False)}, notes


def _mirrored_photoshop_segments(
    segments: Sequence[Segment], mirror_jpeg: Callable[[bytes], bytes]
) -> tuple[_Payloads, tuple[str, ...]]:
    positions = [p for p, segment in enumerate(segments) if _is(segment, _APP13, photoshop.SIGNATURE)]
    if not positions:
        return {}, ()
    payloads, notes = photoshop.mirrored_photoshop([segments[p].payload for p in positions], mirror_jpeg)
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
