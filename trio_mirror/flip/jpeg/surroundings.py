"""What stands around a JPEG's raster: how the picture is shown, and all that turns with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from trio_mirror.flip.exif import SIGNATURE as EXIF
from trio_mirror.flip.exif import byte_order, displayed_orientation
from trio_mirror.flip.jpeg import flir, jfif, jps
from trio_mirror.flip.jpeg.extended_xmp import EXTENSION, mirrored_xmp
from trio_mirror.flip.jpeg.metadata import XMP, Metadata
from trio_mirror.flip.jpeg.previews import BEGINS
from trio_mirror.flip.jpeg.segments import APP, COM, PAYLOAD_LIMIT, Segment
from trio_mirror.flip.positions import Mirror, not_mirrored

_ICC, _PENTAX, _PHOTOSHOP = b"ICC_PROFILE\0", b"PENTAX \0", b"Photoshop 3.0\0"
_STILL_STEREO, _SCALADO = b"Stim\0", b"SCALADO\0"
# Segments that are only noted.
_LEFT = {
    _STILL_STEREO: "the description of stereo views (CIPA DC-006)",
    _SCALADO: "Scalado's index of the coded picture",
}
# Bytes that may be a raster, such as the thermal ones of DJI, InfiRay and Parrot (ExifTool, JPEG.pm).
_RASTER = 1 << 15
# The first bytes of the kinds of segments, by their marker.
_KINDS = {
    APP[0]: (jfif.SIGNATURE, jfif.EXTENSION_SIGNATURE),
    APP[1]: (EXIF, XMP, EXTENSION, flir.SIGNATURE),
    APP[2]: (_ICC,),
    APP[3]: (jps.SIGNATURE, _STILL_STEREO),
    APP[4]: (_SCALADO,),
    APP[7]: (_PENTAX,),
    APP[13]: (_PHOTOSHOP,),
}


def is_plain(segment: Segment) -> bool:
    """Whether the segment's kind rules out that anything in it depends on the raster or on what follows it.

    Most pictures hold no other segments.
    """
    if segment.marker == APP[0]:
        return segment.payload.startswith(jfif.SIGNATURE) and segment.payload[12:14] == bytes(2)  # without a thumbnail
    return segment.marker == COM or segment.holds(APP[2], _ICC)


def displayed_as(segments: Sequence[Segment]) -> int | None:
    """The orientation, 1 to 8, by which viewers show the picture; None where EXIF and XMP state none."""
    first = next(iter(_exif_blocks(segments)), [])
    xmp = next((s.payload.removeprefix(XMP) for s in segments if s.holds(APP[1], XMP)), b"")
    return displayed_orientation(b"".join(segments[it].payload.removeprefix(EXIF) for it in first), xmp)


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
    metadata = Metadata(mirror, mirror_picture, keep_credentials=keep_credentials)
    segments, notes = _without_credentials(segments, metadata)
    places, rewriting = _places(segments), _Rewriting(segments, notes)
    for position in places[jfif.SIGNATURE]:
        rewriting.rewrite([position], 0, partial(jfif.mirrored_jfif, rows=mirror.rows))
    for position in places[jfif.EXTENSION_SIGNATURE]:
        rewriting.rewrite([position], 0, partial(jfif.mirrored_jfxx, mirror_jpeg=mirror_picture, rows=mirror.rows))
    for positions in _exif_blocks(segments):
        rewriting.rewrite(positions, len(EXIF), metadata.exif)
    for xmp in mirrored_xmp(segments, places[XMP], places[EXTENSION], metadata):
        rewriting.replace(*xmp)
    if positions := places[_PHOTOSHOP]:  # long resources run on from one segment into the next
        rewriting.rewrite(positions, len(_PHOTOSHOP), metadata.photoshop)
    for position in places[_PENTAX]:
        rewriting.rewrite([position], 0, metadata.maker_note)
    for position in places[jps.SIGNATURE]:
        rewriting.rewrite([position], 0, partial(jps.mirrored_descriptor, mirror=mirror))
    rewriting.notes += not_mirrored({what for kind, what in _LEFT.items() if places[kind]})
    if positions := places[flir.SIGNATURE]:
        rewriting.rewrite(positions, flir.HEADER, partial(flir.mirrored_flir, metadata=metadata))
    previews = _preview_blocks(segments, places[b""])
    for positions in previews:
        rewriting.rewrite(positions, 0, partial(metadata.pictures, what="application data"))
    unknown = (segments[it] for it in set(places[b""]).difference(*previews))
    if sum(len(segment.payload) for segment in unknown if segment.marker != COM) > _RASTER:
        rewriting.notes += not_mirrored({"unknown application data"})
    return rewriting.segments(), tuple(rewriting.notes)


def _without_credentials(segments: Sequence[Segment], metadata: Metadata) -> tuple[Sequence[Segment], tuple[str, ...]]:
    """The segments without C2PA manifests, unless these are kept, and a note if there are any.

    A manifest is a box of JUMBF of the type ``c2pa``, over all segments with its number (ISO/IEC 19566-5, annex D).
    """
    manifests = {it.payload[2:4] for it in segments if it.holds(APP[11], b"JP") and b"c2pa" in it.payload[8:64]}
    if not manifests:
        return segments, ()
    kept = [it for it in segments if not it.holds(APP[11], b"JP") or it.payload[2:4] not in manifests]
    return segments if metadata.keep_credentials else kept, metadata.credentials("a C2PA manifest")


class _Rewriting:
    """The segments of one image while they are mirrored."""

    def __init__(self, segments: Sequence[Segment], notes: tuple[str, ...]) -> None:
        self._segments = segments
        # What takes the place of a segment, by its position: nothing, one payload, or several.
        self._replaced: dict[int, Sequence[bytes]] = {}
        self.notes = list(notes)

    def segments(self) -> list[Segment]:
        """The segments in their order."""
        segments: list[Segment] = []
        for position, segment in enumerate(self._segments):
            replaced = position in self._replaced
            segments += map(segment.with_payload, self._replaced[position]) if replaced else [segment]
        return segments

    def replace(self, positions: Sequence[int], payloads: Sequence[bytes], notes: tuple[str, ...]) -> None:
        """Puts payloads in the places of others; the last takes what is over."""
        *others, last = positions
        for at, position in enumerate(others):
            self._replaced[position] = payloads[at : at + 1]
        self._replaced[last] = payloads[len(others) :]
        self.notes += notes

    def rewrite(
        self, positions: Sequence[int], header: int, mirror: Callable[[bytes], tuple[bytes | None, tuple[str, ...]]]
    ) -> None:
        """Mirrors the block that segments hold together, each behind a header of so many bytes; None drops them."""
        payloads = [self._segments[position].payload for position in positions]
        block, notes = mirror(b"".join(payload[header:] for payload in payloads))
        self.replace(positions, [] if block is None else [*_cut(block, payloads, header)], notes)


def _cut(block: bytes, payloads: Sequence[bytes], header: int) -> Iterator[bytes]:
    """Cuts a block into parts as long as these, behind their headers; the last and further ones take the rest."""
    *others, last = payloads
    at = 0
    for payload in others:
        end = at + len(payload) - header
        yield payload[:header] + block[at:end]
        at = end
    for rest in range(at, max(at + 1, len(block)), PAYLOAD_LIMIT - header):
        yield last[:header] + block[rest : rest + PAYLOAD_LIMIT - header]


def _places(segments: Sequence[Segment]) -> dict[bytes, list[int]]:
    """The positions of the segments of each kind, by their first bytes; empty where they are of none."""
    found: dict[bytes, list[int]] = defaultdict(list)
    for position, segment in enumerate(segments):
        kinds = filter(segment.payload.startswith, _KINDS.get(segment.marker, ()))
        found[next(kinds, b"")].append(position)
    return found


def _exif_blocks(segments: Sequence[Segment]) -> list[list[int]]:
    """The positions of the segments of each EXIF block; one without a TIFF header continues the block before."""
    blocks: list[list[int]] = []
    for position, segment in enumerate(segments):
        if segment.holds(APP[1], EXIF):
            if not blocks or byte_order(segment.payload[len(EXIF) :]):
                blocks.append([])
            blocks[-1].append(position)
    return blocks


def _preview_blocks(segments: Sequence[Segment], positions: list[int]) -> list[list[int]]:
    """The positions of segments with a preview of some maker; one in APP3 may run on in those behind it."""
    blocks: list[list[int]] = []
    for position in positions:
        marker = segments[position].marker
        if blocks and blocks[-1][-1] == position - 1 and APP[3] <= segments[blocks[-1][0]].marker <= marker <= APP[5]:
            blocks[-1].append(position)
        elif marker in APP[1:] and BEGINS.search(segments[position].payload):
            blocks.append([position])
    return blocks
