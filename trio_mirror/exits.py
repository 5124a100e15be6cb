"""The exit codes, and which one a run deserves."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from trio_mirror.errors import AccessError, ListError, MirrorError, SettingsError

if TYPE_CHECKING:
    from trio_mirror.model import Report


class ExitCode(IntEnum):
    """What the command line says to the shell."""

    DONE = 0
    """Every picture is mirrored or skipped."""
    BUG = 1
    """An error of ours."""
    USAGE = 2
    """An option or a setting cannot work."""
    FAILED = 3
    """Some pictures failed."""
    LIST = 5
    """The list could not be read."""
    ACCESS = 6
    """Authentication or TLS was refused for the whole run."""
    UNKNOWN = 8
    """Some uploads have an unknown outcome."""
    INTERRUPTED = 130
    """Ended by SIGINT (128 + 2)."""
    TERMINATED = 143
    """Ended by SIGTERM (128 + 15)."""


# Where several apply, the first of these counts. A SIGINT comes before a SIGTERM only for definiteness.
_ORDER = (
    ExitCode.INTERRUPTED,
    ExitCode.TERMINATED,
    ExitCode.BUG,
    ExitCode.USAGE,
    ExitCode.ACCESS,
    ExitCode.LIST,
    ExitCode.UNKNOWN,
    ExitCode.FAILED,
)


def exit_code_of(report: Report | None, error: MirrorError | None = None, signal: int | None = None) -> ExitCode:
    """The exit code of a run.

    Args:
        report: what was done, where a run began.
        error: what ended the run as a whole, if anything.
        signal: the number of the signal that ended it, if any.
    """
    apply: set[ExitCode] = set()
    if signal is not None:
        apply.add(ExitCode(128 + signal))
    if error is not None:
        apply.add(_of_error(error))
    if report is not None and report.unknown:
        apply.add(ExitCode.UNKNOWN)
    if report is not None and report.failed:
        apply.add(ExitCode.FAILED)
    return next((code for code in _ORDER if code in apply), ExitCode.DONE)


def _of_error(error: MirrorError) -> ExitCode:
    match error:
        case SettingsError():
            return ExitCode.USAGE
        case AccessError():
            return ExitCode.ACCESS
        case ListError():
            return ExitCode.LIST
        case _:
            return ExitCode.BUG
