from __future__ import annotations

import importlib.metadata
import mmap
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageOps

from tests.flip.jpegs import decibels, decoded, drawn, encoded
from trio_mirror.flip.jpeg import turbojpeg
from trio_mirror.flip.jpeg.segments import EntropyCoding, parse
from trio_mirror.flip.jpeg.turbojpeg import Operation, TurboJpeg

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    turbojpeg.libraries.cache_clear()
    yield
    turbojpeg.libraries.cache_clear()


@pytest.fixture
def wheel() -> str:
    try:
        files = importlib.metadata.files("turbojpeg") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the turbojpeg wheel is not installed")
    return next(str(file.locate()) for file in files if "libturbojpeg" in file.name)


def test_the_environment_names_the_library_before_all_others(wheel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIO_MIRROR_TURBOJPEG", wheel)
    assert turbojpeg.libraries()[0].path == wheel


def test_the_wheel_comes_before_the_systems_which_may_be_older(wheel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRIO_MIRROR_TURBOJPEG", raising=False)
    assert turbojpeg.libraries()[0].path == wheel
    assert {library.path for library in turbojpeg.libraries()[1:]} <= set(turbojpeg.SYSTEM_NAMES)


def test_there_may_be_no_library_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIO_MIRROR_TURBOJPEG", "/no/such/library.so")
    monkeypatch.setattr(turbojpeg, "SYSTEM_NAMES", ("libno-such-library.so",))
    monkeypatch.setattr(turbojpeg, "find_spec", lambda name: None)
    assert turbojpeg.libraries() == ()


def test_the_environment_can_do_without_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIO_MIRROR_TURBOJPEG", "none")
    assert turbojpeg.libraries() == ()


def test_another_library_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIO_MIRROR_TURBOJPEG", "libc.so.6")
    assert "libc.so.6" not in [library.path for library in turbojpeg.libraries()]


def test_reversing_twice_gives_the_same_bytes(library: TurboJpeg) -> None:
    data = encoded(drawn(64, 48))
    for operation in (Operation.REVERSE_EACH_ROW, Operation.REVERSE_ROW_ORDER, Operation.TRANSPOSE):
        once = library.transform(data, operation)
        assert once is not None
        twice = library.transform(once.data, operation)
        assert twice is not None
        assert decibels(decoded(data), decoded(twice.data)) == float("inf")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system does not state the memory in use")
def test_a_result_much_longer_than_the_picture_leaves_no_memory_behind() -> None:
    library = next((it for it in turbojpeg.libraries() if not it.version_3), None)
    if library is None:
        pytest.skip("no libturbojpeg of this machine loses fitted tables")
    dots = Image.frombytes("L", (100, 100), Random(1).randbytes(10_000)).point(lambda value: value // 128 * 255)
    data = encoded(dots.resize((800, 800), Image.Resampling.NEAREST), optimize=True)

    def held() -> int:
        for _ in range(100):
            once = library.transform(data, Operation.REVERSE_EACH_ROW, EntropyCoding(fitted=True))
            assert once is not None
            assert len(once.data) > 1.5 * len(data)
        return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE

    before = held()
    assert held() < before + 50 * len(data)


def test_what_is_not_exact_is_not_done(library: TurboJpeg) -> None:
    assert library.transform(encoded(drawn(65, 48)), Operation.REVERSE_EACH_ROW) is None
    assert library.transform(encoded(drawn(64, 49)), Operation.REVERSE_ROW_ORDER) is None


def test_a_sound_picture_brings_no_warning_and_a_cut_one_does(library: TurboJpeg) -> None:
    data = encoded(drawn(64, 48))
    whole = library.transform(data, Operation.REVERSE_EACH_ROW)
    cut = library.transform(data[:-60], Operation.REVERSE_EACH_ROW)
    assert whole is not None
    assert whole.warning == ""
    assert cut is not None
    assert cut.warning != ""


def test_what_is_no_picture_gives_nothing(library: TurboJpeg) -> None:
    assert library.transform(b"\xff\xd8\xff\xd9", Operation.REVERSE_EACH_ROW) is None
    assert library.transform(b"", Operation.REVERSE_EACH_ROW) is None


def test_unusual_subsampling_finds_a_library_that_can(wheel: str, library: TurboJpeg) -> None:
    unusual = encoded(drawn(64, 48, "CMYK"), subsampling=1)
    transformed = turbojpeg.transform(unusual, Operation.REVERSE_EACH_ROW)
    assert transformed is not None
    assert decibels(decoded(transformed.data), ImageOps.mirror(decoded(unusual))) > 40


def test_version_3_writes_arithmetic_coding(wheel: str) -> None:
    version_3 = TurboJpeg(wheel)
    assert version_3.version_3
    data = encoded(drawn(64, 48))
    arithmetic = version_3.transform(data, Operation.REVERSE_EACH_ROW, EntropyCoding(arithmetic=True))
    assert arithmetic is not None
    assert parse(arithmetic.data).entropy_coding.arithmetic
    back = version_3.transform(arithmetic.data, Operation.REVERSE_EACH_ROW)
    assert back is not None
    assert not parse(back.data).entropy_coding.arithmetic
    assert decibels(decoded(data), decoded(back.data)) == float("inf")
