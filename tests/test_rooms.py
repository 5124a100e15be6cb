"""The rooms of the package, and the one direction in which they import each other."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import trio_mirror

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(trio_mirror.__file__).parent
# From the ground up: each imports only what stands before it, and `cli` comes last, so that nothing imports it.
ROOMS = (
    *("errors", "model", "names", "flip", "journal", "settings"),
    *("galleries", "pipeline", "distributed", "demo", "api", "cli"),
)
BELOW = {room: set(ROOMS[:at]) for at, room in enumerate(ROOMS)} | {"flip": {"errors", "model"}}
# Not a room: a public module, as `trio_mirror` itself.
BELOW["aio"] = set(ROOMS) - {"cli"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def imports(module: Path) -> Iterator[tuple[int, str]]:
    """The line and the room of every import of ours, within functions and under TYPE_CHECKING too."""
    for node in ast.walk(ast.parse(module.read_bytes())):
        match node:
            case ast.Import():
                names = [alias.name for alias in node.names]
            case ast.ImportFrom(level=0):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            case ast.ImportFrom():
                raise AssertionError(f"{module}:{node.lineno}: relative imports are not used here")
            case _:
                continue
        for package, _, rest in (name.partition(".") for name in names):
            # The version is the one thing that any room takes from the top.
            if package == PACKAGE.name and rest != "__version__":
                yield node.lineno, rest.split(".")[0]


def test_the_top_holds_the_rooms_and_nothing_else() -> None:
    around = {"__init__.py", "__main__.py", "__pycache__", "aio.py", "py.typed"}

    assert {path.stem for path in PACKAGE.iterdir() if path.name not in around} == set(ROOMS)
    assert len(ROOMS) <= 12


@pytest.mark.parametrize("room", BELOW)
def test_a_room_imports_only_those_below_it(room: str) -> None:
    inside = [path for path in MODULES if path.relative_to(PACKAGE).parts[0].removesuffix(".py") == room]
    upward = [
        f"{path.relative_to(PACKAGE)}:{line}: {other or 'trio_mirror itself'}"
        for path in inside
        for line, other in imports(path)
        if other != room and other not in BELOW[room]
    ]

    assert inside
    assert upward == []


def test_the_public_names_do_not_need_the_command_line() -> None:
    assert "cli" not in {room for _, room in imports(PACKAGE / "__init__.py")}
