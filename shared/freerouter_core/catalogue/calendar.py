"""When a limit's window begins and ends: providers count by their own clocks.

OpenRouter and Cloudflare start again at midnight UTC, Gemini at midnight Pacific time, credits with the month. Never "24 hours
after the first request". The Pacific day is worked out by the rule the United States have had since 2007 (standard time is UTC-8;
daylight saving from the second Sunday of March to the first of November, both at 2 in the morning), so that no zone file is read.
Days and dates are counted as in Howard Hinnant's "chrono-compatible low-level date algorithms".
"""

from __future__ import annotations

DAY, HOUR = 86_400.0, 3_600.0


def period(reset: str, per: float, now: float) -> tuple[float, float]:
    """(start, end) in unix seconds of the window that holds `now`."""
    if reset == "utc-day":
        start = now // DAY * DAY
        return start, start + DAY
    if reset == "pacific-day":
        day = int((now + _offset(now)) // DAY)
        return _pacific_midnight(day), _pacific_midnight(day + 1)
    if reset == "utc-month":
        year, month = _date(int(now // DAY))
        return _day(year, month, 1) * DAY, _day(year + month // 12, month % 12 + 1, 1) * DAY
    start = now // per * per
    return start, start + per


def _pacific_midnight(day: int) -> float:
    """Pacific midnight at the beginning of a local day. The clocks change at 2, so its offset is that of the evening before."""
    return day * DAY - _offset(day * DAY)


def _offset(now: float) -> float:
    """Seconds from UTC to Pacific time."""
    year = _date(int((now - 8 * HOUR) // DAY))[0]
    begins = _sunday(year, 3, 2) * DAY + 10 * HOUR  # 2 o'clock standard time
    ends = _sunday(year, 11, 1) * DAY + 9 * HOUR  # 2 o'clock daylight time
    return -7 * HOUR if begins <= now < ends else -8 * HOUR


def _sunday(year: int, month: int, nth: int) -> int:
    first = _day(year, month, 1)
    return first + (3 - first) % 7 + 7 * (nth - 1)  # 1970-01-01, day 0, was a Thursday


def _day(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01; the year is taken to begin in March, so that a leap day is its last."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def _date(day: int) -> tuple[int, int]:
    """(year, month) of a day since 1970-01-01."""
    era, of_era = divmod(day + 719_468, 146_097)
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153
    month = month + 3 if month < 10 else month - 9
    return year + era * 400 + (month <= 2), month
