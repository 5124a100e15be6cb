"""What a run imports on its way to its first request, which waits for all of it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
import trio

from tests.helpers.pictures import png
from trio_mirror.demo.server import serve_gallery

if TYPE_CHECKING:
    from pathlib import Path

MAIN = (
    "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
    "from trio_mirror.__main__ import main; main()"
)
# What asks for it: a terminal; typer's own parsing of values; a journal; the built-in gallery; httpx's connections and
# its command line; a picture.
LATER = {
    "rich",
    "pydantic",
    "pydantic_core",
    "sqlite3",
    "starlette",
    "hypercorn",
    "httpcore",
    "click",
    "pygments",
    "PIL",
}


@pytest.mark.parametrize(("names", "options"), [(["a.png"], ["--dry-run"]), ([], ["--json", "--to", "mirrored"])])
async def test_a_list_is_requested_before_anything_is_imported_that_only_what_follows_needs(
    tmp_path: Path, names: list[str], options: list[str]
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(png())

    async with serve_gallery(folder, tmp_path / "stored") as url:
        done = await trio.run_process(
            [sys.executable, "-c", MAIN, url, *options], capture_stdout=True, capture_stderr=True, cwd=tmp_path
        )

    assert done.stdout.decode().split() == names if names else b'"listed": 0' in done.stdout
    imported = {module.partition(".")[0] for module in done.stderr.decode().split()}
    assert "httpx" in imported
    assert not imported & LATER


async def test_a_run_needs_no_rich_where_nothing_of_it_goes_to_a_terminal(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.png").write_bytes(png())
    (folder / "b.png").write_bytes(png()[:40])

    done = await trio.run_process(
        [sys.executable, "-c", MAIN, str(folder), "--to", "mirrored"],
        capture_stdout=True,
        capture_stderr=True,
        check=False,
        cwd=tmp_path,
    )

    lines = done.stderr.decode().splitlines()
    assert "1 mirrored of 2 listed" in done.stdout.decode()
    assert [it.partition(":")[0] for it in lines[:-1]] == ["warning", "progress"]
    assert "rich" not in {module.partition(".")[0] for module in lines[-1].split()}
