"""Netpbm's formats PBM, PGM, PPM and PAM, and PFM: the pixels of each row put in reverse order.

As netpbm's manual describes them: pbm(5), pgm(5), ppm(5), pam(5) and pfm(5). A file may hold several images.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass
from itertools import chain, islice

from trio_mirror.errors import FlipError
from trio_mirror.flip.limits import check_count, check_size, check_total
from trio_mirror.flip.rows import reverse_rows, row_bytes
from trio_mirror.model import Flipped, Limits

# Possessive, as are the plus signs: what is left to try again costs memory for each byte.
_SPACE = rb"(?:[ \t\n\v\f\r]++|#[^\r\n]*+[\r\n])++"
_NUMBER = rb"%s(\d{1,10})" % _SPACE
_PBM = re.compile(rb"P[14]%s%s" % (_NUMBER, _NUMBER))
_PNM = re.compile(rb"P[2356]%s%s%s" % (_NUMBER, _NUMBER, _NUMBER))
_PFM = re.compile(rb"P[Ff]%s%s%s([-+.\deE]{1,40})" % (_NUMBER, _NUMBER, _SPACE))
_PAM = re.compile(rb"P7\n(.*?)^ENDHDR\n", re.DOTALL | re.MULTILINE)
_PAM_HEADER_LENGTH = 10_000
# The parts of a plain raster: comments, and samples or whatever else.
_SAMPLES = re.compile(rb"#[^\r\n]*+|(\d++)")
_UNCOMMENTED = re.compile(rb"#[^\r\n]*+|([^#]{1,65536}+)")
_TO_ONES = bytes.maketrans(b"0", b"1")
_NO_BITS = bytes(set(range(256)) - set(b"01"))
_AT_ONCE = 4_096  # pixels
_CUT_SHORT = "the picture is damaged: its raster ends before the last row"
_KINDS = {**dict.fromkeys(b"14", "bitmap"), **dict.fromkeys(b"25", "graymap"), **dict.fromkeys(b"36", "pixmap")}


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before a raster."""

    magic: bytes
    width: int
    height: int
    bits: int  # bits a pixel, in a binary raster
    samples: int  # samples a pixel, in a plain raster
    end: int


def matches(data: bytes) -> bool:
    """Whether the first bytes are those of a Netpbm format."""
    return data[:1] == b"P" and data[1:2] in b"1234567Ff" and data[2:3] in b" \t\n\v\f\r#" and len(data) > 2


def flip(data: bytes, *, limits: Limits) -> Flipped:
    """Mirrors every image of a Netpbm file exactly.

    Raises:
        FlipError: damaged or over a limit.
    """
    parts: list[bytes] = []
    at = pixels = images = 0
    while images == 0 or matches(data[at : at + 3]):
        header = _read_header(data, at)
        check_size(header.width, header.height, limits)
        images += 1
        pixels += header.width * header.height
        check_count(images, limits)
        check_total(pixels, limits)
        parts.append(data[at : header.end])
        if header.magic in {b"P1", b"P2", b"P3"}:
            mirror_plain = _mirror_plain_bits if header.magic == b"P1" else _mirror_plain
            parts.append(mirror_plain(data[header.end :], header))
            at = len(data)  # the plain formats hold one image
        else:
            at = header.end + row_bytes(header.width, header.bits) * header.height
            if at > len(data):
                raise FlipError(_CUT_SHORT)
            parts.append(reverse_rows(data[header.end : at], header.width, header.height, header.bits))
    parts.append(data[at:])
    return Flipped(b"".join(parts), f"image/x-portable-{_KINDS.get(data[1], 'anymap')}", lossless=True)


