from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pytest
import trio
from typer.testing import CliRunner

from tests.helpers import warm
from tests.helpers.pictures import decode, draw, encode, is_mirrored, png
from tests.helpers.warm import CLEAN
from trio_mirror.cli.command import app
from trio_mirror.demo.server import serve_gallery

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "trio_mirror", *map(str, arguments)]


def cli(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    if warm.can_run(environment):
        done = warm.run(*arguments, environment=environment)
    else:
        done = subprocess.run(
            command(*arguments), capture_output=True, timeout=300, env=CLEAN | environment, check=False
        )
    assert b"Traceback" not in done.stderr
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


async def cli_beside(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return await trio.to_thread.run_sync(partial(warm.run, *arguments))


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.png", "b.png", "sub/c d.png"):
        (folder / name).write_bytes(png())
    return folder


def test_the_built_in_gallery_is_mirrored_over_http(tmp_path: Path) -> None:
    done = cli("--json", TMPDIR=str(tmp_path))

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/images/", report["source"])
    [folder] = tmp_path.glob("trio-mirror-*")
    originals = files_below(folder / "images")
    assert files_below(folder / "mirrored") == originals
    assert report["listed"] == report["mirrored"] == len(originals) >= 20
    assert str(folder / "mirrored") in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variable", "proxy", "processes"),
    [("HTTP_PROXY", "http://127.0.0.1:9", "2"), ("ALL_PROXY", "socks5h://127.0.0.1:9", "1")],
)
def test_the_built_in_gallery_needs_no_proxy(tmp_path: Path, variable: str, proxy: str, processes: str) -> None:
    environment = {variable: proxy, "NO_PROXY": "elsewhere.example", "TMPDIR": str(tmp_path)}
    done = cli("--json", "--limit", "2", "--processes", processes, "--retries", "0", **environment)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["mirrored"] == 2


@pytest.mark.slow
def test_other_targets_of_the_built_in_gallery_keep_their_proxy(tmp_path: Path) -> None:
    environment = {"HTTP_PROXY": "http://127.0.0.1:9", "TMPDIR": str(tmp_path)}
    done = cli("--to", "http://127.0.0.2:9/", "--limit", "1", "--retries", "0", "--json", **environment)

    assert done.returncode == 4
    assert "proxy" in done.stderr


def test_from_folder_to_folder_with_a_summary(photos: Path, tmp_path: Path) -> None:
    done = cli(photos, "--to", tmp_path / "out")

    assert done.returncode == 0
    assert done.stdout.startswith("3 mirrored of 3 listed: 3 exactly (100%)\n")
    assert is_mirrored(png(), (tmp_path / "out/sub/c d.png").read_bytes())
    [line] = done.stderr.splitlines()
    assert line.startswith("progress: 3 of 3 listed are done")


async def test_from_a_url_to_a_folder_and_from_a_folder_to_a_url(photos: Path, tmp_path: Path) -> None:
    async with serve_gallery(photos, tmp_path / "stored") as url:
        down = await cli_beside(url, "--to", tmp_path / "down", "--json")
        up = await cli_beside(photos, "--to", url, "--json")

    assert (down.returncode, up.returncode) == (0, 0)
    for folder in ("down", "stored"):
        assert is_mirrored(png(), (tmp_path / folder / "sub/c d.png").read_bytes())
    assert json.loads(down.stdout)["target"] == str(tmp_path / "down")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["n" * 5_000], 5),
        (["photos", "--to", "circle"], 2),
        (["circle", "--to", "out"], 5),
        (["photos", "--to", "out", "--sheet", "n" * 5_000], 10),
    ],
)
def test_a_path_that_cannot_be_is_told_in_words(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int
) -> None:
    assert photos.parent == tmp_path
    (tmp_path / "circle").symlink_to("circle")
    monkeypatch.chdir(tmp_path)

    done = cli(*arguments, "-q")

    assert (done.returncode, done.stderr[:7]) == (code, "error: ")


def test_a_working_directory_that_is_gone_is_told(photos: Path, tmp_path: Path) -> None:
    line = f'mkdir "$1" && cd "$1" && rmdir "$1" && {shlex.join(command(photos, "--to", "out"))}'
    ended = subprocess.run(
        ["/bin/sh", "-c", line, "sh", tmp_path / "gone"], capture_output=True, text=True, env=CLEAN, check=False
    )

    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert ended.stderr.startswith("error: the working directory is gone")


