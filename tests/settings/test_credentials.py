"""No password is ever shown, however its URL was mistyped, and wherever it was written."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trio_mirror.cli.command import app
from trio_mirror.cli.ending import run_command
from trio_mirror.errors import MirrorError, SettingsError, hide_userinfo
from trio_mirror.galleries.opening import open_galleries
from trio_mirror.settings import Settings, all_settings, choose, option_name, shown_config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "Wm7pQx"
MISTYPED = [
    *("http:/me:SECRET@host/images/", "http:me:SECRET@host", "http//me:SECRET@host/", "https:///me:SECRET@host/"),
    *("http:/:SECRET@host", "htp://me:SECRET@host/", "ftp://me:SECRET@host/", "HTTP:/me:SECRET@host"),
    *("http://me:SECRET@host:99999/", "http://me:SECRET@host:port/", "http://me:SECRET@/", "http://me:SECRET@ho st/"),
    *("http://me:SECRET/x@host/", "http://me:x/SECRET@host/", "http://me:SECRET#x@host/", "http://me:SECRET?@host/"),
    *("http://me:SECRET@host/?page=1", "http://me:SECRET@host/#top", "http://me:a@b:SECRET@host:x/"),
    *("http://me:SECRET@xn--0/", "http://me:SECRET@[::1/", "http://me:SECRET'@host:x/", "me:SECRET@host/images/"),
    *("me:SECRET@host:8000", "s3://me:SECRET@bucket/in/", "sftp://me:SECRET@/in", "://me:SECRET@host"),
]
PLACES = ("source", "to", "base")
"""The settings that take URLs."""


@pytest.fixture(autouse=True)
def loggers_of_before() -> Iterator[None]:
    """The command sets them up for its process, which here is that of all tests."""
    loggers = [logging.getLogger(name) for name in ("trio_mirror", "py.warnings")]
    before = [(logger.handlers, logger.level, logger.propagate) for logger in loggers]
    yield
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


def run(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command prints, in this process, where it fails."""
    with pytest.raises(SystemExit) as ended:
        run_command(app, arguments, "trio-mirror")
    assert ended.value.code
    printed = "".join(capfd.readouterr())
    assert printed
    return printed


@pytest.mark.parametrize("form", MISTYPED)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("written", ["option", "variable", "file"])
def test_the_password_of_a_mistyped_url_is_not_printed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    form: str,
    place: str,
    written: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "names.txt").write_text("a.png\n")
    url = form.replace("SECRET", SECRET)
    arguments = [] if place == "source" else ["http://127.0.0.1:9/" if place == "to" else "names.txt"]
    if written == "option":
        arguments += [url] if place == "source" else [option_name(place), url]
    elif written == "variable":
        monkeypatch.setenv(f"TRIO_MIRROR_{place.upper()}", url)
    else:
        (tmp_path / "trio-mirror.toml").write_text(f'{place} = "{url}"\n')
    monkeypatch.setattr(sys, "argv", ["trio-mirror", *arguments])

    printed = run(capfd, *arguments, "--retries", "0", "-vv", "--log-file", "run.log", "--events", "events.jsonl")

    files = [path for path in (tmp_path / "run.log", tmp_path / "events.jsonl") if path.exists()]
    assert SECRET not in printed + "".join(path.read_text() for path in files)
    assert {path.name for path in tmp_path.iterdir()} <= {"names.txt", "trio-mirror.toml", "run.log", "events.jsonl"}


@pytest.mark.parametrize("form", MISTYPED)
@pytest.mark.parametrize("name", sorted(name for name, it in all_settings().items() if not it.flag))
def test_the_password_of_a_url_in_any_setting_is_not_shown(form: str, name: str) -> None:
    url = form.replace("SECRET", SECRET)
    for options, environ in (({name: url}, {}), ({}, {f"TRIO_MIRROR_{name.upper()}": url})):
        try:
            shown = shown_config(choose(options, environ, "/dev/null"))
        except SettingsError as error:
            shown = str(error)
        assert SECRET not in shown


@pytest.mark.parametrize("form", MISTYPED)
def test_the_password_of_a_second_place_and_of_a_flag_is_not_printed(
    capfd: pytest.CaptureFixture[str], form: str
) -> None:
    url = form.replace("SECRET", SECRET)
    for arguments in (["a", url], ["a", "--json", url], [f"--json={url}"], [f"--auht={url}"], [f"--config={url}"]):
        assert SECRET not in run(capfd, *arguments)


@pytest.mark.parametrize("form", [*MISTYPED, "socks9://me:SECRET@host", "http://me:SECRET@host:70000"])
async def test_the_password_of_a_mistyped_proxy_is_not_shown(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setenv("http_proxy", form.replace("SECRET", SECRET))
    opened = open_galleries("http://gallery.invalid/images/", None, Settings(timeout=0.5))
    with pytest.raises(MirrorError) as caught:
        async with opened as (source, _), source.names() as names:
            await anext(names)
    assert SECRET not in str(caught.value)


_WORDS = st.text(st.characters(categories=["L", "N"], exclude_characters=SECRET), max_size=5)


@given(
    scheme=st.sampled_from(["http:/", "http://", "https:///", "ftp://", "http:", "http//", "", "./", "s3://"]),
    user=_WORDS,
    before=st.text("abc123/?#:%'~", max_size=4),
    after=st.text("abc123/?#:%'~", max_size=4),
    host=st.sampled_from(["host", "host:8000", "host:x", "[::1]", ""]),
    message=st.sampled_from(["{}", "invalid URL {}: x", "invalid value '{}': x", "write --to={} or ({})"]),
)
@example("http://", "", "//?", "", "host", "{}")
@example("http://", "0", "//?", "", "host", "{}")
@example("http:/", "a", "//b/", "", "host", "{}")
def test_credentials_are_hidden_wherever_they_stand(
    scheme: str, user: str, before: str, after: str, host: str, message: str
) -> None:
    if before[:1].isdigit():
        before = f"a{before}"  # of host:1/path@x, nobody can say that it is a password
    if not scheme and before.startswith("//"):
        before = f"a{before}"  # nor of scheme://host/path@x
    url = f"{scheme}{user}:{before}{SECRET}{after}@{host}/images/"
    for text in (hide_userinfo(message.format(url, url)), str(SettingsError(message.format(url, url)))):
        assert SECRET not in text


@pytest.mark.parametrize(
    "text",
    [
        "http://host/@me/a@2x.png",
        "http://host:8000/@me/",
        "http://[::1]:8000/@me/",
        "the list http://host/images/ cannot be read: no connection (x@y)",
        "invalid value 'x': expected USER:PASSWORD",
        "a@2x.png",
    ],
)
def test_what_is_not_a_credential_is_shown(text: str) -> None:
    assert hide_userinfo(text) == text
