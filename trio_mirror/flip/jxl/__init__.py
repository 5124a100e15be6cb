"""JPEG XL: mirrored by the orientation in its header, so that nothing is coded again and no pixel changes.

ISO/IEC 18181-1 (the codestream) and 18181-2 (the container).
"""

from __future__ import annotations

from trio_mirror.errors import FlipError
from trio_mirror.flip.credentials import credentials
from trio_mirror.flip.edits import Edits
from trio_mirror.flip.isobmff import DAMAGED, Box, whole_boxes
from trio_mirror.flip.jxl.header import SIGNATURE, Header, mirrored_header
from trio_mirror.flip.jxl.reconstruction import metadata, mirror_reconstruction
from trio_mirror.flip.limits import check_size
from trio_mirror.flip.positions import Mirror, not_mirrored
from trio_mirror.flip.positions.left import positions_left
from trio_mirror.flip.proof import prove_jxl
from trio_mirror.model import Flipped, Limits

# The boxes that hold a codestream, or a piece of it, and how many bytes stand before that.
_SKIPPED = {b"jxlc": 0, b"jxlp": 4}
# A part of a codestream: the box around it, if there is one, and its place in the file.
Piece = tuple[Box | None, slice]


def flip(data: bytes, *, limits: Limits, keep_credentials: bool = False) -> Flipped:
    """Mirrors a JPEG XL picture or animation exactly, by its orientation.

    Raises:
        FlipError: damaged, or over a limit.
    """
    edits = Edits(data)
    if data.startswith(SIGNATURE):
        top: list[Box] = []
        pieces: list[Piece] = [(None, slice(0, len(data)))]
    else:
        top = whole_boxes(data)
        behind = top[-1].end if top else 0
        if data[behind + 4 : behind + 8] in _SKIPPED:
            raise FlipError(f"{DAMAGED}: it ends inside its codestream")
        pieces = [(box, slice(box.body + _SKIPPED[box.kind], box.end)) for box in top if box.kind in _SKIPPED]
    header, growth = _mirror_codestream(data, pieces, edits)
    check_size(header.width, header.height, limits)
    for box in top:
        if box.kind == b"jxli":
            _move_index(box, growth, edits)
        elif box.kind == b"jhgm":
            _mirror_codestream(data, [(box, slice(_gain_map(box), box.end))], edits)
    notes = dropped = mirror_reconstruction(top, edits)
    if dropped or not any(box.kind == b"jbrd" for box in top):  # else the orientation in its EXIF turns them
        found = [metadata(top, kind) for kind in (b"Exif", b"xml ")]
        (_, exif), (_, xmp) = found
        notes += positions_left(exif[4 + int.from_bytes(exif[:4]) :], xmp, Mirror(header.width, header.height))
        if any(box and not content for box, content in found):
            notes += not_mirrored({"positions in compressed metadata (unread without the extra proof)"})
    notes += credentials(top, edits, keep=keep_credentials)
    mirrored = edits.apply()
    proof = prove_jxl(mirrored, header.width * header.height * header.channels, animated=header.animated)
    return Flipped(mirrored, "image/jxl", lossless=True, notes=notes + proof)


def _mirror_codestream(data: bytes, pieces: list[Piece], edits: Edits) -> tuple[Header, int]:
    """Notes the edits of a codestream's header, which may be cut into pieces anywhere; returns by how much it grows."""
    view = memoryview(data)
    header, left, new = mirrored_header(b"".join(view[place] for _, place in pieces))
    growth = len(new) - left
    for box, place in pieces:
        size = min(left, place.stop - place.start)
        left -= size
        part, new = (new[:size], new[size:]) if left else (new, b"")
        edits.splice(box, place.start, place.start + size, part)
        if not left:
            break
    return header, growth


def _gain_map(jhgm: Box) -> int:
    """Where the codestream of a gain map begins (18181-2, the box ``jhgm``): behind metadata, colours and a profile."""
    reader = jhgm.reader(skip=1)
    for size in (2, 1, 4):
        length = reader.number(size)
        reader.at += length
    return reader.at


def _move_index(jxli: Box, growth: int, edits: Edits) -> None:
    """Moves the first offset of a frame index, from which the others count (18181-2, the box ``jxli``)."""
    frames, at = _variable(jxli, jxli.body)
    if not frames:
        return
    at += 8
    offset, end = _variable(jxli, at)
    edits.splice(jxli, at, end, _written(offset + growth))


def _variable(jxli: Box, at: int) -> tuple[int, int]:
    """A number of variable length, seven bits a byte and the lowest first, and where it ends."""
    value = shift = 0
    while at < jxli.end and shift < 63:
        byte, at = jxli.data[at], at + 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
    raise FlipError(f"{DAMAGED}: the index of its frames is cut short")


def _written(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