@pytest.mark.parametrize("arguments", [("", "--to", "out"), ("photos", "--to", ""), ("photos", "--journal", "")])
def test_a_variable_that_is_not_set_names_no_place(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: Sequence[str]
) -> None:
    before = {path: path.read_bytes() for path in photos.rglob("*.png")}
    monkeypatch.chdir(tmp_path)

    assert cli(*arguments).returncode == 2
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_second_place_is_told_to_be_a_target(photos: Path, tmp_path: Path) -> None:
    for extra in ([tmp_path / "my out"], [tmp_path / "my out", "b.png"]):
        done = cli(photos, *extra)

        assert (done.returncode, done.stdout) == (2, "")
        assert f"write a target as --to '{tmp_path}/my out', and many files as their folder" in done.stderr
    assert (photos / "a.png").read_bytes() == png()


def test_a_variable_that_sets_nothing_is_named(photos: Path) -> None:
    done = cli(photos, "--dry-run", TRIO_MIRROR_CONCURENCY="4", TRIO_MIRROR_TURBOJPEG="none", TRIO_MIRROR_RETRIES="1")

    assert done.returncode == 0
    assert done.stderr == "warning: TRIO_MIRROR_CONCURENCY: there is no such setting; did you mean concurrency?\n"
    assert cli(photos, "--dry-run", "-qq", TRIO_MIRROR_CONCURENCY="4").stderr == ""


@pytest.mark.parametrize("option", ["--dry-run", "--quiet", "--show-config"])
def test_what_the_encoding_of_stdout_has_not_is_escaped(photos: Path, tmp_path: Path, option: str) -> None:
    (photos / "→.png").write_bytes(png())

    done = cli(photos, "--to", tmp_path / "out", "--exclude=→", option, PYTHONIOENCODING="ascii")

    assert done.returncode == 0, done.stderr
    assert r"\u2192" in done.stdout


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-", "--json >&-", "--events=- >&-", "--dry-run >&-"])
def test_a_run_without_one_of_its_streams_is_a_run(photos: Path, tmp_path: Path, closed: str) -> None:
    journal = tmp_path / "run.journal"
    line = f"{shlex.join(command(photos, '--to', tmp_path / 'out', '--journal', journal))} {closed}"

    assert subprocess.run(line, shell=True, env=CLEAN, timeout=300, check=False).returncode == 0
    assert files_below(tmp_path / "out") == ([] if "dry" in closed else files_below(photos))


@pytest.mark.parametrize("where", ["/dev/full", "a reader that has gone"])
@pytest.mark.parametrize("option", ["--json", "-q"])
def test_a_stdout_that_takes_nothing_is_told(photos: Path, tmp_path: Path, where: str, option: str) -> None:
    with _taking_nothing(where) as stdout:
        done = warm.run(photos, "--to", tmp_path / "out", option, stdout=stdout)

    assert done.returncode == 10
    assert done.stderr.splitlines()[-1].startswith(b"error: standard output cannot be written: ")


@pytest.mark.parametrize(("where", "code", "said"), [("/dev/full", 10, 1), ("a reader that has gone", 0, 0)])
@pytest.mark.parametrize("option", ["--dry-run", "--show-config"])
def test_a_reader_takes_as_many_lines_as_it_likes(photos: Path, option: str, where: str, code: int, said: int) -> None:
    with _taking_nothing(where) as stdout:
        done = warm.run(photos, option, stdout=stdout)

    assert (done.returncode, len(done.stderr.splitlines())) == (code, said)


@pytest.mark.parametrize("where", ["/dev/full", "a reader that has gone"])
def test_no_run_ends_because_nobody_hears_of_it(photos: Path, tmp_path: Path, where: str) -> None:
    (photos / "bad.png").write_bytes(b"<html>")
    with _taking_nothing(where) as stderr:
        done = warm.run(photos, "--to", tmp_path / "out", "--json", "-v", stderr=stderr)

    assert done.returncode == 3
    assert json.loads(done.stdout)["mirrored"] == 3


