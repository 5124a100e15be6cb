"""What follows the first image of a JPEG file: further images, videos, and what else makers put there."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from itertools import takewhile
from typing import NamedTuple

from trio_mirror.errors import FlipError
from trio_mirror.flip.isobmff import boxes
from trio_mirror.flip.jpeg.mirror_image import PNG
from trio_mirror.flip.jpeg.previews import BEGINS
from trio_mirror.flip.jpeg.segments import SOI, Jpeg, parse

_BEGINS = re.compile(BEGINS.pattern + b"|" + re.escape(PNG) + rb"|(?<=\0\0..)ftyp", re.DOTALL)
# More places that only look like the start of a JPEG are not looked at.
_FAILURES = 16


class Trailer(NamedTuple):
    """What follows the first image."""

    images: list[Jpeg]
    videos: list[slice]  # in bytes of the file: ISO base media files
    pngs: list[slice]  # in bytes of the file, too


def read_trailer(data: bytes, end: int, starts: Sequence[int], most: int) -> Trailer:
    """Finds the pictures and videos behind the first image, from the offset ``end`` on, in bytes.

    None of the further images that an index names, at ``starts`` in order, reaches into the next. At most ``most``
    images are looked for.
    """
    images: list[Jpeg] = []
    videos: list[slice] = []
    pngs: list[slice] = []
    failures = 0
    while len(images) + len(pngs) < most and failures < _FAILURES:
        found = _BEGINS.search(data, end)
        if found is None:
            break
        start = found.start()
        if found[0] == b"ftyp":
            start -= 4
            end = _end_of_boxes(data, start)
            videos.append(slice(start, end))
        elif found[0] == PNG:
            end = _end_of_chunks(data, start + len(PNG))
            pngs.append(slice(start, end))
        else:
            stop = next(iter(starts[bisect_right(starts, start) :]), len(data))
            try:
                images.append(parse(data, start, stop))
                end = images[-1].end
            except FlipError:
                failures += 1
                end = start + len(SOI)
    return Trailer(images, videos, pngs)


def _end_of_chunks(data: bytes, at: int) -> int:
    """The offset behind a PNG's chunks (PNG, third edition, section 5.3)."""
    while at + 12 <= len(data) and data[at + 4 : at + 8] != b"IEND":
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return min(at + 12, len(data))


def _end_of_boxes(data: bytes, at: int) -> int:
    """The offset behind the whole boxes that begin at ``at`` with a file type."""
    end = at + 8
    with suppress(FlipError):
        for box in takewhile(lambda box: box.kind.isalnum(), boxes(data, at, len(data))):
            end = box.end
    return end
