"""A JPEG encoded again after its decoded raster was mirrored: in the way of the original, and close to it."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import methodcaller
from typing import Any

from PIL import Image, ImageChops
from PIL.JpegImagePlugin import JpegImageFile

from trio_mirror.flip.closeness import closeness
from trio_mirror.flip.jpeg import turbojpeg
from trio_mirror.flip.jpeg.sample import MARGIN, inside, sample
from trio_mirror.flip.jpeg.segments import APP, CodedPart, Component, Jpeg, coded_part, joined, parse
from trio_mirror.flip.pillow import encode_image

CLOSE_ENOUGH = 40.0
"""Decibels of peak signal-to-noise ratio between the mirrored decode and the decoded result.

Smaller differences are invisible side by side.
"""

_LEFT_RIGHT, _TOP_BOTTOM = Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM
# Pillow's numbers for chroma subsampling, by how much wider and higher a chroma sample is than a luma sample.
_SUBSAMPLING: dict[tuple[float, float] | None, int] = {(1, 1): 0, (2, 1): 1, (2, 2): 2}
_444 = 0
# How much closer tables of half the steps come, about, and how often they are made finer before sampling is.
_DECIBELS_PER_HALVING = 3.0
_FINER_TABLES = 3
# In pixels. A picture as small as this may be a thumbnail, which has to fit into its old place.
_SMALL = 1 << 17
# Bytes that Pillow reads and writes at once. It can read no arithmetic coding beyond its first block.
_PILLOWS_BLOCK = 65_536


def decoded(data: bytes) -> JpegImageFile:
    """Decodes a JPEG whole, by the class that reads one image and not the function that looks for more.

    Call inside ``with map_pillow_errors(...)``.
    """
    image = JpegImageFile(io.BytesIO(data))
    image.load()
    return image


def mirrored_by_encoding(jpeg: Jpeg, *, rows: bool) -> tuple[CodedPart, tuple[str, ...]]:
    """Decodes a JPEG, mirrors it and encodes it in the same colour space, close to the mirrored decode.

    The first rung of a ladder that comes within ``CLOSE_ENOUGH`` is taken: the file's own quantisation
    tables and sampling, finer tables, then no subsampling at quality 95. The last, whose tables are all of ones, is as
    close as a JPEG can be. A sample shows how close a rung comes; only without a margin is the whole
    result decoded. Call inside ``with map_pillow_errors(...)``.

    Returns:
        The tables, the frame and the scans, which follow the original's own segments; a note if they are not close.
    """
    image = decoded(jpeg.data)
    tables = [image.quantization[component.table] for component in jpeg.frame.components]
    mirrored = image.transpose(_TOP_BOTTOM if rows else _LEFT_RIGHT)
    del image  # a large picture needs the room for what follows
    coding = coding_of(jpeg)
    # Pillow's buffer has 2 bytes a pixel, or a block. Much finer tables may take four times the bytes.
    size = len(jpeg.data) - sum(map(len, jpeg.segments))
    pixels = mirrored.width * mirrored.height
    buffered = 2 * size < pixels or 4 * pixels < _PILLOWS_BLOCK
    fitted = pixels <= _SMALL or jpeg.entropy_coding.fitted
    whole = _Encoder(_as_coded(mirrored, coding), tables, jpeg, coding, buffered, fitted)
    strips = sample(mirrored)
    part = strips and replace(whole, raster=_as_coded(strips, coding), buffered=False)
    decisive = [segment for segment in jpeg.segments if segment.marker in {APP[0], APP[14]}]

    def shortfall(encoded: bytes, encode: Callable[[_Encoder], bytes | None]) -> float:
        if strips and part and (trial := encode(part)):
            close = closeness(strips, decoded(joined(decisive, coded_part(trial))), inside(strips.size))
            if close >= CLOSE_ENOUGH + MARGIN:
                return 0
        return CLOSE_ENOUGH - closeness(mirrored, decoded(joined(decisive, coded_part(encoded))))

    fineness = 1.0
    for _ in range(_FINER_TABLES):
        encode = methodcaller("with_tables", fineness)
        encoded = encode(whole)
        if encoded is None:
            break
        short = shortfall(encoded, encode)
        if short <= 0:
            return _entropy_coded_as(jpeg, encoded), ()
        fineness *= 2 ** (max(short, 1) / _DECIBELS_PER_HALVING)
    for quality in (95, 100):
        encode = methodcaller("with_quality", quality)
        last = encode(whole)
        if shortfall(last, encode) <= 0:
            return _entropy_coded_as(jpeg, last), ()
    return _entropy_coded_as(jpeg, last), (f"encoded again, the JPEG is less close than {CLOSE_ENOUGH:.0f} dB",)


def _entropy_coded_as(jpeg: Jpeg, encoded: bytes) -> CodedPart:
    """The coded part of an encoded JPEG, in the original's entropy coding where libturbojpeg writes that."""
    if not turbojpeg.libraries():
        return coded_part(encoded)
    wanted, written = jpeg.entropy_coding, parse(encoded).entropy_coding
    if wanted.arithmetic and len(encoded) > _PILLOWS_BLOCK:
        wanted = replace(wanted, arithmetic=False)
    if (wanted.arithmetic, wanted.progressive) == (written.arithmetic, written.progressive):
        return coded_part(encoded)
    anew = turbojpeg.transform(encoded, turbojpeg.Operation.NONE, wanted)
    return coded_part(anew.data if anew else encoded)


