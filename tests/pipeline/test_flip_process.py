"""Flips in a process of their own."""

from __future__ import annotations

from functools import partial

import pytest

from tests.helpers.pictures import png
from trio_mirror import FlipError, flip
from trio_mirror.pipeline.flip_process import flip_apart


def test_a_flip_apart_gives_what_a_flip_gives() -> None:
    data = png()

    assert flip_apart(partial(flip, data), 60) == flip(data)


def test_a_flip_apart_fails_as_a_flip_does() -> None:
    with pytest.raises(FlipError, match="the body is empty"):
        flip_apart(partial(flip, b""), 60)


def test_a_flip_apart_is_killed_when_its_time_is_over() -> None:
    with pytest.raises(TimeoutError):
        flip_apart(partial(flip, png()), 1e-6)
