"""What stands around a JPEG's raster: how the picture is shown, and all that turns with it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from trio_mirror.flip.exif import byte_order, displayed_orientation
from trio_mirror.flip.jpeg import flir, jfif
from trio_mirror.flip.jpeg.credentials import without_credentials
from trio_mirror.flip.jpeg.exif_thumbnail import mirrored_exif
from trio_mirror.flip.jpeg.extended_xmp import EXTENSION, XMP, mirrored_xmp
from trio_mirror.flip.jpeg.photoshop import SIGNATURE as PHOTOSHOP
from trio_mirror.flip.jpeg.photoshop import mirrored_photoshop
from trio_mirror.flip.jpeg.previews import BEGINS, mirrored_inside
from trio_mirror.flip.positions.exif import mirrored_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from trio_mirror.flip.jpeg.segments import Segment
    from trio_mirror.flip.positions import Mirror

_APP0, _APP1, _APP2, _APP3, _APP5, _APP13, _APP15 = 0xE0, 0xE1, 0xE2, 0xE3, 0xE5, 0xED, 0xEF
_EXIF = b"Exif\0\0"
# What else a segment holds, by its marker and first bytes.
_KINDS = (
    (_APP0, jfif.SIGNATURE),
    (_APP0, jfif.EXTENSION_SIGNATURE),
    (_APP1, _EXIF),
    (_APP1, XMP),
    (_APP1, EXTENSION),
    (_APP1, flir.SIGNATURE),
    (_APP2, b"ICC_PROFILE\0"),
    (_APP13, PHOTOSHOP),
)


def displayed_as(segments: Iterable[Segment]) -> int | None:
    """The orientation, 1 to 8, by which viewers show the picture; None where EXIF and XMP state none."""
    segments = tuple(segments)
    exif = next((b"".join(_contents(segments, block, _EXIF)) for block in _exif_blocks(segments)), b"")
    xmp = next((s.payload[len(XMP) :] for s in segments if _is(s, _APP1, XMP)), b"")
    return displayed_orientation(exif, xmp)


def mirrored_segments(
    segments: Sequence[Segment],
    mirror_picture: Callable[[bytes], bytes],
    mirror: Mirror,
    *,
    keep_credentials: bool = False,
) -> tuple[list[Segment], tuple[str, ...]]:
    """Mirrors every picture and position in a JPEG's segments, or drops it; all other bytes stay as they are.

    Args:
        segments: the application and comment segments.
        mirror_picture: mirrors an encoded picture along the same axis, and raises FlipError where it cannot.
        mirror: the raster.
        keep_credentials: whether signatures over the picture stay.

    Returns:
        The segments in their order, and notes.
    """
    segments, notes = without_credentials(segments, keep=keep_credentials)
    replaced: dict[int, list[bytes]] = {}
    places = _places(segments)
    for position in places[jfif.SIGNATURE]:
        payload, more = jfif.mirrored_jfif(segments[position].payload, rows=mirror.rows)
        replaced[position] = [payload]
        notes += more
    for position in places[jfif.EXTENSION_SIGNATURE]:
        extension, more = jfif.mirrored_jfxx(segments[position].payload, mirror_picture, rows=mirror.rows)
        replaced[position] = [] if extension is None else [extension]
        notes += more
    for block in _exif_blocks(segments):
        parts = _contents(segments, block, _EXIF)
        exif, dropped = mirrored_exif(b"".join(parts), mirror_picture)
        exif, unmended = mirrored_fields(exif, mirror)
        replaced |= {at: [_EXIF + part] for at, part in zip(block, _cut(exif, parts), strict=True)}
        notes += dropped + unmended
    payloads, more = mirrored_xmp(
        segments, places[XMP], places[EXTENSION], mirror, mirror_picture, keep_credentials=keep_credentials
    )
    replaced |= payloads
    notes += more
    if places[PHOTOSHOP]:
        resources = [segments[position].payload for position in places[PHOTOSHOP]]
        new, more = mirrored_photoshop(resources, mirror_picture, mirror)
        replaced |= {at: [payload] for at, payload in zip(places[PHOTOSHOP], new, strict=False)}
        replaced[places[PHOTOSHOP][-1]] += new[len(resources) :]
        notes += more
    if places[flir.SIGNATURE]:
        heads = [segments[position].payload[: flir.HEADER] for position in places[flir.SIGNATURE]]
        parts = [segments[position].payload[flir.HEADER :] for position in places[flir.SIGNATURE]]
        thermal, more = flir.mirrored_flir(b"".join(parts), mirror, mirror_picture)
        cut = zip(places[flir.SIGNATURE], heads, _cut(thermal, parts), strict=True)
        replaced |= {at: [head + part] for at, head, part in cut}
        notes += more
    for block in _preview_blocks(segments, places[b""]):
        parts = [segments[position].payload for position in block]
        previews, more = mirrored_inside(b"".join(parts), mirror_picture, "application data")
        replaced |= {at: [part] for at, part in zip(block, _cut(previews, parts), strict=True)}
        notes += more
    kept = [
        segment.with_payload(payload)
        for position, segment in enumerate(segments)
        for payload in replaced.get(position, [segment.payload])
    ]
    return kept, tuple(notes)


def _places(segments: Sequence[Segment]) -> dict[bytes, list[int]]:
    """The positions of the segments of each kind, by their first bytes; empty where they are of none."""
    found: dict[bytes, list[int]] = defaultdict(list)
    for position, segment in enumerate(segments):
        kinds = (signature for marker, signature in _KINDS if _is(segment, marker, signature))
        found[next(kinds, b"")].append(position)
    return found


def _exif_blocks(segments: Sequence[Segment]) -> list[list[int]]:
    """The positions of the segments of each EXIF block; one without a TIFF header continues the block before."""
    blocks: list[list[int]] = []
    for position, segment in enumerate(segments):
        if _is(segment, _APP1, _EXIF):
            if not blocks or byte_order(segment.payload[len(_EXIF) :]):
                blocks.append([])
            blocks[-1].append(position)
    return blocks


def _preview_blocks(segments: Sequence[Segment], positions: list[int]) -> list[list[int]]:
    """The positions of segments with a preview of some maker; one in APP3 may run on in those behind it."""
    blocks: list[list[int]] = []
    for position in positions:
        marker = segments[position].marker
        if blocks and blocks[-1][-1] == position - 1 and _APP3 <= segments[blocks[-1][0]].marker <= marker <= _APP5:
            blocks[-1].append(position)
        elif _APP1 <= marker <= _APP15 and BEGINS.search(segments[position].payload):
            blocks.append([position])
    return blocks


def _contents(segments: Sequence[Segment], positions: list[int], signature: bytes) -> list[bytes]:
    return [segments[position].payload[len(signature) :] for position in positions]


def _is(segment: Segment, marker: int, signature: bytes) -> bool:
    return segment.marker == marker and segment.payload.startswith(signature)


def _cut(block: bytes, parts: Sequence[bytes]) -> Iterator[bytes]:
    """Cuts a block into parts as long as these; the last takes what is over."""
    at = 0
    for part in parts[:-1]:
        yield block[at : at + len(part)]
        at += len(part)
    yield block[at:]
