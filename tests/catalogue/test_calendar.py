"""Windows of limits by every provider's clock, checked against the standard library's."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from freerouter_core.catalogue.calendar import DAY, HOUR, days_from_civil, period

PACIFIC = ZoneInfo("America/Los_Angeles")
SINCE_2007 = st.integers(1_199_145_600, 4_102_444_800)
"""From 2008 to 2100, unix seconds."""


def at(year: int, month: int, day: int, hour: int = 0, zone: ZoneInfo | None = None) -> float:
    return datetime(year, month, day, hour, tzinfo=zone or UTC).timestamp()


@given(now=SINCE_2007)
@example(now=int(at(2026, 3, 8, 12)))
@example(now=int(at(2026, 11, 1, 12)))
def test_a_pacific_day_lasts_from_midnight_to_midnight_there(now: int) -> None:
    start, end = period("pacific-day", 60.0, now)
    first = datetime.fromtimestamp(start, PACIFIC)
    last = datetime.fromtimestamp(end, PACIFIC)

    assert start <= now < end
    assert (first.hour, first.minute, last.hour, last.minute) == (0, 0, 0, 0)
    assert last.date() == first.date() + timedelta(days=1)


@pytest.mark.parametrize(
    ("month", "day", "hours"), [(3, 8, 23), (11, 1, 25), (3, 7, 24), (11, 2, 24), (7, 1, 24)]
)
def test_the_day_of_a_change_of_clocks_is_an_hour_shorter_or_longer(
    month: int, day: int, hours: int
) -> None:
    start, end = period("pacific-day", 60.0, at(2026, month, day, 12, PACIFIC))

    assert end - start == hours * HOUR


@given(now=SINCE_2007)
@example(now=int(at(2026, 12, 31, 23)))
@example(now=int(at(2028, 2, 29)))
def test_a_month_lasts_from_the_first_to_the_first(now: int) -> None:
    start, end = period("utc-month", 60.0, now)
    first, last = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)

    assert start <= now < end
    assert (first.day, first.hour, last.day, last.hour) == (1, 0, 1, 0)
    assert (last.year * 12 + last.month) - (first.year * 12 + first.month) == 1


@pytest.mark.parametrize(
    ("reset", "per", "start", "end"),
    [
        ("utc-day", 60.0, at(2026, 9, 26), at(2026, 9, 27)),
        ("fixed", 3600.0, at(2026, 9, 26, 23), at(2026, 9, 27)),
        ("rolling", DAY, at(2026, 9, 26), at(2026, 9, 27)),
    ],
)
def test_other_windows_begin_at_multiples_of_their_length(
    reset: str, per: float, start: float, end: float
) -> None:
    assert period(reset, per, at(2026, 9, 26, 23) + 5) == (start, end)
    assert period(reset, per, start)[0] == start


@given(st.dates())
def test_days_are_counted_as_the_standard_library_counts_them(day: date) -> None:
    assert days_from_civil(day.year, day.month, day.day) == (day - date(1970, 1, 1)).days
