"""Runs in place that are killed at random moments and started again, until one comes to its end by itself.

A mirror flip undoes itself, so that a picture that is processed twice is back in its original state. After each kill
every picture must be whole, and none that was mirrored may be an original again.
"""

from __future__ import annotations

import os
import random
import re
import signal
import tempfile
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import trio

from tests.helpers import processes
from tests.helpers.faults import Fault, Plan
from tests.helpers.faulty_server import FaultyGallery, names_of, picture, serve
from tests.helpers.pictures import decode, is_mirrored

if TYPE_CHECKING:
    import subprocess
    from collections.abc import AsyncIterator, Mapping

PICTURES = 300
"""In one place."""
# Seconds in which a run must end, and between two looks whether it has begun its work.
_TIMEOUT, _LOOK = 300, 0.002
# The share of interrupts after which a second one comes, and within how many seconds.
_TWICE, _SOON = 0.5, 0.2
# In a traceback: what the command and the library begin with, and not Python's `site`.
_OURS = re.compile(r'File "(?!<frozen).*, in (main|run)\n')
# Python ignores an interrupt within this callback of an import, says so, and goes on.
_UNHEARD = re.compile(
    r"Exception ignored in: <function _get_module_lock.*\nTraceback.*\n(  .*\n)*KeyboardInterrupt.*\n"
)
# A kill comes within this share of a whole run, however little is left to do.
_LEAST = 0.05


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How the runs of a round are made, and how they are killed."""

    place: str = "folder"
    number: signal.Signals = signal.SIGKILL
    processes: int = 1
    lose: float = 0.0
    """The share of uploads over HTTP that are stored and get no answer."""
    delay: float = 0.0
    """Seconds that the server thinks about each request."""
    workers_only: bool = False
    """Whether a worker process is killed, and not the run."""
    script: bool = False
    """Whether a script calls `trio_mirror.run`, in place of the command."""
    options: tuple[str, ...] = ()
    """Further options of the command."""


@dataclass(kw_only=True)
class Count:
    """What rounds have come to."""

    rounds: int = 0
    kills: int = 0
    mirrored: int = 0
    original: int = 0
    neither: int = 0
    left_over: int = 0
    """Temporary files, and journals of runs that have mirrored all."""
    faults: list[str] = field(default_factory=list)
    """What else was wrong, a sentence each."""

    def add(self, other: Count) -> None:
        """Counts other rounds."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    @property
    def is_right(self) -> bool:
        """Whether every picture was mirrored once, and nothing was left over."""
        return not (self.original or self.neither or self.left_over or self.faults)

    def __str__(self) -> str:
        return (
            f"{self.kills} kills in {self.rounds} rounds: {self.mirrored} mirrored, {self.original} original, "
            f"{self.neither} neither, {self.left_over} files left over, {len(self.faults)} other faults"
        )


class _Place(Protocol):
    """Where the pictures are."""

    address: str

    def now(self) -> Mapping[str, bytes]:
        """The pictures as they are."""


class _Folder:
    def __init__(self, path: Path) -> None:
        path.mkdir()
        for name in names_of(PICTURES):
            (path / name).write_bytes(picture(name))
        self.address = str(path)

    def now(self) -> Mapping[str, bytes]:
        return {name: Path(self.address, name).read_bytes() for name in names_of(PICTURES)}


class _Server:
    def __init__(self, gallery: FaultyGallery, address: str) -> None:
        self.address = address
        self._gallery = gallery

    def now(self) -> Mapping[str, bytes]:
        return {name: self._gallery.current(name) for name in names_of(PICTURES)}


