from __future__ import annotations

import inspect
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_mirror import Lossless, Report, Settings, SettingsError, Shard, aio, mirror, open_mirror, run
from trio_mirror.settings.sources import build, choose, from_environment
from trio_mirror.settings.units import (
    format_duration,
    format_moment,
    format_size,
    parse_byte_rate,
    parse_duration,
    parse_rate,
    parse_size,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("function", [mirror, open_mirror, run, aio.mirror, aio.open_mirror])
def test_the_keyword_arguments_are_the_fields(function: Callable[..., object]) -> None:
    own, choices = inspect.signature(function), inspect.signature(Settings)

    assert list(own.parameters) == ["source", "target", "transport", "transform", "on_result", *choices.parameters]
    assert own.parameters["timeout"].default == 30.0
    assert "concurrency: 'int' = 16" in str(own)


async def check_types() -> None:
    """Never called: mypy checks that it sees each keyword argument, its text form, and that no ignore is unused."""
    run("a", "b", timeout="1m30s", rate="50/s", lossless="always", journal=Path("run.journal"), header=["A: b"])
    report: Report = await mirror("a", target=Path("b"), concurrency=3, max_bytes="2MiB", shard="1/4")
    async with open_mirror("a", deadline=60) as results:
        assert results.report.seconds < report.seconds < Settings(timeout="1m30s").timeout
    run("a", concurrency="many")  # type: ignore[arg-type]
    run("a", concurency=3)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("choice", "option"),
    [
        ({"concurrency": 0}, "--concurrency"),
        ({"flip_threads": -1}, "--flip-threads"),
        ({"timeout": 0}, "--timeout"),
        ({"timeout": float("nan")}, "--timeout"),
        ({"flip_timeout": float("inf")}, "--flip-timeout"),
        ({"drain": -1}, "--drain"),
        ({"max_bytes": 0}, "--max-bytes"),
        ({"limit": 0}, "--limit"),
        ({"concurrency": 2.5}, "--concurrency: invalid value 2.5: expected a whole number, for example 16"),
        ({"concurrency": "many"}, "--concurrency: invalid value 'many': expected a whole number"),
        ({"timeout": None}, "--timeout: invalid value None: expected a number"),
        ({"max_bytes": 1e6}, "--max-bytes"),
        ({"rate": [50]}, "--rate"),
        ({"rate": "fast"}, "--rate: invalid value 'fast': expected a rate, for example 50/s"),
        ({"lossless": True}, "--lossless: invalid value True: expected one of auto, always, never"),
        ({"auth": "secret"}, "--auth: invalid value: expected USER:PASSWORD"),
        ({"header": {"X": "secret"}}, "--header: invalid value: expected a list"),
        ({"journal": ""}, "--journal: invalid value '': expected some text"),
        ({"field": "a\r\nb"}, "--field"),
        ({"field": "\udcff"}, "--field"),
        ({"success_status": [404]}, "--success-status"),
        ({"header": [("Name with space", "x")]}, "--header"),
        ({"header": [("X", "line\nbreak")]}, "--header"),
        ({"header": [("Host", "elsewhere")]}, "--header"),
        ({"header": [("X-One", 1)]}, "--header"),
        ({"auth": ("user", "password", "more")}, "--auth"),
        ({"concurrency": True}, "--concurrency"),
        ({"concurrency": None}, "--concurrency"),
        ({"concurrency": 10**30}, "--concurrency: .* at most 65,536"),
        ({"processes": 10**30}, "--processes: .* at most 1,024"),
        ({"flip_threads": 10**30}, "--flip-threads: .* at most 1,024"),
        ({"max_frames": 10**30}, "--max-frames"),
        ({"min_rate": None}, "--min-rate"),
        ({"success_status": 200}, "--success-status"),
        ({"success_status": ()}, "--success-status"),
        ({"include": [1]}, "--include"),
        ({"shard": (1, 2)}, "--shard"),
        ({"adaptive": 3}, "--adaptive"),
        ({"journal": "a\0b"}, "--journal"),
        ({"base": 5}, "--base"),
        ({"auth": "token", "auth_type": "digest"}, "--auth: invalid value: expected USER:PASSWORD"),
        ({"key": "client.key"}, "--key: it needs the certificate"),
        ({"upload_as": "put", "upload_url": "/upload"}, "--upload-url: it does not go with --upload-as put"),
    ],
)
def test_what_cannot_work_is_refused_with_its_option(choice: dict[str, Any], option: str) -> None:
    with pytest.raises(SettingsError, match=option):
        Settings(**choice)


def test_a_choice_may_be_a_path_or_a_generator() -> None:
    given: dict[str, Any] = {
        "journal": Path("run.journal"),
        "include": (it for it in ["*.jpg", "*.png"]),
        "header": (it for it in [["X-One", "1"]]),
    }

    settings = Settings(**given)

    assert settings.journal == "run.journal"
    # Each is looked at for every name, and for every request.
    assert settings.include == ("*.jpg", "*.png")
    assert settings.header == (("X-One", "1"),)


