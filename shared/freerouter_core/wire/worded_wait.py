"""Waits that a message tells in words: "try again in 2 minutes", "in 30 Sekunden erneut",
"请在 45 秒后重试", "your limit will reset at 2026-08-25 07:41:44".

A number with a unit of time is no wait by itself: limits have periods, too. It counts behind a word
for trying again; or, if such a word stands anywhere in the message, behind a preposition ("in",
"nach", "через"), or before an "after" (后, 後, 후).
"""

from __future__ import annotations

import re

from .dates import date_of
from .json_values import cut_middle

_MAX_MESSAGE = 4_000
"""Characters of a message that are searched."""
_MINUTE, _HOUR, _DAY = 60.0, 3_600.0, 86_400.0
_UNITS: tuple[tuple[float, str], ...] = (
    (0.001, r"milliseconds?|ms|毫秒"),
    (1.0, r"second\w?|secondes|secs?|sekund\w{0,2}|seg(?:undo)?s?|секунд\w?|сек|秒钟?|초|s"),
    (_MINUTE, r"minut(?:e[sn]?|os?|i|y)?|mins?|минут\w?|мин|分(?:钟|間)?|분|m"),
    (_HOUR, r"hours?|hrs?|stunden?|heures?|horas?|or[ae]|час\w{0,2}|小时|時間|시간|h"),
    (_DAY, r"days?|tage?n?|jours?|d[ií]as?|giorn[io]|дн(?:я|ей)|день|天|日|일|d"),
)
"""Seconds of each unit, and its names."""
_NAMES = tuple((seconds, re.compile(names, re.IGNORECASE)) for seconds, names in _UNITS)
_UNIT = rf"(?:{'|'.join(names for _, names in _UNITS)})(?![a-zà-ÿа-я])"
_PART = re.compile(rf"(\d{{1,12}}(?:\.\d{{1,12}})?)\s?({_UNIT})", re.IGNORECASE)
_DURATION = rf"(?:\d{{1,12}}(?:\.\d{{1,12}})?\s?{_UNIT}\s?){{1,8}}"
_AGAIN = re.compile(
    r"retry|again|available|\bwait|reset|later|erneut|warten|réessa[iy]|patient|повтор|подожд"
    r"|int[eé]nt|de nuevo|espere|riprova|attend|novamente|aguarde"
    r"|重试|重試|再试|再試|请在|稍|お待ち|다시|대기",
    re.IGNORECASE,
)
"""Words for trying again, the shortest beginning of each."""
_BEHIND_A_WORD = re.compile(
    rf"(?:retry|try again|available|wait)\D{{0,24}}?({_DURATION})", re.IGNORECASE
)
_BEHIND_A_PREPOSITION = re.compile(
    rf"\b(?:in|after|dans|nach|через|en|tra|fra|em|dentro de)\s{{1,3}}({_DURATION})", re.IGNORECASE
)
_BEFORE_AN_AFTER = re.compile(rf"({_DURATION})(?:之?后|後|후)", re.IGNORECASE)
_DATE = re.compile(
    r"(?:\b(?:reset|retry|again|until|available|access|resume|return|after)\w{0,3}\b\D{0,24}?"
    r"|[将在于至到]\s{0,3})"
    r"(\d{4}-\d\d-\d\d)(?:(?:T|,? (?:at )?)(\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)"
    r"\s{0,2}(Z|UTC|GMT|[+-]\d\d:?\d\d)?)?",
    re.IGNORECASE,
)
"""A day, maybe with a time and its zone, behind a word that says that something begins or ends."""
_ZONES = ("+08:00", "Z")
"""Where a time without a zone may be meant, the earliest first: China's providers tell their own.
Of two readings the earlier one that is still to come counts. It costs one request at most."""


def worded_retry_at(message: str, now: float) -> float | None:
    """The unix time at which a message says to try again; None: it does not say."""
    message = cut_middle(message, _MAX_MESSAGE)
    match = _BEHIND_A_WORD.search(message)
    if match is None and _AGAIN.search(message):
        match = _BEHIND_A_PREPOSITION.search(message) or _BEFORE_AN_AFTER.search(message)
    if match is not None:
        parts = _PART.findall(match[1])
        return now + sum(float(number) * _seconds(unit) for number, unit in parts)
    return _date_in(message, now)


def _seconds(unit: str) -> float:
    return next(seconds for seconds, names in _NAMES if names.fullmatch(unit))


def _date_in(message: str, now: float) -> float | None:
    match = _DATE.search(message)
    if match is None:
        return None
    day, time, zone = match[1], match[2] or "00:00", match[3]
    zones = _ZONES if zone is None else ("Z" if zone.upper() in ("UTC", "GMT") else zone,)
    if match[2] is None:
        zones = ("Z",)
    moments = [date_of(f"{day}T{time}{zone}") for zone in zones]
    return next((moment for moment in moments if moment is not None and moment > now), moments[-1])
