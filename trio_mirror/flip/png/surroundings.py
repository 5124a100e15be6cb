"""The chunks around a PNG's raster: what depends on x mirrored, what the new raster makes untrue taken out.

An editor that changes critical chunks drops the ancillary ones that it does not know, where their names do not say
that they are safe to copy (PNG, third edition, sections 5.4 and 14.2).
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Sequence

from trio_mirror.flip.jpeg.metadata import Metadata, Mirrored
from trio_mirror.flip.png.chunks import Chunk, pack_chunk
from trio_mirror.flip.png.texts import mirrored_text
from trio_mirror.flip.positions import not_mirrored, place_left

# Chunks that are known to stay true, though they are not safe to copy: colours, sizes of pixels, times (PNG; its
# extensions), a stereo pair side by side (its mirrored halves change their eyes), an orientation (ImageMagick's).
_TRUE = frozenset(
    b"cHRM gAMA iCCP sBIT sRGB cICP mDCV cLLI bKGD hIST tRNS tIME pCAL sCAL sTER orNT acTL fcTL fdAT iDOT".split()
)
_CREDENTIALS = {b"caBX": "a C2PA manifest", b"dSIG": "a digital signature"}
_PIXELS = 0  # the unit of oFFs and vpAg

_Canvas = tuple[int, int] | None


def mirrored_surroundings(chunks: Sequence[Chunk], stored: list[bytes | memoryview], metadata: Metadata) -> list[str]:
    """Replaces what changes around the raster in ``stored``, the chunks as they stand in the file; returns notes."""
    canvas = _canvas(chunks)
    notes: list[str] = []
    dropped: set[str] = set()
    for index, chunk in enumerate(chunks):
        kind = chunk.kind
        if kind in _CREDENTIALS:
            notes += metadata.credentials(_CREDENTIALS[kind])
            if not metadata.keep_credentials:
                stored[index] = b""
        elif kind in _RULES:
            body = bytes(chunk.body)
            try:
                new, more = _RULES[kind](body, metadata, canvas)
            except struct.error:
                new, more = body, not_mirrored({f"a damaged {kind.decode()} chunk"})
            notes += more
            if new != body:
                stored[index] = pack_chunk(kind, new)
        elif kind[:1].islower() and kind[3:].isupper() and kind not in _TRUE:  # ancillary, and not safe to copy
            dropped.add(kind.decode("ascii"))
            stored[index] = b""
    if dropped:
        notes.append(f"chunks that are not safe to copy to another raster were taken out: {', '.join(sorted(dropped))}")
    return list(dict.fromkeys(notes))


def _canvas(chunks: Sequence[Chunk]) -> _Canvas:
    """Width and height of the page that the picture lies on, in pixels: ImageMagick's caNv, or vpAg."""
    for chunk in chunks:
        if chunk.kind in {b"caNv", b"vpAg"} and len(chunk.body) >= 9:
            width, height = struct.unpack_from(">2I", chunk.body)
            if width and height and (chunk.kind == b"caNv" or chunk.body[8] == _PIXELS):
                return width, height
    return None


def _offset(body: bytes, metadata: Metadata, canvas: _Canvas) -> Mirrored:
    """Of oFFs, the place of the picture on a page."""
    in_pixels = canvas and struct.unpack_from(">B", body, 8)[0] == _PIXELS
    return _placed(body, 0, metadata, canvas if in_pixels else None)


def _placed(body: bytes, at: int, metadata: Metadata, canvas: _Canvas) -> Mirrored:
    """The place, at ``at``, of the picture on a page."""
    axis = metadata.axis
    if canvas:
        return _subtracted(body, at + 4 * axis, canvas[axis] - metadata.mirror.length), ()
    return body, place_left(struct.unpack_from(">2i", body, at)[axis])


def _subtracted(body: bytes, at: int, minuend: int) -> bytes:
    (place,) = struct.unpack_from(">i", body, at)
    return body[:at] + struct.pack(">i", minuend - place) + body[at + 4 :]


def _margins(body: bytes, metadata: Metadata, _: _Canvas) -> Mirrored:
    """Of npLb and npOl (Android), what lies outside of the layout and of the outline, left, top, right and bottom."""
    left, top, right, bottom = struct.unpack_from(">4i", body)
    sides = (left, bottom, right, top) if metadata.mirror.rows else (right, top, left, bottom)
    return struct.pack(">4i", *sides) + body[16:], ()


def _nine_patch(body: bytes, metadata: Metadata, _: _Canvas) -> Mirrored:
    """Of npTc (Android, Res_png_9patch), the edges of the parts that stretch, paddings, and a colour for each part."""
    rows, sizes = metadata.mirror.rows, (metadata.mirror.width, metadata.mirror.height)
    across, down, number = struct.unpack_from(">3B", body, 1)
    left, right, top, bottom = struct.unpack_from(">4i", body, 12)
    divs = [
        list(struct.unpack_from(f">{across}i", body, 32)),
        list(struct.unpack_from(f">{down}i", body, 32 + 4 * across)),
    ]
    colours = struct.unpack_from(f">{number}I", body, 32 + 4 * (across + down))
    columns, lines = (_parts(edges, size) for edges, size in zip(divs, sizes, strict=True))
    divs[rows] = [sizes[rows] - edge for edge in reversed(divs[rows])]
    paddings = (left, right, bottom, top) if rows else (right, left, top, bottom)
    if columns * lines == number:
        grid = [colours[at : at + columns] for at in range(0, number, columns)]
        grid = grid[::-1] if rows else [line[::-1] for line in grid]
        colours = tuple(itertools.chain.from_iterable(grid))
    packed = struct.pack(f">{across + down}i{number}I", *divs[0], *divs[1], *colours)
    new = body[:12] + struct.pack(">4i", *paddings) + body[28:32] + packed + body[32 + len(packed) :]
    return new, not_mirrored(set() if columns * lines == number else {"the colours of a nine-patch"})


def _parts(edges: Sequence[int], size: int) -> int:
    """How many parts that are not empty the edges cut a side into."""
    return sum(start < stop for start, stop in itertools.pairwise([0, *edges, size]))


def _text(kind: bytes) -> Callable[[bytes, Metadata, _Canvas], Mirrored]:
    return lambda body, metadata, _: mirrored_text(kind, body, metadata)


def _left(what: str) -> Callable[[bytes, Metadata, _Canvas], Mirrored]:
    """The rule of what is only noted."""
    return lambda body, *_: (body, not_mirrored({what}))


_RULES: dict[bytes, Callable[[bytes, Metadata, _Canvas], Mirrored]] = {
    b"eXIf": lambda body, metadata, _: metadata.exif(body),
    b"tEXt": _text(b"tEXt"),
    b"zTXt": _text(b"zTXt"),
    b"iTXt": _text(b"iTXt"),
    b"oFFs": _offset,
    b"caNv": lambda body, metadata, canvas: _placed(body, 8, metadata, canvas),  # behind the canvas's sizes
    # Where a sprite of the Doom engine is held.
    b"grAb": lambda body, metadata, _: (_subtracted(body, 4 * metadata.axis, metadata.mirror.length), ()),
    b"npTc": _nine_patch,
    b"npLb": _margins,
    b"npOl": _margins,
    b"gIFt": _left("a plain text that was in a GIF"),
    b"zxIf": _left("compressed EXIF"),  # as ExifTool wrote it before EXIF had a chunk
}
