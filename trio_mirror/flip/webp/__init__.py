"""WebP: each coded image replaced by its mirror image, every other chunk byte for byte in its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from PIL import Image

from trio_mirror.errors import FlipError
from trio_mirror.flip.exif import SIGNATURE, displayed_orientation, flips_rows
from trio_mirror.flip.jpeg.metadata import Metadata
from trio_mirror.flip.limits import check_count, check_density, check_size, check_total
from trio_mirror.flip.pillow import crop, map_pillow_errors, open_image
from trio_mirror.flip.positions import Mirror
from trio_mirror.flip.webp.animation import Rectangle, mirror_frames, read_frame
from trio_mirror.flip.webp.coded_image import ALPHA_FLAG, Coded, read_coded, replace_coded
from trio_mirror.flip.webp.mirror_image import mirror
from trio_mirror.flip.webp.riff import Chunk, Container, read_container
from trio_mirror.model import Flipped, Limits

# Of any image in a WebP file. A canvas may be larger by format, none is in practice, and Pillow takes
# quadratic time to read one row of it.
_LONGEST_SIDE = 16_384
_PIXEL = 4  # bytes
# Flags of the VP8X chunk; without its flag a chunk is ignored.
_METADATA_FLAGS = {b"EXIF": 0x08, b"XMP ": 0x04}
_CREDENTIALS = b"C2PA"  # C2PA 2.1, section A.3.7
_LOSSLESS_NOTE = "The picture was lossy; encoding it so again would have been visible, so that it is lossless now."


def flip(data: bytes, *, limits: Limits, keep_credentials: bool = False) -> Flipped:
    """Mirrors a WebP or an animation: exactly if it is lossless, else within 40 dB, alpha always exactly.

    Raises:
        FlipError: damaged, or over a limit.
    """
    container = read_container(data)
    canvas = _canvas(container.chunks)
    check_size(*canvas, limits)
    frames = [read_frame(chunk, canvas) for chunk in container.chunks if chunk.code == b"ANMF"]
    _check_frames(len(frames), canvas, limits)
    before = [frame.coded for frame in frames] or [read_coded(container.chunks)]
    _check_density(before)
    with map_pillow_errors("the WebP"):
        open_image(data, "WEBP", limits)  # the container as a whole is sound
    method = _method(container.chunks)
    if frames:
        view = _view(container.chunks, method, limits)
        mirrored = list(mirror_frames(frames, canvas, view, method))
        after = [frame.coded for frame in mirrored]
        following = iter(mirrored)
        chunks = [next(following).to_chunk() if it.code == b"ANMF" else it for it in container.chunks]
        if any(new.has_alpha and not old.has_alpha for old, new in zip(before, after, strict=True)):
            chunks = _announcing_alpha(chunks)  # a frame that grew has transparent pixels, where the file had none
    else:
        after = [mirror(before[0], method)]
        chunks = replace_coded(container.chunks, after[0])
    rows = method is Image.Transpose.FLIP_TOP_BOTTOM
    metadata = Metadata(Mirror(*canvas, rows=rows), keep_credentials=keep_credentials)
    chunks, notes = _with_mirrored_metadata(chunks, metadata)
    became_lossless = any(new.lossless and not old.lossless for old, new in zip(before, after, strict=True))
    return Flipped(
        Container(chunks, container.trailer).to_bytes(),
        "image/webp",
        lossless=all(coded.lossless for coded in after),
        notes=(_LOSSLESS_NOTE, *notes) if became_lossless else notes,
    )


def _check_frames(frames: int, canvas: tuple[int, int], limits: Limits) -> None:
    width, height = canvas
    if frames and max(canvas) > _LONGEST_SIDE:
        raise FlipError(f"the WebP's canvas of {width} × {height} pixels is larger than any frame can be")
    check_count(frames, limits)
    check_total(frames * width * height, limits)


def _check_density(images: list[Coded]) -> None:
    lossless = [image for image in images if image.lossless]
    pixels = sum(width * height for width, height in (image.size() for image in lossless))
    check_density(_PIXEL * pixels, sum(len(image.image.payload) for image in lossless))


def _canvas(chunks: list[Chunk]) -> tuple[int, int]:
    extended = _extended(chunks)
    if extended is None:
        return read_coded(chunks).size()
    return int.from_bytes(extended[4:7], "little") + 1, int.from_bytes(extended[7:10], "little") + 1


def _extended(chunks: list[Chunk]) -> bytes | None:
    """What the ``VP8X`` chunk holds: flags and the size of the canvas."""
    if not chunks or chunks[0].code != b"VP8X":
        return None
    if len(chunks[0].payload) < 10:
        raise FlipError("the WebP is damaged: its header is cut short")
    return chunks[0].payload


def _method(chunks: list[Chunk]) -> Image.Transpose:
    exif, xmp = (_metadata(chunks, code) for code in _METADATA_FLAGS)
    if flips_rows(displayed_orientation(exif.removeprefix(SIGNATURE), xmp) or 1):
        return Image.Transpose.FLIP_TOP_BOTTOM
    return Image.Transpose.FLIP_LEFT_RIGHT


def _metadata(chunks: list[Chunk], code: bytes) -> bytes:
    extended = _extended(chunks)
    if extended is None or not extended[0] & _METADATA_FLAGS[code]:
        return b""
    return next((chunk.payload for chunk in chunks if chunk.code == code), b"")


def _with_mirrored_metadata(chunks: list[Chunk], metadata: Metadata) -> tuple[list[Chunk], tuple[str, ...]]:
    rules = {b"EXIF": metadata.exif, b"XMP ": metadata.xmp}
    out: list[Chunk] = []
    notes: list[str] = []
    for chunk in chunks:
        more: tuple[str, ...] = ()
        if chunk.code in rules:
            payload, more = rules[chunk.code](chunk.payload)
            out.append(replace(chunk, payload=payload))
        elif chunk.code == _CREDENTIALS:
            more = metadata.credentials("a C2PA manifest")
            out += [chunk] * metadata.keep_credentials
        else:
            out.append(chunk)
        notes += more
    return out, tuple(dict.fromkeys(notes))


def _view(chunks: list[Chunk], method: Image.Transpose, limits: Limits) -> Callable[[int, Rectangle], Image.Image]:
    """A view of an animation's mirrored canvas: by the number of a frame and a part of the canvas."""
    # Where the file announces no alpha, Pillow shows as black what no frame has drawn yet.
    data = Container(_announcing_alpha(chunks)).to_bytes()
    with map_pillow_errors("the WebP"):
        image = open_image(data, "WEBP", limits)

    def shown(number: int, part: Rectangle) -> Image.Image:
        with map_pillow_errors("the WebP"):
            image.seek(number)
            return crop(image, part.mirrored(*image.size, method)).transpose(method)

    return shown


def _announcing_alpha(chunks: list[Chunk]) -> list[Chunk]:
    extended = bytearray(chunks[0].payload)
    extended[0] |= ALPHA_FLAG
    return [replace(chunks[0], payload=bytes(extended)), *chunks[1:]]