@dataclass(frozen=True, slots=True)
class _Encoder:
    """Encodes one raster in several ways, as its original was encoded in all other respects."""

    raster: Image.Image
    tables: list[list[int]]  # the original's quantisation table of each component, row by row
    jpeg: Jpeg
    coding: str
    buffered: bool  # whether the result fits Pillow's buffer, as it must for scans and fitted Huffman tables
    fitted: bool
    """Whether Huffman tables are fitted to it, as the original's were, or since it is small.

    It takes longer than all the rest of the encoding.
    """

    def with_tables(self, fineness: float) -> bytes | None:
        """Encodes with the original's tables divided by ``fineness`` and, where that works, its sampling."""
        tables = self.tables
        if fineness > 1:
            tables = [[max(1, round(value / fineness)) for value in table] for table in tables]
        chroma = _chroma(self.jpeg.frame.components)
        if chroma != (1, 2) or not turbojpeg.libraries():
            return self._encoded(self.raster, qtables=tables, subsampling=_SUBSAMPLING.get(chroma, _444))
        # Pillow cannot write 4:4:0. It is 4:2:2 turned about its diagonal, and libturbojpeg turns exactly.
        turned = self._encoded(
            self.raster.transpose(Image.Transpose.TRANSPOSE),
            qtables=[[table[8 * (i % 8) + i // 8] for i in range(64)] for table in tables],
            subsampling=_SUBSAMPLING[2, 1],
        )
        coding = replace(self.jpeg.entropy_coding, fitted=self.fitted)
        back = turbojpeg.transform(turned, turbojpeg.Operation.TRANSPOSE, coding)
        return back.data if back else None

    def with_quality(self, quality: int) -> bytes:
        """Encodes with the common tables for a quality of 1 to 100, and without subsampling."""
        return self._encoded(self.raster, quality=quality, subsampling=_444)

    def _encoded(self, raster: Image.Image, **options: Any) -> bytes:
        try:
            return encode_image(
                raster,
                "JPEG",
                progressive=self.jpeg.entropy_coding.progressive and self.buffered,
                optimize=self.buffered and self.fitted,
                restart_marker_blocks=self.jpeg.entropy_coding.restart_interval,
                keep_rgb=self.coding == "RGB",
                **options,
            )
        except OSError:  # noise has outgrown the buffer
            if not self.buffered:
                raise
            return replace(self, buffered=False)._encoded(raster, **options)  # noqa: SLF001 (itself)


def _chroma(components: Sequence[Component]) -> tuple[float, float] | None:
    """How much wider and higher a chroma sample is than a luma sample, where that is one answer."""
    if len(components) != 3:
        return None
    luma = components[0]
    answers = {(luma.across / chroma.across, luma.down / chroma.down) for chroma in components[1:]}
    width, height = answers.pop()
    return None if answers else (width, height)


def coding_of(jpeg: Jpeg) -> str:
    """The colour space of the coded samples, by libjpeg's rule (libjpeg.txt, "Special color spaces")."""
    payloads = [s.payload for s in jpeg.segments if s.holds(APP[14], b"Adobe")]
    transform = next((payload[11] for payload in payloads if len(payload) >= 12), None)
    if len(jpeg.frame.components) == 4:
        return "YCCK" if transform == 2 else "CMYK"
    if any(s.holds(APP[0], b"JFIF\0") for s in jpeg.segments):
        return "YCbCr"
    if transform is not None:
        return "RGB" if transform == 0 else "YCbCr"
    return "RGB" if bytes(component.number for component in jpeg.frame.components) == b"RGB" else "YCbCr"


def _as_coded(raster: Image.Image, coding: str) -> Image.Image:
    """Converts a decoded YCCK picture back to the samples that it is coded as, laid out as Pillow's CMYK.

    Pillow's encoder takes four bands without converting them, inverted; the file's Adobe segment says what they are.
    """
    if coding != "YCCK":
        return raster
    cyan, magenta, yellow, black = raster.split()
    converted = Image.merge("RGB", (cyan, magenta, yellow)).convert("YCbCr")
    return Image.merge("CMYK", (*(ImageChops.invert(band) for band in converted.split()), black))
