"""Lines to a file, from a thread: a slow disk or a reader that sleeps never holds up the event loop."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import trio

from trio_mirror.errors import OutputError, SettingsError
from trio_mirror.galleries.in_thread import in_thread
from trio_mirror.settings import STDOUT

# Seconds between writes, and how many lines may wait before the run waits for them.
_INTERVAL = 0.2
_MANY = 10_000
# Seconds in which the last lines must be written.
_LAST = 10.0


class LineWriter:
    """Takes lines at any time, from any thread, and writes them in their order to a file, or to `STDOUT`.

    Messages name the file by its ``option``. With ``append``, what it holds already is kept. ``to_line`` makes a line
    of what is written: many at once in the thread, which takes half the time that each by itself takes among others.

    Attributes:
        error: why it cannot be written, once that is known; lines are thrown away from then on.

    Raises:
        SettingsError: the file cannot be opened.
    """

    def __init__(self, option: str, path: str, *, append: bool = False, to_line: Callable[[Any], str] = str) -> None:
        self.error: OutputError | None = None
        self._option = option
        self._path = path
        self._to_line = to_line
        self._waiting: deque[object] = deque()
        self._turn = threading.Lock()
        self._file = self._open(append=append)

    def _open(self, *, append: bool) -> BinaryIO:
        if self._path == STDOUT:
            return open(sys.stdout.fileno(), "wb", buffering=0, closefd=False)
        try:
            return Path(self._path).open("ab" if append else "wb", buffering=0)
        except OSError as error:
            raise SettingsError(f"{self._option}: {self._path} cannot be written: {error.strerror}") from error

    def write(self, line: object) -> None:
        """Takes a line without its end, or what is made one later and no longer changes. Never waits."""
        if self.error is None:
            self._waiting.append(line)

    async def room(self) -> None:
        """Waits while very many lines are still to be written."""
        if len(self._waiting) >= _MANY:
            await self._flush()

    async def keep(self, on_error: Callable[[], None]) -> None:
        """Writes what comes, several times a second; calls ``on_error`` once if the file cannot be written."""
        while self.error is None:
            await trio.sleep(_INTERVAL)
            if self._waiting:
                await self._flush()
        on_error()

    async def end(self) -> None:
        """Writes what is left, for at most 10 s, and closes the file."""
        with trio.move_on_after(_LAST) as giving_up:
            await self._flush()
        if giving_up.cancelled_caught:
            self.error = OutputError(f"{self._option}: {self._path} took nothing for {_LAST:g} s")
        else:
            self._file.close()

    async def _flush(self) -> None:
        # Abandoned where a run is stopped while a reader of standard output does not read.
        await in_thread(self._write_waiting)

    def _write_waiting(self) -> None:
        # An abandoned thread goes on; the next one waits for it here, so that lines keep their order.
        with self._turn:
            lines = [self._to_line(self._waiting.popleft()) + "\n" for _ in range(len(self._waiting))]
            left = memoryview("".join(lines).encode("utf-8", "backslashreplace"))
            try:
                while left:
                    left = left[self._file.write(left) :]
            except OSError as error:
                self.error = OutputError(f"{self._option}: {self._path} cannot be written: {error.strerror}")
