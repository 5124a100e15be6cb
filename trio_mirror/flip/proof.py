"""Pictures of the formats that are mirrored without a decoder, decoded only to prove that they are whole.

Without the proof a damaged picture would pass as mirrored. Pillow decodes AVIF, the extra ``proof`` the others; where
nothing is installed that could, or a decoder has limits of its own, a note says that the proof is missing. Those of
the extra run in a process of their own, which bounds their time and memory. What cannot be decoded raises a FlipError.
"""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from importlib.util import find_spec

from PIL import Image

from trio_mirror.errors import FlipError
from trio_mirror.flip import decode_apart
from trio_mirror.flip.pillow import map_pillow_errors, open_image
from trio_mirror.model import Limits

# In pixels. Decoding takes up to 16 bytes for each, and a decoder believes the stated size, whatever was coded.
_MOST_PIXELS = 25_000_000
_CRASHES = {-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGFPE}
_HEVC = {b"hvc1", b"hev1", b"lhv1"}
_TOO_LARGE = ("It is too large to be decoded for a proof that it is whole.",)
_FIRST_FRAME = ("Only its first frame was decoded for a proof that it is whole.",)
_NO_DECODER = ("It was not decoded for a proof that it is whole: no decoder of its kind is installed (extra proof).",)


def prove_avif(data: bytes, limits: Limits) -> tuple[str, ...]:
    """Decodes an AVIF; returns a note where it is too large for that."""
    with map_pillow_errors("the AVIF"):
        image = open_image(data, "AVIF", limits)
        if image.width * image.height > _MOST_PIXELS:
            return _TOO_LARGE
        for frame in range(getattr(image, "n_frames", 1)):
            image.seek(frame)
            image.load()
    return ()


def prove_heif(data: bytes, kinds: set[bytes], pixels: int) -> tuple[str, ...]:
    """Decodes the images of a HEIF; returns a note where no decoder can, or they are too large.

    ``kinds`` are the types of its coded items, ``pixels`` is how many a decoder goes through; none, and 0, where the
    file has a condensed header.
    """
    if not kinds <= _HEVC:  # of tiles of other codecs the decoder says that they are damaged
        return _NO_DECODER
    if pixels > 2 * _MOST_PIXELS:  # a picture with its gain map and thumbnails
        return _TOO_LARGE
    return _decoded_apart(data)[1]


def prove_jxl(data: bytes, samples: int, *, animated: bool) -> tuple[str, ...]:
    """Decodes a JPEG XL, of an animation the first frame; returns a note where no decoder can, or it is too large."""
    if samples > 4 * _MOST_PIXELS:
        return _TOO_LARGE
    return _decoded_apart(data)[1] or (_FIRST_FRAME if animated else ())


def open_by_extra(data: bytes, side: int) -> Image.Image:
    """Decodes a HEIF or JPEG XL, as it is displayed, by the extra ``proof``; scales it to ``side`` pixels.

    Call inside ``with map_pillow_errors(...)``.

    Raises:
        FlipError: it cannot be decoded, or not cheaply.
    """
    png, notes = _decoded_apart(data, side)
    if notes:
        raise FlipError(notes[0])
    return Image.open(io.BytesIO(png))


def _decoded_apart(data: bytes, side: int = 0) -> tuple[bytes, tuple[str, ...]]:
    """What the process that decodes writes, and a note where it could not."""
    kind, decoder = ("HEIF", "pi_heif") if data[4:8] == b"ftyp" else ("JPEG XL", "pylibjxl")
    if not find_spec(decoder):
        return b"", _NO_DECODER
    command = [sys.executable, "-P", decode_apart.__file__, str(_MOST_PIXELS), str(side)]
    try:
        done = subprocess.run(  # noqa: S603 (our own script)
            command,
            input=data,
            capture_output=True,
            timeout=decode_apart.SECONDS,
            start_new_session=True,  # a Ctrl-C at the terminal is not for it
            check=False,
        )
    except (subprocess.TimeoutExpired, OSError):
        return b"", _TOO_LARGE
    if done.returncode in {decode_apart.DAMAGED, *_CRASHES}:
        reason = done.stdout.decode(errors="replace") or "its decoder crashed"
        raise FlipError(f"the {kind} cannot be read: {reason}")
    notes = {0: (), decode_apart.NO_DECODER: _NO_DECODER}.get(done.returncode, _TOO_LARGE)
    return done.stdout, notes
