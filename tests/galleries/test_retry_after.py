"""``Retry-After`` and HTTP dates."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trio_mirror.galleries.http.retry_after import parse_http_date, parse_retry_after

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)

dates = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)).map(  # noqa: DTZ001 (made aware right here)
    lambda date: date.replace(microsecond=0, tzinfo=UTC)
)


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2,8},? \d\d[ -][JFM][a-z]{2}[ -]\d+ \d\d:\d\d:\d\d( GMT| \d{4})?"), dates)
@example("9" * 5000, NOW)
@example("٣", NOW)
@example("-1", NOW)
@example("1.5", NOW)
@example("Sun, 31 Feb 2027 00:00:00 GMT", NOW)
@example("Sun, 06 Nov 0000 00:00:00 GMT", NOW)
def test_any_retry_after_gives_none_or_a_number_of_seconds(value: str, now: datetime) -> None:
    seconds = parse_retry_after(value, now)

    assert seconds is None or seconds >= 0


@pytest.mark.parametrize(
    "value", ["", "soon", "-1", "1.5", "1e3", "٣", "1 2", "Sun, 06 Nov 1994 08:49:37", "Sun, 31 Feb 2027 00:00:00 GMT"]
)
def test_nonsense_is_no_retry_after(value: str) -> None:
    assert parse_retry_after(value, NOW) is None


@given(st.integers(0, 10**12), st.sampled_from(["{}", " {}", "{}\t", "00{}"]))
def test_seconds_are_read_as_they_are(seconds: int, form: str) -> None:
    assert parse_retry_after(form.format(seconds), NOW) == seconds


def imf_fixdate(date: datetime) -> str:
    return format_datetime(date, usegmt=True)


def rfc850_date(date: datetime) -> str:
    return date.strftime("%A, %d-%b-%y %H:%M:%S GMT")


def asctime_date(date: datetime) -> str:
    return time.asctime(date.timetuple())


@pytest.mark.parametrize("written", [imf_fixdate, rfc850_date, asctime_date])
@given(now=dates, seconds=st.integers(-(10**9), 10**9))
def test_dates_of_all_three_formats_give_the_seconds_until_then(
    written: Callable[[datetime], str], now: datetime, seconds: int
) -> None:
    value = written(now + timedelta(seconds=seconds))

    assert parse_retry_after(value, now) == max(0, seconds)


@pytest.mark.parametrize(
    ("value", "now", "year"),
    [
        ("Sunday, 06-Nov-94 08:49:37 GMT", NOW, 1994),
        ("Friday, 06-Nov-76 08:49:37 GMT", NOW, 2076),
        ("Sunday, 06-Nov-77 08:49:37 GMT", NOW, 1977),
        ("Monday, 06-Nov-00 08:49:37 GMT", datetime(1999, 12, 31, tzinfo=UTC), 2000),
    ],
)
def test_a_two_digit_year_is_at_most_fifty_years_ahead(value: str, now: datetime, year: int) -> None:
    assert parse_http_date(value, now) == datetime(year, 11, 6, 8, 49, 37, tzinfo=UTC)


def test_a_leap_second_is_a_date() -> None:
    assert parse_http_date("Sat, 31 Dec 2016 23:59:60 GMT", NOW) == datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)