@pytest.mark.parametrize("where", ["/dev/full", "a reader that has gone"])
def test_an_exit_code_counts_though_nobody_hears_the_error(photos: Path, tmp_path: Path, where: str) -> None:
    with _taking_nothing(where) as stderr:
        wrong = warm.run(photos, "--to", tmp_path / "out", "--concurrency", "0", stderr=stderr)
        warned = warm.run(photos, "--to", tmp_path / "out", stderr=stderr, environment={"TRIO_MIRROR_WORD": "x"})

    assert (wrong.returncode, warned.returncode) == (2, 0)


def _taking_nothing(where: str) -> BinaryIO:
    if where == "/dev/full":
        return Path(where).open("wb")
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "wb")


def test_the_report_has_its_documented_form(photos: Path, tmp_path: Path) -> None:
    (photos / "bad.png").write_bytes(b"<html>")

    done = cli(photos, "--to", tmp_path / "out", "--json", "-q")

    report = json.loads(done.stdout)
    assert done.returncode == 3
    assert {key: report[key] for key in ("listed", "mirrored", "skipped", "failed", "unknown", "lossless")} == {
        "listed": 4,
        "mirrored": 3,
        "skipped": 0,
        "failed": 1,
        "unknown": 0,
        "lossless": 3,
    }
    assert report["bytes_in"] == 3 * len(png()) + 6
    assert report["bytes_out"] > 0
    assert report["seconds"] > 0
    assert [set(failure) for failure in report["failures"]] == [{"name", "stage", "error", "attempts"}]
    assert report["failures"][0]["name"] == "bad.png"
    assert report["failures"][0]["stage"] == "flip"


