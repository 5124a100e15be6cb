"""One coded image of a WebP file, a still picture or a frame: decoded, and encoded in its own way again."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

from PIL import Image, ImageChops

from trio_mirror.errors import FlipError
from trio_mirror.flip.raster import pillow
from trio_mirror.flip.webp.container import Chunk, Container, read_container

IMAGE_CODES = {b"VP8 ", b"VP8L"}
ALPHA_FLAG = 0x10  # of the VP8X chunk (RFC 9649, 2.7)

_VP8L_SIGNATURE = 0x2F
_VP8L_ALPHA_BIT = 1 << 28
# Squared error, the mean over all samples, that is 40 dB below the peak of 255; a little less where alpha is
# multiplied in, which rounds.
_CLOSE = 255**2 / 10**4.0
_CLOSE_WITH_ALPHA = 255**2 / 10**4.02
# One try each; every try but the first also makes up for what the one before it got wrong.
_QUALITIES = (95, 95, 98, 100)
_SQUARES = [value * value for value in range(256)]


@dataclass(frozen=True, slots=True)
class Coded:
    """An image as its chunks hold it."""

    image: Chunk
    """``VP8 `` (lossy) or ``VP8L`` (lossless)."""
    alpha: Chunk | None = None
    """``ALPH``, the alpha plane that may stand beside a lossy image."""

    @property
    def lossless(self) -> bool:
        """Whether the coding keeps every pixel."""
        return self.image.code == b"VP8L"

    @property
    def has_alpha(self) -> bool:
        """Whether the image says that it has an alpha channel."""
        if self.lossless:
            return bool(self._vp8l_header() & _VP8L_ALPHA_BIT)
        return self.alpha is not None

    def size(self) -> tuple[int, int]:
        """Width and height, in pixels (RFC 6386, 9.1; RFC 9649, 3.4).

        Raises:
            FlipError: there is no such header.
        """
        if self.lossless:
            header = self._vp8l_header()
            return (header & 0x3FFF) + 1, (header >> 14 & 0x3FFF) + 1
        payload = self.image.payload
        if len(payload) < 10 or payload[3:6] != b"\x9d\x01\x2a":
            raise FlipError("the WebP is damaged: its image has no header")
        width, height = struct.unpack_from("<HH", payload, 6)
        return width & 0x3FFF, height & 0x3FFF

    def decode(self) -> Image.Image:
        """The pixels, RGBA if the image has an alpha channel, else RGB.

        Raises:
            FlipError: the image is damaged.
        """
        chunks = [self.image]
        if self.alpha:
            width, height = self.size()
            canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
            chunks = [Chunk(b"VP8X", bytes([ALPHA_FLAG, 0, 0, 0]) + canvas), self.alpha, self.image]
        return _load(Container(chunks).to_bytes())

    def chunks(self) -> list[Chunk]:
        """The chunks in their order."""
        return [self.alpha, self.image] if self.alpha else [self.image]

    def _vp8l_header(self) -> int:
        payload = self.image.payload
        if len(payload) < 5 or payload[0] != _VP8L_SIGNATURE:
            raise FlipError("the WebP is damaged: its image has no header")
        header: int = struct.unpack_from("<I", payload, 1)[0]
        return header


def read_coded(chunks: list[Chunk]) -> Coded:
    """Finds the one image among the chunks of a picture or a frame.

    Raises:
        FlipError: there is none, or more than one.
    """
    images = [chunk for chunk in chunks if chunk.code in IMAGE_CODES]
    alphas = [chunk for chunk in chunks if chunk.code == b"ALPH"]
    if len(images) != 1 or len(alphas) > 1 or (alphas and images[0].code == b"VP8L"):
        raise FlipError("the WebP is damaged: it does not hold one image where there should be one")
    return Coded(images[0], alphas[0] if alphas else None)


def replace_coded(chunks: list[Chunk], new: Coded) -> list[Chunk]:
    """The chunks of a picture or a frame with another image in the place of theirs."""
    out: list[Chunk] = []
    for chunk in chunks:
        if chunk.code in IMAGE_CODES:
            out += new.chunks()
        elif chunk.code != b"ALPH":
            out.append(chunk)
    return out


def encode(pixels: Image.Image, like: Coded) -> Coded:
    """Encodes pixels in the way of another image.

    A lossy image stays lossy if that can be close (40 dB, measured on what is seen), at the lowest quality
    from 95 up; else it becomes lossless.

    Args:
        pixels: RGB or RGBA. An RGBA image that has no transparent pixel is for a ``like`` that has alpha.
        like: the image that these pixels stand for.
    """
    if not like.lossless:
        source = pixels
        for quality in _QUALITIES:
            coded = _encode_lossy(source, quality, like)
            got = coded.decode()
            if _is_close(pixels, got):
                return coded
            source = _corrected(source, pixels, got)
    return _encode_lossless(pixels)


def _encode_lossy(pixels: Image.Image, quality: int, like: Coded) -> Coded:
    coded = _save(pixels, quality=quality)
    if pixels.mode == "RGBA" and not coded.alpha:
        # Opaque throughout: the encoder leaves the plane out, and the original's is its own mirror image.
        return Coded(coded.image, like.alpha)
    return coded


def _encode_lossless(pixels: Image.Image) -> Coded:
    # Of an exact coding, quality is only effort: more than this takes twice the time for 2% of the size.
    coded = _save(pixels, lossless=True, exact=True, quality=50, method=3)
    if pixels.mode == "RGBA" and not coded.has_alpha:
        # The encoder tells what it sees; the original says that it has alpha though nothing is transparent.
        payload = bytearray(coded.image.payload)
        payload[4] |= _VP8L_ALPHA_BIT >> 24
        return Coded(Chunk(b"VP8L", bytes(payload)))
    return coded


def _corrected(source: Image.Image, wanted: Image.Image, got: Image.Image) -> Image.Image:
    """Adds to ``source`` what is missing between ``got``, which came out of it, and ``wanted``.

    Most of it is colour: the encoder averages four pixels, the decoder spreads them smoothly again, and along
    sharp edges one is not the inverse of the other.
    """
    aim, result = wanted.convert("RGB"), got.convert("RGB")
    colours = ImageChops.add(source.convert("RGB"), ImageChops.subtract(aim, result))
    colours = ImageChops.subtract(colours, ImageChops.subtract(result, aim))
    if wanted.mode == "RGBA":
        colours.putalpha(wanted.getchannel("A"))
    return colours


def _save(pixels: Image.Image, **options: bool | int) -> Coded:
    out = io.BytesIO()
    with pillow("the mirrored WebP"):
        pixels.save(out, "WEBP", **options)
    return read_coded(read_container(out.getvalue()).chunks)


def _load(data: bytes) -> Image.Image:
    with pillow("the WebP"):
        image = Image.open(io.BytesIO(data), formats=["WEBP"])
        image.load()
    return image


def _is_close(wanted: Image.Image, got: Image.Image) -> bool:
    if wanted.mode != "RGBA":
        return _squared_error(wanted, got.convert("RGB")) <= _CLOSE
    if got.mode != "RGBA" or ImageChops.difference(wanted.getchannel("A"), got.getchannel("A")).getbbox():
        return False
    return _squared_error(_over_black(wanted), _over_black(got)) <= _CLOSE_WITH_ALPHA


def _over_black(pixels: Image.Image) -> Image.Image:
    black = Image.new("RGB", pixels.size)
    return Image.composite(pixels.convert("RGB"), black, pixels.getchannel("A"))


def _squared_error(one: Image.Image, other: Image.Image) -> float:
    histogram = ImageChops.difference(one, other).histogram()
    total = sum(count * _SQUARES[at % 256] for at, count in enumerate(histogram))
    return total / sum(histogram)
