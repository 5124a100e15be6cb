"""Both routes of JPEG: through libturbojpeg where this machine has it, and without it."""

from __future__ import annotations

import pytest

from trio_mirror.flip.jpeg import turbojpeg


@pytest.fixture
def library() -> turbojpeg.TurboJpeg:
    if not turbojpeg.libraries():
        pytest.skip("this machine has no libturbojpeg")
    return turbojpeg.libraries()[0]


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turbojpeg, "libraries", tuple)


@pytest.fixture(params=["library", "no_library"])
def route(request: pytest.FixtureRequest) -> str:
    """Runs a test once with libturbojpeg and once without."""
    request.getfixturevalue(request.param)
    return str(request.param)
