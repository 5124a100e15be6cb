"""A JPEG encoded again after its decoded raster was mirrored: as small as it can be while it stays close."""

from __future__ import annotations

import io
from math import inf, log10
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageChops
from PIL.JpegImagePlugin import JpegImageFile

from trio_mirror.errors import FlipError
from trio_mirror.flip import turbojpeg
from trio_mirror.flip.jpeg_segments import coded_part, joined

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trio_mirror.flip.jpeg_segments import Component, Jpeg

CLOSE_ENOUGH = 40.0
"""Decibels of peak signal-to-noise ratio between the mirrored decode and the decoded result. Differences beyond are
invisible side by side."""

_APP0, _APP14 = 0xE0, 0xEE
_LEFT_RIGHT, _TOP_BOTTOM = Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM
# Pillow's numbers for chroma subsampling, by how much wider and higher a chroma sample is than a luma sample.
_SUBSAMPLING = {(1, 1): 0, (2, 1): 1, (2, 2): 2}
_NONE = 0


def decoded(data: bytes) -> JpegImageFile:
    """Decodes a JPEG whole. Pillow's own class is used, since opening by format would look for further images.

    Call inside ``with pillow(...)``.
    """
    image = JpegImageFile(io.BytesIO(data))
    image.load()
    return image


def mirrored_by_encoding(data: bytes, jpeg: Jpeg, *, rows: bool) -> bytes:
    """Decodes a JPEG, mirrors it and encodes it in the same colour space, close to the mirrored decode.

    The first rung of a ladder that comes within ``CLOSE_ENOUGH`` is taken: the file's own quantisation tables and
    sampling, finer tables, then no subsampling at quality 95, then 100. Call inside ``with pillow(...)``.

    Returns:
        The tables, the frame and the scans: what is to follow the original's own segments.

    Raises:
        FlipError: no rung comes close enough.
    """
    image = decoded(data)
    mirrored = image.transpose(_TOP_BOTTOM if rows else _LEFT_RIGHT)
    coding = _coding(jpeg)
    raster = _as_ycck(mirrored) if coding == "YCCK" else mirrored
    decisive = [segment for segment in jpeg.segments if segment.marker in {_APP0, _APP14}]
    common = {
        "progressive": jpeg.frame.progressive,
        "optimize": True,
        "restart_marker_blocks": jpeg.restart_interval,
        "keep_rgb": coding == "RGB",
    }
    for encoded in _ladder(raster, image, jpeg.frame.components, common):
        coded = coded_part(encoded)
        if closeness(mirrored, decoded(joined(decisive, coded))) >= CLOSE_ENOUGH:
            return coded
    raise FlipError(f"the JPEG cannot be encoded again within {CLOSE_ENOUGH:.0f} dB of itself")


def closeness(one: Image.Image, other: Image.Image) -> float:
    """The peak signal-to-noise ratio of two rasters of one mode and size, in decibels over all their bands."""
    histogram = ImageChops.difference(one, other).histogram()
    squares = sum((value % 256) ** 2 * count for value, count in enumerate(histogram))
    return 10 * log10(255**2 * sum(histogram) / squares) if squares else inf


def _ladder(
    raster: Image.Image, original: JpegImageFile, components: Sequence[Component], common: dict[str, Any]
) -> Iterator[bytes]:
    """Encodes the raster again and again, from the smallest to the closest."""
    tables = [original.quantization[component.table] for component in components]
    chroma = _chroma(components)
    library = turbojpeg.library()
    for scale in (1, 2):
        scaled = [[max(1, (value + scale // 2) // scale) for value in table] for table in tables]
        if chroma == (1, 2) and library:
            # Pillow cannot write 4:4:0. It is 4:2:2 turned about its diagonal, which libturbojpeg can do exactly.
            turned = raster.transpose(Image.Transpose.TRANSPOSE)
            turned_tables = [[table[8 * (i % 8) + i // 8] for i in range(64)] for table in scaled]
            encoded = _encoded(turned, common, qtables=turned_tables, subsampling=_SUBSAMPLING[2, 1])
            progressive, interval = common["progressive"], common["restart_marker_blocks"]
            back = library.transform(
                encoded, turbojpeg.Operation.TRANSPOSE, progressive=progressive, restart_interval=interval
            )
            if back:
                yield back.data
        else:
            yield _encoded(raster, common, qtables=scaled, subsampling=_SUBSAMPLING.get(chroma, _NONE))
    for quality in (95, 100):
        yield _encoded(raster, common, quality=quality, subsampling=_NONE)


def _encoded(raster: Image.Image, common: dict[str, Any], **options: Any) -> bytes:
    out = io.BytesIO()
    raster.save(out, "JPEG", **common, **options)
    return out.getvalue()


def _chroma(components: Sequence[Component]) -> tuple[int, int] | None:
    """How much wider and higher a chroma sample is than a luma sample, where that is one answer."""
    if len(components) != 3:
        return None
    luma = components[0]
    answers = {(luma.across / chroma.across, luma.down / chroma.down) for chroma in components[1:]}
    width, height = answers.pop()
    return None if answers else (width, height)


def _coding(jpeg: Jpeg) -> str:
    """The colour space of the coded samples, told as libjpeg tells it (libjpeg.txt, "Special color spaces")."""
    payloads = [s.payload for s in jpeg.segments if s.marker == _APP14 and s.payload.startswith(b"Adobe")]
    transform = next((payload[11] for payload in payloads if len(payload) >= 12), None)
    if len(jpeg.frame.components) == 4:
        return "YCCK" if transform == 2 else "CMYK"
    if any(s.marker == _APP0 and s.payload.startswith(b"JFIF\0") for s in jpeg.segments):
        return "YCbCr"
    if transform is not None:
        return "RGB" if transform == 0 else "YCbCr"
    return "RGB" if bytes(component.number for component in jpeg.frame.components) == b"RGB" else "YCbCr"


def _as_ycck(cmyk: Image.Image) -> Image.Image:
    """Converts a decoded YCCK picture back to the samples that it is coded as, in Pillow's inverted CMYK layout.

    Pillow's encoder takes four bands without converting them, inverted; the file's Adobe segment tells decoders
    what they are.
    """
    cyan, magenta, yellow, black = cmyk.split()
    converted = Image.merge("RGB", (cyan, magenta, yellow)).convert("YCbCr")
    return Image.merge("CMYK", (*(ImageChops.invert(band) for band in converted.split()), black))
