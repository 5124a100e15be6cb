from __future__ import annotations

import io
import os
import pty
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageOps
from rich.console import Console

from tests.cli.test_cli import command
from tests.helpers.pictures import draw
from tests.helpers.warm import CLEAN
from trio_mirror.cli.view.half_blocks import can_show, half_blocks

if TYPE_CHECKING:
    from pathlib import Path


def terminal(width: int = 80, **more: object) -> Console:
    file = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    return Console(file=file, force_terminal=True, color_system="truecolor", width=width, _environ={}, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("width", [22, 40, 80, 200])
def test_two_pictures_stand_side_by_side(tmp_path: Path, width: int) -> None:
    draw(320, 240).save(tmp_path / "before.png")
    ImageOps.mirror(draw(320, 240)).save(tmp_path / "after.png")

    lines = list(half_blocks(terminal(width), tmp_path / "before.png", tmp_path / "after.png"))

    columns = min(36, (width - 2) // 2)
    assert {line.plain for line in lines} == {"▀" * columns + "  " + "▀" * columns}
    assert len(lines) == columns * 240 // 320 // 2
    styles = [str(span.style) for span in lines[1].spans]
    assert len(set(styles)) > 1
    with Image.open(tmp_path / "before.png") as image:
        red, green, blue = image.convert("RGB").resize((columns, 2 * len(lines))).getpixel((0, 2))  # type: ignore[misc]
    assert f"#{red:02x}{green:02x}{blue:02x}" in styles[0]


def test_a_terminal_without_room_colours_or_characters_gets_none() -> None:
    assert can_show(terminal())
    assert not can_show(terminal(width=15))
    assert not can_show(Console(file=io.StringIO()))
    assert not can_show(Console(file=io.StringIO(), force_terminal=True, _environ={"NO_COLOR": "1"}))


@pytest.mark.slow
@pytest.mark.parametrize(("more", "shown"), [({"COLORTERM": "truecolor"}, True), ({"NO_COLOR": "1"}, False)])
def test_the_first_command_shows_a_picture_before_and_after(tmp_path: Path, more: dict[str, str], shown: bool) -> None:
    ours, theirs = pty.openpty()
    environment = CLEAN | {"TMPDIR": str(tmp_path), "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"} | more
    said = b""
    with subprocess.Popen(command("--no-progress"), stdout=subprocess.DEVNULL, stderr=theirs, env=environment) as run:
        os.close(theirs)
        # Linux ends it so when nobody has the other side open any more.
        with suppress(OSError):
            while piece := os.read(ours, 65_536):
                said += piece
    os.close(ours)
    assert run.returncode == 0

    text = said.decode()
    assert ("▀" in text) is shown
    [folder] = tmp_path.iterdir()
    assert sorted(it.name for it in folder.iterdir()) == ["images", "mirrored"]
    assert text.startswith("no SOURCE is given, so the built-in gallery")
    assert str(folder / "images") in text
    assert str(folder / "mirrored") in text