def test_a_dry_run_prints_the_names_and_touches_nothing(photos: Path, tmp_path: Path) -> None:
    done = cli(photos, "--to", tmp_path / "out", "--dry-run", "--exclude", "a*")

    assert done.stdout.splitlines() == ["b.png", "sub/c d.png"]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--concurrency", "0"], "--concurrency"),
        (["--concurrency", "many"], "--concurrency"),
        (["--header", "no colon"], "--header"),
        (["--header", "X: a\nb"], "--header"),
        (["--auth", "nocolon"], "--auth"),
        (["--lossless", "maybe"], "--lossless"),
        (["--to", "gopher://host/"], "gopher"),
        (["--no-such-option"], "--no-such-option"),
    ],
)
def test_wrong_usage_exits_2_and_names_the_option(photos: Path, arguments: Sequence[str], named: str) -> None:
    done = cli(photos, *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert named in line


def test_a_target_that_is_a_file_exits_2(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    done = cli(photos, "--to", tmp_path / "file")

    assert done.returncode == 2
    assert "file" in done.stderr


@pytest.mark.parametrize("source", ["http://127.0.0.1:1/images/", "/no/such/folder"])
def test_a_source_that_cannot_be_listed_exits_5_in_one_line(source: str, tmp_path: Path) -> None:
    done = cli(source, "--to", tmp_path)

    assert done.returncode == 5
    [line] = done.stderr.splitlines()
    assert source in line


def test_a_folder_that_is_not_there_is_an_error_and_is_not_created(tmp_path: Path) -> None:
    done = cli(tmp_path / "typo")

    assert done.returncode == 5
    assert done.stdout.splitlines()[1:] == ["stopped before any picture was listed"]
    [line] = done.stderr.splitlines()
    assert str(tmp_path / "typo") in line
    assert not (tmp_path / "typo").exists()


@pytest.mark.parametrize("arguments", [["--dry-run", "--exclude=a*"], ["--concurrency=0"], ["--show-config"]])
def test_a_process_that_starts_warm_does_what_a_cold_one_does(photos: Path, arguments: list[str]) -> None:
    cold = subprocess.run(command(photos, *arguments), capture_output=True, env=CLEAN, timeout=300, check=False)
    done = warm.run(photos, *arguments)

    assert (done.returncode, done.stdout, done.stderr) == (cold.returncode, cold.stdout, cold.stderr)
    assert done.stdout or done.stderr


def test_an_empty_list_exits_0(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    done = cli(tmp_path / "empty", "--to", tmp_path / "out")

    assert done.returncode == 0
    assert "nothing to do" in done.stdout


def test_every_option_reads_the_environment(photos: Path, tmp_path: Path) -> None:
    done = cli(
        TRIO_MIRROR_SOURCE=str(photos),
        TRIO_MIRROR_TO=str(tmp_path / "out"),
        TRIO_MIRROR_LIMIT="2",
        TRIO_MIRROR_JSON="1",
    )

    assert json.loads(done.stdout)["mirrored"] == 2


def test_an_option_comes_before_the_environment(photos: Path, tmp_path: Path) -> None:
    done = cli(photos, "--to", tmp_path / "out", "--limit", "1", "--json", TRIO_MIRROR_LIMIT="2")

    assert json.loads(done.stdout)["mirrored"] == 1


def test_names_cannot_steer_the_terminal(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "[red]x\x1b[2J.png").write_bytes(b"not a picture")
    (folder / "[bold]y.png").write_bytes(b"not a picture")

    done = cli(folder, "--to", tmp_path / "out")

    assert done.returncode == 3
    assert "\x1b" not in done.stdout + done.stderr
    assert r"[red]x\x1b[2J.png" in done.stdout
    assert "[bold]y.png" in done.stdout


def test_verbose_names_each_picture_and_quiet_none(photos: Path, tmp_path: Path) -> None:
    assert "a.png: mirrored, exact" in cli(photos, "--to", tmp_path / "out", "-v").stderr
    assert cli(photos, "--to", tmp_path / "out", "-qq").stdout == ""


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_signal_drains_what_is_in_flight_and_prints_the_report(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    originals, mirrored = tmp_path / "images", tmp_path / "mirrored"
    originals.mkdir()
    for index in range(2_000):
        (originals / f"{index:04}.png").write_bytes(png())

    async with serve_gallery(originals, mirrored) as url:
        process = await trio.lowlevel.open_process(
            command(url, "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=CLEAN
        )
        assert process.stdout is not None
        assert process.stderr is not None
        with trio.fail_after(300):
            while not any(mirrored.iterdir()):  # noqa: ASYNC110 (another process makes them)
                await trio.sleep(0.01)
            process.send_signal(number)
            out = b"".join([part async for part in process.stdout])
            err = b"".join([part async for part in process.stderr])
            assert await process.wait() == code

    report = json.loads(out)
    stored = list(mirrored.iterdir())
    assert b"Traceback" not in err
    assert b"stopping" in err
    assert 0 < report["mirrored"] == report["listed"] == len(stored) < 2_000
    assert all(decode(path.read_bytes()) for path in stored)


@pytest.fixture
def heard_hangup() -> Iterator[None]:
    """Hands on a SIGHUP that is not ignored, though the tests run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.slow
@pytest.mark.usefixtures("heard_hangup")
async def test_a_lost_terminal_drains_too_and_exits_129_unless_nohup_keeps_it_away(tmp_path: Path) -> None:
    originals = tmp_path / "images"
    originals.mkdir()
    for index in range(1_000):
        (originals / f"{index:04}.png").write_bytes(png())

    async def hung_up(name: str, rate: str, *before: str) -> tuple[int, int]:
        target = tmp_path / name
        arguments = command(originals, "--to", target, "--json", "--rate", rate)
        process = await trio.lowlevel.open_process(
            [*before, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=CLEAN
        )
        assert process.stdout is not None
        with trio.fail_after(300):
            while not (target.exists() and any(target.iterdir())):  # noqa: ASYNC110 (another process makes them)
                await trio.sleep(0.01)
            process.send_signal(signal.SIGHUP)
            out = b"".join([part async for part in process.stdout])
            code = await process.wait()
        report = json.loads(out)
        assert report["mirrored"] == report["listed"] == len(files_below(target))
        return code, report["mirrored"]

    # Alone it would take 40 s.
    code, mirrored = await hung_up("drained", "50/s")
    assert code == 129
    assert 0 < mirrored < 1_000
    assert await hung_up("ignored", "2000/s", "nohup") == (0, 1_000)


@pytest.mark.parametrize("moment", ["typer.Typer.__call__", "trio_mirror.cli.job.Views", "trio.open_signal_receiver"])
def test_ctrl_c_before_the_run_is_no_traceback(photos: Path, tmp_path: Path, moment: str) -> None:
    where, _, name = moment.rpartition(".")
    interrupted = (
        # Whoever started the tests in the background may have them ignore it.
        "import signal, typer, trio, trio_mirror.cli.job\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"{where}.{name} = lambda *_, **__: signal.raise_signal(signal.SIGINT)\n"
        "from trio_mirror.__main__ import main; main()\n"
    )
    command = [sys.executable, "-c", interrupted, str(photos), "--to", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=CLEAN, check=False)

    assert (done.returncode, done.stderr) == (130, "")
    assert not (tmp_path / "out").exists()


def test_a_journal_goes_on_where_it_was_and_says_how(photos: Path, tmp_path: Path) -> None:
    (photos / "bad.png").write_bytes(b"words")
    arguments: list[str | Path] = [photos, "--to", tmp_path / "out", "--journal", tmp_path / "run.journal"]

    first = cli(*arguments, "--auth", "me:secret", "--header=X-Key: secret")
    again = cli(*arguments, "--json")

    assert first.returncode == 3
    [line] = [line for line in first.stdout.splitlines() if line.startswith("to retry just those: ")]
    assert f"trio-mirror {photos} --to" in line
    assert line.endswith(" --retry-failed")
    assert "secret" not in first.stdout + first.stderr
    report = json.loads(again.stdout)
    assert (report["skipped"], report["mirrored"], report["failed"]) == (3, 0, 1)


def test_in_place_update_needs_no_journal_that_has_a_name(photos: Path, tmp_path: Path) -> None:
    (photos / "broken.png").write_bytes(b"broken")
    assert cli(photos, "--in-place").returncode == 3
    new = encode(draw(40, 30), "PNG")
    (photos / "a.png").write_bytes(new)

    done = cli(photos, "--in-place", "--update", "--json")

    report = json.loads(done.stdout)
    assert (done.returncode, report["mirrored"], report["skipped"]) == (3, 1, 2)
    assert is_mirrored(new, (photos / "a.png").read_bytes())
    assert is_mirrored(png(), (photos / "b.png").read_bytes())
    for elsewhere in (["--to", tmp_path / "out"], ["--no-journal"]):
        refused = cli(photos, "--in-place", "--update", *elsewhere)
        assert (refused.returncode, refused.stderr[:15]) == (2, "error: --update")


def test_a_journal_that_is_none_exits_10_in_one_line(photos: Path, tmp_path: Path) -> None:
    journal = tmp_path / "notes.txt"
    journal.write_text("dear diary, " * 100)

    done = cli(photos, "--to", tmp_path / "out", "--journal", journal)

    assert done.returncode == 10
    [line] = done.stderr.splitlines()
    assert str(journal) in line


def test_pages_instead_of_pictures_get_a_hint(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(25):
        (folder / f"{number}.png").write_bytes(b"<!DOCTYPE html><title>Log in</title>")

    done = cli(folder, "--to", tmp_path / "out")

    assert done.returncode == 3
    assert "hint: the server sends web pages" in done.stdout


def test_an_internal_error_is_named_and_not_the_groups_that_it_came_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ExceptionGroup("outer", [ExceptionGroup("inner", [RuntimeError("can't start new thread")])])

    monkeypatch.setattr("trio_mirror.cli.job.run_job", fail)
    done = CliRunner().invoke(app, ["somewhere"])

    assert done.exit_code == 1
    assert done.output.startswith("error: internal error, RuntimeError: can't start new thread;")


@pytest.mark.parametrize("start", ["main", "gallery", "journal"])
def test_on_windows_one_line_says_that_it_needs_posix(tmp_path: Path, start: str) -> None:
    script = f"""
import os, signal, sys
sys.modules |= dict.fromkeys(["fcntl", "grp", "pwd", "resource", "termios"])
del os.O_DIRECTORY, os.O_NOFOLLOW, signal.SIGALRM, signal.SIGHUP
import trio_mirror.__main__
sys.platform = "win32"
trio_mirror.__main__.{start}()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path)

    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "needs a POSIX system" in done.stderr
