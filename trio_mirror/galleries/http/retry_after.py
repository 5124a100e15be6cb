"""What a response says about a repetition: its status, and how long to wait (RFC 9110, section 10.2.3)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Of responses that may be others later (RFC 9110, section 15; 425 is of RFC 8470, 429 of RFC 6585)."""
OVERLOAD_STATUSES = frozenset({429, 503})  # of responses that ask for less

# IMF-fixdate, which nearly all servers send; the library, which reads any date of mail, takes ten times as long.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FIXDATE = re.compile(rf"[A-Z][a-z]{{2}}, (\d\d) ({'|'.join(_MONTHS)}) (\d{{4}}) (\d\d):(\d\d):([0-5]\d) GMT", re.ASCII)
_TWO_DIGIT_YEAR = re.compile(r"\d\d-[A-Za-z]{3}-\d\d ", re.ASCII)


def parse_retry_after(value: str, now: datetime) -> float | None:
    """Reads a ``Retry-After`` field, a number of seconds or an HTTP date: seconds from now, or None for nonsense.

    A date in the past means 0 seconds. As ``now``, an aware time, the response's own ``Date`` is best: the server's
    clock may differ from ours.
    """
    value = value.strip(" \t")
    if re.fullmatch("[0-9]+", value):
        return float(value)
    date = parse_http_date(value, now)
    return None if date is None else max(0.0, (date - now).total_seconds())


def parse_http_date(value: str, now: datetime) -> datetime | None:
    """Reads an HTTP date in any of its three formats (RFC 9110, section 5.6.7), or None for nonsense.

    ``now``, an aware time, decides the century of a two-digit year.
    """
    # Python reads dates of any zone. In HTTP they are in GMT, which only asctime's format leaves out.
    if "," in value and not value.endswith(" GMT"):
        return None
    try:
        if usual := _FIXDATE.fullmatch(value):
            day, month, *numbers = usual.groups()
            year, hour, minute, second = map(int, numbers)
            return datetime(year, _MONTHS.index(month) + 1, int(day), hour, minute, second, tzinfo=UTC)
        # A leap second is 60, which datetime does not know.
        date = parsedate_to_datetime(value.replace(":60 ", ":59 ")).replace(tzinfo=UTC)
        if _TWO_DIGIT_YEAR.search(value):
            # Of the years that end so, the one at most 50 years ahead.
            date = date.replace(year=now.year + 50 - (now.year + 50 - date.year) % 100)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date
