from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.test_cli import cli, files_below
from tests.helpers.pictures import png
from trio_mirror import Lossless, SettingsError
from trio_mirror.settings.options import LogFormat
from trio_mirror.settings.sources import Chosen, build, choose, read_config, shown_config, to_toml

if TYPE_CHECKING:
    from pathlib import Path


def error_of(text: str, folder: Path) -> str:
    """The line that a configuration file of this text gets, its path left out."""
    file = folder / "some.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        build(choose({}, {}, str(file)))
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{file}:")
    return message.removeprefix(f"{file}:")


def test_values_read_as_people_write_them(tmp_path: Path) -> None:
    file = tmp_path / "some.toml"
    file.write_text(
        """
        max-bytes = "64MiB"
        rate = "50/s"
        timeout = "1m30s"
        picture_timeout = 90
        drain = 0.5
        include = ["*.jpg", "*.png"]
        exclude = "thumb*"
        header = ["X-One: 1", "X-Two: 2"]
        lossless = "always"
        adaptive = false
        insecure = "yes"
        source = "http://host/images/"
        log-format = "json"
        success-status = [200, 201]
        """
    )

    options, settings = build(choose({}, {}, str(file)))

    assert (settings.max_bytes, settings.rate, settings.timeout) == (64 * 1024**2, 50, 90)
    assert (settings.picture_timeout, settings.drain) == (90, 0.5)
    assert settings.include == ("*.jpg", "*.png")
    assert settings.exclude == ("thumb*",)
    assert settings.header == (("X-One", "1"), ("X-Two", "2"))
    assert (settings.lossless, settings.adaptive, settings.insecure) == (Lossless.ALWAYS, False, True)
    assert settings.success_status == (200, 201)
    assert (options.source, options.log_format) == (("http://host/images/",), LogFormat.JSON)


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("# mine\nconcurency = 8", "2: concurency:", "did you mean concurrency?"),
        ("flipthreads = 8", "1: flipthreads:", "did you mean flip-threads?"),
        ("zzz = 8", "1: zzz:", "no such setting"),
        ("[run]\nconcurrency = 8", "1: run:", "no such setting"),
        (
            'include = [\n  "a",\n  "b",\n]\n\ntimeout = "soon"',
            "6: timeout:",
            "expected a duration, for example 30, 90s or 1m30s",
        ),
        ('include = [\n  "a",\n  7.5,\n  true]', "1: include:", "expected text, for example *.jpg"),
        ('base = """\nconcurrency = 9\n"""\nconcurrency = 0', "4: concurrency:", "for example 16"),
        ('base = """\nlimit = 9\n"""\nlimit = 1.5', "4: limit:", "expected a whole number, for example 16"),
        ("timeout = 1m30s", "1: timeout:", 'timeout = "1m30s"'),
        ("\ntimeout =", "2: timeout:", "texts stand in quotes"),
        ("journal = true", "1: journal:", "expected text, for example run.journal"),
        ("limit = 2025-01-01", "1: limit:", "expected a whole number, for example 100"),
        ("max-bytes = 5\nmax_bytes = 6", "2: max_bytes:", "set twice"),
        ("limit = 5\nlimit = 6", "2: limit:", "limit: it is set twice"),
        ("verbose = true", "1: verbose:", "; --show-config lists them"),
        ("retry-failed = true", "1: --retry-failed:", "--journal run.journal"),
        (f"limit = {'9' * 5_000}", " the configuration", "digits"),
        (f"include = {'[' * 5_000}", " the configuration", "recursion"),
        ('journal = "a\\u0000b"', "1: journal:", "expected text without a NUL"),
        ("success-status = []", "1: --success-status:", "at least one"),
    ],
)
def test_a_broken_file_is_told_in_one_line_with_file_line_and_key(
    text: str, place: str, said: str, tmp_path: Path
) -> None:
    message = error_of(text, tmp_path)

    assert message.startswith(place)
    assert said in message


@pytest.mark.parametrize(
    "text",
    ["auth = hunter2", "auth = 'hunter2'", "auth = ['x', 'hunter2']", "header = 'hunter2'", "header = {hunter2 = 1}"],
)
def test_an_error_never_repeats_a_secret(text: str, tmp_path: Path) -> None:
    assert "hunter2" not in error_of(text, tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"field = '\xe4'")

    for name in ("missing", ".", "latin"):
        with pytest.raises(SettingsError, match=str(tmp_path / name)):
            read_config(str(tmp_path / name))


