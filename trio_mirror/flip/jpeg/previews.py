"""JPEGs that stand inside other data and are mirrored where they stand, so that nothing around them moves."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from trio_mirror.errors import FlipError
from trio_mirror.flip.jpeg import turbojpeg
from trio_mirror.flip.jpeg.segments import EOI, SOI, coded_part, joined, parse
from trio_mirror.flip.jpeg.turbojpeg import Operation
from trio_mirror.flip.positions import not_mirrored

BEGINS = re.compile(rb"\xff\xd8\xff[\xc0-\xc4\xdb\xdd\xe0-\xef\xfe]")
_END = bytes((0xFF, EOI))
# More places that only look like the start of a JPEG are not looked at.
_ATTEMPTS = 16


def mirrored_inside(
    block: bytes, mirror_jpeg: Callable[[bytes], bytes], what: str, *, skip: slice = slice(0, 0)
) -> tuple[bytes, tuple[str, ...]]:
    """Mirrors each JPEG inside a block but for the part ``skip``, which is left as it is.

    ``mirror_jpeg`` raises FlipError where it cannot. Notes call the block ``what``.

    Returns:
        As many bytes, and a note if one was left as it was.
    """
    notes: tuple[str, ...] = ()
    at = 0
    for _ in range(_ATTEMPTS):
        found = BEGINS.search(block, at)
        if found is None:
            break
        at = found.start()
        if skip.start <= at < skip.stop:
            at = skip.stop
            continue
        try:
            preview = parse(block, at)
        except FlipError:
            at += len(SOI)
            continue
        try:
            mirrored = _mirrored_in_place(preview.data, mirror_jpeg)
            block = b"".join([block[:at], mirrored, block[preview.end :]])
        except FlipError as error:
            notes = not_mirrored({f"a preview in the {what} ({error})"})
        at = preview.end
    return block, notes


def _mirrored_in_place(jpeg: bytes, mirror_jpeg: Callable[[bytes], bytes]) -> bytes:
    if not jpeg.endswith(_END):
        raise FlipError("it is cut off")
    return filled(shortened(mirror_jpeg(jpeg), len(jpeg)), len(jpeg))


def shortened(jpeg: bytes, size: int) -> bytes:
    """The same JPEG with Huffman tables made for it, where it is longer than ``size`` in bytes."""
    if len(jpeg) <= size:
        return jpeg
    parsed = parse(jpeg)
    anew = turbojpeg.transform(jpeg, Operation.NONE, replace(parsed.entropy_coding, fitted=True))
    if anew is None:
        return jpeg
    return min(jpeg, joined(parsed.segments, coded_part(anew.data)), key=len)


def filled(jpeg: bytes, size: int) -> bytes:
    """The same JPEG in so many bytes: fill bytes stand before its end-of-image marker (T.81 B.1.1.2).

    Raises:
        FlipError: it is longer.
    """
    if len(jpeg) > size or not jpeg.endswith(_END):
        raise FlipError("mirrored, it is larger than its place")
    return jpeg[: -len(_END)].ljust(size - len(_END), b"\xff") + _END
