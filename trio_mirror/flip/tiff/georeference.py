"""Where on the earth a raster lies (OGC GeoTIFF 1.1, section 7; GDAL's RPC tag), said of the mirrored raster.

Pixel scales are positive by the standard, and a mirrored raster runs the other way: the matrix of the
ModelTransformation tag takes the place of pixel scale and tie point, which come back when it is mirrored again.
"""

from __future__ import annotations

from trio_mirror.flip.positions import Mirror

SCALE, TIES, MATRIX, INTERGRAPH, RPC = 33550, 33922, 34264, 33920, 50844
TAGS = (SCALE, INTERGRAPH, TIES, MATRIX, RPC)
_LENGTHS = {SCALE: {2, 3}, MATRIX: {16}, INTERGRAPH: {16, 17}, RPC: {92}}
_NO_ROTATION = {1, 2, 4, 6, 8, 9, 12, 13, 14}  # places in the matrix that are 0 then
# Where in the RPC tag the offset and the numerator of the pixel's column stand, and those of its row.
_RPC_OFFSET, _RPC_NUMERATOR = (3, 2), (52, 12)

Values = dict[int, list[float]]


def mirrored(values: Values, mirror: Mirror, *, by_point: bool, room: bool) -> Values:
    """Says the same of a mirrored raster, by the numbers of the tags that the image has, and then has.

    ``by_point``: whole raster coordinates are the pixels' centres (PixelIsPoint), not their edges. ``room``: the
    directory has room for one more tag, as it has after the first flip.

    Raises:
        ValueError: the numbers are too few or too many.
    """
    for tag, numbers in values.items():
        if len(numbers) not in _LENGTHS.get(tag, {len(numbers) // 6 * 6 or 6}):
            raise ValueError(f"its tag {tag} is damaged")
    values = dict(values)
    axis, extent = int(mirror.rows), mirror.length - by_point
    if SCALE in values and TIES in values:
        values[MATRIX] = _matrix(values.pop(SCALE), values.pop(TIES))
    elif MATRIX in values:
        room = room and TIES not in values and SCALE not in values
    if TIES in values:
        values[TIES] = [extent - it if at % 6 == axis else it for at, it in enumerate(values[TIES])]
    for tag in (MATRIX, INTERGRAPH):
        if tag in values:
            values[tag] = _mirrored_matrix(values[tag], extent, axis)
    if RPC in values:
        values[RPC] = _mirrored_rpc(values[RPC], mirror.length, axis)
    matrix = values.get(MATRIX, [])
    if room and matrix and matrix[0] > 0 > matrix[5] and not any(matrix[at] for at in _NO_ROTATION):
        del values[MATRIX]
        values[SCALE] = [matrix[0], -matrix[5], matrix[10]]
        values[TIES] = [0.0, 0.0, 0.0, matrix[3], matrix[7], matrix[11]]
    return values


def _matrix(scale: list[float], ties: list[float]) -> list[float]:
    """The affine transformation that a scale and its (first) tie point stand for."""
    sx, sy, sz = (*scale, 0.0)[:3]
    i, j, k, x, y, z = ties[:6]
    return [sx, 0, 0, x - i * sx, 0, -sy, 0, y + j * sy, 0, 0, sz, z - k * sz, 0, 0, 0, 1]


def _mirrored_matrix(matrix: list[float], extent: int, axis: int) -> list[float]:
    out = list(matrix)
    for row in range(0, 12, 4):
        out[row + 3] += extent * matrix[row + axis]
        out[row + axis] = 0.0 - matrix[row + axis]
    return out


def _mirrored_rpc(numbers: list[float], extent: int, axis: int) -> list[float]:
    """Mirrors the column or the row, counted from the first pixel's centre, of a rational polynomial (RPC)."""
    out = list(numbers)
    offset, numerator = _RPC_OFFSET[axis], _RPC_NUMERATOR[axis]
    out[offset] = extent - 1 - numbers[offset]
    out[numerator : numerator + 20] = [0.0 - number for number in numbers[numerator : numerator + 20]]
    return out