@pytest.mark.parametrize("secret", [{"auth": ("hunter2",)}, {"auth": 7777}, {"header": "hunter2"}, {"header": [7777]}])
def test_a_secret_of_the_wrong_kind_is_not_repeated_either(secret: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(**secret)

    assert "hunter2" not in str(caught.value)
    assert "7777" not in str(caught.value)


def test_a_secret_is_not_in_what_is_shown_of_settings() -> None:
    settings = Settings(auth=("me", "hunter2"), header=[("X-Token", "hunter2")], field="picture")

    assert "hunter2" not in repr(settings)
    assert "picture" in repr(settings)


def test_a_text_is_read_as_on_the_command_line() -> None:
    texts: dict[str, Any] = {
        "rate": "300/min",
        "timeout": "1m30s",
        "max_bytes": "2MiB",
        "lossless": "Always",
        "include": "*.png",
        "header": ["X-One: 1", ("X-Two", "2")],
        "auth": "me:pass:word",
        "success_status": ["201"],
        "shard": "1/4",
        "adaptive": "no",
    }

    assert Settings(**texts) == Settings(
        rate=5.0,
        timeout=90.0,
        max_bytes=2 * 1024**2,
        lossless=Lossless.ALWAYS,
        include=("*.png",),
        header=(("X-One", "1"), ("X-Two", "2")),
        auth=("me", "pass:word"),
        success_status=(201,),
        shard=Shard(1, 4),
        adaptive=False,
    )


def test_a_secret_is_not_repeated_in_an_error() -> None:
    with pytest.raises(SettingsError) as caught:
        # By itself it may be a token: --auth-type decides, and may be set elsewhere.
        build(choose({}, {"TRIO_MIRROR_AUTH": "hunter2"}))

    assert "TRIO_MIRROR_AUTH" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_the_line_break_behind_a_secret_in_the_environment_is_not_part_of_it() -> None:
    values = from_environment({"TRIO_MIRROR_AUTH": "me:secret\r\n", "TRIO_MIRROR_HEADER": "X-Key: secret\n"})

    assert values == {"auth": ("me", "secret"), "header": (("X-Key", "secret"),)}


def test_the_environment_fills_the_same_fields() -> None:
    environment = {
        "TRIO_MIRROR_CONCURRENCY": "4",
        "TRIO_MIRROR_TIMEOUT": "1m30s",
        "TRIO_MIRROR_MAX_BYTES": "2MiB",
        "TRIO_MIRROR_LOSSLESS": "Always",
        "TRIO_MIRROR_HEADER": "X-One: 1\nX-Two: 2",
        "TRIO_MIRROR_AUTH": "me:pass:word",
        "TRIO_MIRROR_FLIP_THREADS": "",
        "OTHER": "thing",
    }

    settings = Settings(**from_environment(environment))

    assert settings == Settings(
        concurrency=4,
        timeout=90.0,
        max_bytes=2 * 1024**2,
        lossless=Lossless.ALWAYS,
        header=(("X-One", "1"), ("X-Two", "2")),
        auth=("me", "pass:word"),
    )


@pytest.mark.parametrize("text", ["many", "1.5", ""])
def test_a_count_is_a_whole_number(text: str) -> None:
    environment = {"TRIO_MIRROR_CONCURRENCY": text or " "}

    with pytest.raises(SettingsError, match="whole number"):
        from_environment(environment)


@pytest.mark.parametrize(
    ("text", "size"),
    [("65536", 65536), ("64KiB", 65536), ("64k", 65536), ("64kB", 64_000), ("1.5GiB", 3 * 2**29), ("0", 0)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["9" * 400, "9" * 19, "8388608T"])
def test_a_size_that_nothing_has_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="more bytes than"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30), ("0.5s", 0.5), ("1m30s", 90), ("2h", 7_200), ("1h1m1s", 3_661), ("5min", 300), ("1 min 05 s", 65)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(("text", "rate"), [("50", 50), ("50/s", 50), ("300/min", 5), ("1.5 / h", 1.5 / 3600)])
def test_rates(text: str, rate: float) -> None:
    assert parse_rate(text) == pytest.approx(rate)


def test_rates_of_bytes() -> None:
    assert parse_byte_rate("1KiB/s") == 1024


@pytest.mark.parametrize("parse", [parse_size, parse_duration, parse_rate, parse_byte_rate])
@given(text=st.text(max_size=12))
def test_any_text_is_a_number_or_a_value_error(parse: Any, text: str) -> None:
    with suppress(ValueError):
        assert parse(text) >= 0


def test_numbers_are_written_for_people() -> None:
    assert format_size(1_536) == "1.5 KiB"
    assert format_size(12) == "12 B"
    assert format_moment(0.00042) == "0.4 ms"
    assert format_moment(0.0636) == "64 ms"
    assert format_moment(0.9999) == "1.00 s"
    assert format_duration(3.14159) == "3.1 s"
    assert format_duration(65) == "1 min 05 s"
    assert format_duration(7_380) == "2 h 03 min"
