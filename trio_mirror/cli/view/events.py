"""The events of a run, for programs: one JSON object a line, one for each result and one for the report.

Every event has ``event``, which is ``result`` or ``report``, and ``time``, in UTC (RFC 3339). A result has the
fields of `Result` besides: ``name``, ``outcome``, ``stage``, ``error``, ``transient``, ``refused``, ``status``,
``not_picture``, ``attempts``, ``retries``, ``bytes_in``, ``bytes_out``, ``etag``, ``lossless``, ``notes``, by stage
``seconds`` and ``began``, and where a journal is kept, ``digest_in``, ``digest`` and ``run``. Its time is when it
ended. The report is the last event, and has what ``--json`` prints.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

from trio_mirror.model import Report, Result, Stage

# What is not ASCII is escaped, so that no name, however hostile, breaks a line or an encoding.
_encode = json.JSONEncoder().encode


def event_line(it: Result | Report) -> str:
    """A result, or the report at the end of a run, as a line of JSON."""
    if isinstance(it, Report):
        return _encode({"event": "report", "time": now(), **it.as_json()})
    # Written out: json would take twice as long, and there may be thousands a second.
    return (
        f'{{"event": "result", "time": "{_rfc3339(it.time)}", "name": {_encode(it.name)}, "outcome": "{it.outcome}", '
        f'"stage": "{it.stage}", "error": {_or_null(it.error)}, "transient": {_flag(it.transient)}, '
        f'"refused": {_flag(it.refused)}, "status": {_or_null(it.status)}, "not_picture": {_flag(it.not_picture)}, '
        f'"attempts": {it.attempts}, "retries": {it.retries}, "bytes_in": {it.bytes_in}, "bytes_out": {it.bytes_out}, '
        f'"etag": {_or_null(it.etag)}, "digest_in": {_or_null(it.digest_in)}, "digest": {_or_null(it.digest)}, '
        f'"lossless": {_flag(it.lossless)}, "notes": [{", ".join(map(_encode, it.notes))}], '
        f'"seconds": {_by_stage(it.seconds)}, "began": {_by_stage(it.began)}, "run": {_or_null(it.run)}}}'
    )


def now() -> str:
    """The time in UTC as programs read it (RFC 3339), to the millisecond."""
    return _rfc3339(time.time())


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _or_null(value: str | int | None) -> str:
    return "null" if value is None else _encode(value)


def _flag(value: bool) -> str:  # noqa: FBT001 (it is the value)
    return "true" if value else "false"


def _by_stage(times: dict[Stage, float]) -> str:
    return "{" + ", ".join([f'"{stage}": {seconds:.4f}' for stage, seconds in times.items()]) + "}"
