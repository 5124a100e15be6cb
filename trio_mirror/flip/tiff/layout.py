"""How one image of a TIFF lies in its strips or tiles, read and checked before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass

from trio_mirror.errors import FlipError
from trio_mirror.flip.limits import check_size
from trio_mirror.flip.tiff.ifd import Entry, Ifd, Structure
from trio_mirror.model import Limits

UNCOMPRESSED, CCITT_RLE, CCITT_G3, CCITT_G4, LZW, OLD_JPEG, JPEG, DEFLATE = range(1, 9)
PACKBITS, THUNDERSCAN, OLD_DEFLATE = 32773, 32809, 32946
LZMA, ZSTD = 34925, 50000
PREDICTING = frozenset({LZW, DEFLATE, OLD_DEFLATE, LZMA, ZSTD})  # the compressions to which the Predictor tag applies

YCBCR = 6
_IMAGE_DEPTH, _TILE_DEPTH = 32997, 32998  # SGI's tags of an image that is a volume (libtiff, tiff.h)
_MAX_PIXEL_BYTES = 8  # a pixel of four 16-bit samples; what the limit of a frame's pixels is taken to allow for
_SEPARATE, _REVERSED_BITS = 2, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One image: its size, its pixels, and the grid of strips or tiles that holds them.

    A strip is a tile as wide as the image. Sizes are in units: pixels, or where chroma is subsampled outside
    of JPEG, the blocks of pixels that share theirs (TIFF 6.0 section 21).
    """

    width: int
    height: int
    bits: int  # bits of a unit, all the samples together that lie together
    samples: int  # samples that lie together: all of a pixel, or 1 where each sample has a plane of its own
    planes: int
    segment_width: int
    segment_height: int
    tiled: bool
    block: tuple[int, int]  # pixels of a unit, across and down: (1, 1) unless chroma is subsampled
    compression: int
    predictor: int
    photometric: int
    bits_reversed: bool  # whether the bytes are filled from their lowest bit
    rows_first: bool  # whether it is displayed turned by a quarter: mirroring then reverses the order of its rows
    offsets: Entry
    counts: Entry | None
    subsampling: Entry | None  # the tag that says how many pixels share their chroma

    @property
    def pixels(self) -> int:
        """Pixels of the image."""
        return self.width * self.height * self.block[0] * self.block[1]

    @property
    def across(self) -> int:
        """Strips or tiles side by side."""
        return -(-self.width // self.segment_width)

    @property
    def down(self) -> int:
        """Strips or tiles one below the other."""
        return -(-self.height // self.segment_height)

    @property
    def stride(self) -> int:
        """Bytes of a row of the image."""
        return (self.width * self.bits + 7) // 8

    @property
    def segment_stride(self) -> int:
        """Bytes of a row of a strip or tile."""
        return (self.segment_width * self.bits + 7) // 8

    def rows(self, band: int) -> int:
        """Rows of the image that the strip or the row of tiles number ``band`` holds."""
        return min(self.segment_height, self.height - band * self.segment_height)

    def segment_rows(self, band: int) -> int:
        """Rows that are stored there: a tile is whole even where the image ends inside it."""
        return self.segment_height if self.tiled else self.rows(band)

    @property
    def places(self) -> tuple[int, ...] | None:
        """Where each byte of a block goes inside the mirrored block; none where a unit is a pixel."""
        across, down = self.block
        if self.block == (1, 1):
            return None
        if self.rows_first:
            luma = tuple((down - 1 - row) * across + column for row in range(down) for column in range(across))
        else:
            luma = tuple(row * across + across - 1 - column for row in range(down) for column in range(across))
        return (*luma, across * down, across * down + 1)


def read_layout(structure: Structure, ifd: Ifd, limits: Limits) -> Layout:
    """Reads the layout of one image."""
    width, height = structure.numbers(ifd, 256)[0], structure.numbers(ifd, 257)[0]
    check_size(width, height, limits)
    compression = structure.number(ifd, 259, UNCOMPRESSED)
    photometric = structure.number(ifd, 262, 0)
    if structure.number(ifd, _IMAGE_DEPTH, 1) > 1 or structure.number(ifd, _TILE_DEPTH, 1) > 1:
        raise FlipError("this TIFF holds a volume, several layers deep, which cannot be mirrored here")
    depths = _depths(structure, ifd)
    separate = structure.number(ifd, 284, 1) == _SEPARATE and len(depths) > 1
    if separate and len(set(depths)) > 1:
        raise FlipError("this TIFF holds planes of different depths, which cannot be mirrored exactly")
    block = _block(structure, ifd, compression, photometric, separate=separate)
    tiled = 322 in ifd.entries
    segment = _segment_size(structure, ifd, (width, height), limits)
    _check_block((width, height), segment, block, rows_first=ifd.rows_first)
    bits = depths[0] if separate else sum(depths)
    if block != (1, 1):
        bits = 8 * (block[0] * block[1] + 2)
    if segment[0] < width and segment[0] * bits % 8:
        raise FlipError("this TIFF's tiles do not end on whole bytes, so they cannot be put together")
    offsets = _whole_numbers(ifd, 324, 273)
    if offsets is None:
        raise FlipError("the TIFF does not say where its image data is")
    layout = Layout(
        width=-(-width // block[0]),
        height=-(-height // block[1]),
        bits=bits,
        samples=1 if separate else len(depths),
        planes=len(depths) if separate else 1,
        segment_width=-(-segment[0] // block[0]),
        segment_height=-(-segment[1] // block[1]),
        tiled=tiled,
        block=block,
        compression=compression,
        predictor=structure.number(ifd, 317, 1) if compression in PREDICTING else 1,
        photometric=photometric,
        bits_reversed=structure.number(ifd, 266, 1) == _REVERSED_BITS,
        rows_first=ifd.rows_first,
        offsets=offsets,
        counts=_whole_numbers(ifd, 325, 279),
        subsampling=_whole_numbers(ifd, 530),
    )
    _check_predictor(layout, depths)
    _check_bytes(layout, limits)
    return layout


def _segment_size(structure: Structure, ifd: Ifd, size: tuple[int, int], limits: Limits) -> tuple[int, int]:
    """The width and height of a strip or tile, pixels."""
    width, height = size
    if 322 in ifd.entries:
        segment = structure.number(ifd, 322, 0), structure.number(ifd, 323, 0)
        check_size(*segment, limits)
        return segment
    rows = min(structure.number(ifd, 278, height), height)
    if not rows:
        raise FlipError("the TIFF is damaged: its strips have no rows")
    return width, rows


def _check_bytes(layout: Layout, limits: Limits) -> None:
    """Refuses rasters out of proportion to their pixels: of very many samples, or of tiles mostly unused."""
    rows = layout.down * layout.segment_height if layout.tiled else layout.height
    size = layout.planes * rows * layout.across * layout.segment_stride
    if size > limits.frame_pixels * _MAX_PIXEL_BYTES:
        raise FlipError(
            f"the picture's pixels take {size:,} bytes, over the limit of {limits.frame_pixels:,} pixels "
            f"of {_MAX_PIXEL_BYTES} bytes a frame (--max-frame-pixels)"
        )


def _depths(structure: Structure, ifd: Ifd) -> list[int]:
    """Bits of each sample. As readers have it, one value may stand for all, and values too many are cut."""
    samples = structure.number(ifd, 277, 1)
    depths = list(structure.numbers(ifd, 258)) if 258 in ifd.entries else [1]
    if len(depths) == 1 and 0 < samples <= 65535:
        depths *= samples
    depths = depths[:samples]
    if not samples or len(depths) != samples or not all(0 < depth <= 64 for depth in depths):
        raise FlipError("the TIFF is damaged: its samples and their depths do not agree")
    return depths


def _block(structure: Structure, ifd: Ifd, compression: int, photometric: int, *, separate: bool) -> tuple[int, int]:
    if photometric != YCBCR or separate or compression in {JPEG, OLD_JPEG} or structure.number(ifd, 277, 1) != 3:
        return 1, 1
    if 530 not in ifd.entries:
        full = structure.number(ifd, 256, 0) * structure.number(ifd, 257, 0) * 3
        stored = sum(structure.numbers(ifd, 279)) if 279 in ifd.entries else 0
        # The default is 2 by 2, but uncompressed pixels whose chroma is all there say otherwise.
        return (1, 1) if compression == UNCOMPRESSED and stored >= full else (2, 2)
    across, down = (*structure.numbers(ifd, 530), 0)[:2]
    if not {across, down} <= {1, 2, 4}:
        raise FlipError("the TIFF is damaged: its chroma subsampling makes no sense")
    return across, down


def _check_block(size: tuple[int, int], segment: tuple[int, int], block: tuple[int, int], *, rows_first: bool) -> None:
    """Refuses blocks of shared chroma that the edge of the image, or of a strip or tile, would cut."""
    across, down = block
    cut = (segment[0] < size[0] and segment[0] % across) or (segment[1] < size[1] and segment[1] % down)
    if cut or (size[1] % down if rows_first else size[0] % across):
        raise FlipError(
            f"this TIFF shares chroma among {across} by {down} pixels, and its {size[0]} by {size[1]} pixels "
            "do not fill those blocks, so it cannot be mirrored exactly"
        )


def _whole_numbers(ifd: Ifd, *tags: int) -> Entry | None:
    """The first of some tags that the image has with whole numbers in it."""
    entries = (ifd.entries.get(tag) for tag in tags)
    return next((entry for entry in entries if entry and entry.whole_numbers), None)


def _check_predictor(layout: Layout, depths: list[int]) -> None:
    known = {1: True, 2: set(depths) <= {8, 16, 32, 64}, 3: set(depths) <= {16, 24, 32, 64}}
    alike = len(set(depths)) == 1 and layout.block == (1, 1)
    if layout.predictor != 1 and not (known.get(layout.predictor, False) and alike):
        raise FlipError(f"this TIFF uses the predictor {layout.predictor} at a depth at which nothing defines it")