class Round:
    """Runs over one place, until one of them ends by itself.

    Args:
        kind: of the runs.
        seed: draws the moments, and the uploads whose answers are lost.
        most: kills at most.
        length: seconds that a whole run works for; kills come within them.

    Attributes:
        seconds: that the last run worked for.
    """

    def __init__(self, kind: Kind, seed: int, *, most: int, length: float = 0.0) -> None:
        self.seconds = 0.0
        self._kind = kind
        self._seed = seed
        self._most = most
        self._length = length
        self._chance = random.Random(seed)
        self._count = Count(rounds=1)
        self._mirrored = frozenset[str]()

    async def play(self) -> Count:
        """Starts runs and kills them, until one ends by itself."""
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            async with self._open_place(folder) as place:
                while not await self._ends(place, folder):
                    self._compare(place)
                self._compare(place)
        count = self._count
        count.mirrored = len(self._mirrored)
        count.original = PICTURES - count.mirrored - count.neither
        return count

    @asynccontextmanager
    async def _open_place(self, folder: Path) -> AsyncIterator[_Place]:
        if self._kind.place == "folder":
            yield _Folder(folder / "pictures")
            return
        plan = Plan(seed=self._seed, share=self._kind.lose, upload=(Fault.LOST, Fault.RESET_AFTER))
        gallery = FaultyGallery(names_of(PICTURES), plan, delay=self._kind.delay, in_place=True)
        async with serve(gallery) as url:
            yield _Server(gallery, url)

    async def _ends(self, place: _Place, folder: Path) -> bool:
        """Whether a run came to its end by itself, right or wrong."""
        left = self._most - self._count.kills
        kills = left if self._kind.workers_only else min(left, 1)
        process = self._start(place, folder)
        with trio.move_on_after(_TIMEOUT) as time_limit:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch, process, folder, kills)
                ended = await processes.ended(process)
                nursery.cancel_scope.cancel()
        if time_limit.cancelled_caught:
            self._count.faults.append(f"a run did not end in {_TIMEOUT} s")
            return True
        is_interrupted = ended.code == -signal.SIGINT or (ended.code == 1 and "KeyboardInterrupt" in ended.err)
        if kills and is_interrupted and not _OURS.search(ended.err):
            # Python was starting, and nothing of ours is there yet to hear of it.
            self._count.kills -= 1
            return False
        if "Traceback" in _UNHEARD.sub("", ended.err):
            self._count.faults.append(f"a traceback: {ended.err[-2000:]}")
            return True
        if ended.code and kills and self._was_killed(ended.code):
            # One that had removed its journal had done all: the next one would be a new run.
            return not _journals(folder) and all(is_mirrored(picture(it), data) for it, data in place.now().items())
        if ended.code:
            self._count.faults.append(f"exit code {ended.code}: {ended.out[-600:]}{ended.err[-600:]}")
        self._count.left_over = len(_left_over(folder))
        return True

    def _was_killed(self, code: int) -> bool:
        number = self._kind.number
        codes = {128 + number} if number is signal.SIGINT else {-number, 128 + number}
        return not self._kind.workers_only and code in codes

    def _start(self, place: _Place, folder: Path) -> subprocess.Popen[str]:
        # A named journal lies beside the pictures.
        further = [str(folder / "named.journal") if it == "JOURNAL" else it for it in self._kind.options]
        options = ["--processes", str(self._kind.processes), "--timeout", "1", "--json", "-qq", *further]
        if self._kind.place == "folder":
            options.append("--in-place")
        environment = {"XDG_STATE_HOME": str(folder / "state")}
        if self._kind.script:
            program, options = "tests.kill.script", [str(self._kind.processes), self._kind.place]
        else:
            program = "trio_mirror"
        return processes.start(place.address, *options, program=program, own_group=True, environment=environment)

    async def _watch(self, process: subprocess.Popen[str], folder: Path, kills: int) -> None:
        """Notes how long a run works, and kills it meanwhile."""
        began = trio.current_time()
        try:
            while not (processes.workers_of(process.pid) if self._kind.workers_only else _journals(folder)):  # noqa: ASYNC110 (another process makes them)
                await trio.sleep(_LOOK)
            began = trio.current_time()
            for _ in range(kills):
                left = 1 - len(self._mirrored) / PICTURES
                await trio.sleep(self._chance.uniform(0, self._length * max(left, _LEAST)))
                # It may have ended at this very moment.
                with suppress(ProcessLookupError):
                    self._count.kills += self._kill(process)
                    # Some people press it twice.
                    if self._kind.number is signal.SIGINT and self._chance.random() < _TWICE:
                        await trio.sleep(self._chance.uniform(0, _SOON))
                        self._kill(process)
            await trio.sleep_forever()
        finally:
            self.seconds = trio.current_time() - began

    def _kill(self, process: subprocess.Popen[str]) -> bool:
        """Kills what is to be killed, if it is there."""
        if self._kind.workers_only:
            victims = processes.workers_of(process.pid)
            if victims:
                os.kill(self._chance.choice(victims), self._kind.number)
            return bool(victims)
        # A terminal that is closed sends it to all.
        kill = self._chance.choice((os.kill, os.killpg))
        kill(process.pid, self._kind.number)
        return True

    def _compare(self, place: _Place) -> None:
        """Compares the pictures with what they were."""
        states = {name: _state(picture(name), data) for name, data in place.now().items()}
        mirrored = frozenset(name for name, state in states.items() if state == "mirrored")
        if undone := sorted(self._mirrored - mirrored):
            self._count.faults.append(f"undone after {self._count.kills} kills: {', '.join(undone[:5])}")
        self._mirrored = mirrored
        self._count.neither = max(self._count.neither, sum(state == "neither" for state in states.values()))


def _state(original: bytes, data: bytes) -> str:
    if data == original:
        return "original"
    try:
        if is_mirrored(original, data):
            return "mirrored"
        return "original" if decode(data).tobytes() == decode(original).tobytes() else "neither"
    except (OSError, SyntaxError):
        return "neither"


def _journals(folder: Path) -> list[Path]:
    return [*folder.glob("*journal"), *folder.glob("state/*/*.journal")]


def _left_over(folder: Path) -> list[Path]:
    """What a run that has mirrored all should have removed."""
    automatic = [*folder.glob(".*journal*"), *folder.glob("state/*/*")]
    return [*automatic, *folder.glob("pictures/.*")]
