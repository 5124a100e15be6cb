"""The contact sheet: gathers a sample and a timeline of a run, and writes them as one page."""

from __future__ import annotations

import os
from pathlib import Path

import trio

from trio_mirror.cli.view.earlier import read_earlier
from trio_mirror.cli.view.page import page
from trio_mirror.cli.view.sample import Sample, added
from trio_mirror.cli.view.timeline import Point, Timeline
from trio_mirror.errors import OutputError, SettingsError
from trio_mirror.galleries.folder.replacement import replace_file
from trio_mirror.galleries.folder.root import Root
from trio_mirror.galleries.in_thread import in_thread
from trio_mirror.model import Flipped, Report, Result, Stage
from trio_mirror.pipeline.run import Run

# Pairs of pictures on the page: as many as a browser opens at once, in full rows of two, three and four.
_MAX_PAIRS = 48
_MAX_FAILED = 20


class Sheet:
    """The contact sheet of one run, which is written to a path.

    Raises:
        SettingsError: nothing can be written there; raised before the run rather than after hours of it.
    """

    def __init__(self, path: str) -> None:
        self._sample, self._failed = Sample(_MAX_PAIRS), Sample(_MAX_FAILED, large=0)
        self._timeline = Timeline()
        try:
            # A link to the page stays one.
            self._path = Path(os.path.realpath(path))
        except FileNotFoundError as error:
            raise SettingsError(f"--sheet: {path} cannot be written: the working directory is gone") from error
        if why := _why_not_written(self._path):
            raise SettingsError(f"--sheet: {path} cannot be written: {why}")
        self._earlier = read_earlier(self._path)

    def sample(self, name: str, before: bytes, flipped: Flipped | None) -> None:
        """Sees a picture while it is in memory; called in the flip's thread."""
        if flipped is None:
            self._failed.show(name, before, None)
        else:
            self._sample.show(name, before, flipped.data, lossless=flipped.lossless)

    def add(self, result: Result) -> None:
        """Takes a result as it comes."""
        for pairs in (self._sample, self._failed, self._earlier):
            pairs.add(result)

    async def watch(self, run: Run) -> None:
        """Takes the points of the timeline, until it is cancelled."""
        started = trio.current_time()
        try:
            while True:
                self._timeline.add(_point_of(run, trio.current_time() - started))
                await trio.sleep(self._timeline.interval)
        finally:
            self._timeline.add(_point_of(run, trio.current_time() - started))

    async def write(self, report: Report) -> OutputError | None:
        """Writes the page as a whole or not at all; returns what prevented it."""
        return await in_thread(self._write, report)

    def _write(self, report: Report) -> OutputError | None:
        pairs = [*self._sample.pairs(), *(it for it in self._failed.pairs() if it.before is not None)]
        if self._earlier.is_of(report):
            pairs = added(self._earlier.pairs, pairs, _MAX_PAIRS)
        else:
            self._earlier.runs.clear()
        text = page(report, pairs, self._timeline.points, self._earlier.runs, self._path.parent)
        try:
            with Root(self._path.parent).open_folder([]) as folder:
                replace_file(folder, self._path.name, text.encode("utf-8", "backslashreplace"), keep_times=False)
        except OSError as error:
            return OutputError(f"--sheet: {self._path} cannot be written: {error.strerror}")
        return None


def _why_not_written(path: Path) -> str | None:
    # The page replaces what is there, which must not be a device. Unlike pathlib, os.path does not raise
    # for a path that is too long.
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113
        return "it is a folder or a device"
    if not os.path.isdir(path.parent):  # noqa: PTH112
        return f"there is no folder {path.parent}"
    return None if os.access(path.parent, os.W_OK) else f"no permission for the folder {path.parent}"


def _point_of(run: Run, seconds: float) -> Point:
    return Point(
        time=seconds,
        fetched=run.passed[Stage.FETCH],
        flipped=run.passed[Stage.FLIP],
        uploaded=run.passed[Stage.UPLOAD],
        retries=run.report.retries,
        in_flight=run.in_flight,
        limit=run.in_flight_limit,
        reason=run.slowed_by,
    )
