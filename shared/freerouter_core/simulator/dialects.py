"""How providers word a limit: their refusals, the headers of their answers, the shape of their lists.

Bodies and headers are of the shapes that users reported (see `wire.judge` for what each means); none is a copy of a real answer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from .faults import Case, account_day, account_minute
from .script import Json, Script, reply

Refuse = Callable[[Case, str, float], Script]
"""Given a case, "minute" or "day", and when it passes (unix seconds): the refusal."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One provider's words. `by_model`: its limits are each model's own, not the account's."""

    refuse: Refuse
    headers: Callable[[int, int, float], dict[str, str]] = lambda left, limit, seconds: {}
    """The headers of an answer, given requests left, allowed, and seconds to the reset."""
    listed: Callable[[list[Json]], Json] = lambda rows: {"data": rows, "total_count": len(rows)}
    by_model: bool = True


def _span(seconds: float) -> str:
    """Go's spelling: 2m59.56s."""
    minutes, rest = divmod(seconds, 60.0)
    return f"{int(minutes)}m{rest:.2f}s" if minutes else f"{rest:.2f}s"


def _openrouter(case: Case, what: str, until: float) -> Script:
    return account_day(case, until) if what == "day" else account_minute(case, until)


def _groq(case: Case, what: str, until: float) -> Script:
    kind, wait = (
        ("tokens per day (TPD)" if what == "day" else "requests per minute (RPM)"),
        until - case.now,
    )
    words = f"Rate limit reached for model `{case.model}` in organization `org_sim` on {kind}: Limit 30, Used 30. Please try again in {_span(wait)}."
    error = {"message": words, "type": "requests", "code": "rate_limit_exceeded"}
    return reply({"error": error}, status=429, headers={"retry-after": str(math.ceil(wait))})


def _groq_headers(left: int, limit: int, seconds: float) -> dict[str, str]:
    return {
        "x-ratelimit-limit-requests": str(limit),
        "x-ratelimit-remaining-requests": str(left),
        "x-ratelimit-reset-requests": _span(seconds),
    }


def _gemini(case: Case, what: str, until: float) -> Script:
    quota = f"GenerateRequestsPer{'Day' if what == 'day' else 'Minute'}PerProjectPerModel-FreeTier"
    wait = f"{until - case.now:.6f}s" if what == "minute" else "38.6s"
    details = [
        {
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{"quotaId": quota}],
        },
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": wait},
    ]
    error = {
        "code": 429,
        "message": "You exceeded your current quota.",
        "status": "RESOURCE_EXHAUSTED",
        "details": details,
    }
    made = reply({}, status=429)
    return replace(
        made, body=(json.dumps([{"error": error}]).encode(),)
    )  # an array, as its OpenAI endpoint sends it


def _mistral(case: Case, what: str, until: float) -> Script:
    body = {
        "object": "error",
        "message": "Requests rate limit exceeded",
        "type": "rate_limited",
        "code": "1300",
    }
    return reply(body, status=429, headers={"retry-after": str(math.ceil(until - case.now))})


def _cerebras(case: Case, what: str, until: float) -> Script:
    window = "day" if what == "day" else "minute"
    headers = {
        f"x-ratelimit-remaining-requests-{window}": "0",
        f"x-ratelimit-reset-requests-{window}": f"{until - case.now:.6f}",
    }
    body = {
        "message": f"Requests per {window} limit exceeded - too many requests sent.",
        "type": "too_many_requests_error",
    }
    return reply(body, status=429, headers=headers)


def _nvidia(case: Case, what: str, until: float) -> Script:
    return reply({"status": 429, "title": "Too Many Requests"}, status=429)


def _cloudflare(case: Case, what: str, until: float) -> Script:
    words = (
        "you have used up your daily free allocation of 10,000 neurons"
        if what == "day"
        else "Capacity temporarily exceeded"
    )
    return reply(
        {"errors": [{"message": words, "code": 3036}], "success": False, "result": {}}, status=429
    )


def _ollama(case: Case, what: str, until: float) -> Script:
    return reply(
        {"error": "you've reached your hourly usage limit"},
        status=429,
        headers={"retry-after": str(math.ceil(until - case.now))},
    )


DIALECTS: Mapping[str, Dialect] = {
    "openrouter": Dialect(_openrouter, by_model=False),
    "groq": Dialect(_groq, _groq_headers),
    "gemini": Dialect(
        _gemini,
        listed=lambda rows: {
            "object": "list",
            "data": [{**row, "id": f"models/{row['id']}"} for row in rows],
        },
    ),
    "mistral": Dialect(_mistral, by_model=False),
    "cerebras": Dialect(_cerebras),
    "nvidia": Dialect(_nvidia, by_model=False),
    "cloudflare": Dialect(
        _cloudflare,
        listed=lambda rows: {"result": [{**row, "id": "0-1", "name": row["id"]} for row in rows]},
        by_model=False,
    ),
    "ollama": Dialect(
        _ollama,
        listed=lambda rows: {"models": [{**row, "name": row["id"]} for row in rows]},
        by_model=False,
    ),
}
"""By provider's name."""
