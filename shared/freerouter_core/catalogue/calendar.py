"""When the window of a limit begins and ends: providers count by their own clocks.

OpenRouter and Cloudflare start anew at midnight UTC, Gemini at midnight Pacific time, credits with
the month. The Pacific day follows the rule of the United States since 2007, so no zone file is
read: standard time is UTC-8; daylight saving lasts from the second Sunday of March to the first of
November, and changes at 2 in the morning. Days and dates are Howard Hinnant's "chrono-compatible
low-level date algorithms".
"""

from __future__ import annotations

DAY, HOUR = 86_400.0, 3_600.0
"""Seconds."""


def period(reset: str, per: float, now: float) -> tuple[float, float]:
    """(start, end) in unix seconds of the window around `now`."""
    if reset == "utc-day":
        start = now // DAY * DAY
        return start, start + DAY
    if reset == "pacific-day":
        day = int((now + _pacific_offset(now)) // DAY)
        return _pacific_midnight(day), _pacific_midnight(day + 1)
    if reset == "utc-month":
        year, month = year_and_month(int(now // DAY))
        start = days_from_civil(year, month, 1) * DAY
        return start, days_from_civil(year + month // 12, month % 12 + 1, 1) * DAY
    start = now // per * per
    return start, start + per


def _pacific_midnight(day: int) -> float:
    """The beginning of a Pacific day. Clocks change at 2, so the evening before has its offset."""
    return day * DAY - _pacific_offset(day * DAY)


def _pacific_offset(now: float) -> float:
    """Seconds from UTC to Pacific time."""
    year = year_and_month(int((now - 8 * HOUR) // DAY))[0]
    begins = _sunday(year, 3, 2) * DAY + 10 * HOUR  # 2 o'clock standard time
    ends = _sunday(year, 11, 1) * DAY + 9 * HOUR  # 2 o'clock daylight time
    return -7 * HOUR if begins <= now < ends else -8 * HOUR


def _sunday(year: int, month: int, nth: int) -> int:
    first = days_from_civil(year, month, 1)
    return first + (3 - first) % 7 + 7 * (nth - 1)  # 1970-01-01, day 0, was a Thursday


def days_from_civil(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01. The year begins in March, so a leap day is its last."""
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * 146_097 + day_of_era - 719_468


def year_and_month(day: int) -> tuple[int, int]:
    """The year and month of a day since 1970-01-01."""
    era, day_of_era = divmod(day + 719_468, 146_097)
    leap_days = day_of_era // 1_460 - day_of_era // 36_524 + day_of_era // 146_096
    year = (day_of_era - leap_days) // 365
    day_of_year = day_of_era - (365 * year + year // 4 - year // 100)
    month = (5 * day_of_year + 2) // 153
    month = month + 3 if month < 10 else month - 9
    return year + era * 400 + (month <= 2), month
