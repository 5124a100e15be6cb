"""The progress line of a run, drawn on stderr while it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from rich.live import Live
from rich.text import Text

from trio_mirror.model import Stage
from trio_mirror.units import format_duration

if TYPE_CHECKING:
    from rich.console import Console

    from trio_mirror.pipeline import Run

_REFRESH = 0.1


async def show_progress(run: Run, console: Console) -> None:
    """Draws the line ten times a second until it is cancelled, and then wipes it.

    Drawn by this task and not by rich's own thread, so that no thread outlives the run.
    """
    started = trio.current_time()
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            live.update(_line(run, trio.current_time() - started), refresh=True)
            await trio.sleep(_REFRESH)


def _line(run: Run, elapsed: float) -> Text:
    report = run.report
    parts = [
        f"{report.listed:,} listed",
        f"{run.passed[Stage.FETCH]:,} downloaded",
        f"{run.passed[Stage.FLIP]:,} mirrored",
        f"{run.passed[Stage.UPLOAD]:,} uploaded",
    ]
    text = Text(" · ".join(parts), no_wrap=True, overflow="ellipsis")
    failed = report.failed + report.unknown
    text.append(f" · {failed:,} failed", "red" if failed else "")
    text.append(f" · {report.finished / max(elapsed, 0.001):.1f}/s · {format_duration(elapsed)}")
    return text
