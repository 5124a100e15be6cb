"""The exit codes, and which one a run deserves."""

from __future__ import annotations

from enum import IntEnum

from trio_mirror.errors import (
    AccessError,
    ClusterError,
    JournalError,
    ListError,
    MirrorError,
    OutputError,
    SettingsError,
    StorageError,
)
from trio_mirror.model import Report


class ExitCode(IntEnum):
    """What the command line returns to the shell. Where several apply, the first in this order counts."""

    INTERRUPTED = 130  # ended by SIGINT (128 + 2)
    HUNG_UP = 129  # ended by SIGHUP (128 + 1): its terminal was closed
    TERMINATED = 143  # ended by SIGTERM (128 + 15)
    BUG = 1  # an internal error
    USAGE = 2  # an option or a setting is invalid
    DISK = 10  # the disk is full, or the journal, the events, the log, the sheet or standard output cannot be written
    ACCESS = 6  # authentication, TLS or uploads were refused for the whole run
    LIST = 5  # the list could not be read, the cluster not be reached, or a worker process not be started
    STOPPED = 7  # stopped by a limit: --deadline, --max-failures, --max-bytes-total
    UNKNOWN = 8  # some uploads have an unknown outcome
    TRANSIENT = 4  # some pictures failed, and all of them may work later: running again helps
    FAILED = 3  # some pictures failed
    DONE = 0  # every picture is mirrored or skipped


_OF_ERRORS = {
    SettingsError: ExitCode.USAGE,
    AccessError: ExitCode.ACCESS,
    ListError: ExitCode.LIST,
    ClusterError: ExitCode.LIST,
    JournalError: ExitCode.DISK,
    OutputError: ExitCode.DISK,
    StorageError: ExitCode.DISK,
}
_LIMITS = {"deadline", "max_failures", "max_bytes_total"}


def exit_code_of(report: Report | None, error: MirrorError | None = None, signal: int | None = None) -> ExitCode:
    """The exit code of a run, by its report, by what ended it as a whole, and by the signal that did."""
    apply: set[ExitCode] = set()
    if signal is not None:
        apply.add(ExitCode(128 + signal))
    if error is not None:
        apply.add(next((code for kind, code in _OF_ERRORS.items() if isinstance(error, kind)), ExitCode.BUG))
    if report is not None:
        apply |= _of_report(report)
    return next((code for code in ExitCode if code in apply), ExitCode.DONE)


def _of_report(report: Report) -> set[ExitCode]:
    apply = set()
    if report.stopped_by in _LIMITS:
        apply.add(ExitCode.STOPPED)
    if report.unknown:
        apply.add(ExitCode.UNKNOWN)
    if report.failed:
        apply.add(ExitCode.TRANSIENT if report.transient == report.failed else ExitCode.FAILED)
    return apply
