"""The size of a minute's limit of requests, if a refusal states it.

Many numbers stand in a refusal: what was used, tokens, a day's requests, the seconds to wait. So a
number counts only where its name, or the words before it, say that it limits the requests of a
minute. The plain header `X-RateLimit-Limit` is of whichever limit refused. It counts only if the
refusal's words say that this was a minute's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .json_values import JsonMapping, as_dicts, as_mapping
from .rejection import Rejection
from .rule_words import REQUESTS_PER_MINUTE

MAX_STATED = 1_000_000
"""Requests a minute from which on a number is a misreading."""
_HEADER = re.compile(r"x-ratelimit-limit-(?:req|requests)-(?:per-)?minute")
"""Mistral says `req-minute`, Cerebras `requests-minute`. Groq's `…-limit-requests` is a day's."""
_PLAIN_HEADER = "x-ratelimit-limit"
_MINUTE = re.compile(r"per[-_ ]?min|/ ?min\b|\bRPM\b", re.IGNORECASE)
_OTHER = re.compile(
    r"per[-_ ]?(?:hour|day|week|month)|(?:hourly|daily|weekly|monthly)\b|tokens?[-_ ]?per"
    r"|\b(?:TPM|TPD|RPD)\b",
    re.IGNORECASE,
)
"""What else such a header may be of."""
_PER_MINUTE = r"(?:(?:requests?|(?:API )?calls?|queries) ?(?:per|/|a) ?min(?:ute)?s?\b|RPM\b)"
_SENTENCES = (
    # Moonshot: "reached organization max RPM: 3".
    re.compile(r"\bmax RPM:? ?(\d{1,7})\b", re.IGNORECASE),
    # Groq and OpenAI: "on requests per minute (RPM): Limit 30, Used 30".
    re.compile(rf"{_PER_MINUTE}[^\d;]{{0,12}}\blimit:? ?(\d{{1,7}})\b", re.IGNORECASE),
    # "limited to 20 requests per minute", "a limit of 40 RPM".
    re.compile(
        r"\b(?:limit|limited|limits|maximum|max|up to|at most|allows?|exceeded)\b[^\d.;]{0,20}"
        rf"\b(\d{{1,7}}) ?{_PER_MINUTE}",
        re.IGNORECASE,
    ),
)


_OF_REQUESTS = re.compile(REQUESTS_PER_MINUTE, re.IGNORECASE)


def of_requests_a_minute(message: str) -> bool:
    """Whether a refusal's words are about a limit of a minute's requests."""
    return _OF_REQUESTS.search(message) is not None


def stated_limit(rejection: Rejection, text: str) -> int | None:
    """Requests that a minute's limit allows, as the refusal says; None: it does not say.

    `text`: the searchable words of the refusal.
    """
    return next((n for n in _numbers(rejection, text) if 0 < n <= MAX_STATED), None)


def _numbers(rejection: Rejection, text: str) -> Iterator[int]:
    copied = as_mapping(as_mapping(rejection.error.get("metadata")).get("headers"))
    headers = {name.lower(): value for name, value in (*copied.items(), *rejection.headers.items())}
    for name, value in headers.items():
        if _HEADER.fullmatch(name):
            yield _number(value)
    if _MINUTE.search(text) and not _OTHER.search(text):
        yield _number(headers.get(_PLAIN_HEADER))
    yield from _quotas(rejection.error)
    for sentence in _SENTENCES:
        match = sentence.search(text)
        if match:
            yield int(match[1])


def _quotas(error: JsonMapping) -> Iterator[int]:
    """Google names each quota that is violated: GenerateRequestsPerMinutePerProjectPerModel."""
    for detail in as_dicts(error.get("details")):
        for quota in as_dicts(detail.get("violations")):
            if "RequestsPerMinute" in str(quota.get("quotaId")):
                yield _number(quota.get("quotaValue"))


def _number(value: object) -> int:
    """A whole number; 0: it is none."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 7 else 0
