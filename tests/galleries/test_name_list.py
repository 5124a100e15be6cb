"""A list of names as the source: from a file, from standard input, from a pipe."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio

from tests.cli.test_cli import cli, command, files_below
from tests.helpers import processes, warm
from tests.helpers.memory_gallery import MemoryGallery
from tests.helpers.pictures import png
from tests.helpers.server import Server
from tests.helpers.turns import Turns
from tests.helpers.warm import CLEAN
from tests.helpers.wire import Connection, Request, head_of
from trio_mirror import ListError, Outcome, SettingsError, mirror, open_mirror
from trio_mirror.demo.server import serve_gallery
from trio_mirror.galleries.name_list import NameListGallery

if TYPE_CHECKING:
    from pathlib import Path

BASE = "http://gallery.example/my%20images/"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "b c.png", "d.png"):
        (folder / name).write_bytes(png())
    return folder


async def names_in(source: str | Path) -> list[str]:
    async with NameListGallery(MemoryGallery(), source).names() as names:
        return [name async for name in names]


async def test_a_file_of_names_is_one_name_a_line(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_bytes(b"\xef\xbb\xbfa.png\r\n\r\nb%20c.png\na.png\nd e.png")

    assert await names_in(tmp_path / "names.txt") == ["a.png", "b%20c.png", "d e.png"]


async def test_the_end_of_a_file_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "names.txt").write_bytes(b"a.png\nb.png")

    async def wait_readable(_: object) -> None:
        raise AssertionError("kqueue of macOS never reports the end of a file")

    monkeypatch.setattr(trio.lowlevel, "wait_readable", wait_readable)

    assert await names_in(tmp_path / "names.txt") == ["a.png", "b.png"]


async def test_a_long_list_leaves_others_their_turn(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_bytes(b"a\n" * 32_000 + b"b\n")
    turns = Turns()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(turns.take)
        async with NameListGallery(MemoryGallery(), tmp_path / "names.txt").names() as names:
            assert await anext(names) == "a"
            before = turns.taken
            assert await anext(names) == "b"
        # All of it comes in one read, and is taken apart in four pieces; in which order tasks have a turn is chance.
        assert turns.taken - before >= 2
        nursery.cancel_scope.cancel()


async def test_urls_below_the_base_are_names_and_all_others_are_refused(
    tmp_path: Path,
) -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=png())

    server = Server(handle)
    refused = [
        *("http://evil.example/my%20images/a.png", "https://gallery.example/my%20images/a.png"),
        *("http://gallery.example:8080/my%20images/a.png", "http://gallery.example/a.png", BASE, "file:///etc/passwd"),
        *(f"{BASE}../a.png", f"{BASE}a.png#top", "http://[/a.png", "/my images/a.png"),
    ]
    good = [
        f"{BASE}a%20b.png",
        "HTTP://GALLERY.example:80/my images/sub/c.png",
        "http://me:secret@gallery.example/my%20images/d",
        f"{BASE}e.png?sig=a%2Bb%3D&x",
    ]
    lines = [*good, *refused, "plain%20name.png", f"{BASE}x%2f..%2fy.png", "http://me:secret@evil.example/a.png"]
    (tmp_path / "urls.txt").write_text("\n".join(lines))

    async with open_mirror(tmp_path / "urls.txt", base=BASE, retries=0, concurrency=1, transport=server) as results:
        ended = {result.name: result async for result in results}

    failed = {name: result.error for name, result in ended.items() if result.outcome is Outcome.FAILED}
    assert set(ended) - set(failed) == {"a b.png", "sub/c.png", "d", "e.png", "plain%20name.png"}
    assert set(failed) == {*refused, "x%2f..%2fy.png", "http://(hidden)@evil.example/a.png"}
    assert failed["http://evil.example/my%20images/a.png"] == "the name is a URL that does not lead below the base"
    assert {str(it.url) for it in server.requests if it.method == "GET"} == {
        *(BASE + path for path in ("a%20b.png", "sub/c.png", "d", "e.png?sig=a%2Bb%3D&x", "plain%2520name.png"))
    }
    assert {str(it.url) for it in server.requests if it.method == "POST"} == {BASE}


async def test_the_query_of_a_url_is_asked_for_by_workers_and_shown_nowhere(tmp_path: Path) -> None:
    requests: list[Request] = []

    async def serve(stream: trio.SocketStream) -> None:
        connection = Connection(stream)
        while (request := await connection.request()) is not None:
            requests.append(request)
            status = 200 if request.path.endswith("?sig=hunter2") else 403
            await connection.send(head_of(status, {"Content-Length": len(png())}) + png())

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        base = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/images/"
        await trio.Path(tmp_path / "urls.txt").write_text(f"{base}a.png?sig=hunter2\n{base}b.png?sig=hunter3\n")
        more = ("--processes", "2", "--events", tmp_path / "events", "--journal", tmp_path / "run.journal")
        done = await processes.run(tmp_path / "urls.txt", "--base", base, "--to", tmp_path / "out", "--verbose", *more)
        nursery.cancel_scope.cancel()

    assert done.code == 3, done.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png"]
    kept = (tmp_path / "events").read_bytes() + (tmp_path / "run.journal").read_bytes()
    assert b"403" in kept
    assert b"hunter" not in kept + done.out.encode() + done.err.encode()


async def test_with_a_folder_as_the_base_a_url_is_no_name(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text(f"a.png\nfile://{photos}/d.png\n")

    report = await mirror(tmp_path / "names.txt", tmp_path / "out", base=str(photos))

    assert (report.mirrored, report.failed) == (1, 1)


async def test_credentials_go_to_the_base(
    tmp_path: Path,
) -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=png())

    server = Server(handle)
    (tmp_path / "names.txt").write_text("a.png")

    report = await mirror(tmp_path / "names.txt", base=BASE, auth=("me", "secret"), transport=server)

    assert (report.source, report.target) == (BASE, BASE)
    assert [("Authorization" in request.headers) for request in server.requests] == [True, True]


@pytest.mark.parametrize("source", ["-", "names.txt"])
async def test_a_list_without_a_base_is_refused_with_a_command_that_works(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "names.txt").write_text("a.png")

    done = cli(source)

    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith("error: --base: ")
    assert line.endswith(f"trio-mirror {source} --base http://host/images/")


@pytest.mark.parametrize("source", ["http://host/images/", "folder", MemoryGallery()])
async def test_a_base_without_a_list_is_refused(
    source: Any, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()

    with pytest.raises(SettingsError, match=r"--base: it goes with a list .* is a gallery") as caught:
        await mirror(source, base="http://me:secret@host/images/")
    assert "secret" not in str(caught.value)


def test_a_list_that_is_not_there_exits_5_in_one_line(tmp_path: Path) -> None:
    done = cli(tmp_path / "missing.txt", "--base", tmp_path / "photos", "--to", tmp_path / "out")

    assert done.returncode == 5
    [line] = done.stderr.splitlines()
    assert line == f"error: the list {tmp_path}/missing.txt cannot be read: No such file or directory"


async def test_a_list_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(ListError, match="/proc/self/mem cannot be read"):
        await names_in("/proc/self/mem")


def test_names_come_in_on_standard_input(photos: Path, tmp_path: Path) -> None:
    done = warm.run("-", "--base", photos, "--to", tmp_path / "out", "--json", given=b"a.png\nb c.png\n../x\n")

    report = json.loads(done.stdout)
    assert done.returncode == 3
    assert (report["listed"], report["mirrored"]) == (3, 2)
    assert files_below(tmp_path / "out") == ["a.png", "b c.png"]


@pytest.mark.slow
def test_standard_input_goes_with_a_dry_run_a_journal_and_processes(photos: Path, tmp_path: Path) -> None:
    dry = warm.run("-", "--base", photos, "--dry-run", "--exclude", "a*", given=b"a.png\nb c.png")
    options: list[str | Path] = ["--base", photos, "--to", tmp_path / "out", "--journal", tmp_path / "j", "--json"]
    first = warm.run("-", *options, given=b"a.png\n")
    again = warm.run("-", *options, "--processes", "2", given=b"a.png\nd.png\nmissing.png\n")
    # Its names are those of the folder, so the journal is the same.
    whole = cli(photos, *options[2:])

    assert dry.stdout == b"b c.png\n"
    assert json.loads(first.stdout)["mirrored"] == 1
    report = json.loads(again.stdout)
    assert (report["skipped"], report["mirrored"], report["failed"]) == (1, 1, 1)
    assert json.loads(whole.stdout)["skipped"] == 2


@pytest.mark.parametrize("given", ["closed", "/dev/null", "a file"])
def test_any_standard_input_is_read_to_its_end(photos: Path, tmp_path: Path, given: str) -> None:
    (tmp_path / "names.txt").write_text("a.png\n")
    redirection = {"closed": "<&-", "/dev/null": "</dev/null", "a file": f"<{tmp_path}/names.txt"}[given]
    words = [*command("-"), "--base", str(photos), "--to", str(tmp_path / "out"), "--json"]

    done = subprocess.run(
        ["sh", "-c", f'"$@" {redirection}', "sh", *words], capture_output=True, text=True, env=CLEAN, check=False
    )

    if given == "closed":
        assert done.returncode == 5
        assert "standard input cannot be read: Bad file descriptor" in done.stderr
    else:
        assert done.returncode == 0
        assert json.loads(done.stdout)["mirrored"] == (given == "a file")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_drain_does_not_wait_for_a_standard_input_that_never_ends(
    photos: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    words = command("-", "--base", photos, "--to", tmp_path / "out", "--json")
    process = await trio.lowlevel.open_process(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=CLEAN
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with trio.fail_after(300):
        # The first name is mirrored while the list goes on: it streams. The second has no end of line yet.
        await process.stdin.send_all(b"a.png\nd.p")
        while not (tmp_path / "out" / "a.png").exists():  # noqa: ASYNC110 (another process makes it)
            await trio.sleep(0.01)
        process.send_signal(number)
        out = b"".join([part async for part in process.stdout])
        assert await process.wait() == code

    report = json.loads(out)
    assert (report["listed"], report["mirrored"]) == (1, 1)


async def test_a_named_pipe_is_a_list_that_waits_for_its_writer(photos: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "names")

    async def write() -> None:
        await trio.sleep(0.05)
        async with await trio.open_file(tmp_path / "names", "wb") as pipe:
            await pipe.write(b"a.png\nd.png\n")

    with trio.fail_after(300):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(write)
            async with open_mirror(tmp_path / "names", tmp_path / "out", base=str(photos)) as run:
                assert run.counting is None
                assert {result.name async for result in run} == {"a.png", "d.png"}


async def test_a_pipe_without_a_writer_can_be_cancelled(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "names")
    before = processes.open_files()

    with trio.fail_after(300):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(names_in, tmp_path / "names")
            while not trio.lowlevel.current_statistics().io_statistics.tasks_waiting_read:  # noqa: ASYNC110 (it waits for the pipe)
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()

    assert processes.open_files() <= before


async def test_a_file_is_counted_while_it_is_taken(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("a.png\nb c.png\nd.png\n")

    async with open_mirror(tmp_path / "names.txt", tmp_path / "out", base=str(photos), exclude=["a*"]) as run:
        assert run.counting is not None
        async with run.counting() as names:
            assert [name async for name in names] == ["b c.png", "d.png"]
        assert len([result async for result in run]) == 2


async def test_two_processes_take_urls_of_a_list(photos: Path, tmp_path: Path) -> None:
    async with serve_gallery(photos, tmp_path / "stored") as url:
        (tmp_path / "urls.txt").write_text(f"{url}a.png\n{url}b%20c.png\nd.png\nhttp://evil.example/x.png\n")
        ended = await processes.run(tmp_path / "urls.txt", "--base", url, "--processes", "2", "--json")

    report = json.loads(ended.out)
    assert (report["mirrored"], report["failed"]) == (3, 1)
    assert files_below(tmp_path / "stored") == ["a.png", "b c.png", "d.png"]


@pytest.mark.slow
async def test_a_list_of_millions_is_never_held(photos: Path, tmp_path: Path) -> None:
    def peak_of(lines: int) -> Any:
        with (tmp_path / "names.txt").open("w") as file:
            file.writelines(f"a-name-that-is-not-picked/{number:09}.png\n" for number in range(lines))
            file.write("d.png\n")
        return processes.measured(
            tmp_path / "names.txt", "--base", photos, "--to", tmp_path / "out", "--include", "d.png", "--json"
        )

    _, _, small = await peak_of(1_000)
    code, report, large = await peak_of(300_000)

    assert (code, report["mirrored"]) == (0, 1)
    assert large - small < 8 * 2**20
