from __future__ import annotations

import itertools
import struct
import zlib
from typing import TYPE_CHECKING

import pytest

from tests.flip.slow_png import SIGNATURE, Kind, chunk, chunks_of, decode, encode, header, read
from tests.flip.steps import is_linear
from tests.flip.test_png import flip, reversed_rows
from trio_mirror.flip.png import idot

if TYPE_CHECKING:
    from collections.abc import Callable

RGB = Kind(2, 8, interlaced=False)
WIDTH, ROWS = 31, (13, 12)
PIXELS = [[(x * x + y) % 7 << 16 | (x * y) % 5 << 8 | x % 3 for x in range(WIDTH)] for y in range(sum(ROWS))]


def screenshot(level: int, *, lie: int = 0, sideways: bool = False) -> bytes:
    """A picture whose two bands can be inflated side by side, each in two chunks."""
    compressor = zlib.compressobj(level)
    scanlines = encode(PIXELS, RGB, lambda: 1)
    cut = ROWS[0] * (1 + 3 * WIDTH)
    first = compressor.compress(scanlines[:cut]) + compressor.flush(zlib.Z_FULL_FLUSH)
    second = compressor.compress(scanlines[cut:]) + compressor.flush()
    first = b"\x78\x9c" + first[2:]  # whatever the level, the stream states the usual effort
    parts = [first[:40], first[40:], second[:50], second[50:]]
    bands = struct.pack(">7I", 2, 0, ROWS[0], 40, ROWS[0], ROWS[1], 40 + 24 + len(first) + lie)
    exif = chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0") if sideways else b""
    raster = [chunk(b"IDAT", part) for part in parts]
    return b"".join(
        [SIGNATURE, header(WIDTH, sum(ROWS), RGB), exif, chunk(b"iDOT", bands), *raster, chunk(b"IEND", b"")]
    )


def inflate_bands(data: bytes) -> list[bytes]:
    """Inflates each band from the bytes between the chunks that iDOT points at, as if there were no other."""
    start = data.index(b"iDOT") - 4
    words = struct.unpack_from(">7I", data, start + 8)
    edges = [start + words[3], start + words[6], data.index(b"IEND") - 4]
    bands = []
    for at, end in itertools.pairwise(edges):
        assert data[at + 4 : at + 8] == b"IDAT"
        stream = b"".join(body for kind, body in chunks_of(SIGNATURE + data[at:end]) if kind == b"IDAT")
        if at == edges[0]:
            stream = stream[2:]  # the zlib header
        bands.append(zlib.decompressobj(-15).decompress(stream))
    return bands


@pytest.mark.parametrize("level", [0, 1, 9])
@pytest.mark.parametrize("sideways", [False, True])
def test_bands_can_still_be_inflated_side_by_side(*, level: int, sideways: bool) -> None:
    mirrored = flip(screenshot(level, sideways=sideways))
    wanted = PIXELS[::-1] if sideways else reversed_rows(PIXELS)
    assert read(mirrored) == wanted
    upper, lower = inflate_bands(mirrored)
    assert decode(upper, WIDTH, ROWS[0], RGB) == wanted[: ROWS[0]]
    assert decode(lower, WIDTH, ROWS[1], RGB) == wanted[ROWS[0] :]


def test_a_first_row_that_needs_the_band_above_gets_another_filter() -> None:
    original = screenshot(9, sideways=True)
    scanlines = encode(PIXELS, RGB, lambda: 2)
    stream = zlib.compress(scanlines)
    start = original.index(b"IDAT") - 4
    distance = 40 + 12 + 30
    bands = struct.pack(">7I", 2, 0, ROWS[0], 40, ROWS[0], ROWS[1], distance)
    head = original[: original.index(b"iDOT") - 4]
    assert start == len(head) + 40
    raster = [chunk(b"IDAT", stream[:30]), chunk(b"IDAT", stream[30:])]
    mirrored = flip(b"".join([head, chunk(b"iDOT", bands), *raster, chunk(b"IEND", b"")]))
    assert decode(inflate_bands(mirrored)[1], WIDTH, ROWS[1], RGB) == PIXELS[::-1][ROWS[0] :]
    assert read(mirrored) == PIXELS[::-1]


def test_the_chunk_stays_as_it_is_where_the_new_raster_takes_no_more_room() -> None:
    kept = [body for kind, body in chunks_of(screenshot(0)) if kind == b"iDOT"]
    assert [body for kind, body in chunks_of(flip(screenshot(0))) if kind == b"iDOT"] == kept


@pytest.mark.parametrize("lie", [-12, 1, 1000])
def test_a_chunk_that_points_elsewhere_is_left_alone(lie: int) -> None:
    original = screenshot(6, lie=lie)
    mirrored = flip(original)
    assert read(mirrored) == reversed_rows(PIXELS)
    assert [kind for kind, _ in chunks_of(mirrored)] == [kind for kind, _ in chunks_of(original)]
    assert chunks_of(mirrored)[1] == chunks_of(original)[1]


@pytest.mark.parametrize("gap", [0, 5, 12, 17, 24, *range(44, 60)])
def test_a_band_is_filled_to_the_byte(gap: int) -> None:
    stream = zlib.compressobj(wbits=-15)
    band = stream.compress(b"band") + stream.flush(zlib.Z_FULL_FLUSH)
    filled, empty_chunks = idot.fill(band, len(band) + gap)
    assert len(filled) + 12 * empty_chunks == len(band) + gap
    assert zlib.decompressobj(-15).decompress(filled) == b"band"


@pytest.mark.parametrize("gap", [-5, -1, 1, 43])
def test_a_band_that_cannot_be_filled_to_the_byte_is_left_alone(gap: int) -> None:
    assert idot.fill(b"band", 4 + gap) == (b"band", 0)


def many_bands(bands: int) -> bytes:
    """A picture of one row a band."""
    compressor = zlib.compressobj()
    gray = Kind(0, 8, interlaced=False)
    parts = [compressor.compress(b"\0ab") + compressor.flush(zlib.Z_FULL_FLUSH) for _ in range(bands)]
    raster = [chunk(b"IDAT", part) for part in [*parts[:-1], parts[-1] + compressor.flush()]]
    distances = list(itertools.accumulate(map(len, raster), initial=16 + 12 * bands))
    entries = b"".join(struct.pack(">3I", row, 1, distances[row]) for row in range(bands))
    idot_chunk = chunk(b"iDOT", struct.pack(">I", bands) + entries)
    return b"".join([SIGNATURE, header(2, bands, gray), idot_chunk, *raster, chunk(b"IEND", b"")])


def test_the_cost_of_bands_grows_with_their_number_and_no_faster() -> None:
    def work(bands: int) -> Callable[[], object]:
        data = many_bands(bands)
        return lambda: flip(data)

    assert is_linear(work, 150)
    assert read(flip(many_bands(5))) == [[0x62, 0x61]] * 5
    assert [body for kind, body in chunks_of(flip(many_bands(5))) if kind == b"iDOT"]
