"""Decodes a HEIF or a JPEG XL in a process of its own: decoders crash on some damaged files, and others never end.

Run by `proof` as a script: ``decode_apart.py MOST_PIXELS SIDE``, with the file on standard input. With a side, a PNG of
at most so many pixels a side goes to standard output; where the file is damaged, the reason.
"""

from __future__ import annotations

import io
import resource
import sys
from contextlib import suppress
from typing import Any

DAMAGED, NO_DECODER, TOO_LARGE = 3, 4, 5  # exit codes
SECONDS = 60  # of CPU
_BYTES = 2 << 30  # of address space, and twice as many for the threads and floats of libjxl


def _heif(data: bytes, most_pixels: int) -> Any:
    import pi_heif

    pi_heif.options.DECODE_THREADS = 0
    try:
        pictures = pi_heif.open_heif(data)
        images = list(pictures)
        if not images:
            sys.exit(NO_DECODER)
        if any(image.size[0] * image.size[1] > most_pixels for image in images):
            sys.exit(TOO_LARGE)
        for image in images:
            image.load()
    except (SyntaxError, RuntimeError, MemoryError, OSError):  # a limit of the decoder
        sys.exit(NO_DECODER)
    return pictures


def _jxl(data: bytes, most_pixels: int) -> Any:
    import pylibjxl

    try:
        stated = pylibjxl.probe(data)
        if stated["width"] * stated["height"] * stated["channels"] > 4 * most_pixels:
            sys.exit(TOO_LARGE)
        return pylibjxl.decode(data)
    except MemoryError:
        sys.exit(TOO_LARGE)
    except RuntimeError as error:
        raise ValueError(error) from error


def _main(most_pixels: int, side: int) -> None:
    data = sys.stdin.buffer.read()
    decoded, room = (_heif, _BYTES) if data[4:8] == b"ftyp" else (_jxl, 2 * _BYTES)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # macOS takes no limit of the address space: https://github.com/python/cpython/issues/78783
    with suppress(ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (room, room))
    try:
        picture = decoded(data, most_pixels)
    except (ValueError, EOFError) as error:
        sys.stdout.write(str(error).strip())
        sys.exit(DAMAGED)
    if side:
        from PIL import Image

        image = picture.to_pillow() if decoded is _heif else Image.fromarray(picture)
        out = io.BytesIO()
        image.thumbnail((side, side))
        image.save(out, "PNG", compress_level=1)
        sys.stdout.buffer.write(out.getvalue())


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]))
