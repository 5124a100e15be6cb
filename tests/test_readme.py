"""What the README shows is run here as it stands there."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from tests.galleries.test_pool import CountingServer, serving
from tests.helpers.pictures import draw, encode, png
from trio_mirror.cli.exits import ExitCode
from trio_mirror.demo.server import serve_gallery
from trio_mirror.flip.formats import FORMATS
from trio_mirror.settings import all_settings, option_name

if TYPE_CHECKING:
    from collections.abc import Iterator

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def commands() -> Iterator[str]:
    """The README's blocks of commands, without the two that install."""
    for block in blocks("sh")[2:]:
        # A server that runs until Ctrl-C is not waited for.
        yield "\n".join(line for line in block.splitlines() if not line.startswith("trio-mirror-gallery"))


@pytest.fixture
def gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for folder in ("images", "photos"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.png").write_bytes(png())
        (tmp_path / folder / "b.jpg").write_bytes(png())  # exact without libturbojpeg, too
    (tmp_path / "names.txt").write_text("a.png\n")
    (tmp_path / "photo.jpg").write_bytes(encode(draw(32, 32), "JPEG"))
    return tmp_path


@pytest.mark.parametrize("code", blocks("python"))
async def test_the_python_examples_run(gallery: Path, code: str) -> None:
    async with serve_gallery(gallery / "images", gallery / "stored") as url:
        code = code.replace("http://host/images/", url)
        await trio.to_thread.run_sync(lambda: exec(compile(code, str(README), "exec"), {"__name__": "example"}))

    assert any((gallery / place).exists() for place in ("mirrored/a.png", "stored/a.png", "mirrored.jpg"))


@pytest.mark.parametrize("block", list(commands()))
async def test_the_commands_run(gallery: Path, block: str) -> None:
    bin_folder = Path(sys.executable).parent
    if not (bin_folder / "trio-mirror").exists():
        pytest.skip("the package is not installed, so that its commands are not there")
    # A host of that name is known to the proxy alone.
    proxy = CountingServer(names=1, answers_a_connection=1_000)
    async with serve_gallery(gallery / "images", gallery / "stored") as url, serving(proxy) as proxy_url:
        behind = "http://proxy:3128" in block
        script = "set -e\n" + block.replace("http://proxy:3128", proxy_url.removesuffix("/images/"))
        script = script if behind else script.replace("http://host/images/", shlex.quote(url))
        await trio.run_process(
            ["bash", "-c", script],
            env=os.environ | {"PATH": f"{bin_folder}:{os.environ['PATH']}"},
            capture_stdout=True,
            capture_stderr=True,
        )
    assert bool(proxy.request_lines) == behind


def option_rows() -> list[str]:
    """The rows of the table of options, one a panel, as they follow from what is declared."""
    panels: dict[str, list[str]] = {}
    for name, setting in all_settings().items():
        if name == "source":
            continue
        also = f"{setting.also}, " if setting.also else ""
        value = f" {setting.metavar}" if setting.metavar else ""
        option = f"`{also}{option_name(name)}{value}` ({setting.shown})".replace("|", "\\|")
        panels.setdefault(setting.panel, []).append(option)
    return [f"| {panel} | {', '.join(options)} |" for panel, options in panels.items()]


def test_the_options_are_told_as_in_the_help() -> None:
    table = TEXT.split("| panel | options and their defaults |\n| --- | --- |\n")[1].split("\n\n")[0]

    assert table.splitlines() == option_rows()


def test_the_formats_are_told_as_in_the_help() -> None:
    assert [f"| {' | '.join(row)} |" for row in FORMATS] == list(
        TEXT.split("| format | exact |")[1].splitlines()[2 : 2 + len(FORMATS)]
    )


def test_the_exit_codes_are_all_told() -> None:
    table = TEXT.split("<b>Options and exit codes</b>")[1].split("</details>")[0]
    told = {int(code) for row in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for code in row.split(",")}
    order = re.search(r"the first of: signal, ([\d, ]+)\.", table)

    assert told == set(ExitCode)
    assert order is not None
    assert [int(code) for code in order[1].split(",")] == [code for code in ExitCode if 0 < code < 100]


def test_the_messages_are_those_of_the_code() -> None:
    table = TEXT.split("| message | meaning | what to do |\n| --- | --- | --- |\n")[1].split("\n\n")[0]
    messages = [re.findall(r"`(.+?)`", row.split(" | ")[0])[0] for row in table.splitlines()]
    code = "".join(path.read_text(encoding="utf-8") for path in (README.parent / "trio_mirror").rglob("*.py"))
    # What stands for … differs from run to run; in the source it is a field of an f-string.
    said = re.sub(r"{[^{}]*}", "…", code)

    assert messages
    assert [it for it in messages if not all(part.strip() in said for part in it.split("…"))] == []
