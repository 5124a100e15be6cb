"""What a person sees of the command as a whole."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.test_cli import cli, command
from tests.helpers.pictures import png
from tests.helpers.warm import CLEAN

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "b.png", "[red]x.png"):
        (folder / name).write_bytes(png())
    (folder / "bad.png").write_bytes(b"words")
    return folder


def events_of(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_each_result_is_an_event_and_the_report_is_the_last(photos: Path, tmp_path: Path) -> None:
    done = cli(photos, "--to", tmp_path / "out", "--events", tmp_path / "events.jsonl", "--journal", tmp_path / "j")

    *results, report = events_of((tmp_path / "events.jsonl").read_text())
    assert done.returncode == 3
    assert {str(it["name"]): (it["event"], it["outcome"]) for it in results} == {
        "a.png": ("result", "mirrored"),
        "b.png": ("result", "mirrored"),
        "[red]x.png": ("result", "mirrored"),
        "bad.png": ("result", "failed"),
    }
    one = next(it for it in results if it["name"] == "a.png")
    assert (one["stage"], one["error"], one["attempts"], one["lossless"]) == ("upload", None, 2, True)
    assert (one["bytes_in"], len(str(one["digest"]))) == (len(png()), 32)
    began, seconds = one["began"], one["seconds"]
    assert isinstance(began, dict)
    assert isinstance(seconds, dict)
    assert list(seconds) == ["fetch", "flip", "upload"]
    assert 0 <= began["list"] <= began["fetch"] <= began["flip"] <= began["upload"]
    assert (report["event"], report["listed"], report["mirrored"], report["failed"]) == ("report", 4, 3, 1)


def test_events_on_stdout_leave_it_to_them_alone(photos: Path, tmp_path: Path) -> None:
    done = cli(photos, "--to", tmp_path / "out", "--events", "-")

    assert [it["event"] for it in events_of(done.stdout)] == ["result"] * 4 + ["report"]
    assert "\n3 mirrored of 4 listed: 3 exactly" in done.stderr


def test_json_and_events_do_not_share_stdout(photos: Path) -> None:
    done = cli(photos, "--events", "-", "--json")

    assert done.returncode == 2
    assert done.stderr.startswith("error: --events: --json prints to stdout too")


@pytest.mark.parametrize("option", ["--events", "--log-file"])
def test_a_full_disk_ends_the_run_with_10(photos: Path, tmp_path: Path, option: str) -> None:
    done = cli(photos, "--to", tmp_path / "out", option, "/dev/full")

    assert done.returncode == 10
    assert f"error: {option}: /dev/full cannot be written: No space left on device\n" in done.stderr


@pytest.mark.parametrize("option", ["--events", "--log-file", "--sheet"])
def test_a_file_that_cannot_be_is_refused_before_the_run(photos: Path, tmp_path: Path, option: str) -> None:
    done = cli(photos, "--to", tmp_path / "out", option, tmp_path / "missing" / "file")

    assert done.returncode == 2
    assert option in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_run_that_cannot_begin_still_ends_its_events(tmp_path: Path) -> None:
    done = cli(tmp_path / "missing", "--to", tmp_path / "out", "--events", "-")

    assert done.returncode == 5
    assert [it["event"] for it in events_of(done.stdout)] == ["report"]


def test_the_sheet_shows_the_run(photos: Path, tmp_path: Path) -> None:
    done = cli(photos, "--to", tmp_path / "out", "--sheet", tmp_path / "sheet.html")

    text = (tmp_path / "sheet.html").read_text()
    assert done.returncode == 3
    assert text.count("<img ") == 6
    assert '<h2 id="failures">1 failed or unknown</h2>' in text
    assert (tmp_path / "sheet.html").stat().st_mode & 0o044, "readable as any new file"


def test_a_link_to_the_sheet_stays_one(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "link.html").symlink_to("sheet.html")

    cli(photos, "--to", tmp_path / "out", "--sheet", tmp_path / "link.html")

    assert (tmp_path / "link.html").is_symlink()
    assert (tmp_path / "sheet.html").read_text().startswith("<!DOCTYPE html>")


def test_a_sheet_may_have_the_longest_of_names(photos: Path, tmp_path: Path) -> None:
    sheet = tmp_path / ("a" * 250 + ".html")

    cli(photos, "--to", tmp_path / "out", "--sheet", sheet)

    assert sheet.exists()


@pytest.mark.parametrize(
    ("one", "other"),
    [("--journal", "--events"), ("--journal", "--sheet"), ("--events", "--log-file"), ("--base", "--events")],
)
def test_no_file_is_overwritten_by_another_of_the_run(photos: Path, tmp_path: Path, one: str, other: str) -> None:
    file = tmp_path / "file"
    if one == "--base":
        file.write_text("a.png\n")
        arguments: list[str | Path] = [file, "--base", photos]
    else:
        arguments = [photos, one, file]
    (tmp_path / "link").symlink_to(file)
    cli(*arguments, "--to", tmp_path / "out")
    before = file.read_bytes()

    done = cli(*arguments, "--to", tmp_path / "out", other, tmp_path / "link")

    assert done.returncode == 2
    assert other in done.stderr
    assert file.read_bytes() == before


def test_several_may_write_to_one_device(photos: Path, tmp_path: Path) -> None:
    done = cli(photos, "--to", tmp_path / "out", "--events", "/dev/stderr", "--log-file", "/dev/stderr")

    assert done.returncode == 3
    assert '"event": "report"' in done.stderr


def test_a_quiet_run_says_nothing_on_stderr(photos: Path, tmp_path: Path) -> None:
    for options in (["-q"], ["--no-progress", "--exclude", "bad*"]):
        assert cli(photos, "--to", tmp_path / "out", *options).stderr == ""


@pytest.mark.parametrize("columns", ["", "0", "-5", "²", "wide", "9" * 99])
def test_a_size_that_no_terminal_has_is_taken_for_none(columns: str, photos: Path, tmp_path: Path) -> None:
    sizes = {"COLUMNS": columns, "LINES": columns, "TERMINAL_WIDTH": columns}

    assert cli("--timeout", "x", **sizes).stderr == cli("--timeout", "x").stderr
    done = cli(photos, "--to", tmp_path / "out", **sizes)
    assert done.stdout.startswith("3 mirrored of 4 listed")


def test_h_is_short_for_help() -> None:
    commands: dict[str, list[str]] = {
        "main": [],
        "gallery": [],
        "journal": ["show"],
    }
    for start, words in commands.items():
        code = f"import sys; from trio_mirror.__main__ import {start}; sys.argv[0] = 'it'; {start}()"
        pages = [
            subprocess.check_output([sys.executable, "-c", code, *words, option], text=True)
            for option in ("-h", "--help")
        ]
        assert pages[0] == pages[1]
        assert "Usage: it " in pages[0]


def test_help_fits_a_screen_with_the_options_used_most() -> None:
    done = cli("--help", COLUMNS="80")

    # The prompt takes the last line.
    assert len(done.stdout.splitlines()) <= 23
    for option in ("--to", "--concurrency", "--include", "--journal", "--sheet", "--dry-run", "--help-all", "SOURCE"):
        assert option in done.stdout
    assert "--min-rate" not in done.stdout


@pytest.mark.parametrize("columns", [50, 80, 200])
@pytest.mark.parametrize("page", ["--help", "--help-all"])
def test_the_help_fits_any_width(page: str, columns: int) -> None:
    lines = cli(page, COLUMNS=str(columns)).stdout.splitlines()

    assert "Common options:" in lines
    assert max(map(len, lines)) <= columns


def test_a_dry_run_escapes_names_for_people_only(photos: Path) -> None:
    (photos / "a\u202egnp.png").write_bytes(png())

    assert "a\\u202egnp.png\n" in on_a_terminal(photos, "--dry-run")
    assert "a\u202egnp.png\n" in cli(photos, "--dry-run").stdout


def test_an_error_stands_above_the_summary_that_refers_to_it(tmp_path: Path) -> None:
    text = on_a_terminal(tmp_path / "missing", "--to", tmp_path / "out")

    assert 0 <= text.find("error: the folder") < text.find("stopped before any picture was listed")
    assert "to go on" not in text


def test_help_is_the_same_plain_text_on_a_terminal() -> None:
    plain = cli("--help", PYTHONIOENCODING="ascii", COLUMNS="80").stdout

    assert plain.isascii()
    assert on_a_terminal("--help") == on_a_terminal("--help", TERM="dumb") == plain


@pytest.mark.parametrize("page", ["--version", "--help", "--help-all"])
def test_a_page_of_help_imports_nothing_that_only_a_run_needs(page: str) -> None:
    code = (
        "import sys; from trio_mirror.cli.command import app; "
        f"app([{page!r}], standalone_mode=False); print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=CLEAN, capture_output=True, text=True, check=True)

    imported = {module.partition(".")[0] for module in done.stderr.split()}
    assert "typer" in imported
    assert not imported & {"rich", "trio", "httpx", "PIL", "hypercorn", "starlette", "asyncio", "sqlite3", "ssl"}


def test_help_all_shows_every_option() -> None:
    from trio_mirror.settings import all_settings, option_name

    text = cli("--help-all", COLUMNS="160").stdout

    wanted = {option_name(name) for name in all_settings()} - {"--source"}
    for option in wanted | {"--config", "--show-config", "--install-completion", "--version"}:
        assert re.search(rf"{option}\b", text), option
    for words in ("Timeouts:", "SOURCE", "--progress / --no-progress", "[64MiB]", "GIF"):
        assert words in text


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("trio-mirror --conc", "--concurrency"),
        ("trio-mirror --min-", "--min-rate"),
        ("trio-mirror --lossless al", "always"),
    ],
)
def test_the_shell_completes_options_and_values(words: str, offered: str) -> None:
    environment = {
        "_TRIO_MIRROR_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    code = "import sys; sys.argv = ['trio-mirror']; from trio_mirror.cli.command import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=CLEAN | environment, capture_output=True, text=True, check=False
    )

    assert done.stdout.split() == [offered]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--concurrency", "many"], ["--concurrency", "'many'", "for example 16"]),
        (["--timeout", "soon"], ["--timeout", "'soon'", "1m30s"]),
        (["--rate", "0"], ["--rate", "0", "50/s"]),
        (["--lossless", "maybe"], ["--lossless", "'maybe'", "auto, always, never"]),
        (["--retry-failed"], ["--retry-failed", "--journal run.journal"]),
        (["--concurency", "8"], ["--concurency", "--concurrency"]),
    ],
)
def test_errors_name_the_option_the_value_and_what_works(arguments: list[str], said: list[str]) -> None:
    done = cli("photos", *arguments, COLUMNS="200", TERMINAL_WIDTH="200")

    assert done.returncode == 2
    for words in said:
        assert words in done.stderr


def on_a_terminal(*arguments: str | Path, **environment: str) -> str:
    """What the command writes on a terminal of 80 × 24 cells."""
    main, side = pty.openpty()
    os.set_blocking(main, True)
    import fcntl
    import struct
    import termios

    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {"TERM": "xterm-256color"} | environment
    process = subprocess.Popen(command(*arguments), stdin=side, stdout=side, stderr=side, env=CLEAN | environment)
    os.close(side)
    written = b""
    try:
        while part := os.read(main, 65_536):
            written += part
    except OSError:
        # Linux says EIO where the other side is closed.
        pass
    process.wait(30)
    os.close(main)
    return written.decode().replace("\r\n", "\n")


def test_on_a_terminal_progress_is_drawn_and_wiped(photos: Path, tmp_path: Path) -> None:
    text = on_a_terminal(photos, "--to", tmp_path / "out")

    live, _, rest = text.partition("\x1b[?25h")
    assert live.startswith("\x1b[?25l")
    assert "/s in · " in live
    assert " in flight" in live
    # The list has gone by before it could be counted, or not: the bar, the figures, and the failure where it was drawn.
    assert rest.startswith("\r" + "\x1b[1A\x1b[2K" * 2)
    assert "3 mirrored of 4 listed" in rest
    assert "in flight" not in rest
    assert "bad.png" in rest


def test_a_dumb_terminal_gets_plain_lines(photos: Path, tmp_path: Path) -> None:
    text = on_a_terminal(photos, "--to", tmp_path / "out", TERM="dumb")

    assert "\x1b" not in text
    assert "progress: 4 of 4 listed are done, 1 failed" in text