def test_option_before_environment_before_file_before_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trio-mirror.toml").write_text("limit = 1\nretries = 1\nconcurrency = 1\n")
    environment = {"TRIO_MIRROR_RETRIES": "2", "TRIO_MIRROR_CONCURRENCY": "2"}

    chosen = choose({"concurrency": 3}, environment)
    _, settings = build(chosen)

    assert (settings.limit, settings.retries, settings.concurrency, settings.max_frames) == (1, 2, 3, 1_000)
    assert chosen == {
        "limit": Chosen(1, "trio-mirror.toml:1"),
        "retries": Chosen(2, "TRIO_MIRROR_RETRIES"),
        "concurrency": Chosen(3, "--concurrency"),
    }


def test_a_value_that_cannot_work_is_told_with_where_it_was_chosen() -> None:
    with pytest.raises(
        SettingsError, match=r"^TRIO_MIRROR_RATE: invalid value '0': expected .* above 0, for example 50/s$"
    ):
        build(choose({}, {"TRIO_MIRROR_RATE": "0"}))
    with pytest.raises(SettingsError, match=r"^--rate: invalid value 0.0: expected a number above 0"):
        build(choose({"rate": 0.0}, {}))


def test_what_is_shown_sets_the_same_again(tmp_path: Path) -> None:
    chosen = choose({"include": ('a"\\b\u202e', "ä"), "timeout": 1.5, "adaptive": False, "limit": 3}, {})
    file = tmp_path / "again.toml"

    file.write_text(shown_config(chosen), encoding="utf-8")

    assert build(choose({}, {}, str(file))) == build(chosen)


def test_secrets_are_never_shown() -> None:
    shown = shown_config(
        choose(
            {
                "auth": ("me", "hunter2"),
                "header": (("Authorization", "Bearer hunter2"),),
                "source": "http://me:hunter2@host/images/",
            },
            {"TRIO_MIRROR_TO": "https://hunter2@host:8000/x@y"},
        )
    )

    assert "hunter2" not in shown
    assert "TRIO_MIRROR_TO" in shown
    assert "host:8000/x@y" in shown
    assert "# SOURCE\n" in shown


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_any_text_can_be_written_in_toml(text: str) -> None:
    written = to_toml(text)

    assert tomllib.loads(f"key = {written}") == {"key": text}
    assert written.isprintable()


def test_a_tilde_is_the_home_folder_in_the_file_and_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home/photos").mkdir(parents=True)
    (tmp_path / "home/photos/a.png").write_bytes(png())
    (tmp_path / "home/run.toml").write_text('source = "~/photos"\nto = "~/out"\n')

    done = cli("--config=~/run.toml", HOME=str(tmp_path / "home"))

    assert done.returncode == 0, done.stderr
    assert files_below(tmp_path) == ["home/out/a.png", "home/photos/a.png", "home/run.toml"]


def test_the_command_line_reads_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "photos" / name).write_bytes(png())
    (tmp_path / "trio-mirror.toml").write_text('source = "photos"\nto = "out"\nlimit = 1\n')

    done = cli()
    shown = cli("--show-config", "--auth", "me:hunter2", TRIO_MIRROR_RETRIES="2")

    assert done.returncode == shown.returncode == 0
    assert files_below(tmp_path / "out") == ["a.png"]
    lines: dict[str, Any] = dict(line.split(" # ", 1) for line in shown.stdout.splitlines() if line[0] != "#")
    assert {text.strip(): origin.strip() for text, origin in lines.items()} == {
        'source = ["photos"]': "trio-mirror.toml:1",
        'to = "out"': "trio-mirror.toml:2",
        "limit = 1": "trio-mirror.toml:3",
        "retries = 2": "TRIO_MIRROR_RETRIES",
    }
    assert "hunter2" not in shown.stdout


def test_a_broken_file_exits_2_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "some.toml"
    file.write_text("\nconcurency = 8\n")

    done = cli("--config", file)

    assert done.returncode == 2
    assert done.stderr == f"error: {file}:2: concurency: there is no such setting; did you mean concurrency?\n"
