"""Runs that are stopped while a disk or a flip hangs: they end in their time, and say what they do not know."""

from __future__ import annotations

import json
import os
import signal
from itertools import product
from pathlib import Path

import pytest
import trio

from tests.helpers import processes
from tests.helpers.pictures import png
from trio_mirror import Outcome
from trio_mirror.journal import read_journal

# What hangs for ever after so many calls, in each process of a run.
HANGING = {
    "rename": ("os", "replace", 3),
    "journal": ("trio_mirror.journal.writer.Journal", "record", 0),
    "flip": ("trio_mirror.pipeline.transformer", "flip", 3),
    "read": ("trio_mirror.galleries.folder.gallery", "read_at_most", 3),
}
# Python imports it as it starts.
SITECUSTOMIZE = """
import pathlib, pkgutil, threading

def hang(place, name, calls):
    owner = pkgutil.resolve_name(place)
    call, left = getattr(owner, name), iter(range(calls))
    def hanging(*arguments, **named):
        if next(left, None) is None:
            pathlib.Path("hangs").touch()
            threading.Event().wait()
        return call(*arguments, **named)
    setattr(owner, name, hanging)

hang({!r}, {!r}, {})
"""
# The options, the exit code, and how many signals come.
WAYS = {
    "deadline": (["--deadline", "10s", "--drain", "0.5s"], 7, 0),
    "drain": (["--drain", "0.5s"], 130, 1),
    "second signal": (["--drain", "1h"], 130, 2),
}


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(("what", "way"), [*product(HANGING, WAYS)])
async def test_a_run_that_is_stopped_ends_though_something_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, way: str, count: int
) -> None:
    folder, target, journal = (tmp_path / it for it in ("pictures", "mirrored", "journal"))
    arguments: list[str | Path]
    folder.mkdir()
    for number in range(500):
        (folder / f"{number}.png").write_bytes(png())
    (tmp_path / "sitecustomize.py").write_text(SITECUSTOMIZE.format(*HANGING[what]))
    monkeypatch.chdir(tmp_path)
    options, code, signals = WAYS[way]
    arguments = [folder, "--to", target, "--json", "--journal", journal, "--processes", str(count), *options]
    process = processes.start(
        *arguments, environment={"PYTHONPATH": os.pathsep.join(map(str, (tmp_path, processes.ROOT)))}
    )

    def hangs() -> bool:
        """Whether something hangs, and what came before it is done."""
        return Path("hangs").exists() and len(list(target.glob("[!.]*"))) >= HANGING[what][2]

    with trio.fail_after(300):
        while not hangs() and process.poll() is None:  # noqa: ASYNC110 (another process does)
            await trio.sleep(0.01)
    # Shorter than the patience with a journal, say, in a run that nobody stops.
    with trio.fail_after(25):
        for sent in range(signals):
            if sent:
                # Of two that come at once the system makes one.
                await processes.says(process, "stopping: ")
                await trio.sleep(0.2)
            process.send_signal(signal.SIGINT)
        ended = await processes.ended(process)

    report = json.loads(ended.out)
    assert ended.code == (10 if (what, way) == ("journal", "deadline") else code)
    assert "Traceback" not in ended.err
    # Without its rows the whole list may be done before the deadline.
    assert report["stopped_by"] in (["signal"] if signals else ["deadline", "error" if what == "journal" else ""])
    with read_journal(journal) as opened:
        remembered = {it.name for it in opened.results((Outcome.MIRRORED, Outcome.UNKNOWN))}
    assert {it.name for it in target.iterdir() if not it.name.startswith(".")} <= remembered
    # A rename that hangs may yet come to something; what is sent to workers, they may have done.
    assert report["unknown"] > 0 if what == "rename" else what == "journal" or count > 1 or not report["unknown"]
