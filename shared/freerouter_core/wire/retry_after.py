"""Stated waits: every spelling of "retry later" seen so far, as one unix time.

`2`, `2.5`, `59s`, `2m59.56s`, `10h17m5.72s`, `250ms`, epochs in seconds and milliseconds,
ISO 8601, HTTP dates, Google's RetryInfo, and headers repeated in OpenRouter's `error.metadata`.
A wait below zero or beyond `MAX_WAIT` is a misreading and counts as none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from .json_values import JsonMapping, as_dicts, as_mapping, cut_middle

MAX_WAIT = 40 * 86_400.0
"""Seconds: credits return with the month. What is longer was misread."""
_CLOCK_SKEW = 86_400.0
"""Seconds a reset may lie in the past: clocks differ, and it means "now"."""

_MAX_TIME, _MAX_MESSAGE = 100, 4_000
"""Characters of a text that may be a time, and of a message that is searched for one."""

_SECONDS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile(r"(?:\d{1,12}(?:\.\d{1,12})?(?:ms|[dhms])){1,8}", re.IGNORECASE)
_DURATION_PART = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(ms|[dhms])", re.IGNORECASE)
_ISO_8601 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d(?:\.\d+)?))?\s*(Z|[+-]\d\d:?\d\d)?"
)
_UNIT = r"(?:milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|h|days?|d)(?![a-z])"
_WORDED_PART = re.compile(rf"(\d{{1,12}}(?:\.\d{{1,12}})?)\s?({_UNIT})", re.IGNORECASE)
_WORDED_WAIT = re.compile(
    rf"(?:retry|try again|available|wait)\D{{0,24}}?"
    rf"((?:\d{{1,12}}(?:\.\d{{1,12}})?\s?{_UNIT}\s?){{1,8}})",
    re.IGNORECASE,
)


def parse_duration(text: str) -> float | None:
    """Seconds of a duration ("1h", "2m59.56s", "250ms") or of a bare number; else None."""
    if len(text) > _MAX_TIME:
        return None
    text = text.strip()
    if _DURATION.fullmatch(text):
        parts = _DURATION_PART.findall(text)
        return sum(float(number) * _SECONDS[unit.lower()] for number, unit in parts)
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None


def parse_retry_at(value: object, now: float) -> float | None:
    """The unix time that a header's or a body's value means at `now`; None if it means none."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        # Beyond it there is no time, and maybe an integer that no float can hold.
        return _from_number(float(value), now) if abs(value) < 1e14 else None
    if not isinstance(value, str) or len(value) > _MAX_TIME:
        return None
    text = value.strip()
    seconds = parse_duration(text)
    if seconds is None:
        return _plausible(_from_date(text), now)
    has_unit = text[-1:].isalpha()
    return _plausible(now + seconds, now) if has_unit else _from_number(seconds, now)


def _from_number(number: float, now: float) -> float | None:
    if number > 1e11:  # epoch, milliseconds
        return _plausible(number / 1000, now)
    if number > 1e9:  # epoch, seconds: OpenRouter sent ten digits once
        return _plausible(number, now)
    return _plausible(now + number, now) if number >= 0 else None


def _from_date(text: str) -> float | None:
    match = _ISO_8601.fullmatch(text)
    try:
        if not match:
            return parsedate_to_datetime(text).timestamp()
        year, month, day, hour, minute = (int(part) for part in match.groups()[:5])
        zone = match[7] or "Z"
        offset = "+0000" if zone == "Z" else zone.replace(":", "")
        name = _MONTHS[month - 1]
        date = f"{day:02d} {name} {year} {hour:02d}:{minute:02d}:00 {offset}"
        return parsedate_to_datetime(date).timestamp() + float(match[6] or 0)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _plausible(moment: float | None, now: float) -> float | None:
    if moment is None or moment > now + MAX_WAIT or moment < now - _CLOCK_SKEW:
        return None
    return max(moment, now)


_HEADERS = ("retry-after-ms", "retry-after", "x-ratelimit-reset")


def clock_of(headers: Mapping[str, str], now: float) -> float:
    """What time it is by the server's own clock, from its `Date`; `now` if it does not say."""
    date = headers.get("date", "")
    moment = _from_date(date) if 0 < len(date) <= _MAX_TIME else None
    # It counts whole seconds: within those, ours is as good.
    return now if moment is None or abs(moment - now) <= 1.0 else moment


