"""A mirrored GeoTIFF says of every pixel that it lies where it lay."""

from __future__ import annotations

import json
import math
import shutil
import struct
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.flip.drawn_tiff import Drawn, Reader, Rows, Writer, write
from trio_mirror import flip

if TYPE_CHECKING:
    from pathlib import Path

WIDTH, HEIGHT = 6, 4
SCALE, TIES, MATRIX, KEYS, RPC = 33550, 33922, 34264, 34735, 50844
Tags = dict[int, tuple[Any, ...]]

NORTH_UP: Tags = {SCALE: (10.0, 20.0, 0.0), TIES: (0.0, 0.0, 0.0, 500_000.0, 5_400_000.0, 0.0)}
ROTATED: Tags = {MATRIX: (8.0, 3.0, 0.0, 500.0, 2.0, -9.0, 0.0, 700.0, *[0.0] * 7, 1.0)}

numbers = st.integers(-1000, 1000).map(lambda number: number / 8)
lengths = st.integers(1, 1000).map(lambda number: number / 8)
orientations = st.sampled_from([None, 1, 2, 3, 4, 5, 6, 7, 8])
affine = st.fixed_dictionaries({
    SCALE: st.tuples(lengths, lengths, st.just(0.0)),
    TIES: st.tuples(numbers, numbers, st.just(0.0), numbers, numbers, numbers),
})  # fmt: skip
matrices = st.fixed_dictionaries({
    MATRIX: st.lists(numbers, min_size=12, max_size=12).map(lambda rows: (*rows, 0.0, 0.0, 0.0, 1.0)),
})  # fmt: skip
points = st.fixed_dictionaries(
    {TIES: st.lists(numbers, min_size=12, max_size=24).map(lambda it: (*it[: len(it) // 6 * 6],))}
)
polynomials = st.fixed_dictionaries({RPC: st.lists(numbers, min_size=92, max_size=92).map(tuple)})


def placed(tags: Tags, *, by_point: bool, orientation: int | None, order: str = "<", big: bool = False) -> bytes:
    """A raster whose every pixel has another value, with these tags of doubles."""
    rows: Rows = [[(WIDTH * y + x,) for x in range(WIDTH)] for y in range(HEIGHT)]
    keys = struct.pack(f"{order}8H", 1, 1, 0, 1, 1025, 0, 1, 2 if by_point else 1)
    doubles = {tag: (12, struct.pack(f"{order}{len(values)}d", *values)) for tag, values in tags.items()}
    image = Drawn(rows=rows, orientation=orientation, tags={KEYS: (3, keys), **doubles})
    return write(image, replace(image, tags={}), order=order, big=big)


def tags_of(data: bytes) -> Tags:
    return Reader(data).directories()[0]


def model(tags: Tags, column: float, row: float) -> list[float]:
    """Where the middle of a pixel lies on the map."""
    half = 0 if tags[KEYS][7] == 2 else 0.5
    x, y = column + half, row + half
    if MATRIX in tags:
        return [sum(a * b for a, b in zip(tags[MATRIX][at : at + 4], (x, y, 0, 1), strict=True)) for at in (0, 4, 8)]
    (sx, sy, _), (i, j, _, east, north, up) = tags[SCALE], tags[TIES][:6]
    return [east + (x - i) * sx, north - (y - j) * sy, up]


def mirrored_place(orientation: int | None, column: float, row: float) -> tuple[float, float]:
    return (column, HEIGHT - 1 - row) if (orientation or 1) >= 5 else (WIDTH - 1 - column, row)


@settings(deadline=None, max_examples=150)
@given(
    tags=affine | matrices,
    by_point=st.booleans(),
    orientation=orientations,
    order=st.sampled_from("<>"),
    big=st.booleans(),
)
def test_every_pixel_stays_where_it_lies_on_the_map(
    tags: Tags, orientation: int | None, order: str, *, by_point: bool, big: bool
) -> None:
    data = placed(tags, by_point=by_point, orientation=orientation, order=order, big=big)
    once = flip(data).data
    before, after = tags_of(data), tags_of(once)
    for column, row in ((0, 0), (WIDTH - 1, 0), (2, HEIGHT - 1)):
        moved = mirrored_place(orientation, column, row)
        assert model(after, *moved) == pytest.approx(model(before, column, row), abs=1e-6)
    assert not after.keys() >= {SCALE, MATRIX}  # the standard allows one of them
    assert after.get(SCALE, (1, 1)) > (0, 0)
    twice = tags_of(flip(once).data)
    assert twice.keys() == before.keys()
    assert model(twice, 3, 1) == pytest.approx(model(before, 3, 1), abs=1e-6)


@settings(deadline=None, max_examples=100)
@given(tags=points, by_point=st.booleans(), orientation=orientations)
def test_tie_points_move_with_their_pixels(tags: Tags, orientation: int | None, *, by_point: bool) -> None:
    data = placed(tags, by_point=by_point, orientation=orientation)
    once = flip(data).data
    half = 0 if by_point else 0.5
    before, after = tags[TIES], tags_of(once)[TIES]
    for at in range(0, len(before), 6):
        column, row = mirrored_place(orientation, before[at] - half, before[at + 1] - half)
        assert after[at : at + 2] == pytest.approx((column + half, row + half))
        assert after[at + 2 : at + 6] == before[at + 2 : at + 6]
    assert tags_of(flip(once).data)[TIES] == pytest.approx(before)


@settings(deadline=None, max_examples=50)
@given(tags=polynomials, orientation=orientations)
def test_the_polynomials_of_a_satellite_give_the_mirrored_pixel(tags: Tags, orientation: int | None) -> None:
    data = placed(tags, by_point=False, orientation=orientation)
    once = flip(data).data
    before, after = tags[RPC], tags_of(once)[RPC]

    def pixel(values: tuple[float, ...]) -> tuple[float, float]:
        """The pixel at the centre of the polynomials, for whatever terms have the value of 1."""
        line = values[2] + values[7] * sum(values[12:32]) / (sum(values[32:52]) or 1)
        sample = values[3] + values[8] * sum(values[52:72]) / (sum(values[72:92]) or 1)
        return sample, line

    assert pixel(after) == pytest.approx(mirrored_place(orientation, *pixel(before)), abs=1e-6)
    assert tags_of(flip(once).data)[RPC] == before


def test_a_damaged_georeference_is_taken_out_with_a_note() -> None:
    data = placed({SCALE: (10.0, 10.0, 0.0), TIES: (0.0,) * 5}, by_point=False, orientation=None)
    result = flip(data)
    assert not tags_of(result.data).keys() & {SCALE, TIES}
    assert "georeference was taken out" in result.notes[0]
    assert Reader(result.data).rows(tags_of(result.data), Drawn(rows=[[(0,)]]))[0][0] == (WIDTH - 1,)


def test_pages_that_share_a_value_keep_it_each_for_itself() -> None:
    ties = struct.pack("<12d", *range(12))
    pages = [Drawn(rows=[[(1,)] * width] * 3, tags={TIES: (12, ties)}) for width in (4, 9)]
    data = write(*pages)
    first, second = (at for at in range(len(data)) if data[at : at + 96] == ties)
    link = data.rindex(struct.pack("<I", second))
    shared = data[:link] + struct.pack("<I", first) + data[link + 4 :]
    columns = [directory[TIES][::6] for directory in Reader(flip(shared).data).directories()]
    assert columns == [(4, -2), (9, 3)]


@pytest.mark.parametrize("row", [(*[0] * 13, 1, 2, 3), (1, 2, 3, *[0] * 13)])
def test_black_pixels_right_behind_a_directory_are_not_taken_for_room(row: tuple[int, ...]) -> None:
    # Mirrored, this is a scale and a tie point: one tag more, where there is room.
    matrix = struct.pack("<16d", -2, 0, 0, 100, 0, -3, 0, 50, *[0.0] * 7, 1)
    numbers = {256: 16, 257: 1, 258: 8, 259: 1, 262: 1, 273: 8 + 128 + 2 + 12 * 9 + 4, 278: 1, 279: 16}
    writer = Writer()
    writer.directory({MATRIX: (12, matrix), **{tag: (4, struct.pack("<I", it)) for tag, it in numbers.items()}})
    mirrored = flip(bytes(writer.data) + bytes(row)).data
    image = Drawn(rows=[[(it,) for it in row]])
    assert Reader(mirrored).rows(tags_of(mirrored), image) == image.mirrored()


# --- GDAL, which shares no code with the project


@pytest.fixture
def gdal() -> None:
    if not shutil.which("gdallocationinfo"):
        pytest.skip("gdal-bin is not installed")


def gdal_affine(path: Path, data: bytes) -> list[float]:
    path.write_bytes(data)
    said = subprocess.run(["gdalinfo", "-json", str(path)], check=True, capture_output=True, text=True).stdout
    found: list[float] = json.loads(said)["geoTransform"]
    return found


def gdal_value(path: Path, east: float, north: float) -> int:
    command = ["gdallocationinfo", "-valonly", "-geoloc", str(path), str(east), str(north)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.slow
@pytest.mark.usefixtures("gdal")
@pytest.mark.parametrize("by_point", [False, True])
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(
    "tags",
    [NORTH_UP, ROTATED],
    ids=["scale", "matrix"],
)
def test_gdal_finds_a_marked_pixel_at_its_coordinates(
    tags: Tags, orientation: int | None, tmp_path: Path, *, by_point: bool, big: bool
) -> None:
    path = tmp_path / "map.tif"
    original = placed(tags, by_point=by_point, orientation=orientation, big=big)
    x, a, b, y, c, d = gdal_affine(path, original)
    east, north = x + 1.5 * a + 2.5 * b, y + 1.5 * c + 2.5 * d
    assert gdal_value(path, east, north) == 2 * WIDTH + 1
    once = flip(original).data
    moved = gdal_affine(path, once)
    assert math.prod(moved[1:3]) == pytest.approx(-a * b)
    assert gdal_value(path, east, north) == 2 * WIDTH + 1
    assert gdal_affine(path, flip(once).data) == pytest.approx([x, a, b, y, c, d])
