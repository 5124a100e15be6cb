"""Standard output and standard error of the command line, whatever they lead to."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from trio_mirror.errors import OutputError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_SIZE = re.compile("[1-9][0-9]{0,5}")  # of a terminal, in lines or columns


def prepare_streams() -> None:
    """Lets anything be printed on stdout and stderr, also where they are closed or their encoding is narrow.

    A terminal size in the environment that no terminal has is ignored: rich would fail, or print nothing.
    """
    for variable in ("COLUMNS", "LINES", "TERMINAL_WIDTH"):
        if not _SIZE.fullmatch(os.environ.get(variable, "80")):
            del os.environ[variable]
    # Output without a reader is thrown away. Were descriptor 1 or 2 left free, a file that is opened would become it.
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (open as long as the process)
            os.dup2(stream.fileno(), descriptor)
            setattr(sys, name, stream)
    # What the terminal's encoding does not have is escaped, as on stderr.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def print_line(line: str) -> None:
    """Prints a line on stderr. It is lost where that takes nothing, as on a full disk: the exit code still counts."""
    with suppress(OSError):
        print(line, file=sys.stderr)  # noqa: T201


@contextmanager
def own_stderr() -> Iterator[TextIO]:
    """Gives stderr for our own lines, a descriptor of its own."""
    raw = io.BufferedWriter(_Lossy(os.dup(2), "w"))
    with io.TextIOWrapper(raw, encoding=sys.stderr.encoding, errors="backslashreplace") as stderr:
        yield stderr


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Throws away what libraries write to stderr.

    libtiff and libjpeg write their warnings about a damaged picture straight to file descriptor 2, without its
    name. The result of that picture says it better. What shall still go there must be open before. Where the system
    opens no file, they go on.
    """
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
    except OSError:
        yield
        return
    kept = os.dup(2)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


class _Lossy(io.FileIO):
    """A file whose lines are lost where it cannot take them: no run ends because its log has no reader."""

    def write(self, data: ReadableBuffer) -> int:
        with suppress(OSError):
            return super().write(data)
        return len(memoryview(data))


@contextmanager
def stdout_written(*, reader_may_leave: bool = False) -> Iterator[None]:
    """Makes sure that what is printed in the block is written.

    Where ``reader_may_leave``, one that has seen enough, such as head, just ends the block.

    Raises:
        OutputError: standard output takes no more: its disk is full, or its reader has gone.
    """
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        # What is left in its buffer would fail once more, at exit.
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        if reader_may_leave and isinstance(error, BrokenPipeError):
            return
        raise OutputError(f"standard output cannot be written: {error.strerror}") from error
