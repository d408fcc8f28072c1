"""Stated waits: every spelling of "retry later" seen so far, as one unix time.

`2`, `2.5`, `59s`, `2m59.56s`, `10h17m5.72s`, `250ms`, `PT30S`, `00:01:30`, `30 seconds`, epochs in
seconds and milliseconds, ISO 8601, HTTP dates, Google's RetryInfo, and headers repeated in
OpenRouter's `error.metadata`.
A wait below zero or beyond `MAX_WAIT` is a misreading and counts as none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import islice

from .dates import date_of
from .envelope import words_of
from .json_values import JsonMapping, as_mapping
from .worded_wait import worded_retry_at

MAX_WAIT = 40 * 86_400.0
"""Seconds: credits return with the month. What is longer was misread."""
_CLOCK_SKEW = 86_400.0
"""Seconds a reset may lie in the past: clocks differ, and it means "now"."""

_MAX_TIME = 100
"""Characters of a text that may be a time."""

_SECONDS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile(r"(?:\d{1,12}(?:\.\d{1,12})?(?:ms|[dhms])){1,8}", re.IGNORECASE)
_DURATION_PART = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(ms|[dhms])", re.IGNORECASE)


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


def spelled_duration(text: str) -> float | None:
    """Seconds of a duration as standards and people write it: "PT1M30S", "00:01:30", "30 seconds",
    "1 minute and 30 seconds"; else None. At most `_MAX_TIME` characters."""
    match = _ISO_DURATION.fullmatch(text) or _CLOCK.fullmatch(text)
    if match is not None:
        named = match.groupdict(default="0")
        return sum(float(number) * _SECONDS[unit] for unit, number in named.items())
    if not _SPELLED.fullmatch(text):
        return None
    parts = _SPELLED_PART.findall(text)
    return sum(float(number) * _SECONDS[_UNITS[unit.lower()]] for number, unit in parts)


_NUMBER = r"\d{1,9}(?:\.\d{1,9})?"
_ISO_DURATION = re.compile(
    rf"P(?=[\dT])(?:(?P<d>{_NUMBER})D)?"
    rf"(?:T(?=\d)(?:(?P<h>{_NUMBER})H)?(?:(?P<m>{_NUMBER})M)?(?:(?P<s>{_NUMBER})S)?)?",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"(?P<h>\d{1,3}):(?P<m>[0-5]\d):(?P<s>[0-5]\d(?:\.\d{1,9})?)")
_UNITS = {
    "day": "d", "hour": "h", "hr": "h", "minute": "m", "min": "m", "second": "s", "sec": "s",
    "millisecond": "ms", "d": "d", "h": "h", "m": "m", "s": "s", "ms": "ms",
}  # fmt: skip
_UNIT = r"(millisecond|second|minute|hour|day|sec|min|hr|ms|[dhms])s?"
_SPELLED = re.compile(rf"(?:{_NUMBER} ?{_UNIT}(?:,? and |, ?| )?){{1,6}}", re.IGNORECASE)
_SPELLED_PART = re.compile(rf"({_NUMBER}) ?{_UNIT}", re.IGNORECASE)


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
        seconds = spelled_duration(text)
    if seconds is None:
        return _plausible(date_of(text), now)
    has_unit = text[-1:].isalpha()
    return _plausible(now + seconds, now) if has_unit else _from_number(seconds, now)


def _from_number(number: float, now: float) -> float | None:
    if number > 1e11:  # epoch, milliseconds
        return _plausible(number / 1000, now)
    if number > 1e9:  # epoch, seconds: OpenRouter sent ten digits once
        return _plausible(number, now)
    return _plausible(now + number, now) if number >= 0 else None


def _plausible(moment: float | None, now: float) -> float | None:
    if moment is None or moment > now + MAX_WAIT or moment < now - _CLOCK_SKEW:
        return None
    return max(moment, now)


_MILLISECONDS = frozenset({"retry-after-ms", "x-ms-retry-after-ms"})
_WAITS = ("retry-after-ms", "x-ms-retry-after-ms", "retry-after")
"""Headers that say when to come back, the most precise first."""
_RESETS = (
    "x-ratelimit-reset", "x-ratelimit-reset-after", "x-rate-limit-reset", "ratelimit-reset",
)  # fmt: skip
"""Headers that say when a limit is reset, whichever limit that is."""
_LEFT = ("x-ratelimit-remaining", "x-rate-limit-remaining", "ratelimit-remaining")
_COMBINED = re.compile(r"\b(?:remaining|r)=(\d{1,12})\b.{0,80}?\b(?:reset|t)=(\d{1,12})\b")
"""The header `RateLimit` of the IETF's drafts: `limit=9, remaining=0, reset=45`, `"a";r=0;t=45`."""


def clock_of(headers: Mapping[str, str], now: float) -> float:
    """What time it is by the server's own clock, from its `Date`; `now` if it does not say."""
    date = headers.get("date", "")
    moment = date_of(date) if 0 < len(date) <= _MAX_TIME else None
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
    return retry_at_in(error, now)


def _in_headers(headers: JsonMapping, now: float, *, limited: bool) -> float | None:
    spent = limited or any(str(headers.get(name)) == "0" for name in _LEFT)
    for name in (*_WAITS, *(_RESETS if spent else ())):
        value = headers.get(name)
        first = str(value).partition(",")[0]
        if name == "retry-after" and _BARE.fullmatch(first):
            value = first  # it may be sent twice: by the server, and by a proxy
        if name in _MILLISECONDS:
            milliseconds = parse_duration(str(value))
            value = None if milliseconds is None else milliseconds / 1000
        moment = parse_retry_at(value, now)
        if moment is not None:
            return moment
    match = _COMBINED.search(str(headers.get("ratelimit", ""))[:400])
    return parse_retry_at(match[2], now) if match and match[1] == "0" else None