def _read_header(data: bytes, at: int) -> Header:
    magic = data[at : at + 2]
    if magic == b"P7":
        return _read_pam(data, at)
    pattern = _PBM if magic in {b"P1", b"P4"} else _PFM if magic in {b"PF", b"Pf"} else _PNM
    match = pattern.match(data, at)
    # One white space ends the header; where the raster begins with more, that is a sample already.
    if not match or not data[match.end() : match.end() + 1].isspace():
        raise FlipError("the picture is damaged: its header is not that of a Netpbm file")
    samples = 3 if magic in {b"P3", b"P6", b"PF"} else 1
    bits = 1 if pattern is _PBM else 32 if pattern is _PFM else _sample_bits(int(match[3]))
    return Header(magic, int(match[1]), int(match[2]), samples * bits, samples, match.end() + 1)


def _read_pam(data: bytes, at: int) -> Header:
    match = _PAM.match(data, at, at + _PAM_HEADER_LENGTH)
    fields = dict(
        re.findall(rb"^(WIDTH|HEIGHT|DEPTH|MAXVAL)[ \t]+(\d{1,10})\s*$", match[1], re.MULTILINE) if match else ()
    )
    if not match or len(fields) < 4:
        raise FlipError("the picture is damaged: its header is not that of a PAM file")
    depth = int(fields[b"DEPTH"])
    if not 0 < depth <= 0xFFFF:
        raise FlipError("the picture is damaged: its header lacks a valid number of channels")
    bits = depth * _sample_bits(int(fields[b"MAXVAL"]))
    return Header(b"P7", int(fields[b"WIDTH"]), int(fields[b"HEIGHT"]), bits, depth, match.end())


def _sample_bits(highest: int) -> int:
    if not 0 < highest < 1 << 16:
        raise FlipError("the picture is damaged: its header lacks a valid maximum value")
    return 8 if highest < 1 << 8 else 16


def _mirror_plain_bits(raster: bytes, header: Header) -> bytes:
    """The raster of a plain PBM, whose samples need no space between them."""
    pixels = header.width * header.height
    bits = b"".join(found[1].translate(None, _NO_BITS) for found in _UNCOMMENTED.finditer(raster) if found[1])
    if len(bits) < pixels:
        raise FlipError(_CUT_SHORT)
    mirrored = iter(reverse_rows(bits[:pixels], header.width, header.height, 8) + bits[pixels:])

    def replaced(found: re.Match[bytes]) -> bytes:
        if not found[1]:  # a comment
            return found[0]
        ones = found[1].translate(_TO_ONES)
        samples = tuple(islice(mirrored, ones.count(b"1")))
        return ones.replace(b"%", b"%%").replace(b"1", b"%c") % samples

    return _UNCOMMENTED.sub(replaced, raster)


def _mirror_plain(raster: bytes, header: Header) -> bytes:
    """The raster of a plain PGM or PPM; samples differ in length, what stands between them keeps its place."""
    spans = (found.span() for found in _SAMPLES.finditer(raster) if found[1])
    out = bytearray()
    end = 0
    row, step = header.width * header.samples, _AT_ONCE * header.samples
    for _ in range(header.height):
        edges = array("Q", [end])
        edges.extend(chain.from_iterable(islice(spans, row)))
        if len(edges) < 2 * row + 1:
            raise FlipError(_CUT_SHORT)
        for first in range(0, row, step):
            size = min(step, row - first)
            gaps = edges[2 * first : 2 * (first + size)]
            samples = edges[2 * (row - first - size) + 1 : 2 * (row - first) + 1]
            texts = _texts(raster, samples)
            for sample in range(header.samples):
                texts[sample :: header.samples] = texts[sample :: header.samples][::-1]
            out += b"".join(chain.from_iterable(zip(_texts(raster, gaps), texts, strict=True)))
        end = edges[-1]
    return bytes(out) + raster[end:]


def _texts(raster: bytes, edges: array[int]) -> list[bytes]:
    """The pieces between each edge at an even place and the next."""
    return [raster[start:stop] for start, stop in zip(edges[::2], edges[1::2], strict=True)]
