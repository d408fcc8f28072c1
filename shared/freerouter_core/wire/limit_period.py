"""Of which period a full limit is, by the words of a refusal.

Words are loose. "3 requests per minute. Upgrade for 500 requests per day." names two limits, and
says which is full of neither. So a long period is believed only if no short one is named beside it.
Its end by the calendar is known only from wordings that are a provider's own. Any other end would
be our guess, and guesses are probed (law 8).
"""

from __future__ import annotations

import re

from .fault import Cause
from .rule_words import REQUESTS_PER_MINUTE

OF_LONG_PERIODS = frozenset({Cause.ACCOUNT_DAY, Cause.ACCOUNT_WEEK, Cause.ACCOUNT_MONTH})
"""Causes that shut an account for a day or longer."""
_SHORT = re.compile(
    r"(?:\b(?:per|each|every|an?)[-_ ]?|/ ?|\d[- ]?)(?:s|sec|second|min|minute|h|hr|hour)\b"
    r"|\bhourly\b|\b[RT]P[MS]\b|\bQPS\b",
    re.IGNORECASE,
)
"""A period of seconds, minutes or an hour."""
_WAIT = re.compile(
    r"\b(?:in|wait|after|within|for)(?: (?:about|another|at least|up to|approximately))?"
    r" (?:\d{1,6}|an?)[- ]?(?:s|sec|second|min|minute|h|hr|hour)s?\b",
    re.IGNORECASE,
)
"""How long to wait, which says nothing of the limit."""
_OWN_DAY = re.compile(
    # OpenRouter, Google, Cloudflare, Groq
    r"free-models-per-day|free_tier_daily|PerDay|daily free allocation|\([RT]PD\)"
    # Hugging Face
    r"|monthly (?:included )?credits",
    re.IGNORECASE,
)
_MINUTE = re.compile(rf"{REQUESTS_PER_MINUTE}|per[-_ ]?min", re.IGNORECASE)


def names_several(message: str, text: str) -> bool:
    """Whether a refusal that names a day or longer names a short period, too, and its wording is
    nobody's own. `text`: all of it; `message`: what it says in words."""
    return not _OWN_DAY.search(text) and _SHORT.search(_WAIT.sub(" ", message)) is not None


def reset_is_known(text: str, *, minute: bool) -> bool:
    """Whether the words say when the limit resets, although they name no time. `minute`: it is one
    of a minute, which is over after a minute."""
    return (_MINUTE if minute else _OWN_DAY).search(text) is not None
