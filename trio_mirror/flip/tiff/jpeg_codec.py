"""JPEG inside TIFF (TIFF Technical Note 2): each strip or tile is a small picture of its own."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from PIL import Image, ImageChops
from PIL.JpegImagePlugin import JpegImageFile

from trio_mirror.errors import FlipError
from trio_mirror.flip.closeness import closeness
from trio_mirror.flip.jpeg.segments import (
    APP,
    DHT,
    EOI,
    FRAMES,
    SOI,
    SOS,
    Segment,
    coded_part,
    huffman_tables,
    parse,
    walk,
)
from trio_mirror.flip.jpeg.turbojpeg import Operation, transform
from trio_mirror.flip.jpeg.validate import check_data
from trio_mirror.flip.pillow import encode_image, map_pillow_errors
from trio_mirror.flip.tiff.layout import JPEG, YCBCR
from trio_mirror.flip.tiff.libtiff import decode_strip

_WHAT = "a strip or tile of the TIFF"
_CLOSE = 42
"""In decibels: what is seen then stays within 40 dB, even where the part of a tile beyond the image's edge came
out better."""
_LARGE = 1 << 22
"""In pixels: up to there it is cheap to believe a TIFF about a strip or tile that is smaller than it says."""
_LADDER = (1, 1.4, 2, 2.8, 4, 8, 255)
"""By what the steps of the quantization tables are divided, until the pixels are close enough."""

# By the number of components that are not luma and chroma: Pillow's mode, and PhotometricInterpretation.
_COLOURS = {1: ("L", 1), 3: ("RGB", 2), 4: ("CMYK", 5)}
_JPEG_TABLES = 347
_LONGEST_APP = 18  # bytes of a JFIF segment without a thumbnail; an Adobe segment has 16
SAMPLINGS = {(1, 1): 0, (2, 1): 1, (2, 2): 2}  # that Pillow can write, of luma against chroma, to its names of them


@dataclass(frozen=True)
class Jpeg:
    """JPEG: rearranged, or decoded to the components that it stores and encoded with its own tables or finer ones."""

    tables: bytes  # the tag JPEGTables, a stream of the tables that all strips or tiles share; may be empty
    width: int  # pixels of a row of a strip or tile
    components: int  # 1, 3 or 4
    ycbcr: bool  # whether the components are luma and chroma
    sample: bytes  # the data of one strip or tile, whose tables and sampling are kept
    full_chroma: bool = False  # whether to give each pixel its own chroma instead

    def decode(self, data: bytes, rows: int) -> bytes:
        """Decodes a strip or tile."""
        stream = self._whole(data)
        size = self.width, rows
        frame = frame_of(stream)
        if self.width * rows > _LARGE and (frame is None or frame[1] < rows or frame[2] < self.width):
            raise FlipError(f"{_WHAT} is stated as {self.width} by {rows} pixels, which its JPEG data are not")
        if frame == (8, rows, self.width, self.components):
            with suppress(FlipError), map_pillow_errors(_WHAT):
                return self._components(stream, size).tobytes()
        # libtiff forgives some damage, and a last strip that is higher than the image.
        tags = {_JPEG_TABLES: self.tables} if self.tables else {}
        mode, photometric = self._colours
        picture = decode_strip(data, size, JPEG, samples=self.components, photometric=photometric, tags=tags)
        return picture.convert(mode).tobytes()

    def encode(self, raster: bytes, rows: int) -> bytes:
        """Encodes a strip or tile, as coarsely as the file's own tables are where that is close enough.

        Raises:
            FlipError: even the finest tables do not keep the pixels within 40 dB.
        """
        mode, _ = self._colours
        picture = Image.frombytes(mode, (self.width, rows), raster)
        for divisor in _LADDER:
            tables = [[max(1, int(step / divisor)) for step in table] for *_, table in self._layers]
            stream = _encoded(picture, tables, self._sampling)
            if _closeness(picture, self.decode(stream, rows)) >= _CLOSE:
                return self._abbreviated(stream)
        raise FlipError("this TIFF's JPEG data cannot be encoded again within 40 dB of its pixels")

    def rearrange(self, data: bytes, rows: int, *, rows_first: bool) -> bytes | None:
        """Mirrors a strip or tile as it is, by its coefficients; none where that is not exact."""
        stream = self._whole(data)
        if frame_of(stream) != (8, rows, self.width, self.components):
            return None
        try:
            jpeg = parse(stream)
            check_data(stream, jpeg)
        except FlipError:
            return None
        transformed = transform(stream, Operation.mirroring(rows=rows_first), jpeg.entropy_coding)
        if transformed is None or transformed.warning:
            return None
        return self._abbreviated(transformed.data)

    def _components(self, stream: bytes, size: tuple[int, int]) -> Image.Image:
        mode, _ = self._colours
        how = mode, mode, 1  # what Pillow shall make of it, what it is, at which scale
        picture = Image.frombytes(mode, size, stream, "jpeg", (*how, False))
        if mode != "YCbCr" or self.full_chroma or self.factors == (1, 1):
            return picture
        # Chroma is wanted as it is stored. Smoothed for display it would be smoothed once more each time.
        draft = Image.frombytes(mode, size, stream, "jpeg", (*how, True))
        return Image.merge(mode, (picture.getchannel(0), draft.getchannel(1), draft.getchannel(2)))

    @property
    def _colours(self) -> tuple[str, int]:
        return ("YCbCr", YCBCR) if self.ycbcr else _COLOURS[self.components]

    @cached_property
    def _layers(self) -> list[tuple[int, int, list[int]]]:
        """Of each component: its sampling factors across and down, and its quantization table."""
        with map_pillow_errors(_WHAT):
            header = JpegImageFile(io.BytesIO(self._whole(self.sample)))
            if not header.layer:  # Pillow lets a frame header pass that ends before its components
                raise FlipError("the TIFF is damaged: its JPEG data say nothing of their components")
            return [(across, down, header.quantization[table]) for _, across, down, table in header.layer]

    @cached_property
    def factors(self) -> tuple[int, int]:
        """How many pixels share their chroma, across and down."""
        luma, *others = (layer[:2] for layer in self._layers)
        if self.components == 1:
            return 1, 1
        if 0 in luma or set(others) not in ({(1, 1)}, {luma}):  # Pillow lets zeros pass, T.81 (B.2.2) does not
            raise FlipError("this TIFF's JPEG data is subsampled in a way that cannot be written here")
        return (1, 1) if set(others) == {luma} else luma

    @property
    def _sampling(self) -> int:
        factors = (1, 1) if self.full_chroma else self.factors
        if factors not in SAMPLINGS:
            raise FlipError("this TIFF's JPEG data is subsampled in a way that cannot be written here")
        return SAMPLINGS[factors]

    def _whole(self, data: bytes) -> bytes:
        """The stream with the tables that it leaves to the TIFF."""
        return self.tables.removesuffix(b"\xff\xd9") + data[2:] if len(self.tables) >= 4 else data

    def _abbreviated(self, stream: bytes) -> bytes:
        """The stream with the JFIF and Adobe segments of the file's own, and without Huffman tables that the TIFF has.

        Quantization tables stay: those of one strip hold for the next too, where that brings none of its own.
        """
        shared = set(huffman_tables(_segments(self.tables)))
        own = (bytes(segment) for segment in _segments(self.sample) if segment.marker in APP)
        # Not what is longer, such as a thumbnail or Exif of the first strip: it would come again in every other.
        kept = [SOI, *(segment for segment in own if len(segment) <= _LONGEST_APP)]
        for segment in _segments(stream):
            if segment.marker == DHT:
                kept += [bytes(Segment(DHT, table)) for table in huffman_tables([segment]) if table not in shared]
            elif segment.marker not in APP:
                kept.append(bytes(segment))
        *_, scans = coded_part(stream)
        return b"".join([*kept, scans])


def _encoded(picture: Image.Image, tables: list[list[int]], sampling: int) -> bytes:
    """A JPEG stream of the picture's components as they are, whatever colours they stand for."""
    if picture.mode == "CMYK":
        picture = ImageChops.invert(picture)  # Pillow inverts it as Adobe does
    while len(tables) > 1 and tables[-1] == tables[-2]:  # components beyond the last table use it too
        tables = tables[:-1]
    with map_pillow_errors("a mirrored strip or tile of the TIFF"):
        return encode_image(picture, "JPEG", qtables=tables, subsampling=sampling, keep_rgb=True)


def _closeness(picture: Image.Image, raster: bytes) -> float:
    """The closeness of a raster to a picture, as they are displayed."""
    other = Image.frombytes(picture.mode, picture.size, raster)
    if picture.mode == "YCbCr":
        picture, other = picture.convert("RGB"), other.convert("RGB")
    return closeness(picture, other)


def frame_of(stream: bytes) -> tuple[int, int, int, int] | None:
    """The depth, height, width and number of components that a stream announces; none if it is damaged."""
    for segment in _segments(stream):
        if segment.marker in FRAMES and len(segment.payload) >= 6:
            return struct.unpack_from(">BHHB", segment.payload)
    return None


def _segments(stream: bytes) -> Iterator[Segment]:
    """The marker segments up to the first scan."""
    for marker, at, end in walk(stream, len(SOI), len(stream)):
        if marker in {SOS, EOI}:
            return
        yield Segment(marker, stream[at:end])
