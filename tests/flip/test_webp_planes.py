"""WebP's planes: what they show, how they are mirrored, and the library that takes them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from tests.flip.test_webp import decoded, encoded, noise, photo
from trio_mirror.errors import FlipError
from trio_mirror.flip.webp import libwebp
from trio_mirror.flip.webp.coded_image import read_coded
from trio_mirror.flip.webp.libwebp import LibWebP
from trio_mirror.flip.webp.planes import Planes
from trio_mirror.flip.webp.riff import read_container

if TYPE_CHECKING:
    from collections.abc import Iterator

BOTH_WAYS = [Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    libwebp.library.cache_clear()
    yield
    libwebp.library.cache_clear()


@pytest.fixture
def library() -> LibWebP:
    found = libwebp.library()
    if not found:
        pytest.skip("this machine has no libwebp apart from Pillow's built-in one")
    return found


def drawn_planes(width: int, height: int, seed: int) -> Planes:
    half = ((width + 1) // 2, (height + 1) // 2)
    return Planes(*(noise(*size, "L", seed + at) for at, size in enumerate([(width, height), half, half])))


def as_bytes(planes: Planes) -> list[bytes]:
    return [plane.tobytes() for plane in (planes.luma, planes.blue, planes.red)]


@pytest.mark.parametrize("size", [(32, 20), (31, 20), (32, 21), (1, 1), (2, 3)])
def test_planes_show_what_the_decoder_shows(library: LibWebP, size: tuple[int, int]) -> None:
    data = encoded(noise(*size), quality=90)
    difference = ImageChops.difference(library.decode(data, size).to_rgb(), decoded(data))
    assert max(difference.tobytes()) <= 3


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), st.sampled_from(BOTH_WAYS), st.integers(0, 99))
def test_even_sides_are_mirrored_exactly_and_back(half: int, other: int, method: Image.Transpose, seed: int) -> None:
    size = (2 * half, other) if method is Image.Transpose.FLIP_LEFT_RIGHT else (other, 2 * half)
    planes = drawn_planes(*size, seed)
    mirrored = planes.mirrored(method)
    assert mirrored.luma.tobytes() == planes.luma.transpose(method).tobytes()
    assert mirrored.blue.tobytes() == planes.blue.transpose(method).tobytes()
    assert as_bytes(mirrored.mirrored(method)) == as_bytes(planes)


@pytest.mark.parametrize("method", BOTH_WAYS)
def test_steps_bring_planes_closer_to_what_is_wanted(library: LibWebP, method: Image.Transpose) -> None:
    size = (33, 33)
    planes = library.decode(encoded(photo(*size), quality=90), size)
    wanted = planes.to_rgb().transpose(method)
    unmoved = Planes(*(plane.transpose(method) for plane in (planes.luma, planes.blue, planes.red)))
    assert distance(planes.mirrored(method), wanted) < distance(unmoved, wanted) / 4


@pytest.mark.parametrize("method", BOTH_WAYS)
def test_the_colours_of_an_odd_side_come_to_lie_between_their_samples(method: Image.Transpose) -> None:
    turned = method is Image.Transpose.FLIP_TOP_BOTTOM
    ramp = Image.frombytes(
        "L", (17, 17), bytes(row * 8 if turned else column * 8 for row in range(17) for column in range(17))
    )
    planes = Planes(Image.new("L", (33, 33), 128), ramp, ramp)
    moved = planes.mirrored(method).blue
    inner = (moved.transpose(Image.Transpose.TRANSPOSE) if turned else moved).crop((2, 2, 15, 3))
    assert list(inner.tobytes()) == [8 * column - 4 for column in range(14, 1, -1)]


def distance(planes: Planes, wanted: Image.Image) -> int:
    histogram = ImageChops.difference(planes.to_rgb(), wanted).histogram()
    return sum(count * (at % 256) ** 2 for at, count in enumerate(histogram))


def test_quality_is_size_and_alpha_is_exact(library: LibWebP) -> None:
    planes, alpha = drawn_planes(31, 21, 1), noise(31, 21, "L", 9)
    low, high = (library.encode(planes, alpha, quality) for quality in (50, 98))
    assert len(low) < len(high)
    assert decoded(high).getchannel("A").tobytes() == alpha.tobytes()
    coded = read_coded(read_container(high).chunks)
    assert (coded.size(), coded.lossless) == ((31, 21), False)


def test_encoding_leaves_the_planes_as_they_are(library: LibWebP) -> None:
    planes = drawn_planes(32, 32, 1)
    before = as_bytes(planes)
    library.encode(planes, Image.new("L", (32, 32)), 90)  # where all is transparent, colours are smoothed
    assert as_bytes(planes) == before


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 400), st.integers(1, 40), st.integers(0, 999))
def test_damaged_images_are_refused_or_decoded(at: int, length: int, seed: int) -> None:
    library = libwebp.library()
    if not library:
        pytest.skip("this machine has no libwebp apart from Pillow's built-in one")
    whole = encoded(photo(40, 30), quality=60)
    damaged = whole[:at] + random.Random(seed).randbytes(length) + whole[at + length :]
    try:
        planes = library.decode(damaged, (40, 30))
    except FlipError as error:
        assert "damaged" in str(error)  # noqa: PT017
    else:
        assert planes.luma.size == (40, 30)


@pytest.mark.parametrize("size", [(39, 30), (40, 29), (20, 15)])
def test_an_image_larger_than_its_room_is_refused(library: LibWebP, size: tuple[int, int]) -> None:
    with pytest.raises(FlipError, match="damaged"):
        library.decode(encoded(photo(40, 30)), size)


def test_an_image_larger_than_the_format_is_refused(library: LibWebP) -> None:
    with pytest.raises(FlipError, match="libwebp's error 5"):  # VP8_ENC_ERROR_BAD_DIMENSION
        library.encode(drawn_planes(16_384, 1, 1), None, 95)


def test_another_version_of_the_structures_is_not_taken(library: LibWebP, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libwebp, "_ABI", 0x0300)
    with pytest.raises(OSError, match="another version"):
        LibWebP(library.path)


def test_pillows_own_library_comes_before_the_systems() -> None:
    paths = list(libwebp._candidates())
    assert tuple(paths[-3:]) == libwebp.SYSTEM_NAMES
    assert not any("demux" in path or "mux" in path for path in paths)


def test_what_is_no_libwebp_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libwebp, "_candidates", lambda: iter(["libc.so.6", "no-such-library.so"]))
    assert libwebp.library() is None
