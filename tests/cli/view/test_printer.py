"""Lines for people: styled where the stream shows styles, the same words elsewhere."""

from __future__ import annotations

import io

import pytest

from trio_mirror.cli.view.printer import Line, Printer

LONG = "[red]x " * 40


@pytest.mark.parametrize("forced", [False, True])
def test_a_line_has_the_same_words_with_styles_and_without(monkeypatch: pytest.MonkeyPatch, forced: bool) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    if forced:
        monkeypatch.setenv("FORCE_COLOR", "1")
    stream = io.StringIO()

    Printer(stream).print(Line("warning: ", "yellow"), Line(LONG))

    written = stream.getvalue()
    assert written.replace("\x1b[33m", "").replace("\x1b[0m", "") == f"warning: {LONG}\n"
    assert ("\x1b[33m" in written) is forced
