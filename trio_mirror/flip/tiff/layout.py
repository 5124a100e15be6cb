"""How one image of a TIFF lies in its strips or tiles, read and checked before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass, field

from trio_mirror.errors import FlipError
from trio_mirror.flip.limits import check_size
from trio_mirror.flip.rows import row_bytes
from trio_mirror.flip.tiff.ifd import Entry, Ifd
from trio_mirror.model import Limits

UNCOMPRESSED, OLD_JPEG, JPEG = 1, 6, 7  # values of the Compression tag, of which the others are in `codecs`
YCBCR = 6
_IMAGE_DEPTH, _TILE_DEPTH = 32997, 32998  # SGI's tags of an image that is a volume (libtiff, tiff.h)
_MAX_PIXEL_BYTES = 8  # a pixel of four 16-bit samples; what the limit of a frame's pixels is taken to allow for
_SEPARATE = 2


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
    depth: int  # bits of a sample; 0 where they differ, or chroma is subsampled
    planes: int = 1
    segment_width: int
    segment_height: int
    tiled: bool = False
    block: tuple[int, int] = (1, 1)  # pixels of a unit, across and down: (1, 1) unless chroma is subsampled
    compression: int
    rows_first: bool  # whether it is displayed turned by a quarter: mirroring then reverses the order of its rows
    offsets: list[Entry]  # the tags that say where the strips or tiles are; more than one only of an old-style JPEG
    counts: list[Entry]  # the tags that say how long they are
    subsampling: list[Entry] = field(default_factory=list)  # the tag that says how many pixels share their chroma

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
        return row_bytes(self.width, self.bits)

    @property
    def segment_stride(self) -> int:
        """Bytes of a row of a strip or tile."""
        return row_bytes(self.segment_width, self.bits)

    def rows(self, band: int) -> int:
        """Rows of the image that the strip or the row of tiles number ``band`` holds."""
        return min(self.segment_height, self.height - band * self.segment_height)

    def segment_rows(self, band: int) -> int:
        """Rows that are stored there: a tile is whole even where the image ends inside it."""
        return self.segment_height if self.tiled else self.rows(band)

    def mirrored_inside(self, raster: bytes) -> bytes:
        """Mirrors each block of pixels that share their chroma, in its place: its luma, and two bytes behind that."""
        luma = self.block[0] * self.block[1]
        if luma == 1:
            return raster
        places = [*mirrored_grid(*self.block, rows=self.rows_first), luma, luma + 1]
        mirrored = bytearray(len(raster))
        for place, target in enumerate(places):
            mirrored[target :: len(places)] = raster[place :: len(places)]
        return bytes(mirrored)


def mirrored_grid(across: int, down: int, *, rows: bool) -> list[int]:
    """The cells of a grid, numbered row by row, in the order in which they stand when it is mirrored."""
    lines = [range(first, first + across) for first in range(0, across * down, across)]
    lines = lines[::-1] if rows else [line[::-1] for line in lines]
    return [cell for line in lines for cell in line]


def read_layout(ifd: Ifd, limits: Limits) -> Layout:
    """Reads the layout of one image."""
    width, height = ifd.numbers(256)[0], ifd.numbers(257)[0]
    check_size(width, height, limits)
    compression = ifd.number(259, UNCOMPRESSED)
    if ifd.number(_IMAGE_DEPTH, 1) > 1 or ifd.number(_TILE_DEPTH, 1) > 1:
        raise FlipError("this TIFF holds a volume, several layers deep, which cannot be mirrored here")
    depths = _depths(ifd)
    depth = depths[0] if len(set(depths)) == 1 else 0
    separate = ifd.number(284, 1) == _SEPARATE and len(depths) > 1
    if separate and not depth:
        raise FlipError("this TIFF holds planes of different depths, which cannot be mirrored exactly")
    block = (1, 1) if separate else _block(ifd, compression)
    segment = _segment_size(ifd, (width, height), limits)
    _check_block((width, height), segment, block, rows_first=ifd.rows_first)
    bits = depth if separate else sum(depths)
    if block != (1, 1):
        bits, depth = 8 * (block[0] * block[1] + 2), 0
    if segment[0] < width and segment[0] * bits % 8:
        raise FlipError("this TIFF's tiles do not end on whole bytes, so they cannot be put together")
    offsets = _whole_numbers(ifd, 324, 273)
    if not offsets:
        raise FlipError("the TIFF does not say where its image data is")
    layout = Layout(
        width=-(-width // block[0]),
        height=-(-height // block[1]),
        bits=bits,
        samples=1 if separate else len(depths),
        depth=depth,
        planes=len(depths) if separate else 1,
        segment_width=-(-segment[0] // block[0]),
        segment_height=-(-segment[1] // block[1]),
        tiled=322 in ifd.entries,
        block=block,
        compression=compression,
        rows_first=ifd.rows_first,
        offsets=offsets,
        counts=_whole_numbers(ifd, 325, 279),
        subsampling=_whole_numbers(ifd, 530),
    )
    _check_bytes(layout, limits)
    return layout


def _segment_size(ifd: Ifd, size: tuple[int, int], limits: Limits) -> tuple[int, int]:
    """The width and height of a strip or tile, pixels."""
    width, height = size
    if 322 in ifd.entries:
        segment = ifd.number(322, 0), ifd.number(323, 0)
        check_size(*segment, limits)
        return segment
    rows = min(ifd.number(278, height), height)
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


def _depths(ifd: Ifd) -> list[int]:
    """Bits of each sample. As readers have it, one value may stand for all, and values too many are cut."""
    samples = ifd.number(277, 1)
    depths = list(ifd.numbers(258, default=(1,)))
    if len(depths) == 1 and 0 < samples <= 65535:
        depths *= samples
    depths = depths[:samples]
    if not samples or len(depths) != samples or not all(0 < depth <= 64 for depth in depths):
        raise FlipError("the TIFF is damaged: its samples and their depths do not agree")
    return depths


def _block(ifd: Ifd, compression: int) -> tuple[int, int]:
    """How many pixels share their chroma, across and down."""
    if ifd.number(262, 0) != YCBCR or compression in {JPEG, OLD_JPEG} or ifd.number(277, 1) != 3:
        return 1, 1
    if 530 not in ifd.entries:
        full = ifd.number(256, 0) * ifd.number(257, 0) * 3
        # The default is 2 by 2, but uncompressed pixels whose chroma is all there say otherwise.
        return (1, 1) if compression == UNCOMPRESSED and sum(ifd.numbers(279, default=())) >= full else (2, 2)
    across, down = (*ifd.numbers(530), 0)[:2]
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


def _whole_numbers(ifd: Ifd, *tags: int) -> list[Entry]:
    """The first of some tags that the image has with whole numbers in it, if it has one."""
    entries = (ifd.entries[tag] for tag in tags if tag in ifd.entries)
    return [entry for entry in entries if entry.whole_numbers][:1]
