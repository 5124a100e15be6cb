"""The command that goes on with a run, or retries what failed of it; credentials are left out."""

from __future__ import annotations

import glob
import shlex
import sys

from trio_mirror.model import Outcome, Report
from trio_mirror.names import hide_credentials
from trio_mirror.settings import Settings, all_settings, option_name

_SECRETS = {option_name(name) for name, setting in all_settings().items() if setting.secret}
# More names than this make no command that anyone would paste.
_MAX_NAMES = 10


def next_step(report: Report, settings: Settings) -> tuple[str, str] | None:
    """What to do next, if there is anything left: a few words, and the command."""
    failed = report.failed + report.unknown
    may_work = report.transient + report.unknown
    if report.stopped_by in ("error", "max_failures") and not (report.mirrored + report.skipped + may_work):
        # It would end in the same way, until somebody mends why.
        return None
    if report.stopped_by is not None:
        if settings.journal or report.journal:
            return "to go on", _same_command()
        # In place nothing else says what is mirrored.
        elsewhere = report.mirrored and report.source != report.target
        return ("to go on", _same_command(*["--skip-existing"] * (not settings.skip_existing))) if elsewhere else None
    if settings.journal and failed:
        more = [] if settings.retry_failed else ["--retry-failed"]
        return "to retry just those", _same_command(*more)
    # What has failed for good fails again, unless somebody mends it.
    if not may_work:
        return None
    if report.journal:
        return "to go on", _same_command()
    names = [it.name for it in report.failures if it.transient or it.outcome is Outcome.UNKNOWN]
    all_kept = failed == len(report.failures)
    picked = settings.include or settings.exclude or settings.limit
    if not picked and all_kept and len(names) <= _MAX_NAMES and all(map(str.isprintable, names)):
        # Each name as a pattern that matches it alone.
        return "to retry just those", _same_command(*(f"--include={glob.escape(name)}" for name in names))
    return "to retry just what fails, next time", _same_command("--journal=run.journal")


def _same_command(*more: str) -> str:
    words, secret = ["trio-mirror"], False
    for word in [*sys.argv[1:], *more]:
        name, equals, _ = word.partition("=")
        shown = f"{name}=…" if equals and name in _SECRETS else shlex.quote(hide_credentials(word))
        words.append("…" if secret else shown)
        secret = word in _SECRETS
    return " ".join(words)
