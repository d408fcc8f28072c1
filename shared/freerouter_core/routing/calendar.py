"""When a limit's window begins and ends: providers count by their own clocks.

OpenRouter and Cloudflare start again at midnight UTC, Gemini at midnight Pacific time, credits with the month. Never "24 hours
after the first request". The Pacific day is worked out by the rule the United States have had since 2007 (standard time is UTC-8;
daylight saving from the second Sunday of March to the first of November, both at 2 in the morning), so that no zone file is read.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

DAY = 86_400.0


def period(reset: str, per: float, now: float) -> tuple[float, float]:
    """(start, end) in unix seconds of the window that holds `now`."""
    if reset == "utc-day":
        start = now // DAY * DAY
        return start, start + DAY
    if reset == "pacific-day":
        return _pacific_day(int(now // 3600))
    if reset == "utc-month":
        return _month(int(now // DAY))
    start = now // per * per
    return start, start + per


@lru_cache(maxsize=64)
def _month(day: int) -> tuple[float, float]:
    today = datetime.fromtimestamp(day * DAY, UTC)
    first = today.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return first.timestamp(), following.timestamp()


@lru_cache(maxsize=64)
def _pacific_day(hour: int) -> tuple[float, float]:
    now = hour * 3600.0
    local = datetime.fromtimestamp(now + _offset(now), UTC).date()
    return _midnight(local), _midnight(local + timedelta(days=1))


def _midnight(day: date) -> float:
    """Pacific midnight at the beginning of `day`: the clocks change at 2, so the offset is that of the night before."""
    noon_before = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() - DAY / 2
    return noon_before + DAY / 2 - _offset(noon_before + 8 * 3600.0)


def _offset(now: float) -> float:
    """Seconds from UTC to Pacific time."""
    year = datetime.fromtimestamp(now - 8 * 3600.0, UTC).year
    begins = _sunday(year, 3, 2) + 10 * 3600.0  # 2 o'clock standard time
    ends = _sunday(year, 11, 1) + 9 * 3600.0  # 2 o'clock daylight time
    return -7 * 3600.0 if begins <= now < ends else -8 * 3600.0


def _sunday(year: int, month: int, nth: int) -> float:
    first = datetime(year, month, 1, tzinfo=UTC)
    return (first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (nth - 1))).timestamp()
