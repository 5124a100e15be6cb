"""The events of a run, for programs: one JSON object a line, one for each result and one for the report.

Every event has ``event``, which is ``result`` or ``report``, and ``time``, in UTC (RFC 3339). A result has the
fields of `Result` besides: ``name``, ``outcome``, ``stage``, ``error``, ``transient``, ``refused``, ``status``,
``not_picture``, ``attempts``, ``retries``, ``bytes_in``, ``bytes_out``, ``etag``, ``sha256`` (where a journal is
kept), ``lossless``, ``notes``, and by stage ``seconds`` and ``began``. The report is the last event,
and has what ``--json`` prints.
"""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime

from trio_mirror.model import Report, Result

_FIELDS = tuple(field.name for field in fields(Result))


def result_event(result: Result) -> str:
    """One result as a line of JSON: its fields, with ``event`` and ``time`` before them."""
    # Not by `asdict`, which copies every value first.
    plain = {name: getattr(result, name) for name in _FIELDS}
    for key in ("seconds", "began"):
        plain[key] = {stage: round(value, 4) for stage, value in plain[key].items()}
    return _line("result", plain)


def report_event(report: Report) -> str:
    """The report as a line of JSON, the last one of a run."""
    return _line("report", report.as_json())


def now() -> str:
    """The time in UTC as programs read it (RFC 3339), to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _line(event: str, fields: dict[str, object]) -> str:
    # ASCII alone, so that no name, however hostile, breaks a line or an encoding.
    return json.dumps({"event": event, "time": now(), **fields})
