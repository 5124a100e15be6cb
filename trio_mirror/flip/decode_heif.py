"""Decodes a HEIF in a process of its own, since its decoders crash on some damaged files.

Run by `proof` as a script: ``decode_heif.py MOST_PIXELS SIDE``, with the file on standard input. With a side, a PNG of
at most so many pixels a side goes to standard output; where the file is damaged, the reason.
"""

from __future__ import annotations

import io
import resource
import sys
from contextlib import suppress
from typing import Any

DAMAGED, NO_DECODER, TOO_LARGE = 3, 4, 5  # exit codes
SECONDS, _BYTES = 60, 2 << 30  # of CPU, and of address space


def _decoded(data: bytes, most_pixels: int) -> Any:
    import pi_heif

    pi_heif.options.DECODE_THREADS = 0
    pictures = pi_heif.open_heif(data)
    images = list(pictures)
    if not images:
        sys.exit(NO_DECODER)
    if any(image.size[0] * image.size[1] > most_pixels for image in images):
        sys.exit(TOO_LARGE)
    for image in images:
        image.load()
    return pictures


def _main(most_pixels: int, side: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # macOS takes no limit of the address space: https://github.com/python/cpython/issues/78783
    with suppress(ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))
    try:
        pictures = _decoded(sys.stdin.buffer.read(), most_pixels)
    except (ValueError, EOFError) as error:  # invalid input; all else is a limit of the decoder
        sys.stdout.write(str(error).strip())
        sys.exit(DAMAGED)
    except (SyntaxError, RuntimeError, MemoryError, OSError):
        sys.exit(NO_DECODER)
    if side:
        image, out = pictures.to_pillow(), io.BytesIO()
        image.thumbnail((side, side))
        image.save(out, "PNG", compress_level=1)
        sys.stdout.buffer.write(out.getvalue())


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]))