def retry_at_in(error: JsonMapping, now: float, *, with_unit: bool = False) -> float | None:
    """When the body of an error says to retry: in a field, or in words; None: it does not say.

    `with_unit`: only what tells its unit counts, in the name of its field or beside the number.
    """
    for holder in (as_mapping(error.get("metadata")), error):
        moment = _in_fields(holder, now, with_unit=with_unit)
        if moment is not None:
            return moment
    return _plausible(worded_retry_at(words_of(error), now), now)


_FIELDS = frozenset(
    {
        "cooldownseconds", "estimatedtime", "resetafter", "resetafterseconds", "resetat",
        "resetinseconds", "resets", "resetsat", "resetseconds", "resetsinseconds", "resettime",
        "retryafter", "retryafterms", "retryafterseconds", "retryat", "retrydelay", "retryin",
    }
)  # fmt: skip
"""Fields of errors that tell a time or a wait: their letters, in lower case."""
_MAX_DEPTH, _MAX_FIELDS = 6, 64
"""Levels of an error, and fields of each object and list, that are looked through."""


def _in_fields(
    holder: object, now: float, depth: int = 0, *, with_unit: bool = False
) -> float | None:
    """The first time that a field tells: an object's own first, then those inside it."""
    if depth > _MAX_DEPTH:
        return None
    inner: list[object] = []
    if isinstance(holder, Mapping):
        for name, value in islice(holder.items(), _MAX_FIELDS):
            if isinstance(value, (Mapping, list)):
                inner.append(value)
                continue
            letters = "".join(filter(str.isalpha, str(name)[:40])).lower()
            if letters not in _FIELDS or (with_unit and not _has_unit(letters, value)):
                continue
            if letters == "retryafterms" and isinstance(value, (int, float)):
                value = value / 1000
            moment = parse_retry_at(value, now)
            if moment is not None:
                return moment
    elif isinstance(holder, list):
        inner = holder[:_MAX_FIELDS]
    moments = (_in_fields(part, now, depth + 1, with_unit=with_unit) for part in inner)
    return next((moment for moment in moments if moment is not None), None)


def is_bare(headers: Mapping[str, str], error: JsonMapping, seconds: float) -> bool:
    """Whether a wait of so many seconds was told as a number whose unit nothing tells: Retry-After
    is in seconds, but some servers write milliseconds."""
    copied = as_mapping(as_mapping(error.get("metadata")).get("headers"))
    values = [
        str(value).partition(",")[0]
        for source in (headers, copied)
        for name, value in source.items()
        if str(name).lower() in _BARE_NAMES
    ]
    told = any(_BARE.fullmatch(value) and abs(float(value) - seconds) < 1.0 for value in values)
    return told or (retry_at_in(error, 0.0) == seconds != retry_at_in(error, 0.0, with_unit=True))


_BARE_NAMES = frozenset({"retry-after", *_RESETS})
_BARE = re.compile(r"\s{0,9}\d{1,9}(?:\.\d{1,12})?\s{0,9}")
"""A number that is no epoch."""


def _has_unit(letters: str, value: object) -> bool:
    """Whether a field's name or its value says what its number counts."""
    return letters.endswith(("seconds", "ms")) or not _BARE.fullmatch(str(value)[:_MAX_TIME])


def spent_limits_reset_at(headers: Mapping[str, str], now: float) -> float | None:
    """The latest reset of the limits of which nothing remains.

    Groq and Cerebras state a reset for each of their limits, spent or not.
    """
    names = " ".join(headers)
    if "ratelimit-" not in names or "-reset" not in names:  # most say nothing: a date takes long
        return None
    theirs = clock_of(headers, now)
    moment = _spent_limits_reset_at(headers, theirs)
    return None if moment is None else now + (moment - theirs)


def _spent_limits_reset_at(headers: Mapping[str, str], now: float) -> float | None:
    moments = [
        _within_period(name, parse_retry_at(value, now), now)
        for name, value in headers.items()
        if "ratelimit-" in name
        and "-reset" in name
        and name not in _RESETS
        and parse_duration(str(headers.get(name.replace("-reset", "-remaining"), "1"))) == 0
    ]
    return max((moment for moment in moments if moment is not None), default=None)


def _within_period(text: str, moment: float | None, now: float) -> float | None:
    """A reset no later than the period that its name tells: a minute's limit is a minute."""
    longest = told_period(text)
    return moment if moment is None or longest is None else min(moment, now + longest)


_PERIODS = (
    (31 * 86_400.0, re.compile(r"(?:per|/|-) ?month|monthly", re.IGNORECASE)),
    (7 * 86_400.0, re.compile(r"(?:per|/|-) ?week|weekly", re.IGNORECASE)),
    (86_400.0, re.compile(r"per[-_ ]?day|daily|\(RPD\)|\(TPD\)|-day\b|today", re.IGNORECASE)),
    (3_600.0, re.compile(r"(?:per|/|this|an|each)[-_ ]?hour|-hour\b|hourly", re.IGNORECASE)),
    (60.0, re.compile(r"per[-_ ]?min|/ ?min|-minute\b|\b[RT]PM\b", re.IGNORECASE)),
)
"""How texts name the period of a limit, the longest first. A wait's own unit is none: "in 3 hours"
says nothing of the limit."""


def told_period(text: str) -> float | None:
    """Seconds of the longest period that a text about limits names; None: it names none."""
    return next((seconds for seconds, pattern in _PERIODS if pattern.search(text)), None)
