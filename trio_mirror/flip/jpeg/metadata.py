"""What stands around a JPEG's raster: how the picture is shown, and all that turns with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from trio_mirror.flip.exif import SIGNATURE as EXIF
from trio_mirror.flip.exif import byte_order, displayed_orientation
from trio_mirror.flip.jpeg import flir, jfif
from trio_mirror.flip.jpeg.credentials import without_credentials
from trio_mirror.flip.jpeg.exif_thumbnail import mirrored_exif
from trio_mirror.flip.jpeg.extended_xmp import EXTENSION, XMP, mirrored_xmp
from trio_mirror.flip.jpeg.previews import BEGINS, mirrored_inside
from trio_mirror.flip.jpeg.segments import COM, PAYLOAD_LIMIT, Segment
from trio_mirror.flip.positions import Mirror, not_mirrored
from trio_mirror.flip.positions.exif import mirrored_fields
from trio_mirror.flip.positions.photoshop import mirrored_resources

_APP0, _APP1, _APP2, _APP3, _APP5, _APP13, _APP15 = 0xE0, 0xE1, 0xE2, 0xE3, 0xE5, 0xED, 0xEF
_ICC, _PHOTOSHOP = b"ICC_PROFILE\0", b"Photoshop 3.0\0"
# Bytes that may be a raster, such as the thermal ones of DJI, InfiRay and Parrot (ExifTool, JPEG.pm).
_RASTER = 1 << 15
# What a segment holds, by its marker and first bytes.
_KINDS = (
    (_APP0, jfif.SIGNATURE),
    (_APP0, jfif.EXTENSION_SIGNATURE),
    (_APP1, EXIF),
    (_APP1, XMP),
    (_APP1, EXTENSION),
    (_APP1, flir.SIGNATURE),
    (_APP2, _ICC),
    (_APP13, _PHOTOSHOP),
)


def is_plain(segment: Segment) -> bool:
    """Whether the segment's kind rules out that anything in it depends on the raster or on what follows it.

    Most pictures hold no other segments.
    """
    marker, payload = segment.marker, segment.payload
    if marker == _APP0:
        return payload.startswith(jfif.SIGNATURE) and payload[12:14] == bytes(2)  # without a thumbnail
    return marker == COM or (marker == _APP2 and payload.startswith(_ICC))


def displayed_as(segments: Iterable[Segment]) -> int | None:
    """The orientation, 1 to 8, by which viewers show the picture; None where EXIF and XMP state none."""
    segments = tuple(segments)
    exif = next((b"".join(_contents(segments, block, EXIF)) for block in _exif_blocks(segments)), b"")
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

    ``mirror_picture`` mirrors an encoded picture along the same axis, and raises FlipError where it cannot.

    Returns:
        The segments in their order, and notes.
    """
    segments, notes = without_credentials(segments, keep=keep_credentials)
    surroundings = _Surroundings(segments, mirror_picture, mirror)
    surroundings.mirror_jfif()
    surroundings.mirror_exif()
    surroundings.mirror_xmp(keep_credentials=keep_credentials)
    surroundings.mirror_photoshop()
    surroundings.mirror_flir()
    surroundings.mirror_previews()
    return surroundings.segments(), (*notes, *surroundings.notes)


class _Surroundings:
    """The segments of one image while they are mirrored."""

    def __init__(self, segments: Sequence[Segment], mirror_picture: Callable[[bytes], bytes], mirror: Mirror) -> None:
        self._segments = segments
        self._mirror_picture = mirror_picture
        self._mirror = mirror
        self._places = _places(segments)
        # What takes the place of a segment, by its position: nothing, one payload, or several.
        self._replaced: dict[int, list[bytes]] = {}
        self.notes: list[str] = []

    def segments(self) -> list[Segment]:
        """The segments in their order."""
        return [
            segment.with_payload(payload)
            for position, segment in enumerate(self._segments)
            for payload in self._replaced.get(position, [segment.payload])
        ]

    def _replace(self, positions: list[int], payloads: Sequence[bytes], notes: Sequence[str]) -> None:
        """Puts payloads in the places of others; the last takes what is over."""
        for number, position in enumerate(positions):
            self._replaced[position] = list(payloads[number : number + 1])
        self._replaced[positions[-1]] += payloads[len(positions) :]
        self.notes += notes

    def mirror_jfif(self) -> None:
        rows = self._mirror.rows
        for position in self._places[jfif.SIGNATURE]:
            payload, notes = jfif.mirrored_jfif(self._segments[position].payload, rows=rows)
            self._replace([position], [payload], notes)
        for position in self._places[jfif.EXTENSION_SIGNATURE]:
            thumbnail, notes = jfif.mirrored_jfxx(self._segments[position].payload, self._mirror_picture, rows=rows)
            self._replace([position], [] if thumbnail is None else [thumbnail], notes)

    def mirror_exif(self) -> None:
        for positions in _exif_blocks(self._segments):
            parts = _contents(self._segments, positions, EXIF)
            block, dropped = mirrored_exif(b"".join(parts), self._mirror_picture)
            block, unmended = mirrored_fields(block, self._mirror)
            self._replace(positions, [*_cut(block, parts, EXIF)], dropped + unmended)

    def mirror_xmp(self, *, keep_credentials: bool) -> None:
        replaced, notes = mirrored_xmp(
            self._segments,
            self._places[XMP],
            self._places[EXTENSION],
            self._mirror,
            self._mirror_picture,
            keep_credentials=keep_credentials,
        )
        for positions, payloads in replaced:
            self._replace(positions, payloads, ())
        self.notes += notes

    def mirror_photoshop(self) -> None:
        # Long resources run on from one segment into the next.
        if positions := self._places[_PHOTOSHOP]:
            parts = _contents(self._segments, positions, _PHOTOSHOP)
            resources, notes = mirrored_resources(b"".join(parts), self._mirror, self._mirror_picture)
            self._replace(positions, [*_cut(resources, parts, _PHOTOSHOP)], notes)

    def mirror_flir(self) -> None:
        if positions := self._places[flir.SIGNATURE]:
            payloads = _contents(self._segments, positions, b"")
            heads, parts = [it[: flir.HEADER] for it in payloads], [it[flir.HEADER :] for it in payloads]
            block, notes = flir.mirrored_flir(b"".join(parts), self._mirror, self._mirror_picture)
            self._replace(positions, [*map(bytes.__add__, heads, _cut(block, parts))], notes)

    def mirror_previews(self) -> None:
        for positions in _preview_blocks(self._segments, self._places[b""]):
            parts = _contents(self._segments, positions, b"")
            block, notes = mirrored_inside(b"".join(parts), self._mirror_picture, "application data")
            self._replace(positions, [*_cut(block, parts)], notes)
        unknown = (self._segments[it] for it in self._places[b""] if it not in self._replaced)
        if sum(len(segment.payload) for segment in unknown if segment.marker != COM) > _RASTER:
            self.notes += not_mirrored({"unknown application data"})


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
        if _is(segment, _APP1, EXIF):
            if not blocks or byte_order(segment.payload[len(EXIF) :]):
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


def _cut(block: bytes, parts: Sequence[bytes], signature: bytes = b"") -> Iterator[bytes]:
    """Cuts a block into parts as long as these, behind a signature each; the last and further ones take the rest."""
    at, room = 0, PAYLOAD_LIMIT - len(signature)
    for part in parts[:-1]:
        yield signature + block[at : at + len(part)]
        at += len(part)
    for rest in range(at, max(at + 1, len(block)), room):
        yield signature + block[rest : rest + room]
