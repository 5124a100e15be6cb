from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pytest

from trio_mirror.cli.ending import run_command
from trio_mirror.cli.journal_command import app
from trio_mirror.journal import open_journal, read_journal
from trio_mirror.model import Outcome, Result, Stage

if TYPE_CHECKING:
    from pathlib import Path

NAME = "trio-mirror-journal"


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


class Cli(Protocol):
    def __call__(self, *arguments: str | Path) -> Done: ...


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs the command within this process."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str | Path) -> Done:
        with pytest.raises(SystemExit) as ended:
            run_command(app, list(map(str, arguments)), NAME)
        assert isinstance(ended.value.code, int)
        return Done(ended.value.code, *capsys.readouterr())

    return run


def start(*arguments: str | Path, **environment: str) -> subprocess.Popen[bytes]:
    """Starts the command as a process."""
    return subprocess.Popen(
        [sys.executable, "-c", "from trio_mirror.cli.journal_command import main; main()", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | environment,
    )


ENTRIES = {
    "mirrored": Result(
        name="a.png",
        outcome=Outcome.MIRRORED,
        stage=Stage.UPLOAD,
        attempts=2,
        etag='"1"',
        bytes_in=2048,
        bytes_out=1024,
        digest="0" * 64,
        time=60.0,
    ),
    "skipped": Result(name="b.txt", outcome=Outcome.SKIPPED, stage=Stage.FETCH, time=120.0),
    "failed": Result(
        name="c\t\x1b[2J\udce9\n.png",
        outcome=Outcome.FAILED,
        stage=Stage.FLIP,
        error="cut\toff",
        attempts=1,
        time=180.0,
    ),
    "unknown": Result(name="d 🐈.png", outcome=Outcome.UNKNOWN, stage=Stage.UPLOAD, error="no answer", time=3600.0),
}
LINES = {
    "mirrored": "a.png\tupload",
    "skipped": "b.txt\tfetch",
    "failed": "c\\t\\x1b[2J\\udce9\\n.png\tflip\tcut\\toff",
    "unknown": "d 🐈.png\tupload\tno answer",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "journal"
    with open_journal(path, source="http://host/\x1bimages/", target="/srv/mirrored") as journal:
        journal.record(ENTRIES.values())
    return path


def test_without_an_option_it_prints_a_summary(cli: Cli, path: Path) -> None:
    done = cli(path)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        r"from http://host/\x1bimages/ (2.0 KiB)",
        "to   /srv/mirrored (1.0 KiB)",
        "1 mirrored, 1 skipped, 1 failed, 1 unknown",
        "first result 1970-01-01T00:01:00Z, last 1970-01-01T01:00:00Z",
    ]
    assert cli("show", path).stdout == done.stdout


def test_the_summary_of_an_empty_journal(cli: Cli, tmp_path: Path) -> None:
    open_journal(tmp_path / "new", source="s", target="t").close()

    done = cli(tmp_path / "new")

    assert done.returncode == 0
    assert "0 mirrored" in done.stdout
    assert "first" not in done.stdout


def test_the_summary_as_json(cli: Cli, path: Path) -> None:
    done = cli("--json", path)

    assert done.returncode == 0
    assert json.loads(done.stdout) == {
        "source": "http://host/\x1bimages/",
        "target": "/srv/mirrored",
        "counts": {"mirrored": 1, "skipped": 1, "failed": 1, "unknown": 1},
        "bytes_in": 2048,
        "bytes_out": 1024,
        "first": "1970-01-01T00:01:00Z",
        "last": "1970-01-01T01:00:00Z",
    }


@pytest.mark.parametrize("outcome", LINES)
def test_an_outcome_lists_its_pictures_a_line_each(cli: Cli, path: Path, outcome: str) -> None:
    done = cli(path, f"--{outcome}")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [LINES[outcome]]


def test_several_outcomes_list_all_of_theirs(cli: Cli, path: Path) -> None:
    assert cli("--unknown", "--failed", path).stdout.splitlines() == [LINES["failed"], LINES["unknown"]]


def test_a_list_as_json_has_an_object_a_line(cli: Cli, path: Path) -> None:
    done = cli(path, "--mirrored", "--failed", "--json")

    listed = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.stdout.isascii()
    assert [entry["name"] for entry in listed] == [ENTRIES["mirrored"].name, ENTRIES["failed"].name]
    assert listed[0] == {
        "name": "a.png",
        "outcome": "mirrored",
        "stage": "upload",
        "error": None,
        "attempts": 2,
        "etag": '"1"',
        "bytes_in": 2048,
        "bytes_out": 1024,
        "digest_in": None,
        "digest": "0" * 64,
        "lossless": False,
        "run": None,
        "time": 60.0,
    }


def test_a_terminal_that_has_no_such_character_gets_it_escaped(path: Path) -> None:
    with start(path, "--unknown", PYTHONIOENCODING="latin-1") as process:
        out, err = process.communicate(timeout=300)

    assert (process.returncode, out, err) == (0, b"d \\U0001f408.png\tupload\tno answer\n", b"")


def test_a_reader_that_has_seen_enough_ends_it_quietly(path: Path) -> None:
    with open_journal(path, source="http://host/\x1bimages/", target="/srv/mirrored") as journal:
        journal.record(
            Result(name=f"{i:06}", outcome=Outcome.FAILED, stage=Stage.FLIP, error="x" * 50, time=1.0)
            for i in range(10_000)
        )

    with start(path, "--failed") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()

    assert process.returncode == -signal.SIGPIPE, "not as cat ends"
    assert first.startswith(b"000000\tflip\t")
    assert said == b""


def test_it_reads_the_journal_of_a_run_under_way(cli: Cli, path: Path) -> None:
    with open_journal(path, source="http://host/\x1bimages/", target="/srv/mirrored"):
        assert cli(path, "--mirrored").stdout.splitlines() == [LINES["mirrored"]]


def test_merge_puts_journals_into_one(cli: Cli, path: Path, tmp_path: Path) -> None:
    other, into = tmp_path / "other", tmp_path / "into"
    with open_journal(other, source="http://host/\x1bimages/", target="/srv/mirrored") as journal:
        journal.record([Result(name="z.png", outcome=Outcome.MIRRORED, stage=Stage.UPLOAD, time=1.0)])

    done = cli("merge", into, path, other)

    assert (done.returncode, done.stdout, done.stderr) == (0, f"5 results merged into {into}\n", "")
    with read_journal(into) as merged:
        assert list(merged.names(set(Outcome))) == [*(entry.name for entry in ENTRIES.values()), "z.png"]


def test_a_journal_that_is_named_like_a_command(cli: Cli, path: Path) -> None:
    path.rename(path.with_name("merge"))

    assert cli(path.with_name("merge")).returncode == 0


@pytest.mark.parametrize(
    "arguments", [[], ["--no-such-option", "x"], ["--failed"], ["merge"], ["merge", "into"], ["x", "y"]]
)
def test_wrong_usage_exits_2(cli: Cli, arguments: list[str]) -> None:
    done = cli(*arguments)

    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("error: ")


def test_help_names_the_commands_and_their_options(cli: Cli) -> None:
    assert {"show", "merge"} <= set(cli("--help").stdout.split())
    assert {"--failed", "--unknown", "--mirrored", "--skipped", "--json"} <= set(cli("x", "--help").stdout.split())
    assert NAME in cli("--help").stdout


def test_what_cannot_be_used_exits_10_in_one_clear_line(cli: Cli, path: Path, tmp_path: Path) -> None:
    page = tmp_path / "page\x1b.html"
    page.write_text("<html>")
    damaged = tmp_path / "damaged"
    damaged.write_bytes(path.read_bytes()[:4096] + b"\xff" * 8192)
    elsewhere = tmp_path / "elsewhere"
    open_journal(elsewhere, source="http://other/", target="/srv/mirrored").close()

    cases: list[tuple[list[str | Path], str]] = [
        ([page], r"page\x1b.html is no SQLite file"),
        ([page, "--failed", "--json"], r"page\x1b.html is no SQLite file"),
        ([tmp_path / "missing"], "missing cannot be opened: it does not exist"),
        ([tmp_path], "is a folder"),
        ([damaged], "damaged is damaged"),
        (["merge", path, elsewhere], "is the journal of http://"),
        (["merge", tmp_path / "into", path, elsewhere], "elsewhere is the journal of http://other/"),
        (["merge", page, path], r"page\x1b.html is no SQLite file"),
    ]
    for arguments, said in cases:
        done = cli(*arguments)
        assert (done.returncode, done.stdout) == (10, "")
        [line] = done.stderr.splitlines()
        assert line.startswith("error: ")
        assert said in line


def test_as_a_process_it_ends_with_the_exit_code_and_without_a_traceback(tmp_path: Path) -> None:
    with start(tmp_path / "missing") as process:
        out, err = process.communicate(timeout=300)

    assert (process.returncode, out) == (10, b"")
    assert err.count(b"\n") == 1


def test_it_starts_without_the_event_loop_and_the_http_client() -> None:
    code = "import trio_mirror.cli.journal_command, sys; print({'trio', 'httpx', 'hypercorn'} & set(sys.modules))"

    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"
