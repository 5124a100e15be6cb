from __future__ import annotations

import io
import sys
import tracemalloc
from collections import Counter
from random import Random

import pytest
from PIL import Image

from tests.flip import test_jxl
from tests.flip.test_heif import heic
from tests.helpers.pictures import decode, draw, encode, png
from trio_mirror import Outcome, Result, Stage
from trio_mirror.cli.view.sample import Sample
from trio_mirror.cli.view.thumbnails import thumbnail


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Counts the thumbnails, in the place of drawing them."""
    seen: list[bytes] = []

    def count(data: bytes, *_: object) -> bytes:
        seen.append(data)
        return data

    monkeypatch.setattr("trio_mirror.cli.view.sample.thumbnail", count)
    return seen


def test_each_picture_is_as_likely_as_any_other(drawn: list[bytes]) -> None:
    times = Counter[str]()
    random = Random(1)
    for _ in range(2_000):
        sample = Sample(5, random)
        for number in range(50):
            sample.show(str(number), b"", b"")
        assert len(sample.pairs()) == 5
        times.update(pair.name for pair in sample.pairs())

    # Each is expected 200 times, with a standard deviation of 13.4; five of them are never left by chance.
    assert len(times) == 50
    assert all(133 < count < 267 for count in times.values())


def test_of_small_pictures_only_those_that_stay_are_drawn(drawn: list[bytes]) -> None:
    sample = Sample(60, Random(1))
    for number in range(10_000):
        sample.show(str(number), b"before", b"after")

    assert [(pair.before, pair.after) for pair in sample.pairs()] == [(b"before", b"after")] * 60
    assert len(drawn) == 2 * 60


def test_of_large_pictures_only_thumbnails_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trio_mirror.cli.view.sample.thumbnail", lambda data, *_: data[:1])
    before, after = b"b" * 200_000, b"a" * 200_000
    sample = Sample(60, Random(1))
    tracemalloc.start()
    for number in range(1_000):
        sample.show(str(number), bytes(bytearray(before)), bytes(bytearray(after)))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert held < 1_000_000
    assert [(pair.before, pair.after) for pair in sample.pairs()] == [(b"b", b"a")] * 60


def test_small_and_large_pictures_take_each_others_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trio_mirror.cli.view.sample.thumbnail", lambda data, *_: data[:1])
    sample = Sample(3, Random(1))
    for number in range(500):
        letter = b"%d" % (number % 10)
        sample.show(str(number), letter * (300_000 if number % 2 else 3), letter)

    assert [pair.before for pair in sample.pairs()] == [pair.name[-1].encode() for pair in sample.pairs()]


def test_results_find_their_pairs(drawn: list[bytes]) -> None:
    sample = Sample(2)
    sample.show("a.png", b"", b"")
    sample.add(Result(name="a.png", outcome=Outcome.FAILED, stage=Stage.UPLOAD))
    sample.add(Result(name="b.png", outcome=Outcome.MIRRORED, stage=Stage.UPLOAD))

    [pair] = sample.pairs()
    assert pair.result is not None
    assert pair.result.outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("mode", "image_format"),
    [
        ("RGB", "JPEG"),
        ("CMYK", "JPEG"),
        ("L", "PNG"),
        ("1", "PNG"),
        ("P", "GIF"),
        ("RGBA", "PNG"),
        ("LA", "PNG"),
        ("I;16", "PNG"),
        ("F", "TIFF"),
    ],
)
def test_a_thumbnail_shows_every_kind_of_picture(mode: str, image_format: str) -> None:
    image = draw(400, 300)
    if mode == "I;16":
        image = image.convert("I").point(lambda value: value * 256)

    small = thumbnail(encode(image.convert("L" if mode == "F" else image.mode).convert(mode), image_format))

    assert small is not None
    shown = decode(small)
    assert (shown.format, shown.size) == ("WEBP", (200, 150))
    assert len(shown.convert("L").getcolors() or ()) > 50


def test_a_thumbnail_is_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    small = thumbnail(encode(draw(400, 200), "JPEG", exif=exif))

    assert small is not None
    assert decode(small).size == (100, 200)


def test_what_pillow_lacks_is_drawn_by_the_decoders_of_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for data, size in ((heic(orientation=6), (48, 64)), (test_jxl.encoded(), (40, 24))):
        small = thumbnail(data)
        assert small is not None
        assert decode(small).size == size
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "pi_heif", None)
            patch.setitem(sys.modules, "pylibjxl", None)
            assert thumbnail(data) is None


@pytest.mark.parametrize("data", [b"", b"words", png()[:60]])
def test_what_cannot_be_drawn_has_no_thumbnail(data: bytes) -> None:
    assert thumbnail(data) is None


def test_a_huge_picture_is_not_decoded_for_a_thumbnail() -> None:
    out = io.BytesIO()
    Image.new("1", (10_000, 5_000)).save(out, "PNG")

    assert thumbnail(out.getvalue()) is None
