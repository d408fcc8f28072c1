"""Durations and moments in words for people: "15 h 48 min", "at 00:00 UTC, in 15 h 48 min"."""

from __future__ import annotations

import math

from .calendar import DAY, HOUR, days_from_civil, year_and_month

_UNITS = ((DAY, "d"), (HOUR, "h"), (60.0, "min"), (1.0, "s"))
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_SPANS = {1.0: "a second", 60.0: "a minute", HOUR: "an hour", DAY: "a day", 7 * DAY: "a week"}
_SPAN_UNITS = ((DAY, "days"), (HOUR, "hours"), (60.0, "minutes"))
_MONTH = 30 * DAY


def duration_words(seconds: float) -> str:
    """A duration in its two largest units, such as "7 min 9 s". Infinity is "an unknown time"."""
    if not math.isfinite(seconds):
        return "an unknown time"
    rest = max(0, round(seconds))
    for place, (size, unit) in enumerate(_UNITS[:-1]):
        if rest >= size:
            smaller, small_unit = _UNITS[place + 1]
            # Rounded to the smaller unit first, so that it is never "1 h 60 min".
            count, left = divmod(round(rest / smaller), round(size / smaller))
            return f"{count} {unit}" + (f" {left} {small_unit}" if left else "")
    return f"{rest} s"


def until_words(until: float, now: float) -> str:
    """When something returns, for a sentence that goes on: "in 12 s", "at 00:00 UTC, in 15 h".

    `until` and `now` are unix seconds. From an hour on the time of day is told, and from a day on
    the date. A wait without an end is "once its cause is mended". None is "in 0 s".
    """
    if not math.isfinite(until):
        return "once its cause is mended"
    wait = f"in {duration_words(until - now)}" if until - now >= 1.0 else "in less than 1 s"
    if until - now < HOUR:
        return wait
    minute = round(until / 60)
    day, of_day = divmod(minute, 1_440)
    date = f"on {_date(day)} " if until - now >= DAY else ""
    return f"{date}at {of_day // 60:02}:{of_day % 60:02} UTC, {wait}"


def span_words(seconds: float) -> str:
    """The window of a limit after a number: "a minute", "in 5 hours", "in 90 s"."""
    if seconds in _SPANS:
        return _SPANS[seconds]
    if seconds == _MONTH:
        return "a month"
    for size, unit in _SPAN_UNITS:
        if seconds % size == 0:
            return f"in {seconds / size:g} {unit}"
    return f"in {seconds:g} s"


def _date(day: int) -> str:
    year, month = year_and_month(day)
    return f"{day - days_from_civil(year, month, 1) + 1} {_MONTHS[month - 1]}"
