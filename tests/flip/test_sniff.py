from __future__ import annotations

import io
import subprocess
import sys

import pytest
from PIL import Image, ImageOps

from tests.helpers.pictures import draw, encode
from tests.helpers.processes import ENVIRONMENT
from trio_mirror import FlipError, flip


@pytest.mark.parametrize(
    ("image_format", "media_type"),
    [
        ("JPEG", "image/jpeg"),
        ("PNG", "image/png"),
        ("GIF", "image/gif"),
        ("WEBP", "image/webp"),
        ("TIFF", "image/tiff"),
        ("AVIF", "image/avif"),
        ("BMP", "image/bmp"),
        ("DIB", "image/bmp"),
        ("PPM", "image/x-portable-pixmap"),
        ("TGA", "image/x-tga"),
    ],
)
def test_each_format_is_told_by_its_first_bytes_and_stays_what_it_is(image_format: str, media_type: str) -> None:
    flipped = flip(encode(draw(48, 32), image_format))

    assert flipped.media_type == media_type
    with Image.open(io.BytesIO(flipped.data)) as image:
        assert image.format == image_format


def test_a_dib_is_mirrored_exactly() -> None:
    picture = draw(9, 5)

    with Image.open(io.BytesIO(flip(encode(picture, "DIB")).data)) as mirrored:
        assert mirrored.convert("RGB").tobytes() == ImageOps.mirror(picture).tobytes()


def test_what_is_no_picture_is_told_apart() -> None:
    with pytest.raises(FlipError, match="empty"):
        flip(b"")
    with pytest.raises(FlipError, match="HTML"):
        flip(b"\xef\xbb\xbf \n<!DOCTYPE html>")
    with pytest.raises(FlipError, match="not a picture"):
        flip(b"just some words")


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "TIFF"])
def test_bytes_may_be_in_any_object_that_holds_them(image_format: str) -> None:
    data = encode(draw(48, 32), image_format)

    assert flip(bytearray(data)) == flip(memoryview(data + b"-")[:-1]) == flip(data)
    with pytest.raises(TypeError, match="bytes-like"):
        flip(7)  # type: ignore[arg-type]


def test_exact_or_nothing_may_be_asked_for_in_text() -> None:
    data = encode(draw(47, 33), "JPEG")

    with pytest.raises(FlipError, match="exactly"):
        flip(data, lossless="always")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="sometimes"):
        flip(data, lossless="sometimes")  # type: ignore[arg-type]


def test_threads_that_meet_their_first_pictures_together_all_flip_them() -> None:
    script = """
import threading
from tests.helpers.pictures import draw, encode
from tests.helpers.processes import ENVIRONMENT
from trio_mirror import flip

pictures = [encode(draw(16, 8), kind) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "GIF")] * 4
start = threading.Barrier(len(pictures))
flipped = []

def mirror(data):
    start.wait()
    flipped.append(flip(data))

threads = [threading.Thread(target=mirror, args=(data,)) for data in pictures]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert len(flipped) == len(pictures)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=ENVIRONMENT, check=False)

    assert (done.returncode, done.stderr) == (0, "")
