"""What Pillow does not document may change: then pictures fail, and say why."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from trio_mirror import FlipError, flip
from trio_mirror.flip.tiff import jpeg_codec


def drawn(image_format: str, **options: str) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((20, 12), 50).convert("RGB").save(out, image_format, **options)
    return out.getvalue()


@pytest.mark.parametrize("image_format", ["PNG", "WEBP", "JPEG2000"])
def test_a_registry_of_formats_that_is_gone_is_named(image_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = drawn(image_format)
    monkeypatch.delattr(Image, "OPEN")

    with pytest.raises(FlipError, match=r"cannot be read: .*OPEN"):
        flip(data)


def test_sampling_factors_that_are_gone_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(data: io.BytesIO) -> JpegImageFile:
        image = JpegImageFile(data)
        del image.layer
        return image

    data = drawn("TIFF", compression="jpeg")
    monkeypatch.setattr(jpeg_codec, "JpegImageFile", opened)

    with pytest.raises(FlipError, match=r"cannot be read: .*no attribute 'layer'"):
        flip(data)
