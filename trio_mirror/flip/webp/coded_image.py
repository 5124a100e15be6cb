"""One coded image of a WebP file, a still picture or a frame: found among its chunks, decoded, put back."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from PIL import Image

from trio_mirror.errors import FlipError
from trio_mirror.flip.pillow import map_pillow_errors, open_image
from trio_mirror.flip.webp.riff import Chunk, Container

IMAGE_CODES = {b"VP8 ", b"VP8L"}
ALPHA_FLAG = 0x10  # of the VP8X chunk (RFC 9649, 2.7)

_VP8L_SIGNATURE = 0x2F
VP8L_ALPHA_BIT = 1 << 28


@dataclass(frozen=True, slots=True)
class Coded:
    """An image as its chunks hold it."""

    image: Chunk  # VP8 (lossy) or VP8L (lossless)
    alpha: Chunk | None = None  # ALPH, the alpha plane that may stand beside a lossy image

    @property
    def lossless(self) -> bool:
        """Whether the coding keeps every pixel."""
        return self.image.code == b"VP8L"

    @property
    def has_alpha(self) -> bool:
        """Whether the image states an alpha channel."""
        if self.lossless:
            return bool(self._vp8l_header() & VP8L_ALPHA_BIT)
        return self.alpha is not None

    def size(self) -> tuple[int, int]:
        """Width and height, in pixels (RFC 6386, 9.1; RFC 9649, 3.4)."""
        if self.lossless:
            header = self._vp8l_header()
            return (header & 0x3FFF) + 1, (header >> 14 & 0x3FFF) + 1
        payload = self.image.payload
        if len(payload) < 10 or payload[3:6] != b"\x9d\x01\x2a":
            raise FlipError("the WebP is damaged: its image has no header")
        width, height = struct.unpack_from("<HH", payload, 6)
        return width & 0x3FFF, height & 0x3FFF

    def decode(self) -> Image.Image:
        """The pixels, RGBA if the image has an alpha channel, else RGB."""
        with map_pillow_errors("the WebP"):
            image = open_image(self.to_file(), "WEBP")
            image.load()
        return image

    def to_file(self) -> bytes:
        """A WebP of this image alone."""
        if not self.alpha:
            return Container([self.image]).to_bytes()
        width, height = self.size()
        canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        header = Chunk(b"VP8X", bytes([ALPHA_FLAG, 0, 0, 0]) + canvas)
        return Container([header, self.alpha, self.image]).to_bytes()

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
    """Finds the one image among the chunks of a picture or a frame."""
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
