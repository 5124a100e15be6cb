"""JPEGs that are encoded again: judged by a sample where that suffices, and within 40 dB all the same."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from tests.flip.jpegs import decibels, decoded, drawn, encoded
from trio_mirror.flip.jpeg import flip, reencode
from trio_mirror.model import Limits

_COLORS = ["white", "black", "red", "lime", "blue", "cyan", "magenta", "#808080", "#c86432"]


def textured(kind: str, size: tuple[int, int], seed: int) -> Image.Image:
    """A picture of one texture: noise or a pattern of two colours, in cells of some pixels."""
    random = Random(seed)
    cell = random.choice((1, 2, 3, 8, 21))
    cells = (-(-size[0] // cell), -(-size[1] // cell))
    if kind == "drawn":
        return drawn(*size)
    if kind == "noise":
        small = Image.frombytes("RGB", cells, random.randbytes(3 * cells[0] * cells[1]))
    else:
        small = Image.new("RGB", cells, random.choice(_COLORS))
        odd = bytes(
            255 * ((x + (y if kind == "checkered" else 0)) % 2) for y in range(cells[1]) for x in range(cells[0])
        )
        small.paste(random.choice(_COLORS), mask=Image.frombytes("L", cells, odd))
    return small.resize((cells[0] * cell, cells[1] * cell), Image.Resampling.NEAREST).crop((0, 0, *size))


@st.composite
def adversarial(draw: st.DrawFn) -> bytes:
    """A JPEG of two textures side by side, or one above the other, with odd tables and samplings."""
    size = draw(st.sampled_from([(640, 260), (256, 649), (800, 205), (411, 420), (48, 40), (9, 3)]))
    seeds = st.integers(0, 1 << 30)
    kinds = st.sampled_from(["drawn", "noise", "checkered", "striped"])
    picture, other = (textured(draw(kinds), size, draw(seeds)) for _ in range(2))
    picture.paste(other, draw(st.sampled_from([(0, size[1] // 2), (size[0] // 2, 0), size])))
    random = Random(draw(seeds))
    coarsest = draw(st.sampled_from([1, 3, 20, 90, 255]))
    tables = [[random.randint(1, coarsest) for _ in range(64)] for _ in range(2)]
    options: dict[str, Any] = draw(st.sampled_from([{"quality": draw(st.integers(1, 100))}, {"qtables": tables}]))
    mode = draw(st.sampled_from(["RGB", "RGB", "L", "CMYK"]))
    return encoded(picture.convert(mode), subsampling=draw(st.integers(0, 2)), **options)


@settings(
    derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(adversarial())
def test_whatever_is_encoded_again_is_close_as_a_whole(no_library: None, data: bytes) -> None:
    flipped = flip(data, limits=Limits())
    close = decibels(decoded(flipped.data), ImageOps.mirror(decoded(data)))
    assert close >= reencode.CLOSE_ENOUGH or flipped.notes


@pytest.mark.usefixtures("no_library")
def test_a_result_that_is_close_by_far_is_not_decoded_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(drawn(640, 480))
    pixels = []

    def counting(data: bytes) -> Image.Image:
        image = decoded(data)
        pixels.append(image.width * image.height)
        return image

    monkeypatch.setattr(reencode, "decoded", counting)
    flipped = flip(data, limits=Limits())
    assert decibels(decoded(flipped.data), ImageOps.mirror(decoded(data))) >= reencode.CLOSE_ENOUGH
    assert pixels.pop(0) == 640 * 480
    assert sum(pixels) < 640 * 480 / 5