def stated_retry_at(
    headers: Mapping[str, str], error: JsonMapping, now: float, *, limited: bool = True
) -> float | None:
    """When the provider says to retry, or None if it does not say. Its times are by its clock.

    Looked for in the headers (names in lower case), the error's copy of them, its `retry_after*`
    keys, Google's RetryInfo, and last in the message. `limited`: the response is about a limit;
    in others X-RateLimit-Reset is routine and counts only if nothing remains.
    """
    theirs = clock_of(headers, now)
    moment = _stated_retry_at(headers, error, theirs, limited=limited)
    return None if moment is None else now + (moment - theirs)


def _stated_retry_at(
    headers: Mapping[str, str], error: JsonMapping, now: float, *, limited: bool
) -> float | None:
    metadata = as_mapping(error.get("metadata"))
    copied = {str(name).lower(): v for name, v in as_mapping(metadata.get("headers")).items()}
    for source in (headers, copied):
        moment = _in_headers(source, now, limited=limited)
        if moment is not None:
            return moment
    moment = _spent_limits_reset_at(headers, now) if limited else None
    if moment is not None:
        return moment
    return _in_error(error, metadata, now)


def _in_headers(headers: JsonMapping, now: float, *, limited: bool) -> float | None:
    spent = limited or str(headers.get("x-ratelimit-remaining")) == "0"
    for name in _HEADERS if spent else _HEADERS[:-1]:
        value = headers.get(name)
        if name == "retry-after-ms":
            milliseconds = parse_duration(str(value))
            value = None if milliseconds is None else milliseconds / 1000
        moment = parse_retry_at(value, now)
        if moment is not None:
            return moment
    return None


def _in_error(error: JsonMapping, metadata: JsonMapping, now: float) -> float | None:
    for holder in (metadata, error, as_mapping(error.get("availability"))):
        for name in ("retry_after_seconds", "retry_after", "retryDelay"):
            moment = parse_retry_at(holder.get(name), now)
            if moment is not None:
                return moment
    for detail in as_dicts(error.get("details")):
        moment = parse_retry_at(detail.get("retryDelay"), now)
        if moment is not None:
            return moment
    message = error.get("message")
    if not isinstance(message, str):
        return None
    match = _WORDED_WAIT.search(cut_middle(message, _MAX_MESSAGE))
    if not match:
        return None
    parts = _WORDED_PART.findall(match[1])
    return _plausible(now + sum(float(n) * _worded_seconds(unit) for n, unit in parts), now)


def spent_limits_reset_at(headers: Mapping[str, str], now: float) -> float | None:
    """The latest reset of the limits of which nothing remains.

    Groq and Cerebras state a reset for each of their limits, spent or not.
    """
    theirs = clock_of(headers, now)
    moment = _spent_limits_reset_at(headers, theirs)
    return None if moment is None else now + (moment - theirs)


def _spent_limits_reset_at(headers: Mapping[str, str], now: float) -> float | None:
    moments = [
        _within_period(name, parse_retry_at(value, now), now)
        for name, value in headers.items()
        if name.startswith("x-ratelimit-reset-")
        and parse_duration(str(headers.get(name.replace("-reset-", "-remaining-"), "1"))) == 0
    ]
    return max((moment for moment in moments if moment is not None), default=None)


def _within_period(text: str, moment: float | None, now: float) -> float | None:
    """A reset no later than the period that its name tells: a minute's limit is a minute."""
    longest = told_period(text)
    return moment if moment is None or longest is None else min(moment, now + longest)


_PERIODS = (
    (31 * 86_400.0, re.compile(r"month", re.IGNORECASE)),
    (7 * 86_400.0, re.compile(r"week", re.IGNORECASE)),
    (86_400.0, re.compile(r"per[-_ ]?day|daily|\(RPD\)|\(TPD\)|-day\b|today", re.IGNORECASE)),
    (3_600.0, re.compile(r"hour", re.IGNORECASE)),
    (60.0, re.compile(r"per[-_ ]?min|/ ?min|-minute\b|\b[RT]PM\b", re.IGNORECASE)),
)
"""How texts name the period of a limit, the longest first."""


def told_period(text: str) -> float | None:
    """Seconds of the longest period that a text about limits names; None: it names none."""
    return next((seconds for seconds, pattern in _PERIODS if pattern.search(text)), None)


def _worded_seconds(unit: str) -> float:
    unit = unit.lower()
    return _SECONDS["ms" if unit.startswith(("ms", "milli")) else unit[0]]
