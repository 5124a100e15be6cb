"""Coded images of WebP mirrored: decoded, turned round, and encoded in their own way again."""

from __future__ import annotations

from PIL import Image, ImageChops

from trio_mirror.flip.closeness import closeness
from trio_mirror.flip.pillow import encode_image, map_pillow_errors
from trio_mirror.flip.webp import libwebp
from trio_mirror.flip.webp.coded_image import VP8L_ALPHA_BIT, Coded, read_coded
from trio_mirror.flip.webp.libwebp import LibWebP
from trio_mirror.flip.webp.riff import Chunk, Container, read_container

# Decibels; a little more where alpha is multiplied in, which rounds.
_CLOSE, _CLOSE_WITH_ALPHA = 40.0, 40.2
# Quality and effort of each try. Encoders spend little effort on the frames of an animation, and so does the first try.
_STILL = ((95, 4), (98, 4), (100, 4))
_FRAME = ((80, 0), *_STILL)
# One try each; every try but the first also makes up for what the one before it got wrong.
_QUALITIES_FROM_RGB = (95, 95, 98, 100)


def mirror(coded: Coded, method: Image.Transpose, *, is_frame: bool = False) -> Coded:
    """Mirrors an image in its own way of coding.

    A lossy image stays lossy if that can be close (40 dB, measured on what is seen), at the lowest quality
    from 95 up, or from 80 as a frame of an animation; else it becomes lossless.
    """
    library = libwebp.library()
    if coded.lossless or not library:
        return encode(coded.decode().transpose(method), coded)
    wanted = _pixels(coded, library).transpose(method)
    planes = library.decode(Container([coded.image]).to_bytes(), coded.size()).mirrored(method)
    alpha = wanted.getchannel("A") if wanted.mode == "RGBA" else None
    for quality, effort in _FRAME if is_frame else _STILL:
        mirrored = _with_alpha(_read(library.encode(planes, alpha, quality, effort)), coded)
        if _is_close(wanted, _pixels(mirrored, library)):
            return mirrored
    return _encode_lossless(wanted)


def encode(pixels: Image.Image, like: Coded) -> Coded:
    """Encodes pixels in the way of the image that they stand for: lossy, if it is so and that can be close.

    RGBA pixels of which none is transparent are for a ``like`` that has alpha.
    """
    if not like.lossless:
        source = pixels
        for quality in _QUALITIES_FROM_RGB:
            coded = _save(source, quality=quality)
            if pixels.mode == "RGBA":
                coded = _with_alpha(coded, like)
            got = coded.decode()
            if _is_close(pixels, got):
                return coded
            source = _corrected(source, pixels, got)
    return _encode_lossless(pixels)


def _pixels(coded: Coded, library: LibWebP) -> Image.Image:
    return library.decode_pixels(coded.to_file(), coded.size(), "RGBA" if coded.alpha else "RGB")


def _with_alpha(coded: Coded, like: Coded) -> Coded:
    # Where it is opaque throughout, the encoder leaves the plane out, and the original's is its own mirror image.
    return coded if coded.alpha else Coded(coded.image, like.alpha)


def _encode_lossless(pixels: Image.Image) -> Coded:
    # Of an exact coding, quality is only effort: more than this takes twice the time for 2% of the size.
    coded = _save(pixels, lossless=True, exact=True, quality=50, method=3)
    if pixels.mode == "RGBA" and not coded.has_alpha:
        # The encoder states what it sees; the original states alpha though nothing is transparent.
        payload = bytearray(coded.image.payload)
        payload[4] |= VP8L_ALPHA_BIT >> 24
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
    with map_pillow_errors("the mirrored WebP"):
        return _read(encode_image(pixels, "WEBP", **options))


def _read(data: bytes) -> Coded:
    return read_coded(read_container(data).chunks)


def _is_close(wanted: Image.Image, got: Image.Image) -> bool:
    if wanted.mode != "RGBA":
        return closeness(wanted, got.convert("RGB")) >= _CLOSE
    if got.mode != "RGBA" or ImageChops.difference(wanted.getchannel("A"), got.getchannel("A")).getbbox():
        return False
    return closeness(_over_black(wanted), _over_black(got)) >= _CLOSE_WITH_ALPHA


def _over_black(pixels: Image.Image) -> Image.Image:
    black = Image.new("RGB", pixels.size)
    return Image.composite(pixels.convert("RGB"), black, pixels.getchannel("A"))
