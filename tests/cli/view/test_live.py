from __future__ import annotations

import io
import os
import pty
import re
import signal
from typing import TYPE_CHECKING

import trio
import trio.testing
from rich.console import Console

from tests.cli.view.fake_run import FakeRun, failed
from trio_mirror.cli.view.live import show_live
from trio_mirror.cli.view.progress import Progress

if TYPE_CHECKING:
    import pytest


class Terminal(io.StringIO):
    """A terminal that is never full, as far as the display needs one."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = [""]
        self.row = self.column = 0

    def write(self, text: str) -> int:
        for part in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+", text):
            if part == "\r":
                self.column = 0
            elif part == "\n":
                self.row, self.column = self.row + 1, 0
                self.rows += [""] * (self.row + 1 - len(self.rows))
            elif part.endswith("A"):
                self.row = max(0, self.row - int(part[2:-1]))
            elif part == "\x1b[2K":
                self.rows[self.row] = ""
            elif not part.startswith("\x1b"):
                row = self.rows[self.row].ljust(self.column)
                self.rows[self.row] = row[: self.column] + part + row[self.column + len(part) :]
                self.column += len(part)
        return super().write(text)

    def become(self, width: int) -> None:
        """Wraps the rows anew, and keeps the cursor at its character, as most terminals do."""
        wrapped = [[row[at : at + width] for at in range(0, len(row) or 1, width)] for row in self.rows]
        self.row = sum(map(len, wrapped[: self.row])) + max(0, self.column - 1) // width
        self.rows = [part for parts in wrapped for part in parts]
        self.column = 0


async def test_what_is_printed_goes_above_and_all_is_erased_at_the_end(
    autojump_clock: trio.testing.MockClock,
) -> None:
    terminal = Terminal()
    console = Console(file=terminal, force_terminal=True, width=80, height=24)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(show_live, Progress(FakeRun().as_run()), console)
        await trio.sleep(0.1)
        console.print("above")
        assert terminal.rows[0] == "above"
        assert [row.split()[0] for row in terminal.rows[1:3]] == ["0", "0.0/s"]
        await trio.sleep(1)
        assert len(list(filter(None, terminal.rows))) == 3
        nursery.cancel_scope.cancel()

    assert list(filter(None, terminal.rows)) == ["above"]
    assert (terminal.row, terminal.column) == (1, 0)
    text = terminal.getvalue()
    assert text.startswith("\x1b[?25l")
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


async def test_a_stopped_process_leaves_the_terminal_to_the_shell_and_goes_on_below(
    autojump_clock: trio.testing.MockClock,
) -> None:
    terminal = Terminal()
    console = Console(file=terminal, force_terminal=True, width=80, height=24)
    left: list[list[str]] = []
    progress = Progress(FakeRun().as_run())
    progress.add(failed("x" * 90))

    def stop(*_: object) -> None:
        text = terminal.getvalue()
        assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l"), "the cursor is shown"
        left.append(list(filter(None, terminal.rows)))
        terminal.write("the shell\n")

    default = signal.signal(signal.SIGTSTP, stop)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(show_live, progress, console)
            await trio.sleep(1)
            assert max(map(len, terminal.rows)) + len("^Z") < 80, "the terminal writes that, and must not wrap it"
            signal.raise_signal(signal.SIGTSTP)
            await trio.sleep(1)
            assert left == [[]]
            assert [row.split()[0] for row in terminal.rows[:4]] == ["the", "0", "0.0/s", "✗"]
            nursery.cancel_scope.cancel()
    finally:
        signal.signal(signal.SIGTSTP, default)

    assert list(filter(None, terminal.rows)) == ["the shell"]


async def test_a_terminal_that_becomes_narrower_or_wider_keeps_the_lines_above(
    autojump_clock: trio.testing.MockClock,
) -> None:
    terminal = Terminal()
    console = Console(file=terminal, force_terminal=True, width=120, height=24)
    progress = Progress(FakeRun().as_run())
    progress.total = 100
    progress.add(failed("x" * 90))

    async with trio.open_nursery() as nursery:
        console.print("above")
        nursery.start_soon(show_live, progress, console)
        await trio.sleep(0.1)
        for width in (50, 20, 100):
            terminal.become(width)
            console.size = width, 24
            await trio.sleep(0.3)
            assert terminal.rows[0] == "above"
            first, *figures, last = filter(None, terminal.rows[1:])
            assert (first.split()[:3], last[:5]) == (["0", "of", "100"], "✗ xxx")
            assert " · ".join(figures).startswith("0.0/s · 0 B/s in · 0 B/s out · 16 in flight · ")
        nursery.cancel_scope.cancel()

    assert list(filter(None, terminal.rows)) == ["above"]


async def test_no_colour_where_none_is_wanted(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    progress = Progress(FakeRun().as_run())
    progress.add(failed("[red]x"))
    terminal = Terminal()

    with trio.move_on_after(1):
        await show_live(progress, Console(file=terminal, force_terminal=True, width=80))

    assert not re.search(r"\x1b\[[34]\d", terminal.getvalue())
    assert "[red]x" in terminal.getvalue()


async def test_no_more_lines_than_the_terminal_is_high(autojump_clock: trio.testing.MockClock) -> None:
    terminal = Terminal()

    progress = Progress(FakeRun().as_run())
    progress.add(failed("a.png", "it is missing"))
    with trio.move_on_after(1):
        await show_live(progress, Console(file=terminal, force_terminal=True, width=80, height=3))

    assert "0 of 0 listed" in terminal.getvalue()
    assert "0.0/s" in terminal.getvalue()
    assert "missing" not in terminal.getvalue()
    assert list(filter(None, terminal.rows)) == []


async def test_a_terminal_that_says_no_size_gets_the_usual_one(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, (main, side) = Terminal(), pty.openpty()
    monkeypatch.setattr(terminal, "fileno", lambda: side)
    progress = Progress(FakeRun().as_run())
    progress.add(failed("x" * 90))
    try:
        with trio.move_on_after(1):
            await show_live(progress, Console(file=terminal, force_terminal=True))
    finally:
        os.close(main)
        os.close(side)

    assert "0 of 0 listed" in terminal.getvalue()
    assert f"{'x' * 74}…" in terminal.getvalue()
