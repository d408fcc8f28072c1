"""When a provider says "later", when is that? Every spelling of a wait seen so far, as one unix time.

`2`, `2.5`, `59s`, `2m59.56s`, `10h17m5.72s`, `250ms`, epochs in seconds and milliseconds, ISO 8601, HTTP dates, Google's
RetryInfo, and OpenRouter's headers repeated in `error.metadata.headers`. A wait below zero or beyond 40 days is no wait:
it is a misreading (epoch milliseconds taken for seconds gave a competitor 55,000 years).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

MAX_WAIT = 40 * 86_400.0

_UNITS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[dhms]))+", re.IGNORECASE)
_PIECE = re.compile(r"(\d+(?:\.\d+)?)(ms|[dhms])", re.IGNORECASE)
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d(?:\.\d+)?))?\s*(Z|[+-]\d\d:?\d\d)?"
)
_UNIT_WORDS = r"(?:milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|h|days?|d)(?![a-z])"
_AMOUNT = rf"(\d+(?:\.\d+)?)\s?({_UNIT_WORDS})"
_IN_TEXT = re.compile(
    rf"(?:retry|try again|available|wait)\D{{0,24}}?((?:\d+(?:\.\d+)?\s?{_UNIT_WORDS}\s?)+)",
    re.IGNORECASE,
)


def parse_duration(text: str) -> float | None:
    """Seconds of a Go-like duration ("1h", "2m59.56s", "250ms") or a bare number of seconds; None if it is neither."""
    text = text.strip()
    if _DURATION.fullmatch(text):
        return sum(float(n) * _UNITS[unit.lower()] for n, unit in _PIECE.findall(text))
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if seconds == seconds and abs(seconds) != float("inf") else None


def parse_retry_at(value: object, now: float) -> float | None:
    """The unix time that a header's or a body's value means, seen at `now`; None when it means none."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return _of_number(float(value), now)
    text = str(value).strip()
    seconds = parse_duration(text)
    if seconds is not None:
        return _of_number(seconds, now) if _bare(text) else _sane(now + seconds, now)
    return _sane(_of_date(text), now)


def _bare(text: str) -> bool:
    return not text[-1:].isalpha()


def _of_number(number: float, now: float) -> float | None:
    if number > 1e11:  # epoch, milliseconds
        return _sane(number / 1000, now)
    if number > 1e9:  # epoch, seconds: OpenRouter sent ten digits once
        return _sane(number, now)
    return _sane(now + number, now) if number >= 0 else None


def _of_date(text: str) -> float | None:
    found = _ISO.fullmatch(text)
    try:
        if not found:
            return parsedate_to_datetime(text).timestamp()
        year, month, day, hour, minute = (int(part) for part in found.groups()[:5])
        zone = found.group(7) or "Z"
        stamp = parsedate_to_datetime(
            f"{day:02d} {_MONTHS[month - 1]} {year} {hour:02d}:{minute:02d}:00 "
            f"{'+0000' if zone == 'Z' else zone.replace(':', '')}"
        ).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return stamp + float(found.group(6) or 0)


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _sane(moment: float | None, now: float) -> float | None:
    # A reset a little in the past is a clock that differs, not nonsense: it means "now".
    if moment is None or moment > now + MAX_WAIT or moment < now - 86_400.0:
        return None
    return max(moment, now)


_HEADERS = ("retry-after-ms", "retry-after", "x-ratelimit-reset")


def stated_retry_at(
    headers: Mapping[str, str], error: Mapping[str, Any], now: float, *, limited: bool = True
) -> float | None:
    """Until when the provider says to wait, or None if it does not say.

    Looked for in the headers, in the error's own copy of them, in `retry_after*` keys, in Google's RetryInfo, and last in
    the message. Header names in lower case. `limited`: the answer is a limit's; elsewhere X-RateLimit-Reset is routine and means
    nothing unless nothing remains.
    """
    for source in (headers, _lower(_metadata(error).get("headers"))):
        for name in _HEADERS:
            spent = limited or str(source.get("x-ratelimit-remaining")) == "0"
            if name in source and (spent or name != "x-ratelimit-reset"):
                value: Any = source[name]
                if name == "retry-after-ms":
                    number = parse_duration(str(value))
                    value = None if number is None else number / 1000
                moment = parse_retry_at(value, now)
                if moment is not None:
                    return moment
    told = spent_limits_reset_at(headers, now) if limited else None
    if told is not None:
        return told
    for holder in (_metadata(error), error, _mapping(error.get("availability"))):
        for name in ("retry_after_seconds", "retry_after", "retryDelay"):
            moment = parse_retry_at(holder.get(name), now)
            if moment is not None:
                return moment
    for detail in _details(error):
        moment = parse_retry_at(detail.get("retryDelay"), now)
        if moment is not None:
            return moment
    found = _IN_TEXT.search(str(error.get("message") or ""))
    if not found:
        return None
    pieces = re.findall(_AMOUNT, found.group(1), re.IGNORECASE)
    return _sane(now + sum(float(n) * _unit(word.lower()) for n, word in pieces), now)


def spent_limits_reset_at(headers: Mapping[str, str], now: float) -> float | None:
    """The latest reset of those limits of which nothing remains: Groq and Cerebras name a reset for each, spent or not."""
    moments = [
        parse_retry_at(value, now)
        for name, value in headers.items()
        if name.startswith("x-ratelimit-reset-")
        and parse_duration(str(headers.get(name.replace("-reset-", "-remaining-"), "1"))) == 0
    ]
    return max((moment for moment in moments if moment is not None), default=None)


def _unit(word: str) -> float:
    return _UNITS["ms" if word.startswith(("ms", "milli")) else word[0]]


def _details(error: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, Mapping):
            yield detail


def _metadata(error: Mapping[str, Any]) -> Mapping[str, Any]:
    return _mapping(error.get("metadata"))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _lower(value: object) -> dict[str, Any]:
    return {str(k).lower(): v for k, v in _mapping(value).items()}
